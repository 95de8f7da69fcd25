// SPDX-License-Identifier: Apache-2.0
#include "ops/reference_gemm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define MJ_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MJ_CLONES
#endif

namespace mj {
namespace {

constexpr int64_t kRows = 4, kColumns = 8;  // of a tile of c held in registers
constexpr int64_t kDepth = 512;             // a packed strip of b, 8 x 512 doubles, stays in L1

typedef double Vector __attribute__((vector_size(32)));

// c[rows <= 4, columns <= 8] += a * strip; the strip holds 8 columns of b side by side.
inline __attribute__((always_inline)) void tile(int64_t rows, int64_t columns, int64_t k, const double* a, int64_t lda,
                                                const double* strip, double* c, int64_t ldc) {
  const double* row[kRows];
  Vector sum[kRows][2] = {};
  for (int64_t i = 0; i < kRows; ++i) row[i] = a + std::min(i, rows - 1) * lda;
  for (int64_t p = 0; p < k; ++p) {
    const Vector* b = reinterpret_cast<const Vector*>(strip + p * kColumns);
    for (int64_t i = 0; i < kRows; ++i) {
      sum[i][0] += row[i][p] * b[0];
      sum[i][1] += row[i][p] * b[1];
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) c[i * ldc + j] += sum[i][j / 4][j % 4];
  }
}

// Columns [first, last) of c.
MJ_CLONES void columns_of(int64_t m, int64_t n, int64_t k, const double* a, const double* b, double* c, int64_t first,
                          int64_t last) {
  alignas(64) double strip[kDepth * kColumns];
  for (int64_t j = first; j < last; j += kColumns) {
    const int64_t columns = std::min(kColumns, last - j);
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * n + j, columns, 0.0);
    for (int64_t p = 0; p < k; p += kDepth) {
      const int64_t depth = std::min(kDepth, k - p);
      std::fill_n(strip, depth * kColumns, 0.0);
      for (int64_t q = 0; q < depth; ++q) std::copy_n(b + (p + q) * n + j, columns, strip + q * kColumns);
      for (int64_t i = 0; i < m; i += kRows) {
        tile(std::min(kRows, m - i), columns, depth, a + i * k + p, k, strip, c + i * n + j, n);
      }
    }
  }
}

}  // namespace

void reference_gemm(int64_t m, int64_t n, int64_t k, const double* a, const double* b, double* c) {
  if (m == 0 || n == 0) return;
  const int64_t strips = (n + kColumns - 1) / kColumns;
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const int64_t threads = work < 1e6 ? 1 : std::min<int64_t>(strips, std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::thread> others;
  const auto part = [&](int64_t t) {
    columns_of(m, n, k, a, b, c, strips * t / threads * kColumns, std::min(n, strips * (t + 1) / threads * kColumns));
  };
  for (int64_t t = 1; t < threads; ++t) others.emplace_back(part, t);
  part(0);
  for (std::thread& thread : others) thread.join();
}

std::vector<double> widened(const Tensor& tensor) {
  std::vector<double> out(static_cast<size_t>(tensor.size()));
  widen(tensor, 0, tensor.size(), out.data());
  return out;
}

void widen(const Tensor& tensor, int64_t offset, int64_t n, double* out) {
  dispatch(tensor.dtype(), [&]<class T>() {
    const T* data = tensor.data<T>().data() + offset;
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<double>(data[i]);
  });
}

void narrow(const double* values, int64_t n, Tensor& tensor, int64_t offset) {
  dispatch(tensor.dtype(), [&]<class T>() {
    T* data = tensor.mutable_data<T>().data() + offset;
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        data[i] = values[i] != 0;
      } else if constexpr (std::is_integral_v<T>) {
        // Out of range is undefined in C++; such integers are the model's fault and become 0.
        const bool fits = values[i] >= static_cast<double>(std::numeric_limits<T>::lowest()) &&
                          values[i] < std::ldexp(1.0, std::numeric_limits<T>::digits);
        data[i] = fits ? static_cast<T>(values[i]) : T{0};
      } else if constexpr (std::is_same_v<T, double>) {
        data[i] = values[i];
      } else {
        data[i] = static_cast<T>(static_cast<float>(values[i]));
      }
    }
  });
}

}  // namespace mj
