// SPDX-License-Identifier: Apache-2.0
#include "passes/weights.h"

namespace mj {

std::optional<std::vector<double>> along_axis(const Tensor& c, int64_t rank, int64_t axis, int64_t n) {
  if (!c.present() || !is_float(c.dtype()) || c.rank() > rank) return std::nullopt;
  for (int64_t d = 0; d < c.rank(); ++d) {
    const int64_t dim = c.dims()[static_cast<size_t>(d)];
    const bool is_axis = d + rank - c.rank() == axis;
    if (dim != 1 && !(is_axis && dim == n)) return std::nullopt;
  }
  std::vector<double> values = c.to_f64();
  if (values.size() == 1) values.assign(static_cast<size_t>(n), values[0]);
  return values;
}

Tensor scaled(const Tensor& weight, int64_t axis, std::span<const double> s) {
  Tensor out = Tensor::zeros(weight.dtype(), weight.dims());
  int64_t inner = 1;
  for (int64_t d = axis + 1; d < weight.rank(); ++d) inner *= weight.dims()[static_cast<size_t>(d)];
  const int64_t n = weight.dims()[static_cast<size_t>(axis)];
  dispatch(weight.dtype(), [&]<class T>() {
    if constexpr (!std::is_integral_v<T>) {
      const T* from = weight.data<T>().data();
      T* to = out.mutable_data<T>().data();
      using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
      for (int64_t i = 0; i < weight.size(); ++i) {
        const double factor = s[static_cast<size_t>(i / inner % n)];
        to[i] = T(static_cast<Wide>(static_cast<double>(from[i]) * factor));
      }
    }
  });
  return out;
}

Tensor vector_of(DType dtype, std::span<const double> values) {
  Tensor out = Tensor::zeros(dtype, {std::ssize(values)});
  dispatch(dtype, [&]<class T>() {
    if constexpr (!std::is_integral_v<T>) {
      using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
      for (size_t i = 0; i < values.size(); ++i) out.mutable_data<T>()[i] = T(static_cast<Wide>(values[i]));
    }
  });
  return out;
}

std::vector<double> values_or_zeros(const Tensor& vector, int64_t n) {
  return vector.present() ? vector.to_f64() : std::vector<double>(static_cast<size_t>(n), 0.0);
}

}  // namespace mj
