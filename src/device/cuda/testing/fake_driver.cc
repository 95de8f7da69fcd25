// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/testing/fake_driver.h"

#include <algorithm>

#include "device/cuda/testing/fake_state.h"

namespace mj {
namespace {

FakeDriver* the_fake = nullptr;
thread_local cuda::Context current_context = nullptr;

// What has an effect although the call says that it failed.
constexpr std::string_view kGiveBack[] = {
    "primary_ctx_release", "mem_free",      "mem_free_host",      "stream_destroy", "stream_end_capture",
    "event_destroy",       "module_unload", "graph_exec_destroy", "graph_destroy",
};
// What needs no context.
constexpr std::string_view kFree[] = {"init", "driver_", "error_", "device_", "primary_", "ctx_"};

}  // namespace

FakeDriver::State::State(FakeDriver& fake) : owner(fake) {
#define MJ_CUDA(member, symbol, parameters)                                                    \
  table.member = [](auto... args) {                                                            \
    CHECK(the_fake, "a call of a fake driver that is gone: " #member);                         \
    return the_fake->state_->call(#member, [&] { return the_fake->state_->member(args...); }); \
  };
#include "device/cuda/driver_symbols.inc"
#undef MJ_CUDA
}

cuda::Status FakeDriver::State::call(const char* name, const Work& work) {
  std::lock_guard lock(mutex);
  const auto begins = [&](std::string_view start) { return std::string_view(name).starts_with(start); };
  calls.emplace_back(name);
  now += 1e-6;
  failing = calls_to_failure > 0 && --calls_to_failure == 0;
  if (failing && cuda_context_lost(failure)) lost = failure;
  const bool says = begins("error_") || begins("driver_");
  const Status refusal = failing ? failure : lost != cuda::kSuccess && !says ? lost : cuda::kSuccess;
  if (refusal != cuda::kSuccess) {
    failing = true;
    if (std::find(std::begin(kGiveBack), std::end(kGiveBack), name) != std::end(kGiveBack)) work();
    failing = false;
    return refusal;
  }
  if (std::none_of(std::begin(kFree), std::end(kFree), begins) &&
      std::none_of(contexts.begin(), contexts.end(),
                   [](const auto& device) { return device.second.first == current_context; })) {
    return cuda::kInvalidContext;
  }
  return work();
}

uintptr_t FakeDriver::State::new_number() {
  static uintptr_t last = 0x1000;  // never an address, never used twice
  return last += 16;
}

cuda::Status FakeDriver::State::primary_ctx_retain(Context* context, Device device) {
  auto& [handle, count] = contexts[device];
  if (count++ == 0) handle = new_handle<Context>();
  *context = handle;
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::primary_ctx_release(Device device) {
  const auto found = contexts.find(device);
  if (found == contexts.end()) return cuda::kInvalidContext;
  if (--found->second.second == 0) contexts.erase(found);
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::ctx_set_current(Context context) {
  current_context = context;
  return cuda::kSuccess;
}

FakeDriver::FakeDriver() {
  CHECK(!the_fake, "a second fake driver");
  facts.name = "Fake GPU";
  facts.uuid = "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f";  // of every device, whatever stands here later
  facts.sm = 90;
  facts.multiprocessors = 16;
  facts.clock_khz = 1'500'000;
  facts.memory_clock_khz = 2'000'000;
  facts.memory_bus_bits = 1024;
  facts.memory_bytes = int64_t{1} << 30;
  facts.l2_bytes = 8 << 20;
  facts.shared_bytes_per_block_optin = 227 << 10;
  facts.driver_version = 12040;
  state_ = std::make_unique<State>(*this);
  the_fake = this;
}

FakeDriver::~FakeDriver() { the_fake = nullptr; }

const CudaDriver& FakeDriver::driver() const { return state_->table; }

void FakeDriver::fail_nth(int64_t n, cuda::Status status) {
  CHECK(n > 0 && status != cuda::kSuccess, "call {} cannot fail with {}", n, static_cast<int>(status));
  std::lock_guard lock(state_->mutex);
  state_->calls_to_failure = n;
  state_->failure = status;
}

int64_t FakeDriver::calls() const {
  std::lock_guard lock(state_->mutex);
  return static_cast<int64_t>(state_->calls.size());
}

std::vector<std::string> FakeDriver::call_names() const {
  std::lock_guard lock(state_->mutex);
  return state_->calls;
}

std::vector<FakeLaunch> FakeDriver::launches() const {
  std::lock_guard lock(state_->mutex);
  return state_->launches;
}

int64_t FakeDriver::allocated_bytes() const {
  std::lock_guard lock(state_->mutex);
  return state_->allocated;
}

int64_t FakeDriver::most_allocated_bytes() const {
  std::lock_guard lock(state_->mutex);
  return state_->most_allocated;
}

void FakeDriver::advance(double seconds) {
  std::lock_guard lock(state_->mutex);
  state_->now += seconds;
}

std::string FakeDriver::left() const {
  std::lock_guard lock(state_->mutex);
  std::string text = state_->damage;
  for (const auto* blocks : {&state_->buffers, &state_->pinned}) {
    for (const auto& [address, block] : *blocks) {
      if (!block.intact()) text += fmt::format("memory of {} bytes was written to beyond its ends; ", block.bytes());
    }
  }
  const auto add = [&](size_t count, std::string_view what) {
    if (count) text += fmt::format("{} {} left; ", count, what);
  };
  add(state_->contexts.size(), "contexts");
  add(state_->buffers.size(), "buffers");
  add(state_->pinned.size(), "page-locked buffers");
  add(state_->streams.size(), "streams");
  add(state_->events.size(), "events");
  add(state_->modules.size(), "modules");
  add(state_->graphs.size(), "graphs");
  add(state_->execs.size(), "executable graphs");
  return text;
}

}  // namespace mj
