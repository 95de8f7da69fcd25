// SPDX-License-Identifier: Apache-2.0
// The C ABI over Engine: translates structs, keeps exceptions in.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/checked.h"
#include "base/log.h"
#include "millijoule/millijoule.h"
#include "ops/plugins.h"
#include "runtime/engine.h"

struct mj_status {
  mj::Error error;
};

struct mj_cancel {
  std::atomic<bool> requested{false};
};

struct mj_engine {
  std::shared_ptr<mj::Engine> engine;
  // The texts that mj_port points to.
  std::vector<std::vector<std::string>> input_symbols, output_symbols;
};

namespace {

using namespace mj;

static_assert(MJ_F32 == static_cast<int>(DType::f32) && MJ_STRING == static_cast<int>(DType::string) &&
              MJ_BOOL == static_cast<int>(DType::boolean) && MJ_U2 == static_cast<int>(DType::u2) &&
              MJ_F8E8M0 + 1 == kDTypeCount);
static_assert(MJ_MODEL == static_cast<int>(ErrorCode::model) && MJ_UNSTABLE == static_cast<int>(ErrorCode::unstable));
static_assert(MJ_LOG_DEBUG == static_cast<int>(LogLevel::debug));

// What is left to say when there is no memory for saying it. Never freed.
mj_status out_of_memory{{ErrorCode::environment, "out of memory"}};

mj_status* status_of(Error error) {
  auto* status = new (std::nothrow) mj_status{std::move(error)};
  return status ? status : &out_of_memory;
}

// Calls f, which returns Result<void>.
template <class F>
mj_status* guarded(F f) {
  try {
    Result<void> done = f();
    return done.ok() ? nullptr : status_of(done.error());
  } catch (const std::bad_alloc&) {
    return &out_of_memory;
  } catch (const std::exception& e) {
    return status_of({ErrorCode::environment, e.what()});
  }
}

// Later versions append fields: a larger struct is one whose end we do not know.
template <class T>
Result<void> check_struct(const T* value, std::string_view what) {
  if (!value) return error(ErrorCode::usage, "{} is NULL", what);
  if (value->struct_size < sizeof(T)) {
    return error(ErrorCode::usage, "{}: struct_size is {}, expected {}; set it to sizeof", what, value->struct_size,
                 sizeof(T));
  }
  return {};
}

std::string names(const std::vector<Port>& ports) {
  std::string text;
  for (const Port& port : ports) text += fmt::format("{}'{}'", text.empty() ? "" : ", ", port.name);
  return text.empty() ? "none" : text;
}

// The elements of a caller's array: as far apart as they say themselves. Const or not as the caller's is.
template <class T>
class Tensors {
 public:
  static Result<Tensors> make(T* first, size_t count, const std::vector<Port>& ports, std::string_view what) {
    Tensors tensors;
    if (count && !first) return error(ErrorCode::usage, "{}s are NULL", what);
    for (size_t i = 0; i < count; ++i) {
      T* tensor = element(first, i);
      MJ_TRY(check_struct(tensor, fmt::format("{} {}", what, i)));
      if (tensor->struct_size != first->struct_size) {
        return error(ErrorCode::usage, "{} {}: struct_size differs from the first's", what, i);
      }
      MJ_ASSIGN(const size_t port, find(*tensor, ports, what));
      tensors.by_port_.resize(ports.size());
      if (tensors.by_port_[port]) return error(ErrorCode::usage, "{} '{}' is given twice", what, ports[port].name);
      tensors.by_port_[port] = tensor;
    }
    tensors.by_port_.resize(ports.size());
    return tensors;
  }

  // Null where a port was not given.
  T* operator[](size_t port) const { return by_port_[port]; }

 private:
  static T* element(T* first, size_t i) {
    using Byte = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;
    return reinterpret_cast<T*>(reinterpret_cast<Byte*>(first) + i * first->struct_size);
  }
  static Result<size_t> find(const mj_tensor& tensor, const std::vector<Port>& ports, std::string_view what) {
    if (!tensor.name) {
      if (tensor.index >= 0 && static_cast<size_t>(tensor.index) < ports.size())
        return static_cast<size_t>(tensor.index);
      return error(ErrorCode::usage, "{} {}: the engine has {}", what, tensor.index, ports.size());
    }
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i].name == tensor.name) return i;
    }
    return error(ErrorCode::usage, "no {} '{}'; there are: {}", what, tensor.name, names(ports));
  }

  std::vector<T*> by_port_;
};

bool aligned(const void* data, DType dtype) {
  const auto element = static_cast<uintptr_t>(std::max<int64_t>(1, storage_bytes(dtype)));
  return reinterpret_cast<uintptr_t>(data) % element == 0;
}

