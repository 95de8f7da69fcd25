// SPDX-License-Identifier: Apache-2.0
// resize(x, roi?, scales?, sizes?): ONNX's Resize; every mode is a weighted sum along one axis after the other.
#pragma once

#include "ops/op.h"

namespace mj {

struct Resize {
  std::string mode = "nearest";  // linear, cubic
  std::string coordinate_transformation_mode = "half_pixel";
  std::string nearest_mode = "round_prefer_floor";
  float cubic_coeff_a = -0.75f;
  bool exclude_outside = false;
  float extrapolation_value = 0.0f;
  bool antialias = false;
  std::string keep_aspect_ratio_policy = "stretch";
  std::vector<int64_t> axes;  // that roi, scales and sizes speak of; empty: all

  static constexpr std::string_view kName = "resize";
  static constexpr OnnxName kOnnx = {.name = "Resize", .since = 11};
  static constexpr auto kFields =
      std::tuple{field(1, "mode", &Resize::mode),
                 field(2, "coordinate_transformation_mode", &Resize::coordinate_transformation_mode),
                 field(3, "nearest_mode", &Resize::nearest_mode),
                 field(4, "cubic_coeff_a", &Resize::cubic_coeff_a),
                 field(5, "exclude_outside", &Resize::exclude_outside),
                 field(6, "extrapolation_value", &Resize::extrapolation_value),
                 field(7, "antialias", &Resize::antialias),
                 field(8, "keep_aspect_ratio_policy", &Resize::keep_aspect_ratio_policy),
                 field(9, "axes", &Resize::axes)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// Output place o of a resized axis is the sum of weight * input place over its taps.
struct ResizeTaps {
  std::vector<std::pair<int64_t, double>> taps;
  bool outside = false;  // tf_crop_and_resize: the extrapolation value stands here
};
struct ResizePass {
  size_t axis;
  std::vector<ResizeTaps> places;  // one for each output place
};
// The axes to resize, one after the other, for these inputs (of which x may lack its data).
Result<std::vector<ResizePass>> resize_passes(const Resize& op, std::span<const Tensor> in,
                                              std::span<const int64_t> out_dims);

}  // namespace mj
