// SPDX-License-Identifier: Apache-2.0
// The one matrix product behind the references of conv, gemm, matmul, attention and the recurrent layers.
#pragma once

#include <cstdint>
#include <vector>

#include "base/tensor.h"

namespace mj {

// c[m,n] = a[m,k] * b[k,n], dense and row-major. Each element is one sum in double over k in order, whatever the sizes
// and the number of threads. Large products use every core.
void reference_gemm(int64_t m, int64_t n, int64_t k, const double* a, const double* b, double* c);

// Any numeric tensor widened, and rounded back once.
std::vector<double> widened(const Tensor& tensor);
void widen(const Tensor& tensor, int64_t offset, int64_t n, double* out);
void narrow(const double* values, int64_t n, Tensor& tensor, int64_t offset = 0);

}  // namespace mj
