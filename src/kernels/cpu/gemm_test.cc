// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/test_support.h"

namespace mj::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
using Floats = std::vector<float>;

Floats make(int64_t count) { return Floats(static_cast<size_t>(count), -7.0f); }

class GemmTest : public PerIsa {
 protected:
  void run(int threads, Gemm g, const Floats& b, int64_t ldb, bool transposed) {
    ThreadPool pool(threads);
    Floats packed = make(packed_b_floats(isa(), g.k, g.n));
    pack_b(isa(), b.data(), ldb, transposed, g.k, g.n, packed.data());
    g.packed_b = packed.data();
    gemm(pool, isa(), g);
  }
};
INSTANTIATE_TEST_SUITE_P(Isa, GemmTest, kEveryIsa, name_of);

// Every element within k roundings of the double-precision sum of |products|.
void expect_close(double want, double magnitude, float got, int64_t k, const std::string& where) {
  EXPECT_LE(std::abs(want - got), (magnitude + 4) * 1e-7 * static_cast<double>(k + 4)) << where;
}

TEST_P(GemmTest, equals_the_naive_loop) {
  Random random(1);
  for (int trial = 0; trial < 120; ++trial) {
    const int64_t m = random.one_of({0, 1, 2, 3, 5, 6, 7, 13, 14, 29, 49, 67});
    const int64_t n = random.one_of({0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 97, 130});
    const int64_t k = random.one_of({0, 1, 2, 3, 8, 21, 64, 127, 255, 257, 513, 700});
    const bool transposed = random.pick(0, 1);
    const int64_t lda = k + random.pick(0, 3), ldc = n + random.pick(0, 3);
    const int64_t ldb = (transposed ? k : n) + random.pick(0, 3);
    const Floats a = random.floats(m * lda + 1), b = random.floats((transposed ? n : k) * ldb + 1);
    const Floats bias = random.floats(n), residual = random.floats(m * n);
    Floats c = make(m * ldc);
    Gemm g{m, n, k, a.data(), lda, nullptr, c.data(), ldc, {}};
    if (random.pick(0, 1)) g.epilogue.bias = bias.data();
    if (random.pick(0, 1)) g.epilogue.residual = residual.data(), g.epilogue.ld_residual = n;
    if (random.pick(0, 1)) g.epilogue.clip = true, g.epilogue.lo = -0.5f, g.epilogue.hi = 2;
    run(static_cast<int>(random.pick(1, 3)), g, b, ldb, transposed);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0, magnitude = 0;
        for (int64_t t = 0; t < k; ++t) {
          const double product = static_cast<double>(a[static_cast<size_t>(i * lda + t)]) *
                                 b[static_cast<size_t>(transposed ? j * ldb + t : t * ldb + j)];
          sum += product;
          magnitude += std::abs(product);
        }
        if (g.epilogue.bias) sum += bias[static_cast<size_t>(j)];
        if (g.epilogue.residual) sum += residual[static_cast<size_t>(i * n + j)];
        if (g.epilogue.clip) sum = std::clamp(sum, -0.5, 2.0);
        expect_close(sum, magnitude, c[static_cast<size_t>(i * ldc + j)], k,
                     fmt::format("{}x{}x{} at {},{}", m, n, k, i, j));
      }
      for (int64_t j = n; j < ldc; ++j) EXPECT_EQ(c[static_cast<size_t>(i * ldc + j)], -7.0f) << "past the row";
    }
    if (HasFailure()) return;
  }
}

TEST_P(GemmTest, an_element_does_not_depend_on_rows_columns_or_threads) {
  Random random(2);
  const int64_t m = 141, n = 83, k = 611;
  const Floats a = random.floats(m * k), b = random.floats(k * n);
  Floats whole = make(m * n);
  run(1, {m, n, k, a.data(), k, nullptr, whole.data(), n, {}}, b, n, false);
  for (int threads : {2, 3}) {
    Floats c = make(m * n);
    run(threads, {m, n, k, a.data(), k, nullptr, c.data(), n, {}}, b, n, false);
    EXPECT_TRUE(same_bits(c, whole, 0)) << threads << " threads";
  }
  for (int64_t rows : {1, 2, 3, 4, 5, 7, 11, 50}) {
    for (int64_t columns : {5, 16, 32, 70}) {
      Floats c = make(rows * columns);
      run(2, {rows, columns, k, a.data() + 13 * k, k, nullptr, c.data(), columns, {}}, b, n, false);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
          ASSERT_EQ(c[static_cast<size_t>(i * columns + j)], whole[static_cast<size_t>((i + 13) * n + j)])
              << rows << "x" << columns;
    }
  }
}

