// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/device.h"

#include <gtest/gtest.h>

#include <thread>

#include "device/cuda/memory.h"
#include "device/cuda/stream.h"
#include "device/cuda/testing/fake_driver.h"

namespace mj {
namespace {

TEST(CudaDevice, SaysWhatItIs) {
  FakeDriver fake;
  fake.facts.sm = 121;
  const auto device = CudaDevice::open(0, fake.driver());
  ASSERT_TRUE(device.ok());
  EXPECT_EQ((*device)->facts(), fake.facts);
  EXPECT_EQ((*device)->memory().value().total_bytes, fake.facts.memory_bytes);
  EXPECT_EQ(*CudaDevice::count(fake.driver()), 1);
}

TEST(CudaDevice, RefusesWhatIsNotThereOrTooOld) {
  FakeDriver fake;
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "there is no GPU 1: this machine has 1, counted from 0",
                      CudaDevice::open(1, fake.driver()).error().message);
  EXPECT_EQ(CudaDevice::open(-1, fake.driver()).error().code, ErrorCode::environment);
  fake.devices = 0;
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "CUDA_VISIBLE_DEVICES", CudaDevice::open(0, fake.driver()).error().message);
  fake.devices = 1;
  fake.facts.sm = 70;
  EXPECT_EQ(CudaDevice::open(0, fake.driver()).error().message,
            "GPU 0 (Fake GPU) is an sm_70; Millijoule needs sm_75 (Turing) or newer");
  EXPECT_EQ(fake.left(), "");
}

TEST(CudaDevice, EveryThreadGetsTheContext) {
  FakeDriver fake;
  {
    const auto device = CudaDevice::open(0, fake.driver()).value();
    const CudaStream stream = CudaStream::create(device).value();
    std::vector<std::thread> threads;
    std::vector<int> answers(8, -1);
    for (size_t i = 0; i < answers.size(); ++i) {
      threads.emplace_back([&, i] {
        const int value = static_cast<int>(i);
        const CudaBuffer buffer = CudaBuffer::allocate(device, sizeof(value)).value();
        const CudaStream own = CudaStream::create(device).value();
        own.copy_in(buffer.data(), &value, sizeof(value)).value();
        own.copy_out(&answers[i], buffer.data(), sizeof(value)).value();
        own.synchronize().value();
        stream.synchronize().value();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(answers, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  }
  EXPECT_EQ(fake.left(), "");
}

TEST(CudaBuffer, HasAnAddressAndASize) {
  FakeDriver fake;
  {
    const auto device = CudaDevice::open(0, fake.driver()).value();
    CudaBuffer buffer = CudaBuffer::allocate(device, 1000).value();
    EXPECT_EQ(buffer.bytes(), 1000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 256, 0u);
    EXPECT_EQ(fake.allocated_bytes(), 1000);

    CudaBuffer other = std::move(buffer);
    EXPECT_EQ(other.bytes(), 1000);
    EXPECT_EQ(buffer.bytes(), 0);       // NOLINT(bugprone-use-after-move): what it says is the contract
    EXPECT_EQ(buffer.data(), nullptr);  // NOLINT(bugprone-use-after-move)
    other = CudaBuffer::allocate(device, 24).value();
    EXPECT_EQ(fake.allocated_bytes(), 24);  // what it held is gone at once
    EXPECT_EQ(fake.most_allocated_bytes(), 1024);

    const CudaBuffer nothing = CudaBuffer::allocate(device, 0).value();
    EXPECT_EQ(nothing.data(), nullptr);
    const CudaPinned pinned = CudaPinned::allocate(device, 64).value();
    EXPECT_EQ(pinned.bytes(), 64);
    EXPECT_EQ(fake.left(), "1 contexts left; 1 buffers left; 1 page-locked buffers left; ");
  }
  EXPECT_EQ(fake.left(), "");
}

TEST(CudaBuffer, OutOfMemoryNamesTheSizes) {
  FakeDriver fake;
  fake.facts.memory_bytes = 5000;
  const auto device = CudaDevice::open(0, fake.driver()).value();
  const CudaBuffer some = CudaBuffer::allocate(device, 2000).value();
  const auto refused = CudaBuffer::allocate(device, 3001);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::environment);
  EXPECT_EQ(
      refused.error().message,
      "allocating 3001 bytes on GPU 0 (Fake GPU), of whose 5000 bytes 3000 are free: CUDA_ERROR_OUT_OF_MEMORY (2): "
      "out of memory");
  EXPECT_TRUE(CudaBuffer::allocate(device, 3000).ok());
}

TEST(CudaError, SaysWhenOnlyANewProcessHelps) {
  FakeDriver fake;
  EXPECT_EQ(cuda_error(fake.driver(), cuda::kIllegalAddress, "waiting").message,
            "waiting: CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access was encountered; the GPU's context is "
            "lost with all that was in its memory: restart the process");
  for (const int sticky : {214, 700, 702, 710, 714, 715, 716, 717, 718, 719}) {
    EXPECT_TRUE(cuda_context_lost(static_cast<cuda::Status>(sticky))) << sticky;
  }
  EXPECT_FALSE(cuda_context_lost(cuda::kOutOfMemory));
  // A code that the driver has no name for.
  EXPECT_EQ(cuda_error(fake.driver(), static_cast<cuda::Status>(12345), "waiting").message,
            "waiting: CUDA error (12345)");
}

TEST(CudaError, StaysOnceTheContextIsLost) {
  FakeDriver fake;
  {
    const auto device = CudaDevice::open(0, fake.driver()).value();
    const CudaBuffer buffer = CudaBuffer::allocate(device, 8).value();
    const CudaStream stream = CudaStream::create(device).value();
    fake.fail_nth(2, cuda::kIllegalAddress);
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "restart the process", stream.synchronize().error().message);
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "restart the process", stream.fill(buffer.data(), 0, 8).error().message);
    EXPECT_FALSE(CudaBuffer::allocate(device, 8).ok());
  }
  EXPECT_EQ(fake.left(), "");
}

}  // namespace
}  // namespace mj
