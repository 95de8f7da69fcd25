// SPDX-License-Identifier: Apache-2.0
#include "problem/planar_conv_form.h"

#include <utility>

namespace mj {

std::optional<PlanarConvForm> PlanarConvForm::of(const PlanarConv& op, const Shape& x, const Shape& w) {
  PlanarConvForm form{};
  form.images = x[0];
  for (const auto& [dim, to] : {std::pair(&x[1], &form.channels),
                                {&w[0], &form.outputs},
                                {&x[2], &form.height},
                                {&x[3], &form.width},
                                {&w[2], &form.lines},
                                {&w[3], &form.taps}}) {
    if (!dim->constant()) return std::nullopt;
    *to = *dim->constant();
  }
  const auto item = [](const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
    return list.empty() ? otherwise : list[i];
  };
  form.down = item(op.strides, 0, 1), form.right = item(op.strides, 1, 1);
  form.top = item(op.pads, 0, 0), form.left = item(op.pads, 1, 0);
  form.out_height = (form.height + form.top + item(op.pads, 2, 0) - form.lines) / form.down + 1;
  form.out_width = (form.width + form.left + item(op.pads, 3, 0) - form.taps) / form.right + 1;
  return form;
}

}  // namespace mj