Result<std::vector<int64_t>> dims_of(const mj_tensor& tensor, const std::string& name) {
  if (tensor.rank < 0 || tensor.rank > MJ_MAX_RANK) {
    return error(ErrorCode::usage, "input '{}': rank {} is not in [0, {}]", name, tensor.rank, MJ_MAX_RANK);
  }
  std::vector<int64_t> dims(tensor.dims, tensor.dims + tensor.rank);
  const Result<int64_t> count = element_count(dims);
  if (!count.ok()) return count.error().in(fmt::format("input '{}'", name));
  return dims;
}

Result<Tensor> input_of(const mj_tensor& tensor, const Port& port) {
  auto bad = [&](std::string_view why) { return error(ErrorCode::usage, "input '{}': {}", port.name, why); };
  if (!port.type.is_tensor()) {
    return error(ErrorCode::unsupported, "input '{}' is {}: sequences and optionals do not cross the C interface",
                 port.name, to_string(port.type));
  }
  MJ_ASSIGN(std::vector<int64_t> dims, dims_of(tensor, port.name));
  if (tensor.dtype <= 0 || tensor.dtype >= kDTypeCount) return bad(fmt::format("{} is no element type", tensor.dtype));
  const auto dtype = static_cast<DType>(tensor.dtype);
  if (dtype == DType::string) {
    return error(ErrorCode::unsupported, "input '{}': strings do not cross the C interface", port.name);
  }
  MJ_ASSIGN(const int64_t bytes, tensor_bytes(dtype, dims));
  if (static_cast<uint64_t>(bytes) != tensor.bytes) {
    return bad(fmt::format("{} bytes given, {}[{}] has {}", tensor.bytes, name(dtype), fmt::join(dims, ","), bytes));
  }
  if (bytes && !tensor.data) return bad("data is NULL");
  if (storage_bytes(dtype) == 1) {
    const auto* first = static_cast<const uint8_t*>(tensor.data);
    const auto* odd = std::find_if_not(first, first + bytes, [&](uint8_t byte) { return is_element(dtype, byte); });
    if (odd != first + bytes)
      return bad(fmt::format("element {} is {}, which is no {}", odd - first, *odd, name(dtype)));
  }
  if (aligned(tensor.data, dtype)) return Tensor::view(dtype, std::move(dims), tensor.data, nullptr);
  Tensor copy = Tensor::zeros(dtype, std::move(dims));
  std::memcpy(copy.mutable_raw(), tensor.data, static_cast<size_t>(bytes));
  return copy;
}

Result<void> fill_port(const std::vector<Port>& ports, const std::vector<std::vector<std::string>>& symbols,
                       size_t index, mj_port* out) {
  MJ_TRY(check_struct(out, "port"));
  if (index >= ports.size()) return error(ErrorCode::usage, "port {} of {}", index, ports.size());
  const Port& port = ports[index];
  if (!port.type.is_tensor()) {
    return error(ErrorCode::unsupported, "port '{}' is {}: sequences and optionals do not cross the C interface",
                 port.name, to_string(port.type));
  }
  if (port.type.rank() > MJ_MAX_RANK) {
    return error(ErrorCode::unsupported, "port '{}': rank {} is above {}", port.name, port.type.rank(), MJ_MAX_RANK);
  }
  out->name = port.name.c_str();
  out->dtype = static_cast<int32_t>(port.type.dtype);
  out->rank = static_cast<int32_t>(port.type.rank());
  for (int i = 0; i < MJ_MAX_RANK; ++i) {
    const auto at = static_cast<size_t>(i);
    const bool known = i < out->rank && (*port.type.shape)[at].is_constant();
    out->dims[i] = i >= out->rank ? 0 : known ? *(*port.type.shape)[at].constant() : -1;
    out->symbols[i] = i >= out->rank || known ? nullptr : symbols[index][at].c_str();
  }
  return {};
}

std::vector<std::vector<std::string>> symbols_of(const std::vector<Port>& ports) {
  std::vector<std::vector<std::string>> symbols;
  for (const Port& port : ports) {
    symbols.emplace_back();
    for (const Dim& dim : port.type.shape.value_or(Shape())) symbols.back().push_back(to_string(dim));
  }
  return symbols;
}

Result<EngineOptions> options_of(const mj_load_options* options) {
  EngineOptions out;
  if (!options) return out;
  MJ_TRY(check_struct(options, "options"));
  if (options->threads < 0) return error(ErrorCode::usage, "options: threads is {}", options->threads);
  if (options->memory_limit < 0) return error(ErrorCode::usage, "options: memory_limit is {}", options->memory_limit);
  if (!options->allocate != !options->release) {
    return error(ErrorCode::usage, "options: allocate and release go together");
  }
  out.threads = options->threads;
  out.allow_unverified = options->allow_unverified != 0;
  out.memory_limit = options->memory_limit;
  out.allocator = {options->allocate, options->release, options->allocator_context};
  if (options->trusted_key) {
    PublicKey key;
    std::memcpy(key.data(), options->trusted_key, key.size());
    out.read.trusted_keys.push_back(key);
  }
  return out;
}

