// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/cpu/isa/amx_tile.h"
#include "kernels/cpu/test_support.h"

namespace mj::cpu {
namespace {

std::vector<double> rounded(std::span<const float> x) {
  std::vector<double> y;
  for (float value : x) y.push_back(double{float{Bf16(value)}});
  return y;
}

float bf16(uint16_t bits) {
  Bf16 x;
  x.bits = bits;
  return x;
}

// AMX's tiles as Intel's manual defines them, but for denormals.
struct ManualTiles {
  template <int N>
  void zero() {
    std::memset(tile[N], 0, sizeof tile[N]);
  }
  template <int N>
  void load(const void* p, int64_t stride) {
    for (int64_t i = 0; i < 16; ++i) std::memcpy(tile[N][i], static_cast<const char*>(p) + i * stride, 64);
  }
  template <int N>
  void store(void* p, int64_t stride) {
    for (int64_t i = 0; i < 16; ++i) std::memcpy(static_cast<char*>(p) + i * stride, tile[N][i], 64);
  }
  template <int C, int A, int B>
  void dot() {
    for (int m = 0; m < 16; ++m)
      for (int n = 0; n < 16; ++n) {
        float even = 0, odd = 0, sum;
        for (int k = 0; k < 16; ++k) {
          even = std::fma(element(A, m, 2 * k), element(B, k, 2 * n), even);
          odd = std::fma(element(A, m, 2 * k + 1), element(B, k, 2 * n + 1), odd);
        }
        std::memcpy(&sum, tile[C][m] + 4 * n, sizeof sum);
        sum += even + odd;
        std::memcpy(tile[C][m] + 4 * n, &sum, sizeof sum);
      }
  }
  float element(int t, int row, int i) const {
    uint16_t bits;
    std::memcpy(&bits, tile[t][row] + 2 * i, sizeof bits);
    return bf16(bits);
  }
  unsigned char tile[8][16][64] = {};
};

// A table of this machine, or the AMX code over the manual's tiles.
struct Table {
  const char* name;
  Isa isa;
  Bf16Unit unit;
  bool manual = false;
};
void PrintTo(const Table& table, std::ostream* out) { *out << table.name; }

class Bf16Tables : public testing::TestWithParam<Table> {
 protected:
  void SetUp() override {
    if (const std::string why = missing(GetParam().unit); !why.empty()) GTEST_SKIP() << why;
    if (!can_run(GetParam().isa)) GTEST_SKIP() << "this machine has no " << name(GetParam().isa);
    kernels_ = bf16_kernels(GetParam().isa, GetParam().unit);
    if (GetParam().manual) kernels_.tile = amx_tile<ManualTiles>;
  }
  Bf16Kernels kernels_;
};

INSTANTIATE_TEST_SUITE_P(Every, Bf16Tables,
                         testing::Values(Table{"portable", Isa::portable, Bf16Unit::none},
                                         Table{"avx2", Isa::avx2, Bf16Unit::none},
                                         Table{"avx512", Isa::avx512, Bf16Unit::none},
                                         Table{"avx512_bf16", Isa::avx512, Bf16Unit::avx512_bf16},
                                         Table{"amx_bf16", Isa::avx512, Bf16Unit::amx_bf16},
                                         Table{"amx_by_the_manual", Isa::portable, Bf16Unit::none, true}),
                         [](const auto& info) { return info.param.name; });

std::vector<std::byte> space(int64_t bytes) { return std::vector<std::byte>(static_cast<size_t>(bytes) + 64); }
void* aligned(std::vector<std::byte>& bytes) {
  void* p = bytes.data();
  size_t n = bytes.size();
  return std::align(64, n - 64, p, n);
}

std::vector<float> gemm(const Bf16Kernels& kernels, int threads, int64_t m, int64_t n, int64_t k,
                        std::span<const float> a, std::span<const float> b, const Epilogue& epilogue = {}) {
  std::vector<uint16_t> packed(static_cast<size_t>(packed_bf16(k, n)));
  pack_bf16(b.data(), n, false, k, n, 1, packed.data());
  std::vector<float> c(static_cast<size_t>(m * n), -7);
  std::vector<std::byte> bytes = space(bf16_gemm_workspace(kernels, m, n, k, threads));
  ThreadPool pool(threads);
  bf16_gemm(pool, kernels, {m, n, k, a.data(), k, packed.data(), c.data(), n, epilogue}, aligned(bytes));
  return c;
}

// bf16.h's bound, for what an epilogue adds as well.
double bound(double sum_of_products, int64_t k) {
  const auto terms = static_cast<double>(k + 4);
  return 2 * terms * 0x1p-24 * sum_of_products + 4 * terms * 0x1p-126;
}

TEST_P(Bf16Tables, RoundToNearestEven) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  std::vector<float> x = {0.0f,  -0.0f,   1.0f,  1.00390625f, 1.01171875f, -1.0039062f, 1.0039064f,
                          3e38f, 3.4e38f, -kInf, kInf,        NAN,         -NAN,        1e-30f};
  Random random(1);
  for (float y : random.floats(60)) x.push_back(y);
  for (int64_t n : {int64_t{0}, int64_t{1}, int64_t{31}, int64_t{32}, static_cast<int64_t>(x.size())}) {
    std::vector<uint16_t> y(x.size(), 77);
    kernels_.round(x.data(), n, y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const bool untouched = static_cast<int64_t>(i) >= n;
      EXPECT_EQ(y[i], untouched ? 77 : Bf16(x[i]).bits) << x[i];
    }
  }
}

TEST_P(Bf16Tables, MultiplyRandomShapes) {
  Random random(2);
  for (int round = 0; round < 40; ++round) {
    const int64_t m = random.one_of({0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 49, 130, 300});
    const int64_t n = random.one_of({0, 1, 3, 15, 16, 17, 31, 32, 33, 64, 77, 200});
    const int64_t k = random.one_of({0, 1, 2, 3, 31, 32, 33, 64, 147, 383, 385, 800});
    const std::vector<float> a = random.floats(m * k), b = random.floats(k * n), bias = random.floats(n),
                             residual = random.floats(m * n);
    Epilogue e;
    if (round % 2) e.bias = bias.data();
    if (round % 3 == 1) e.residual = residual.data(), e.ld_residual = n;
    if (round % 5 == 1) e.clip = true, e.lo = -0.25f, e.hi = 0.5f;
    const std::vector<float> c = gemm(kernels_, 1, m, n, k, a, b, e);
    EXPECT_EQ(c, gemm(kernels_, 3, m, n, k, a, b, e));
    const std::vector<double> x = rounded(a), w = rounded(b);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double want = 0, all = 0;
        for (int64_t l = 0; l < k; ++l) {
          const double term = x[static_cast<size_t>(i * k + l)] * w[static_cast<size_t>(l * n + j)];
          want += term;
          all += std::abs(term);
        }
        if (e.bias) want += bias[static_cast<size_t>(j)];
        if (e.residual) want += residual[static_cast<size_t>(i * n + j)];
        if (e.clip) want = std::clamp(want, -0.25, 0.5);
        ASSERT_NEAR(c[static_cast<size_t>(i * n + j)], want, bound(all + 2, k))
            << testing::PrintToString(std::vector{m, n, k, i, j});
      }
  }
}

