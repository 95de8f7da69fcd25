// SPDX-License-Identifier: Apache-2.0
// Each call of the driver fails once, and nothing is lost by it.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "device/cuda/memory.h"
#include "device/cuda/stream.h"
#include "device/cuda/testing/fake_driver.h"

namespace mj {
namespace {

constexpr int64_t kBytes = 40;

// All that the classes can do, once.
Result<double> whole_life(const CudaDriver& driver) {
  MJ_TRY(start_cuda_driver(driver));
  MJ_ASSIGN(const std::shared_ptr<CudaDevice> device, CudaDevice::open(0, driver));
  MJ_ASSIGN(const CudaBuffer buffer, CudaBuffer::allocate(device, kBytes));
  MJ_ASSIGN(const CudaBuffer other, CudaBuffer::allocate(device, kBytes));
  MJ_ASSIGN(const CudaPinned pinned, CudaPinned::allocate(device, kBytes));
  MJ_ASSIGN(const CudaStream stream, CudaStream::create(device));
  MJ_TRY(stream.copy_in(buffer.data(), pinned.data(), kBytes));
  MJ_ASSIGN(const CudaModule module, CudaModule::load(device, std::as_bytes(std::span("code", 4))));
  MJ_ASSIGN(const CudaFunction function, module.function("kernel", 64 << 10));
  const auto launch = [&](bool overlaps = false) {
    return stream.launch(function, {1, 1, 1}, {32, 1, 1}, 64 << 10, nullptr, overlaps);
  };
  MJ_ASSIGN(const CudaEvent from, CudaEvent::create(device));
  MJ_ASSIGN(const CudaEvent to, CudaEvent::create(device));
  MJ_TRY(from.record(stream));
  MJ_TRY(launch());
  MJ_TRY(launch(true));
  MJ_ASSIGN(const CudaGraph graph, stream.capture([&]() -> Result<void> {
    MJ_TRY(stream.copy_within(other.data(), buffer.data(), kBytes));
    MJ_TRY(stream.fill(buffer.data(), 0, kBytes));
    return launch();
  }));
  MJ_TRY(graph.launch(stream));
  MJ_TRY(to.record(stream));
  MJ_TRY(stream.copy_out(pinned.data(), other.data(), kBytes));
  MJ_TRY(stream.synchronize());
  MJ_TRY(device->memory());
  return CudaEvent::seconds(from, to);
}

TEST(CudaFailures, EveryCallMayFail) {
  std::vector<std::string> names;
  {
    FakeDriver fake;
    EXPECT_GT(whole_life(fake.driver()).value(), 0);
    EXPECT_EQ(fake.left(), "");
    names = fake.call_names();
  }
  // What destructors call: that it fails must not be noticed.
  const std::set<std::string> quiet = {"graph_destroy",  "graph_exec_destroy", "event_destroy", "module_unload",
                                       "stream_destroy", "mem_free_host",      "mem_free",      "primary_ctx_release"};
  const auto is_quiet = [&](size_t call) {
    return quiet.contains(names[call]) ||
           (names[call] == "ctx_set_current" && call + 1 < names.size() && quiet.contains(names[call + 1]));
  };
  const auto last = static_cast<size_t>(std::find(names.rbegin(), names.rend(), "event_elapsed_time").base() -
                                        names.begin());  // destructors follow
  for (const cuda::Status status : {cuda::kOutOfMemory, cuda::kIllegalAddress, cuda::kNotReady}) {
    for (size_t n = 1; n <= names.size(); ++n) {
      const std::string& name = names[n - 1];
      FakeDriver fake;
      fake.fail_nth(static_cast<int64_t>(n), status);
      const Result<double> done = whole_life(fake.driver());
      const bool noticed = n <= last && (!is_quiet(n - 1) || cuda_context_lost(status));
      EXPECT_EQ(done.ok(), !noticed) << name << ", call " << n;
      if (!done.ok()) {
        EXPECT_PRED_FORMAT2(testing::IsSubstring, fmt::format("({})", static_cast<int>(status)), done.error().message)
            << name;
        EXPECT_EQ(done.error().code, ErrorCode::environment) << name;
      }
      EXPECT_EQ(fake.left(), "") << name << ", call " << n;
    }
  }
}

TEST(CudaFailures, TheScenarioHasEveryCall) {
  FakeDriver fake;
  EXPECT_TRUE(whole_life(fake.driver()).ok());
  const std::vector<std::string> names = fake.call_names();
  const std::set<std::string> called(names.begin(), names.end());
  const std::set<std::string> elsewhere = {"error_name", "error_string"};
#define MJ_CUDA(member, symbol, parameters) EXPECT_NE(called.contains(#member), elsewhere.contains(#member)) << #member;
#include "device/cuda/driver_symbols.inc"
#undef MJ_CUDA
}

}  // namespace
}  // namespace mj