Result<void> describe(const Tensor& result, mj_tensor& out, const std::string& name) {
  if (!result.present() || result.is_sequence()) {
    return error(ErrorCode::unsupported, "output '{}': sequences and optionals do not cross the C interface", name);
  }
  if (result.rank() > MJ_MAX_RANK) {
    return error(ErrorCode::unsupported, "output '{}': rank {} is above {}", name, result.rank(), MJ_MAX_RANK);
  }
  if (result.dtype() == DType::string) {
    return error(ErrorCode::unsupported, "output '{}': strings do not cross the C interface", name);
  }
  out.dtype = static_cast<int32_t>(result.dtype());
  out.rank = static_cast<int32_t>(result.rank());
  std::copy(result.dims().begin(), result.dims().end(), out.dims);
  return {};
}

Result<void> run(mj_engine* handle, const mj_tensor* inputs, size_t input_count, mj_tensor* outputs,
                 size_t output_count, const mj_run_options* options) {
  if (!handle) return error(ErrorCode::usage, "engine is NULL");
  if (options) MJ_TRY(check_struct(options, "options"));
  Engine& engine = *handle->engine;
  MJ_ASSIGN(const auto given, Tensors<const mj_tensor>::make(inputs, input_count, engine.inputs(), "input"));
  MJ_ASSIGN(const auto wanted, Tensors<mj_tensor>::make(outputs, output_count, engine.outputs(), "output"));

  std::vector<Tensor> in;
  for (size_t i = 0; i < engine.inputs().size(); ++i) {
    if (!given[i]) return error(ErrorCode::usage, "input '{}' is missing", engine.inputs()[i].name);
    MJ_ASSIGN(in.emplace_back(), input_of(*given[i], engine.inputs()[i]));
  }
  std::vector<Destination> destinations(engine.outputs().size());
  for (size_t i = 0; i < destinations.size(); ++i) {
    if (!wanted[i] || !wanted[i]->data || !aligned(wanted[i]->data, engine.outputs()[i].type.dtype)) continue;
    constexpr uint64_t kMost = INT64_MAX;
    destinations[i] = {wanted[i]->data, static_cast<int64_t>(std::min<uint64_t>(wanted[i]->bytes, kMost))};
  }
  RunOptions run_options;
  run_options.destinations = destinations;
  if (options && options->cancel) run_options.cancelled = &options->cancel->requested;
  std::vector<Tensor> out;
  MJ_TRY(engine.run(in, out, run_options));

  // Everything that can fail comes before anything is handed over.
  for (size_t i = 0; i < out.size(); ++i) {
    if (!wanted[i]) continue;
    MJ_TRY(describe(out[i], *wanted[i], engine.outputs()[i].name));
    if (wanted[i]->data && static_cast<uint64_t>(out[i].bytes()) > wanted[i]->bytes) {
      return error(ErrorCode::usage, "output '{}': {} bytes, the memory given has {}", engine.outputs()[i].name,
                   out[i].bytes(), wanted[i]->bytes);
    }
  }
  std::vector<std::unique_ptr<Tensor>> owners(out.size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (wanted[i] && !wanted[i]->data) owners[i] = std::make_unique<Tensor>(out[i]);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (!wanted[i]) continue;
    wanted[i]->bytes = static_cast<size_t>(out[i].bytes());
    if (!wanted[i]->data) {
      wanted[i]->data = owners[i]->mutable_raw();
      wanted[i]->owner = owners[i].release();
    } else if (!destinations[i].data && out[i].bytes()) {
      std::memcpy(wanted[i]->data, out[i].raw(), wanted[i]->bytes);
    }
  }
  return {};
}

}  // namespace

const char* mj_version(void) { return MJ_VERSION; }
uint32_t mj_abi_version(void) { return MJ_ABI_VERSION; }

int mj_status_code(const mj_status* status) { return status ? static_cast<int>(status->error.code) : MJ_OK; }
const char* mj_status_message(const mj_status* status) { return status ? status->error.message.c_str() : ""; }
void mj_status_free(mj_status* status) {
  if (status != &out_of_memory) delete status;
}

const char* mj_dtype_name(int32_t dtype) {
  const bool known = dtype > 0 && dtype < kDTypeCount;
  return name(known ? static_cast<DType>(dtype) : DType::none).data();  // literals, so they end with 0
}
size_t mj_dtype_bytes(int32_t dtype) {
  const bool known = dtype > 0 && dtype < kDTypeCount;
  return known ? static_cast<size_t>(storage_bytes(static_cast<DType>(dtype))) : 0;
}

