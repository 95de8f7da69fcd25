// SPDX-License-Identifier: Apache-2.0
// The sliding window of convolutions and pools: ONNX's kernel_shape, strides, pads (begins, then ends), dilations and
// auto_pad over 1 to 3 spatial dims.
#pragma once

#include <string>
#include <vector>

#include "ops/infer.h"

namespace mj {

// As the operator's fields say; empty lists mean 1s and 0s.
struct WindowFields {
  const std::vector<int64_t>& strides;
  const std::vector<int64_t>& pads;
  const std::vector<int64_t>& dilations;
  const std::string& auto_pad;  // NOTSET, VALID, SAME_UPPER, SAME_LOWER
};

// Numbers of elements are right and all values legal (strides and dilations from 1, pads from 0).
Result<void> check_window(const InferContext& context, const WindowFields& fields, size_t spatial);
// Every window fits into its padded dim, where both are known and there is anything.
Result<void> check_window_fits(const InferContext& context, const WindowFields& fields, const Shape& in,
                               const Shape& kernel);
// Output length of each spatial dim of a convolution, whose windows are all inside the padded dim.
Shape window_output(const WindowFields& fields, const Shape& in, const Shape& kernel);
// The same of a pool. `ceil_mode` also counts a last window that is only partly inside. Where not even the first window
// is inside, it counts if it sticks out by less than a stride: that is what ONNX's shape inference and ONNX Runtime,
// whose divisions round towards zero, make of the formula.
Shape pooled_output(const WindowFields& fields, const Shape& in, const Shape& kernel, bool ceil_mode);

// A window over concrete dims, always three of them (missing outer ones are 1), with the padding resolved.
struct Window {
  int64_t in[3], kernel[3], stride[3], dilation[3], begin[3], end[3], out[3];

  static Window of(const WindowFields& fields, std::span<const int64_t> in, std::span<const int64_t> kernel,
                   std::span<const int64_t> out);
  int64_t positions() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  // Where tap `k` of position `o` stands in dim d; outside [0, in[d]) is padding.
  int64_t at(int d, int64_t o, int64_t k) const { return o * stride[d] - begin[d] + k * dilation[d]; }
};

}  // namespace mj
