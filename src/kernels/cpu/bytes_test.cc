// SPDX-License-Identifier: Apache-2.0
// Every table on its own: that an Isa has two of them (AVX-512 with and without VNNI), no kernel shows.
#include <cmath>

#include "kernels/cpu/byte_tables.h"
#include "kernels/cpu/test_support.h"

namespace mj::cpu {

namespace {

std::vector<const ByteKernels*> tables() {
  std::vector<const ByteKernels*> all = {&portable::kByteKernels};
#if defined(__x86_64__)
  if (can_run(Isa::avx2)) all.push_back(&avx2::kByteKernels);
  if (can_run(Isa::avx512)) all.push_back(&avx512::kByteKernels);
  if (can_run(Isa::avx512) && __builtin_cpu_supports("avx512vnni")) all.push_back(&avx512_vnni::kByteKernels);
#endif
  return all;
}

// Rows of `taps` x `depth` bytes by columns of as many, rounded as ByteTileArgs says; extremes only, if asked for.
void expect_tile(const ByteKernels& kernels, Random& random, int64_t m, int64_t n, int64_t taps, int64_t depth,
                 bool extreme, bool is_signed) {
  const int64_t groups = (depth + kernels.group - 1) / kernels.group, padded = groups * kernels.group;
  const int32_t x_zero = 77;
  std::vector<uint8_t> x(static_cast<size_t>(m * taps * depth));
  for (uint8_t& value : x) value = static_cast<uint8_t>(extreme ? random.one_of({0, 255}) : random.pick(0, 255));
  std::vector<int8_t> b(static_cast<size_t>(taps * padded * kernels.nr));
  std::vector<char> a(static_cast<size_t>(m * taps * padded * kernels.operand_bytes()));
  std::vector<const char*> rows(static_cast<size_t>(taps * m));
  for (int64_t t = 0; t < taps; ++t)
    for (int64_t i = 0; i < m; ++i) {
      char* row = a.data() + (i * taps + t) * padded * kernels.operand_bytes();
      kernels.prepare(x.data() + (i * taps + t) * depth, false, x_zero, depth, row);
      rows[static_cast<size_t>(t * m + i)] = row;
    }
  std::vector<int32_t> bias(static_cast<size_t>(kernels.nr));
  std::vector<float> scale(static_cast<size_t>(kernels.nr));
  std::vector<int64_t> sums(static_cast<size_t>(m * n));
  for (int64_t j = 0; j < n; ++j) {
    const auto column = static_cast<size_t>(j);
    const auto own = static_cast<int32_t>(random.pick(-5000, 5000));
    int32_t weights = 0;
    for (int64_t k = 0; k < taps * depth; ++k) {
      const auto w = static_cast<int8_t>(extreme ? random.one_of({-128, 127}) : random.pick(-128, 127));
      const int64_t at = k / depth * padded + k % depth;
      b[static_cast<size_t>(at / kernels.group * kernels.group * kernels.nr + j * kernels.group + at % kernels.group)] =
          w;
      weights += w;
      for (int64_t i = 0; i < m; ++i)
        sums[static_cast<size_t>(i * n + j)] += (x[static_cast<size_t>(i * taps * depth + k)] - x_zero) * w;
    }
    for (int64_t i = 0; i < m; ++i) sums[static_cast<size_t>(i * n + j)] += own;
    bias[column] = kernels.wide ? own : own - x_zero * weights;
    scale[column] = 0.004f / static_cast<float>(random.pick(1, 9));
  }
  constexpr int64_t kLd = 40;
  std::vector<char> y(static_cast<size_t>(m * kLd), 99);
  ByteTileArgs args{};
  args.a = rows.data();
  args.taps = taps, args.groups = groups;
  args.b = b.data(), args.bias = bias.data(), args.scale = scale.data();
  args.zero = is_signed ? -9 : 30;
  args.low = static_cast<float>((is_signed ? -128 : 0) - args.zero);
  args.high = static_cast<float>((is_signed ? 127 : 255) - args.zero);
  args.is_signed = is_signed;
  args.y = y.data(), args.ldy = kLd, args.n = n;
  kernels.tiles[m - 1](args);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < kLd; ++j) {
      const char got = y[static_cast<size_t>(i * kLd + j)];
      if (j >= n) {
        ASSERT_EQ(got, 99) << "beyond the columns that are there";
        continue;
      }
      const float steps = static_cast<float>(sums[static_cast<size_t>(i * n + j)]) * scale[static_cast<size_t>(j)];
      const float want = std::nearbyint(std::clamp(steps, args.low, args.high)) + static_cast<float>(args.zero);
      const int value = is_signed ? static_cast<int8_t>(got) : static_cast<uint8_t>(got);
      ASSERT_EQ(value, static_cast<int>(want)) << "row " << i << " column " << j << " of " << m << " by " << n;
    }
}

TEST(ByteKernels, TilesAreExact) {
  Random random(1);
  for (const ByteKernels* kernels : tables())
    for (int64_t m = 1; m <= kernels->mr; ++m)
      for (int round = 0; round < 12; ++round)
        expect_tile(*kernels, random, m, round % 3 ? random.pick(1, kernels->nr) : kernels->nr, random.pick(1, 5),
                    random.pick(1, 70), round % 2, round % 4 < 2);
}

}  // namespace
}  // namespace mj::cpu
