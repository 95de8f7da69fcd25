// SPDX-License-Identifier: Apache-2.0
#include "ops/reference_gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace mj {
namespace {

std::vector<double> naive(int64_t m, int64_t n, int64_t k, const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> c(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t p = 0; p < k; ++p) c[i * n + j] += a[i * k + p] * b[p * n + j];
    }
  }
  return c;
}

TEST(ReferenceGemm, EqualsTheNaiveLoop) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> digit(-9, 9);  // integers: every order of summing gives the same
  const int64_t sizes[][3] = {{1, 1, 1}, {4, 8, 3},      {5, 9, 17},      {3, 7, 0},      {0, 4, 4},
                              {4, 0, 4}, {13, 31, 1030}, {129, 127, 113}, {1, 1000, 1200}};
  for (const auto& [m, n, k] : sizes) {
    std::vector<double> a(static_cast<size_t>(m * k)), b(static_cast<size_t>(k * n));
    for (double& x : a) x = digit(random);
    for (double& x : b) x = digit(random);
    std::vector<double> c(static_cast<size_t>(m * n), -1.0);  // what was there before does not count
    reference_gemm(m, n, k, a.data(), b.data(), c.data());
    EXPECT_EQ(c, naive(m, n, k, a, b)) << m << " " << n << " " << k;
  }
}

TEST(ReferenceGemm, OneRowIsTheSameAloneAndAmongOthers) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  const int64_t m = 37, n = 301, k = 700;
  std::vector<double> a(m * k), b(k * n), all(m * n), row(n);
  for (double& x : a) x = normal(random);
  for (double& x : b) x = normal(random);
  reference_gemm(m, n, k, a.data(), b.data(), all.data());
  for (int64_t i = 0; i < m; ++i) {
    reference_gemm(1, n, k, a.data() + i * k, b.data(), row.data());
    EXPECT_EQ(row, std::vector<double>(all.begin() + i * n, all.begin() + (i + 1) * n)) << i;
  }
}

TEST(ReferenceGemm, NarrowSurvivesAnyDouble) {
  const double values[] = {1.9, -1.9, 300, std::numeric_limits<double>::infinity(), std::nan("")};
  Tensor bytes = Tensor::zeros(DType::u8, {5});
  narrow(values, 5, bytes);
  EXPECT_EQ(bytes.to_i64(), (std::vector<int64_t>{1, 0, 0, 0, 0}));
  Tensor longs = Tensor::zeros(DType::i64, {5});
  narrow(values, 5, longs);
  EXPECT_EQ(longs.to_i64(), (std::vector<int64_t>{1, -1, 300, 0, 0}));
}

}  // namespace
}  // namespace mj
