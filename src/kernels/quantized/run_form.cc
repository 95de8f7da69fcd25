// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantized/form.h"
#include "ops/reduce.h"

namespace mj {

bool has_mean_form(const QuantizedMean& op, int64_t rank) {
  const std::vector<int64_t> axes = ReduceFields{op.axes, op.keepdims}.resolved(rank);
  return axes.empty() || axes.back() - axes.front() + 1 == std::ssize(axes);
}

MeanForm mean_form(const QuantizedMean& op, std::span<const int64_t> dims) {
  const std::vector<int64_t> axes = ReduceFields{op.axes, op.keepdims}.resolved(std::ssize(dims));
  MeanForm form;
  for (int64_t d = 0; d < std::ssize(dims); ++d) {
    const bool before = !axes.empty() && d < axes.front(), within = !axes.empty() && !before && d <= axes.back();
    (before ? form.outer : within ? form.length : form.inner) *= dims[static_cast<size_t>(d)];
  }
  return form;
}

}  // namespace mj