TEST_P(Bf16Tables, KeepInfinitiesAndNaNs) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const int64_t m = 20, n = 35, k = 40;
  Random random(3);
  std::vector<float> a = random.floats(m * k), b(static_cast<size_t>(k * n), 0.5f);
  a[1 * k + 3] = kInf;
  a[2 * k + 39] = -kInf;
  a[17 * k + 0] = NAN;
  a[18 * k + 5] = 3.4e38f;  // rounds up to infinity
  a[19 * k + 5] = 1e-40f;   // a denormal, which the units take for 0
  b[7 * n + 34] = kInf;
  const std::vector<float> c = gemm(kernels_, 2, m, n, k, a, b);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const float got = c[static_cast<size_t>(i * n + j)];
      if (i == 17) {
        EXPECT_TRUE(std::isnan(got)) << j;
      } else if (j < 34) {
        EXPECT_EQ(std::isinf(got), i == 1 || i == 2 || i == 18) << i << " " << j << ": " << got;
      } else {
        EXPECT_FALSE(std::isfinite(got)) << i;
      }
    }
}

// What a request gives alone, and in a batch, bit for bit.
TEST_P(Bf16Tables, GiveARowTheSameAnswerAnywhere) {
  const int64_t m = 150, n = 70, k = 500;
  Random random(4);
  const std::vector<float> a = random.floats(m * k), b = random.floats(k * n);
  const std::vector<float> whole = gemm(kernels_, 1, m, n, k, a, b);
  for (int64_t row : {0, 5, 16, 33, 149}) {
    const std::vector<float> one = gemm(kernels_, 2, 1, n, k, std::span(a).subspan(static_cast<size_t>(row * k)), b);
    EXPECT_TRUE(same_bits(one, whole, row * n)) << row;
  }
}

TEST_P(Bf16Tables, CallBackForEveryElementOnce) {
  const int64_t m = 70, n = 100, k = 33;
  Random random(5);
  const std::vector<float> a = random.floats(m * k), b = random.floats(k * n);
  Epilogue e;
  e.callback = [](void* context, float* values, int64_t row, int64_t col, int64_t count) {
    for (int64_t i = 0; i < count; ++i) values[i] = values[i] * 2 + *static_cast<float*>(context);
    EXPECT_LT(row * 100 + col + count, 70 * 100 + 1);
  };
  float one = 1;
  e.context = &one;
  for (int threads : {1, 3}) {
    std::vector<float> want = gemm(kernels_, threads, m, n, k, a, b);
    for (float& x : want) x = x * 2 + 1;
    EXPECT_EQ(gemm(kernels_, threads, m, n, k, a, b, e), want);
  }
}

