// SPDX-License-Identifier: Apache-2.0
#include "tune/noise.h"

#include <random>

#include "base/half.h"

namespace mj {
namespace {

template <class T>
void fill(Tensor& tensor, uint32_t seed) {
  std::minstd_rand random(seed + 1);
  for (T& x : tensor.mutable_data<T>()) {
    x = T(static_cast<float>(random()) / static_cast<float>(std::minstd_rand::max()) * 2 - 1);
  }
}

}  // namespace

Tensor noise(DType dtype, std::vector<int64_t> dims, uint32_t seed) {
  Tensor tensor = Tensor::zeros(dtype, std::move(dims));
  if (dtype == DType::f32) fill<float>(tensor, seed);
  if (dtype == DType::f64) fill<double>(tensor, seed);
  if (dtype == DType::f16) fill<F16>(tensor, seed);
  if (dtype == DType::bf16) fill<Bf16>(tensor, seed);
  return tensor;
}

}  // namespace mj
