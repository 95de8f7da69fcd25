// SPDX-License-Identifier: Apache-2.0
// Streams, events, code and graphs.
#include <elf.h>

#include <algorithm>
#include <cstring>

#include "device/cuda/testing/fake_state.h"

namespace mj {
namespace {

void* fake_address(cuda::Ptr memory) { return reinterpret_cast<void*>(memory); }  // NOLINT(performance-no-int-to-ptr)

constexpr auto kIllegalState = static_cast<cuda::Status>(401);

// The driver, too, is told no size: a cubin holds its own, text ends with a zero.
size_t image_bytes(const char* image) {
  if (std::memcmp(image, ELFMAG, std::min<size_t>(SELFMAG, std::strlen(image))) != 0) return std::strlen(image);
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof(header));
  size_t end = header.e_shoff + size_t{header.e_shnum} * header.e_shentsize;
  for (size_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, image + header.e_shoff + i * header.e_shentsize, sizeof(section));
    if (section.sh_type != SHT_NOBITS) end = std::max(end, section.sh_offset + section.sh_size);
  }
  return std::max(end, header.e_phoff + size_t{header.e_phnum} * header.e_phentsize);
}

}  // namespace

cuda::Status FakeDriver::State::on_stream(Stream stream, Work work) {
  const auto found = streams.find(stream);
  if (found == streams.end()) return cuda::kInvalidHandle;
  if (!found->second.capturing) return work();
  if (found->second.spoilt) return cuda::kCaptureInvalidated;
  found->second.recorded.push_back(std::move(work));
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::memcpy_htod_async(Ptr to, const void* from, size_t bytes, Stream stream) {
  if (!holds(to, bytes)) return cuda::kInvalidValue;
  return on_stream(stream, [=, this] {
    if (!holds(to, bytes)) return cuda::kIllegalAddress;
    std::memcpy(fake_address(to), from, bytes);
    return cuda::kSuccess;
  });
}

cuda::Status FakeDriver::State::memcpy_dtoh_async(void* to, Ptr from, size_t bytes, Stream stream) {
  if (!holds(from, bytes)) return cuda::kInvalidValue;
  return on_stream(stream, [=, this] {
    if (!holds(from, bytes)) return cuda::kIllegalAddress;
    std::memcpy(to, fake_address(from), bytes);
    return cuda::kSuccess;
  });
}

cuda::Status FakeDriver::State::memcpy_dtod_async(Ptr to, Ptr from, size_t bytes, Stream stream) {
  if (!holds(to, bytes) || !holds(from, bytes)) return cuda::kInvalidValue;
  return on_stream(stream, [=, this] {
    if (!holds(to, bytes) || !holds(from, bytes)) return cuda::kIllegalAddress;
    std::memcpy(fake_address(to), fake_address(from), bytes);
    return cuda::kSuccess;
  });
}

cuda::Status FakeDriver::State::memset_d8_async(Ptr to, unsigned char value, size_t bytes, Stream stream) {
  if (!holds(to, bytes)) return cuda::kInvalidValue;
  return on_stream(stream, [=, this] {
    if (!holds(to, bytes)) return cuda::kIllegalAddress;
    std::memset(fake_address(to), value, bytes);
    return cuda::kSuccess;
  });
}

cuda::Status FakeDriver::State::stream_create(Stream* stream, unsigned /*flags*/) {
  streams[*stream = new_handle<Stream>()] = {};
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::stream_destroy(Stream stream) {
  return streams.erase(stream) ? cuda::kSuccess : cuda::kInvalidHandle;
}

cuda::Status FakeDriver::State::stream_synchronize(Stream stream) {
  const auto found = streams.find(stream);
  if (found == streams.end()) return cuda::kInvalidHandle;
  if (!found->second.capturing) return cuda::kSuccess;
  found->second.spoilt = true;
  return cuda::kCaptureUnsupported;
}

cuda::Status FakeDriver::State::stream_begin_capture(Stream stream, CaptureMode mode) {
  const auto found = streams.find(stream);
  if (found == streams.end()) return cuda::kInvalidHandle;
  if (found->second.capturing || mode != cuda::kCaptureRelaxed) return kIllegalState;
  found->second = {.capturing = true, .spoilt = false, .recorded = {}};
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::stream_end_capture(Stream stream, Graph* graph) {
  const auto found = streams.find(stream);
  if (found == streams.end()) return cuda::kInvalidHandle;
  *graph = nullptr;
  if (!found->second.capturing) return kIllegalState;
  const FakeStream captured = std::exchange(found->second, {});
  if (captured.spoilt || failing) return cuda::kCaptureInvalidated;
  graphs[*graph = new_handle<Graph>()] = captured.recorded;
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::event_create(Event* event, unsigned /*flags*/) {
  events[*event = new_handle<Event>()] = {};
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::event_record(Event event, Stream stream) {
  const auto found = events.find(event);
  const auto at = streams.find(stream);
  if (found == events.end() || at == streams.end()) return cuda::kInvalidHandle;
  found->second = {.recorded_at = now, .captured = at->second.capturing};
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::event_synchronize(Event event) {
  const auto found = events.find(event);
  if (found == events.end()) return cuda::kInvalidHandle;
  return found->second.captured ? cuda::kCapturedEvent : cuda::kSuccess;
}

cuda::Status FakeDriver::State::event_elapsed_time(float* milliseconds, Event from, Event to) {
  const auto first = events.find(from), last = events.find(to);
  if (first == events.end() || last == events.end()) return cuda::kInvalidHandle;
  if (first->second.captured || last->second.captured) return cuda::kCapturedEvent;
  if (first->second.recorded_at < 0 || last->second.recorded_at < 0) return cuda::kInvalidHandle;
  *milliseconds = static_cast<float>(1e3 * (last->second.recorded_at - first->second.recorded_at));
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::event_destroy(Event event) {
  return events.erase(event) ? cuda::kSuccess : cuda::kInvalidHandle;
}

cuda::Status FakeDriver::State::module_load_data(Module* module, const void* image) {
  const auto* bytes = static_cast<const std::byte*>(image);
  const size_t count = image_bytes(static_cast<const char*>(image));
  modules[*module = new_handle<Module>()].assign(bytes, bytes + count);
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::module_unload(Module module) {
  std::erase_if(functions, [&](const auto& function) { return function.second.module == module; });
  return modules.erase(module) ? cuda::kSuccess : cuda::kInvalidHandle;
}

cuda::Status FakeDriver::State::module_get_function(Function* function, Module module, const char* name) {
  const auto code = modules.find(module);
  if (code == modules.end()) return cuda::kInvalidHandle;
  if (owner.has_function && !owner.has_function(code->second, name)) return cuda::kNotFound;
  for (const auto& [handle, known] : functions) {
    if (known.module == module && known.name == name) return *function = handle, cuda::kSuccess;
  }
  functions[*function = new_handle<Function>()] = {.module = module, .name = name};
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::func_set_attribute(Function function, FunctionAttribute attribute, int value) {
  const auto found = functions.find(function);
  if (found == functions.end()) return cuda::kInvalidHandle;
  const bool fits = value >= 0 && value <= owner.facts.shared_bytes_per_block_optin;
  if (attribute != cuda::kMaxDynamicSharedBytes || !fits) return cuda::kInvalidValue;
  found->second.most_shared_bytes = static_cast<unsigned>(value);
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::run_launch(FakeLaunch launch) {
  if (owner.on_launch) owner.on_launch(launch);
  launch.args = nullptr;
  launches.push_back(std::move(launch));
  return lost;
}

cuda::Status FakeDriver::State::launch(Function function, const LaunchConfig& config, void** args) {
  const auto found = functions.find(function);
  if (found == functions.end()) return cuda::kInvalidHandle;
  FakeLaunch launch{.function = found->second.name, .code = modules.at(found->second.module), .args = args};
  unsigned threads = 1;
  for (size_t i = 0; i < 3; ++i) {
    if (config.grid[i] == 0 || config.block[i] == 0 || config.block[i] > 1024) return cuda::kInvalidValue;
    launch.grid[i] = config.grid[i];
    launch.block[i] = config.block[i];
    threads *= config.block[i];
  }
  launch.shared_bytes = config.shared_bytes;
  for (unsigned i = 0; i < config.attribute_count; ++i) {
    const cuda::LaunchAttribute& attribute = config.attributes[i];
    if (attribute.id != cuda::kProgrammaticStreamSerialization || owner.facts.sm < 90) return cuda::kInvalidValue;
    launch.overlaps = attribute.value.programmatic == 1;
  }
  if (threads > 1024 || launch.shared_bytes > found->second.most_shared_bytes) return cuda::kInvalidValue;
  const auto stream = streams.find(config.stream);
  if (stream == streams.end()) return cuda::kInvalidHandle;
  if (!stream->second.capturing) return run_launch(launch);

  CHECK(!args || owner.parameter_bytes, "capturing '{}' needs FakeDriver::parameter_bytes", launch.function);
  launch.args = nullptr;
  std::vector<std::vector<std::byte>> kept;
  if (args) {
    for (const size_t bytes : owner.parameter_bytes(launch)) {
      const auto* value = static_cast<const std::byte*>(args[kept.size()]);
      kept.emplace_back(value, value + bytes);
    }
  }
  return on_stream(config.stream, [this, launch, function, kept]() mutable {
    if (!functions.contains(function)) return cuda::kInvalidHandle;  // a real GPU may fault
    std::vector<void*> pointers;
    for (std::vector<std::byte>& value : kept) pointers.push_back(value.data());
    launch.args = pointers.data();
    return run_launch(launch);
  });
}

cuda::Status FakeDriver::State::launch_kernel(Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                              unsigned block_x, unsigned block_y, unsigned block_z,
                                              unsigned shared_bytes, Stream stream, void** args, void** /*extra*/) {
  return launch(function, {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, stream, nullptr, 0},
                args);
}

cuda::Status FakeDriver::State::launch_kernel_ex(const LaunchConfig* config, Function function, void** args,
                                                 void** /*extra*/) {
  return launch(function, *config, args);
}

cuda::Status FakeDriver::State::graph_instantiate(GraphExec* exec, Graph graph, unsigned long long /*flags*/) {
  const auto found = graphs.find(graph);
  if (found == graphs.end()) return cuda::kInvalidHandle;
  execs[*exec = new_handle<GraphExec>()] = found->second;
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::graph_launch(GraphExec exec, Stream stream) {
  const auto found = execs.find(exec);
  if (found == execs.end()) return cuda::kInvalidHandle;
  return on_stream(stream, [this, recorded = found->second] {
    for (const Work& work : recorded) {
      if (const Status status = work(); status != cuda::kSuccess) return lost = status;
    }
    return cuda::kSuccess;
  });
}

cuda::Status FakeDriver::State::graph_exec_destroy(GraphExec exec) {
  return execs.erase(exec) ? cuda::kSuccess : cuda::kInvalidHandle;
}

cuda::Status FakeDriver::State::graph_destroy(Graph graph) {
  return graphs.erase(graph) ? cuda::kSuccess : cuda::kInvalidHandle;
}

}  // namespace mj
