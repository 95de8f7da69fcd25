// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/stream.h"

#include <gtest/gtest.h>

#include <numeric>
#include <tuple>
#include <vector>

#include "device/cuda/memory.h"
#include "device/cuda/testing/fake_driver.h"

namespace mj {
namespace {

// The only kernel here: add(int* x, int by, int n).
class CudaStreamTest : public testing::Test {
 protected:
  CudaStreamTest() {
    fake.on_launch = [](const FakeLaunch& launch) {
      ASSERT_EQ(launch.function, "add");
      auto* x = *static_cast<int**>(launch.args[0]);
      const int by = *static_cast<int*>(launch.args[1]), n = *static_cast<int*>(launch.args[2]);
      for (int i = 0; i < n; ++i) x[i] += by;
    };
    fake.parameter_bytes = [](const FakeLaunch&) { return std::vector<size_t>{8, 4, 4}; };
    device = CudaDevice::open(0, fake.driver()).value();
    stream = CudaStream::create(device).value();
    module = CudaModule::load(device, std::as_bytes(std::span("code", 4))).value();
    add = module.function("add").value();
    buffer = CudaBuffer::allocate(device, 3 * sizeof(int)).value();
  }

  Result<void> launch(int by) {
    void* x = buffer.data();
    int n = 3;
    void* args[] = {&x, &by, &n};
    return stream.launch(add, {2, 1, 1}, {64, 1, 1}, 0, args);
  }
  std::vector<int> contents() {
    std::vector<int> values(3);
    stream.copy_out(values.data(), buffer.data(), buffer.bytes()).value();
    stream.synchronize().value();
    return values;
  }

