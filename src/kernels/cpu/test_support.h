// SPDX-License-Identifier: Apache-2.0
// What the kernel tests share: every Isa this machine can run, and repeatable random data.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/isa.h"

namespace mj::cpu {

class PerIsa : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!can_run(GetParam())) GTEST_SKIP() << "this machine has no " << name(GetParam());
  }
  Isa isa() const { return GetParam(); }
};

inline const auto kEveryIsa = testing::Values(Isa::portable, Isa::avx2, Isa::avx512);
inline std::string name_of(const testing::TestParamInfo<Isa>& info) { return std::string(name(info.param)); }

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  int64_t one_of(std::initializer_list<int64_t> values) {
    return values.begin()[pick(0, static_cast<int64_t>(values.size()) - 1)];
  }
  std::vector<float> floats(int64_t count) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> data(static_cast<size_t>(count));
    for (float& x : data) x = uniform(engine_);
    return data;
  }

 private:
  std::mt19937 engine_;
};

// Whether `part` stands in `whole` from `at` on, bit for bit: what a request gives alone, and in a batch.
inline bool same_bits(std::span<const float> part, std::span<const float> whole, int64_t at) {
  const std::span<const float> there = whole.subspan(static_cast<size_t>(at), part.size());
  return std::ranges::equal(std::as_bytes(part), std::as_bytes(there));
}

}  // namespace mj::cpu