TEST_P(GemmTest, groups_of_columns_and_their_callbacks_do_not_show) {
  Random random(5);
  const int64_t m = 150, n = 1101, k = 530;  // more columns than stay in cache until the last of three K blocks
  const Floats a = random.floats(m * k), b = random.floats(k * n), residual = random.floats(m * n);
  const auto multiply = [&](int threads, int64_t first, int64_t rows) {
    Floats c = make(rows * n);
    Gemm g{rows, n, k, a.data() + first * k, k, nullptr, c.data(), n, {}};
    g.epilogue.residual = residual.data() + first * n, g.epilogue.ld_residual = n;
    g.epilogue.callback = [](void*, float* values, int64_t, int64_t, int64_t count) {
      for (int64_t i = 0; i < count; ++i) values[i] *= 2;
    };
    run(threads, g, b, n, false);
    return c;
  };
  const Floats whole = multiply(1, 0, m);
  EXPECT_EQ(multiply(3, 0, m), whole);
  for (int64_t first : {0, 77, 145})
    EXPECT_EQ(multiply(2, first, 5), Floats(whole.begin() + first * n, whole.begin() + (first + 5) * n)) << first;
}

TEST_P(GemmTest, the_callback_sees_every_finished_element_once) {
  Random random(3);
  const int64_t m = 75, n = 150, k = 300;
  const Floats a = random.floats(m * k), b = random.floats(k * n), bias = random.floats(n);
  Floats plain = make(m * n), doubled = make(m * n);
  Gemm g{m, n, k, a.data(), k, nullptr, plain.data(), n, {}};
  g.epilogue.bias = bias.data();
  run(2, g, b, n, false);
  g.c = doubled.data();
  g.epilogue.context = doubled.data();
  g.epilogue.callback = [](void* c, float* values, int64_t row, int64_t col, int64_t count) {
    EXPECT_EQ(values, static_cast<float*>(c) + row * 150 + col);
    for (int64_t i = 0; i < count; ++i) values[i] *= 2;
  };
  run(2, g, b, n, false);
  for (size_t i = 0; i < plain.size(); ++i) ASSERT_EQ(doubled[i], 2 * plain[i]) << i;
}

TEST_P(GemmTest, nan_survives_relu_and_padding_never_leaks) {
  const int64_t m = 7, n = 19, k = 3;
  Floats a(static_cast<size_t>(m * k), 1.0f), b(static_cast<size_t>(k * n), -1.0f), c = make(m * n);
  a[4] = std::nanf("");
  b[5] = kInf;
  Gemm g{m, n, k, a.data(), k, nullptr, c.data(), n, {}};
  g.epilogue.clip = true;
  g.epilogue.hi = kInf;
  run(1, g, b, n, false);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const float got = c[static_cast<size_t>(i * n + j)];
      if (i == 1)
        EXPECT_TRUE(std::isnan(got)) << i << "," << j;
      else
        EXPECT_EQ(got, j == 5 ? kInf : 0.0f) << i << "," << j;
    }
}

TEST_P(GemmTest, batched_in_all_four_forms) {
  Random random(4);
  for (int trial = 0; trial < 60; ++trial) {
    BatchedGemm g;
    g.batch = random.one_of({0, 1, 2, 3, 9});
    g.m = random.one_of({1, 2, 7, 16, 33});
    g.n = random.one_of({1, 5, 16, 40, 67});
    g.k = random.one_of({0, 1, 3, 64, 300});
    g.a_transposed = random.pick(0, 1);
    g.b_transposed = random.pick(0, 1);
    g.lda = (g.a_transposed ? g.m : g.k) + random.pick(0, 2);
    g.ldb = (g.b_transposed ? g.k : g.n) + random.pick(0, 2);
    g.ldc = g.n + random.pick(0, 2);
    g.stride_a = (g.a_transposed ? g.k : g.m) * g.lda;
    g.stride_b = random.pick(0, 1) ? (g.b_transposed ? g.n : g.k) * g.ldb : 0;
    g.stride_c = g.m * g.ldc;
    const Floats a = random.floats(g.batch * g.stride_a + 1);
    const Floats b = random.floats(g.batch * std::max(g.n, g.k) * g.ldb + 1);
    const Floats residual = random.floats(g.batch * g.m * g.n);
    Floats c = make(g.batch * g.stride_c);
    g.a = a.data(), g.b = b.data(), g.c = c.data();
    if (random.pick(0, 1)) g.epilogue.residual = residual.data(), g.epilogue.ld_residual = g.n;
    ThreadPool pool(static_cast<int>(random.pick(1, 3)));
    std::vector<char> workspace(static_cast<size_t>(batched_gemm_workspace(isa(), g, pool.threads())));
    batched_gemm(pool, isa(), g, workspace.data());
    for (int64_t s = 0; s < g.batch; ++s)
      for (int64_t i = 0; i < g.m; ++i)
        for (int64_t j = 0; j < g.n; ++j) {
          double sum = 0;
          for (int64_t t = 0; t < g.k; ++t)
            sum += static_cast<double>(g.a[s * g.stride_a + (g.a_transposed ? t * g.lda + i : i * g.lda + t)]) *
                   g.b[s * g.stride_b + (g.b_transposed ? j * g.ldb + t : t * g.ldb + j)];
          if (g.epilogue.residual) sum += residual[static_cast<size_t>((s * g.m + i) * g.n + j)];
          expect_close(sum, static_cast<double>(g.k), g.c[s * g.stride_c + i * g.ldc + j], g.k,
                       fmt::format("trial {} batch {} at {},{}", trial, s, i, j));
        }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace mj::cpu
