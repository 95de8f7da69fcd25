// SPDX-License-Identifier: Apache-2.0
#include "runtime/compare_outputs.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mj {

double relative_l2(const Tensor& a, const Tensor& reference) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a.dtype() != reference.dtype() || a.dims() != reference.dims()) return kInfinity;
  if (a.is_sequence() && reference.is_sequence() && a.items().size() == reference.items().size()) {
    double worst = 0;
    for (size_t i = 0; i < a.items().size(); ++i) {
      worst = std::max(worst, relative_l2(a.items()[i], reference.items()[i]));
    }
    return worst;
  }
  if (a.is_sequence() || reference.is_sequence()) return kInfinity;
  if (!is_float(a.dtype())) return identical(a, reference) ? 0 : kInfinity;
  const std::vector<double> x = a.to_f64(), y = reference.to_f64();
  double difference = 0, norm = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(y[i]) && std::isnan(x[i])) continue;
    if (std::isinf(y[i]) && x[i] == y[i]) continue;
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) return kInfinity;
    difference += (x[i] - y[i]) * (x[i] - y[i]);
    norm += y[i] * y[i];
  }
  if (difference == 0) return 0;
  return norm == 0 ? kInfinity : std::sqrt(difference / norm);
}

Comparison compare_outputs(std::span<const Tensor> outputs, std::span<const Tensor> reference) {
  CHECK(outputs.size() == reference.size(), "{} outputs against {}", outputs.size(), reference.size());
  Comparison result;
  for (size_t i = 0; i < outputs.size(); ++i) {
    result.errors.push_back(relative_l2(outputs[i], reference[i]));
    result.worst = std::max(result.worst, result.errors.back());
  }
  return result;
}

}  // namespace mj
