// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/upload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "device/cuda/memory.h"
#include "device/cuda/testing/fake_driver.h"

namespace mj {
namespace {

// Parts of all kinds of sizes with gaps between them: `bytes` in all, and the block as it should be.
struct Parcel {
  explicit Parcel(const std::vector<int64_t>& sizes) {
    for (const int64_t size : sizes) {
      std::vector<unsigned char>& data = memory.emplace_back(static_cast<size_t>(size));
      std::iota(data.begin(), data.end(), static_cast<unsigned char>(memory.size()));
      parts.push_back({bytes, data.data(), size});
      bytes = (bytes + size + 255) / 256 * 256;
    }
  }
  bool is_at(const void* block) const {
    return std::all_of(parts.begin(), parts.end(), [&](const UploadPart& part) {
      return std::memcmp(static_cast<const char*>(block) + part.offset, part.from, static_cast<size_t>(part.bytes)) ==
             0;
    });
  }
  std::vector<std::vector<unsigned char>> memory;
  std::vector<UploadPart> parts;
  int64_t bytes = 0;
};

int64_t count(const FakeDriver& fake, std::string_view name) {
  const std::vector<std::string> names = fake.call_names();
  return std::count(names.begin(), names.end(), name);
}

TEST(CudaUpload, ManyPartsTravelTogether) {
  for (const bool threads : {false, true}) {
    FakeDriver fake;
    {
      const auto device = CudaDevice::open(0, fake.driver()).value();
      const Parcel parcel({1, 300, 0, 5 << 20, 256, (9 << 20) + 7, 64, 1});
      const CudaBuffer block = CudaBuffer::allocate(device, parcel.bytes).value();
      ThreadPool pool(3);
      ASSERT_TRUE(upload(device, block.data(), parcel.parts, threads ? &pool : nullptr).ok());
      EXPECT_TRUE(parcel.is_at(block.data()));
      EXPECT_EQ(count(fake, "memcpy_htod_async"), 4);  // 14 MiB in chunks of 4
      EXPECT_EQ(count(fake, "mem_alloc_host"), 2);
    }
    EXPECT_EQ(fake.left(), "");
  }
}

TEST(CudaUpload, NothingIsNoWork) {
  FakeDriver fake;
  const auto device = CudaDevice::open(0, fake.driver()).value();
  const int64_t before = fake.calls();
  const UploadPart empty{0, nullptr, 0};
  EXPECT_TRUE(upload(device, nullptr, {}).ok());
  EXPECT_TRUE(upload(device, nullptr, std::span(&empty, 1)).ok());
  EXPECT_EQ(fake.calls(), before);
}

TEST(CudaUpload, EveryFailingCallIsAnError) {
  const Parcel parcel({10 << 20, 3 << 20, 17});
  int64_t calls = 0;
  for (int64_t n = 0; n <= calls; ++n) {
    FakeDriver fake;
    {
      const auto device = CudaDevice::open(0, fake.driver()).value();
      const CudaBuffer block = CudaBuffer::allocate(device, parcel.bytes).value();
      const int64_t before = fake.calls();
      if (n > 0) fake.fail_nth(n);
      const Result<void> done = upload(device, block.data(), parcel.parts);
      if (n == 0) {
        ASSERT_TRUE(done.ok()) << done.error().message;
        const std::vector<std::string> names = fake.call_names();
        calls = std::find(names.rbegin(), names.rend(), "stream_synchronize").base() - names.begin() - before;
      } else {
        ASSERT_FALSE(done.ok()) << n;
        EXPECT_EQ(done.error().code, ErrorCode::environment);
      }
    }
    EXPECT_EQ(fake.left(), "") << n;
  }
  EXPECT_GT(calls, 10);
}

}  // namespace
}  // namespace mj
