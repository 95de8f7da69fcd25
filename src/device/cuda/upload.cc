// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/upload.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "device/cuda/memory.h"
#include "device/cuda/stream.h"

namespace mj {
namespace {

// Large enough that starting a copy costs nothing beside it, small enough that locking the pages does not either.
constexpr int64_t kChunk = 4 << 20;
constexpr int64_t kSlice = 256 << 10;  // for one thread

struct Slice {
  int64_t offset;  // in the block
  const std::byte* from;
  int64_t bytes;
};

std::vector<Slice> slices_of(std::span<const UploadPart> parts) {
  std::vector<Slice> slices;
  for (const UploadPart& part : parts) {
    for (int64_t done = 0, more = 0; done < part.bytes; done += more) {
      const int64_t at = part.offset + done;
      more = std::min({part.bytes - done, kSlice, kChunk - at % kChunk});
      slices.push_back({at, static_cast<const std::byte*>(part.from) + done, more});
    }
  }
  return slices;
}

struct Slot {
  CudaPinned memory;
  CudaEvent copied;
  bool used = false;
};

}  // namespace

Result<void> upload(const std::shared_ptr<const CudaDevice>& device, void* to, std::span<const UploadPart> parts,
                    ThreadPool* pool) {
  const std::vector<Slice> slices = slices_of(parts);
  if (slices.empty()) return {};
  const int64_t end = slices.back().offset + slices.back().bytes;
  std::array<Slot, 2> slots;
  MJ_ASSIGN(const CudaStream stream, CudaStream::create(device));
  const auto copy = [&]() -> Result<void> {
    size_t turn = 0;
    for (auto first = slices.begin(); first != slices.end(); ++turn) {
      const int64_t chunk = first->offset / kChunk * kChunk;
      const auto last = std::find_if(first, slices.end(), [&](const Slice& s) { return s.offset >= chunk + kChunk; });
      Slot& slot = slots[turn % slots.size()];
      if (!slot.memory.data()) {
        MJ_ASSIGN(slot.memory, CudaPinned::allocate(device, std::min(kChunk, end - chunk)));
        MJ_ASSIGN(slot.copied, CudaEvent::create(device));
      }
      if (slot.used) MJ_TRY(slot.copied.synchronize());
      auto* const memory = static_cast<std::byte*>(slot.memory.data());
      const auto read = [&](int64_t i, int) {
        const Slice& slice = first[i];
        std::memcpy(memory + (slice.offset - chunk), slice.from, static_cast<size_t>(slice.bytes));
      };
      if (pool) {
        pool->run(last - first, read);
      } else {
        for (int64_t i = 0; i < last - first; ++i) read(i, 0);
      }
      const int64_t begin = first->offset, bytes = std::prev(last)->offset + std::prev(last)->bytes - begin;
      MJ_TRY(stream.copy_in(static_cast<std::byte*>(to) + begin, memory + (begin - chunk), bytes));
      MJ_TRY(slot.copied.record(stream));
      slot.used = true;
      first = last;
    }
    return {};
  };
  const Result<void> copied = copy();
  const Result<void> done = stream.synchronize();  // also before the slots go
  return copied.ok() ? done : copied;
}

}  // namespace mj
