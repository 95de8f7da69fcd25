// SPDX-License-Identifier: Apache-2.0
// The same on a real GPU, where there is one.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <vector>

#include "device/cuda/memory.h"
#include "device/cuda/nvrtc.h"
#include "device/cuda/stream.h"

namespace mj {
namespace {

constexpr char kAdd[] = R"(extern "C" __global__ void add(float* x, float by, int n) {
  extern __shared__ float tile[];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  tile[threadIdx.x] = by;
  if (i < n) x[i] += tile[threadIdx.x];
}
)";

class CudaHardware : public testing::Test {
 protected:
  void SetUp() override {
    const auto driver = cuda_driver();
    if (!driver.ok()) GTEST_SKIP() << driver.error().message;
    if (nvrtc_version().empty()) GTEST_SKIP() << nvrtc().error().message;
    device = CudaDevice::open(0, **driver).value();
    const CudaFacts& facts = device->facts();
    std::printf("%s, sm_%d, %d multiprocessors, %s\n", facts.name.c_str(), facts.sm, facts.multiprocessors,
                facts.uuid.c_str());
    module = CudaModule::load(device, compile_cuda(kAdd, {facts.sm}, "add").value()).value();
  }
  std::shared_ptr<CudaDevice> device;
  CudaModule module;
};

TEST_F(CudaHardware, CopiesLaunchesCapturesAndTimes) {
  constexpr int kCount = 100'000;
  constexpr int64_t kBytes = kCount * sizeof(float);
  const CudaStream stream = CudaStream::create(device).value();
  const CudaBuffer buffer = CudaBuffer::allocate(device, kBytes).value();
  const CudaPinned pinned = CudaPinned::allocate(device, kBytes).value();
  const CudaFunction add =
      module.function("add", 96 << 10 > device->facts().shared_bytes_per_block_optin ? 0 : 96 << 10).value();
  auto* values = static_cast<float*>(pinned.data());
  std::iota(values, values + kCount, 0.0f);
  const auto launch = [&](float by, int64_t shared_bytes) {
    void* x = buffer.data();
    int n = kCount;
    void* args[] = {&x, &by, &n};
    return stream.launch(add, {(kCount + 255) / 256, 1, 1}, {256, 1, 1}, shared_bytes, args);
  };
  stream.copy_in(buffer.data(), values, kBytes).value();
  launch(1, 1024).value();
  if (device->facts().shared_bytes_per_block_optin >= 96 << 10)
    launch(1, 96 << 10).value();
  else
    launch(1, 1024).value();

  // Freeing while capturing is allowed, whoever does it; so is all that other threads do.
  const CudaGraph graph = stream
                              .capture([&]() -> Result<void> {
                                MJ_TRY(launch(10, 1024));
                                std::thread([&] { (void)CudaBuffer::allocate(device, 1 << 20).value(); }).join();
                                (void)CudaBuffer::allocate(device, 1 << 20).value();
                                return launch(20, 1024);
                              })
                              .value();
  const CudaEvent from = CudaEvent::create(device).value(), to = CudaEvent::create(device).value();
  from.record(stream).value();
  for (int i = 0; i < 10; ++i) graph.launch(stream).value();
  to.record(stream).value();
  const double seconds = CudaEvent::seconds(from, to).value();
  EXPECT_GT(seconds, 1e-6);
  EXPECT_LT(seconds, 1.0);
  stream.copy_out(values, buffer.data(), kBytes).value();
  stream.synchronize().value();
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(values[i], static_cast<float>(i + 302)) << i;
}

// Each launch reads, from the other end, what the one before it wrote.
constexpr char kTurn[] = R"(extern "C" __global__ void turn(const float* from, float* to, int n) {
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) to[i] = from[n - 1 - i] + 1;
}
)";

TEST_F(CudaHardware, OverlappingLaunchesSeeWhatWasWrittenBefore) {
  if (device->facts().sm < 90) GTEST_SKIP() << "launches do not overlap before sm_90";
  constexpr int kCount = 1'000'003;
  constexpr int64_t kBytes = kCount * sizeof(float);
  const CudaModule turns = CudaModule::load(device, compile_cuda(kTurn, {device->facts().sm}, "turn").value()).value();
  const CudaFunction turn = turns.function("turn").value();
  const CudaStream stream = CudaStream::create(device).value();
  const CudaBuffer buffers[] = {CudaBuffer::allocate(device, kBytes).value(),
                                CudaBuffer::allocate(device, kBytes).value()};
  std::vector<float> values(kCount);
  std::iota(values.begin(), values.end(), 0.0f);
  stream.copy_in(buffers[0].data(), values.data(), kBytes).value();
  const auto launches = [&]() -> Result<void> {
    for (int i = 0; i < 20; ++i) {
      void *from = buffers[i % 2].data(), *to = buffers[(i + 1) % 2].data();
      int n = kCount;
      void* args[] = {&from, &to, &n};
      MJ_TRY(stream.launch(turn, {100, 1, 1}, {256, 1, 1}, 0, args, i != 7));
      if (i == 11) MJ_TRY(stream.copy_within(from, to, kBytes));
    }
    return {};
  };
  launches().value();
  const CudaGraph graph = stream.capture(launches).value();
  for (int i = 0; i < 9; ++i) graph.launch(stream).value();
  stream.copy_out(values.data(), buffers[0].data(), kBytes).value();
  stream.synchronize().value();
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(values[static_cast<size_t>(i)], static_cast<float>(i + 200)) << i;
}

TEST_F(CudaHardware, FailsAsTheFakeDoes) {
  const CudaStream stream = CudaStream::create(device).value();
  const auto memory = device->memory().value();
  EXPECT_GT(memory.free_bytes, 0);
  const auto refused = CudaBuffer::allocate(device, memory.total_bytes + 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "CUDA_ERROR_OUT_OF_MEMORY (2): out of memory", refused.error().message);
  EXPECT_FALSE(module.function("sub").ok());
  EXPECT_FALSE(CudaModule::load(device, std::as_bytes(std::span("no code", 7))).ok());
  EXPECT_FALSE(CudaDevice::open(1000, device->driver()).ok());

  stream.begin_capture().value();
  EXPECT_FALSE(stream.synchronize().ok());
  EXPECT_FALSE(stream.end_capture().ok());
  EXPECT_FALSE(stream.end_capture().ok());
  EXPECT_FALSE(stream.capture([]() -> Result<void> { return model_error("no"); }).ok());
  EXPECT_TRUE(stream.synchronize().ok());
  const CudaEvent from = CudaEvent::create(device).value(), to = CudaEvent::create(device).value();
  EXPECT_FALSE(CudaEvent::seconds(from, to).ok());
}

}  // namespace
}  // namespace mj