  FakeDriver fake;
  std::shared_ptr<CudaDevice> device;
  CudaStream stream;
  CudaModule module;
  CudaFunction add;
  CudaBuffer buffer;
};

TEST_F(CudaStreamTest, CopiesFillsAndLaunches) {
  stream.fill(buffer.data(), 0, buffer.bytes()).value();
  EXPECT_EQ(contents(), (std::vector<int>{0, 0, 0}));
  const int values[] = {1, 2, 3};
  stream.copy_in(buffer.data(), values, sizeof(values)).value();
  launch(10).value();
  EXPECT_EQ(contents(), (std::vector<int>{11, 12, 13}));
  stream.copy_within(buffer.data(), static_cast<int*>(buffer.data()) + 1, 4).value();
  EXPECT_EQ(contents(), (std::vector<int>{12, 12, 13}));
  ASSERT_EQ(fake.launches().size(), 1u);
  EXPECT_EQ(fake.launches()[0].grid, (std::array<unsigned, 3>{2, 1, 1}));
  EXPECT_EQ(fake.launches()[0].block, (std::array<unsigned, 3>{64, 1, 1}));
  // Nothing to do is no call.
  const int64_t calls = fake.calls();
  stream.copy_in(nullptr, nullptr, 0).value();
  stream.fill(nullptr, 0, 0).value();
  stream.launch(add, {1, 0, 1}, {64, 1, 1}, 0, nullptr).value();
  EXPECT_EQ(fake.calls(), calls);
}

TEST_F(CudaStreamTest, OnlyLaunchesThatSaySoOverlap) {
  fake.on_launch = nullptr;
  const auto launch = [&](bool overlaps) {
    stream.launch(add, {2, 3, 4}, {64, 2, 1}, 100, nullptr, overlaps).value();
    return Result<void>();
  };
  launch(false).value();
  launch(true).value();
  stream.capture([&] { return launch(true); }).value().launch(stream).value();
  ASSERT_EQ(fake.launches().size(), 3u);
  EXPECT_FALSE(fake.launches()[0].overlaps);
  for (const size_t i : {1, 2}) {
    const FakeLaunch made = fake.launches()[i];
    EXPECT_TRUE(made.overlaps);
    EXPECT_EQ(made.grid, (std::array<unsigned, 3>{2, 3, 4}));
    EXPECT_EQ(made.block, (std::array<unsigned, 3>{64, 2, 1}));
    EXPECT_EQ(made.shared_bytes, 100u);
  }
}

TEST(CudaStream, OlderGpusAndDriversDoNotOverlap) {
  for (const auto& [sm, driver, overlaps] : {std::tuple(90, 12030, true), {89, 12030, false}, {90, 12020, false}}) {
    FakeDriver fake;
    fake.facts.sm = sm;
    fake.facts.driver_version = driver;
    const std::shared_ptr<CudaDevice> device = CudaDevice::open(0, fake.driver()).value();
    const CudaStream stream = CudaStream::create(device).value();
    const CudaModule module = CudaModule::load(device, std::as_bytes(std::span("code", 4))).value();
    stream.launch(module.function("add").value(), {1, 1, 1}, {1, 1, 1}, 0, nullptr, true).value();
    EXPECT_EQ(fake.launches()[0].overlaps, overlaps) << sm << ' ' << driver;
  }
}

TEST_F(CudaStreamTest, ReplaysAGraph) {
  stream.fill(buffer.data(), 0, buffer.bytes()).value();
  const CudaGraph graph = stream
                              .capture([&]() -> Result<void> {
                                MJ_TRY(launch(1));  // whose arguments are gone when the graph runs
                                return launch(2);
                              })
                              .value();
  EXPECT_EQ(contents(), (std::vector<int>{0, 0, 0}));
  for (int i = 0; i < 3; ++i) graph.launch(stream).value();
  EXPECT_EQ(contents(), (std::vector<int>{9, 9, 9}));
  EXPECT_EQ(fake.launches().size(), 6u);
}

TEST_F(CudaStreamTest, AFailedCaptureLeavesTheStreamUsable) {
  const auto failed = stream.capture([&]() -> Result<void> {
    MJ_TRY(launch(1));
    return model_error("no");
  });
  EXPECT_EQ(failed.error().message, "no");
  stream.fill(buffer.data(), 0, buffer.bytes()).value();
  EXPECT_EQ(contents(), (std::vector<int>{0, 0, 0}));

  // Waiting within a capture spoils it.
  stream.begin_capture().value();
  EXPECT_FALSE(stream.synchronize().ok());
  EXPECT_FALSE(stream.end_capture().ok());
  EXPECT_EQ(contents(), (std::vector<int>{0, 0, 0}));
  EXPECT_FALSE(stream.end_capture().ok());  // of nothing
}

TEST_F(CudaStreamTest, AGraphOutlivesItsMemoryAtItsPeril) {
  const CudaGraph graph = stream.capture([&] { return stream.fill(buffer.data(), 0, buffer.bytes()); }).value();
  buffer = {};
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "restart the process", graph.launch(stream).error().message);
}

TEST_F(CudaStreamTest, EventsTimeWhatLiesBetween) {
  const CudaEvent from = CudaEvent::create(device).value(), to = CudaEvent::create(device).value();
  from.record(stream).value();
  EXPECT_FALSE(CudaEvent::seconds(from, to).ok());  // `to` never was
  fake.advance(0.25);
  to.record(stream).value();
  EXPECT_NEAR(CudaEvent::seconds(from, to).value(), 0.25, 1e-4);
  stream.begin_capture().value();
  to.record(stream).value();
  EXPECT_TRUE(stream.end_capture().ok());
  EXPECT_FALSE(CudaEvent::seconds(from, to).ok());  // not recorded, but captured
}

TEST_F(CudaStreamTest, RefusesWhatNoGpuTakes) {
  const auto wide = stream.launch(add, {1, 65536, 1}, {64, 1, 1}, 0, nullptr);
  EXPECT_EQ(wide.error().code, ErrorCode::unsupported);
  EXPECT_EQ(wide.error().message, "kernel 'add' would need 1 x 65536 x 1 blocks, more than a GPU takes in one launch");
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "launching kernel 'add'",
                      stream.launch(add, {1, 1, 1}, {1024, 2, 1}, 0, nullptr).error().message);
  // Memory that is not the device's.
  int host = 0;
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "copying to the GPU", stream.copy_in(&host, &host, 4).error().message);
  EXPECT_FALSE(stream.copy_out(&host, static_cast<char*>(buffer.data()) + 9, 4).ok());
}

TEST_F(CudaStreamTest, SharedMemoryIsAskedFor) {
  fake.on_launch = nullptr;
  EXPECT_FALSE(stream.launch(add, {1, 1, 1}, {32, 1, 1}, 100 << 10, nullptr).ok());
  const CudaFunction asked = module.function("add", 100 << 10).value();
  EXPECT_TRUE(stream.launch(asked, {1, 1, 1}, {32, 1, 1}, 100 << 10, nullptr).ok());
  EXPECT_EQ(module.function("add", 300 << 10).error().message,
            "giving kernel 'add' 307200 bytes of shared memory, where the GPU has 232448: CUDA error (1)");
}

}  // namespace
}  // namespace mj