void mj_set_log_callback(mj_log_callback callback, void* context, int level) {
  if (!callback) {
    set_log_sink({});
    return;
  }
  set_log_level(static_cast<LogLevel>(std::clamp<int>(level, MJ_LOG_ERROR, MJ_LOG_DEBUG)));
  set_log_sink([callback, context](LogLevel at, std::string_view message) {
    callback(context, static_cast<int>(at), std::string(message).c_str());
  });
}

mj_status* mj_plugin_load(const char* path) {
  return guarded([&]() -> Result<void> {
    if (!path) return error(ErrorCode::usage, "path is NULL");
    MJ_TRY(load_plugin(path));
    return {};
  });
}

mj_status* mj_engine_load(const char* path, const mj_load_options* options, mj_engine** engine) {
  if (engine) *engine = nullptr;
  return guarded([&]() -> Result<void> {
    if (!path || !engine) return error(ErrorCode::usage, "path or engine is NULL");
    MJ_ASSIGN(const EngineOptions engine_options, options_of(options));
    MJ_ASSIGN(std::shared_ptr<Engine> loaded, Engine::load(path, engine_options));
    auto handle = std::make_unique<mj_engine>();
    handle->input_symbols = symbols_of(loaded->inputs());
    handle->output_symbols = symbols_of(loaded->outputs());
    handle->engine = std::move(loaded);
    *engine = handle.release();
    return {};
  });
}

void mj_engine_free(mj_engine* engine) { delete engine; }

const char* mj_engine_target(const mj_engine* engine) { return engine ? engine->engine->target().name.c_str() : ""; }
size_t mj_engine_input_count(const mj_engine* engine) { return engine ? engine->engine->inputs().size() : 0; }
size_t mj_engine_output_count(const mj_engine* engine) { return engine ? engine->engine->outputs().size() : 0; }

mj_status* mj_engine_input(const mj_engine* engine, size_t index, mj_port* port) {
  return guarded([&]() -> Result<void> {
    if (!engine) return error(ErrorCode::usage, "engine is NULL");
    return fill_port(engine->engine->inputs(), engine->input_symbols, index, port);
  });
}
mj_status* mj_engine_output(const mj_engine* engine, size_t index, mj_port* port) {
  return guarded([&]() -> Result<void> {
    if (!engine) return error(ErrorCode::usage, "engine is NULL");
    return fill_port(engine->engine->outputs(), engine->output_symbols, index, port);
  });
}

mj_cancel* mj_cancel_create(void) { return new (std::nothrow) mj_cancel; }
void mj_cancel_request(mj_cancel* cancel) {
  if (cancel) cancel->requested.store(true, std::memory_order_relaxed);
}
void mj_cancel_reset(mj_cancel* cancel) {
  if (cancel) cancel->requested.store(false, std::memory_order_relaxed);
}
void mj_cancel_free(mj_cancel* cancel) { delete cancel; }

mj_status* mj_engine_run(mj_engine* engine, const mj_tensor* inputs, size_t input_count, mj_tensor* outputs,
                         size_t output_count, const mj_run_options* options) {
  return guarded([&] { return run(engine, inputs, input_count, outputs, output_count, options); });
}

void mj_tensor_release(mj_tensor* tensor) {
  if (!tensor || !tensor->owner) return;
  delete static_cast<Tensor*>(tensor->owner);
  tensor->owner = tensor->data = nullptr;
  tensor->bytes = 0;
}

mj_status* mj_engine_warm(mj_engine* engine, const mj_tensor* inputs, size_t input_count, mj_memory* memory) {
  return guarded([&]() -> Result<void> {
    if (!engine) return error(ErrorCode::usage, "engine is NULL");
    if (memory) MJ_TRY(check_struct(memory, "memory"));
    const std::vector<Port>& ports = engine->engine->inputs();
    MJ_ASSIGN(const auto given, Tensors<const mj_tensor>::make(inputs, input_count, ports, "input"));
    std::vector<std::vector<int64_t>> dims;
    for (size_t i = 0; i < ports.size(); ++i) {
      if (!given[i]) return error(ErrorCode::usage, "input '{}' is missing", ports[i].name);
      MJ_ASSIGN(dims.emplace_back(), dims_of(*given[i], ports[i].name));
    }
    MJ_ASSIGN(const Engine::Demand planned, engine->engine->warm(dims));
    if (!memory) return {};
    memory->file_bytes = engine->engine->file().bytes;
    memory->arena_bytes = planned.arena_bytes;
    memory->largest_live_bytes = planned.largest_live_bytes;
    return {};
  });
}