TEST_P(Bf16Tables, ConvolveRandomShapes) {
  Random random(6);
  for (int round = 0; round < 40; ++round) {
    ConvShape s;
    s.n = random.one_of({0, 1, 1, 2, 3});
    s.c = random.one_of({1, 3, 8, 32, 33, 64});
    s.k = random.one_of({1, 5, 32, 40});
    s.h = random.pick(5, 12), s.w = random.pick(5, 12);
    s.kh = random.pick(1, 3), s.kw = random.one_of({1, 2, 3, 5});
    s.stride_h = random.pick(1, 3), s.stride_w = random.pick(1, 2);
    s.dilation_h = random.pick(1, 2), s.dilation_w = random.pick(1, 2);
    s.pad_top = random.pick(0, 2), s.pad_left = random.pick(0, 2);
    s.oh = (s.h + s.pad_top + random.pick(0, 2) - (s.kh - 1) * s.dilation_h - 1) / s.stride_h + 1;
    s.ow = (s.w + s.pad_left + random.pick(0, 2) - (s.kw - 1) * s.dilation_w - 1) / s.stride_w + 1;
    if (s.oh <= 0 || s.ow <= 0) continue;
    const std::vector<float> x = random.floats(s.n * s.h * s.w * s.c), w = random.floats(s.k * s.c * s.kh * s.kw);
    const std::vector<float> bias = random.floats(s.k);
    Epilogue e;
    e.bias = bias.data();
    const int64_t depth = s.kh * s.kw * s.c;
    std::vector<uint16_t> packed(static_cast<size_t>(packed_bf16(depth, s.k)));
    pack_bf16_conv(s, w.data(), packed.data());
    std::vector<float> y[2];
    for (int threads : {1, 3}) {
      std::vector<float>& out = y[threads / 2];
      out.assign(static_cast<size_t>(s.n * s.oh * s.ow * s.k), -7);
      std::vector<std::byte> bytes = space(bf16_conv_workspace(kernels_, s, threads));
      ThreadPool pool(threads);
      bf16_conv(pool, kernels_, s, x.data(), packed.data(), out.data(), e, aligned(bytes));
    }
    EXPECT_EQ(y[0], y[1]);
    const std::vector<double> image = rounded(x), kernel = rounded(w);
    for (int64_t pixel = 0; pixel < s.n * s.oh * s.ow; ++pixel)
      for (int64_t o = 0; o < s.k; ++o) {
        double want = bias[static_cast<size_t>(o)], all = 1;
        for (int64_t i = 0; i < s.kh; ++i)
          for (int64_t j = 0; j < s.kw; ++j) {
            const int64_t row = pixel / s.ow % s.oh * s.stride_h + i * s.dilation_h - s.pad_top;
            const int64_t column = pixel % s.ow * s.stride_w + j * s.dilation_w - s.pad_left;
            if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
            const int64_t at = ((pixel / (s.ow * s.oh) * s.h + row) * s.w + column) * s.c;
            for (int64_t c = 0; c < s.c; ++c) {
              const double term = image[static_cast<size_t>(at + c)] *
                                  kernel[static_cast<size_t>(((o * s.c + c) * s.kh + i) * s.kw + j)];
              want += term;
              all += std::abs(term);
            }
          }
        ASSERT_NEAR(y[0][static_cast<size_t>(pixel * s.k + o)], want, bound(all, depth)) << pixel << " " << o;
      }
  }
}

TEST(bf16, scales_weights_before_it_rounds_them) {
  const float b[] = {1.0f, 2.0f, 3.0f};
  std::vector<uint16_t> packed(static_cast<size_t>(packed_bf16(3, 1)));
  pack_bf16(b, 1, false, 3, 1, 0.1f, packed.data());
  EXPECT_EQ(packed[0], Bf16(0.1f).bits);
  EXPECT_EQ(packed[1], Bf16(0.2f).bits);
  EXPECT_EQ(packed[64], Bf16(0.3f).bits);
  EXPECT_EQ(packed[65], 0);
}

TEST(bf16, says_what_is_missing) {
  EXPECT_EQ(missing(Bf16Unit::none), "");
  EXPECT_EQ(name(Bf16Unit::amx_bf16), "amx_bf16");
  EXPECT_TRUE(!missing(Bf16Unit::amx_bf16).empty() || missing(Bf16Unit::avx512_bf16).empty());
}

}  // namespace
}  // namespace mj::cpu
