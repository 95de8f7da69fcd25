// SPDX-License-Identifier: Apache-2.0
// Sizes rounded up to whole cache lines, so that what stands side by side shares none.
#pragma once

#include <cstdint>

namespace mj {

inline constexpr int64_t kCacheLine = 64;  // bytes

constexpr int64_t aligned_bytes(int64_t bytes, int64_t to = kCacheLine) { return (bytes + to - 1) / to * to; }

// A number of floats.
constexpr int64_t aligned_floats(int64_t floats) {
  constexpr int64_t kFloats = kCacheLine / static_cast<int64_t>(sizeof(float));
  return (floats + kFloats - 1) / kFloats * kFloats;
}

}  // namespace mj
