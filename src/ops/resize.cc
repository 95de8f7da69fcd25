// SPDX-License-Identifier: Apache-2.0
#include "ops/resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/axis_lines.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

std::vector<size_t> resized_axes(const Resize& op, int64_t rank) {
  std::vector<size_t> out(static_cast<size_t>(rank));
  std::iota(out.begin(), out.end(), 0);
  if (op.axes.empty()) return out;
  out.clear();
  for (int64_t axis : op.axes) out.push_back(static_cast<size_t>(axis < 0 ? axis + rank : axis));
  return out;
}

// floor(dim * scale), symbolically where scale is a small fraction of a power of two.
std::optional<Dim> scaled(const Dim& dim, float scale) {
  if (dim.constant()) return Dim(static_cast<int64_t>(std::floor(static_cast<double>(*dim.constant()) * scale)));
  for (int64_t divisor = 1; divisor <= 64; divisor *= 2) {
    const float times = scale * static_cast<float>(divisor);
    if (times == std::floor(times)) return floor_div(dim * static_cast<int64_t>(times), divisor);
  }
  return std::nullopt;
}

// With another policy than stretch all axes get one scale, that of the axis that fits (or fills) the box.
std::vector<float> size_scales(const Resize& op, std::span<const int64_t> in, std::span<const int64_t> sizes,
                               std::span<const size_t> axes) {
  std::vector<float> out;
  for (size_t i = 0; i < axes.size(); ++i) {
    out.push_back(static_cast<float>(sizes[i]) / static_cast<float>(std::max<int64_t>(in[axes[i]], 1)));
  }
  if (op.keep_aspect_ratio_policy != "stretch" && !out.empty()) {
    const auto [least, most] = std::minmax_element(out.begin(), out.end());
    const float scale = op.keep_aspect_ratio_policy == "not_larger" ? *least : *most;
    std::fill(out.begin(), out.end(), scale);
  }
  return out;
}

struct Axis {
  int64_t in, out;
  float length;  // before `out` was rounded down from it, which is what ONNX means by the length of the result
  float scale, roi_start, roi_end;
};

// In f32, as every implementation of ONNX does it: a more exact place would round to another neighbour.
float coordinate(const Resize& op, const Axis& a, float o) {
  const std::string& mode = op.coordinate_transformation_mode;
  const auto in = static_cast<float>(a.in), out = static_cast<float>(a.out), length = a.length;
  if (mode == "asymmetric") return o / a.scale;
  if (mode == "align_corners") return a.out == 1 ? 0 : o * (in - 1) / (length - 1);
  if (mode == "pytorch_half_pixel") return a.out == 1 ? 0 : (o + 0.5f) / a.scale - 0.5f;
  if (mode == "tf_half_pixel_for_nn") return (o + 0.5f) / a.scale;
  if (mode == "half_pixel_symmetric") {
    const float adjustment = out / (a.scale * in);
    return in / 2 * (1 - adjustment) + (o + 0.5f) / a.scale - 0.5f;
  }
  if (mode == "tf_crop_and_resize") {
    if (a.out == 1) return 0.5f * (a.roi_start + a.roi_end) * (in - 1);
    return a.roi_start * (in - 1) + o * (a.roi_end - a.roi_start) * (in - 1) / (length - 1);
  }
  return (o + 0.5f) / a.scale - 0.5f;
}

double nearest(const std::string& mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  if (mode == "round_prefer_ceil") return std::floor(x + 0.5);
  return std::ceil(x - 0.5);
}

double cubic(double a, double x) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

ResizeTaps taps_of(const Resize& op, const Axis& a, int64_t o) {
  ResizeTaps t;
  const double x = coordinate(op, a, static_cast<float>(o));
  if (op.coordinate_transformation_mode == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(a.in - 1))) {
    t.outside = true;
    return t;
  }
  const auto clamp = [&](double at) {  // NaN, which a roi may hold, becomes 0
    return at > 0 ? static_cast<int64_t>(std::min(at, static_cast<double>(a.in - 1))) : 0;
  };
  if (op.mode == "nearest") {
    t.taps.push_back({clamp(nearest(op.nearest_mode, x)), 1});
    return t;
  }
  // Antialiasing widens the kernel by how much the image shrinks.
  const double stretch = op.antialias && a.scale < 1 ? static_cast<double>(a.scale) : 1.0;
  const double reach = (op.mode == "linear" ? 1 : 2) / stretch;
  double sum = 0;
  const auto first = static_cast<int64_t>(std::floor(x - reach)) + 1;
  for (int64_t tap = first; static_cast<double>(tap) < x + reach; ++tap) {
    const auto at = static_cast<double>(tap);
    const double distance = (x - at) * stretch;
    const bool outside = at < 0 || at > static_cast<double>(a.in - 1);
    if (outside && op.exclude_outside) continue;
    const double weight = op.mode == "linear" ? std::max(1 - std::fabs(distance), 0.0)
                                              : cubic(static_cast<double>(op.cubic_coeff_a), distance);
    t.taps.push_back({clamp(at), weight});
    sum += weight;
  }
  for (auto& tap : t.taps) tap.second /= sum;
  return t;
}

bool one_of(const std::string& word, std::initializer_list<std::string_view> known) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

}  // namespace

InferResult Resize::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 4));
  MJ_TRY(context.ranked(0));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) return context.fail("input 0 must be numbers");
  const auto known = [&](std::string_view field, const std::string& word,
                         std::initializer_list<std::string_view> all) -> Result<void> {
    if (one_of(word, all)) return {};
    return context.fail(fmt::format("{} must be one of {}, got '{}'", field, fmt::join(all, ", "), word));
  };
  MJ_TRY(known("mode", mode, {"nearest", "linear", "cubic"}));
  MJ_TRY(known("nearest_mode", nearest_mode, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}));
  MJ_TRY(known("keep_aspect_ratio_policy", keep_aspect_ratio_policy, {"stretch", "not_larger", "not_smaller"}));
  MJ_TRY(known("coordinate_transformation_mode", coordinate_transformation_mode,
               {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                "tf_half_pixel_for_nn", "tf_crop_and_resize"}));
  if (context.has(1) && !is_float(context.dtype(1))) return context.fail("roi must be floating point");
  MJ_TRY(normalize_axes(context, axes, context[0].type.rank()));
  const std::vector<size_t> at = resized_axes(*this, context[0].type.rank());
  Shape out = context.shape(0);
  const auto empty = [&](size_t i) { return !context.has(i) || context[i].constant.dims() == std::vector<int64_t>{0}; };
  if (!empty(3)) {
    const std::optional<std::vector<Dim>> sizes = context[3].elements();
    if (sizes && sizes->size() != at.size())
      return context.fail(fmt::format("{} sizes for {} axes", sizes->size(), at.size()));
    const std::optional<std::vector<int64_t>> numbers = context[3].known_elements();
    std::vector<int64_t> in;
    for (const Dim& dim : out) in.push_back(dim.constant().value_or(-1));
    if (keep_aspect_ratio_policy != "stretch") {
      bool all_known = numbers.has_value();
      for (size_t axis : at) all_known = all_known && in[axis] >= 0;
      if (!all_known && context.concrete()) return context.fail("sizes must be integers");
      if (!all_known) {  // which axis decides, only running tells
        for (size_t axis : at) out[axis] = context.fresh("resize");
        return one(context.dtype(0), std::move(out));
      }
      const std::vector<float> scales = size_scales(*this, in, *numbers, at);
      for (size_t i = 0; i < at.size(); ++i) {
        out[at[i]] = std::lround(scales[i] * static_cast<float>(in[at[i]]));
      }
      return one(context.dtype(0), std::move(out));
    }
    if (!sizes && context.concrete()) return context.fail("sizes must be integers");
    for (size_t i = 0; i < at.size(); ++i) out[at[i]] = sizes ? (*sizes)[i] : context.fresh("resize");
    return one(context.dtype(0), std::move(out));
  }
  if (empty(2)) return context.fail("needs scales or sizes");
  const Tensor& scales = context[2].constant;
  if (!is_float(context.dtype(2))) return context.fail("scales must be floating point");
  if (scales.present() && scales.size() != std::ssize(at))
    return context.fail(fmt::format("{} scales for {} axes", scales.size(), at.size()));
  for (size_t i = 0; i < at.size(); ++i) {
    std::optional<Dim> dim;
    if (scales.present()) {
      const auto scale = static_cast<float>(scales.to_f64()[i]);
      if (!(scale > 0 && scale < 1e6f)) return context.fail(fmt::format("scale {} is out of range", scale));
      dim = scaled(out[at[i]], scale);
    }
    out[at[i]] = dim ? *dim : context.fresh("resize");
  }
  return one(context.dtype(0), std::move(out));
}

Result<std::vector<ResizePass>> resize_passes(const Resize& op, std::span<const Tensor> in,
                                              std::span<const int64_t> out_dims) {
  const std::vector<size_t> at = resized_axes(op, in[0].rank());
  const auto given = [&](size_t i) { return in.size() > i && in[i].present() && in[i].size() > 0; };
  std::vector<float> scales;
  if (given(3)) {
    scales = size_scales(op, in[0].dims(), in[3].to_i64(), at);
  } else {
    for (double scale : in[2].to_f64()) scales.push_back(static_cast<float>(scale));
  }
  const bool crops = op.coordinate_transformation_mode == "tf_crop_and_resize";
  const std::vector<double> roi = given(1) ? in[1].to_f64() : std::vector<double>{};
  if (crops && roi.size() != 2 * at.size()) {
    return model_error("resize: roi needs {} numbers, got {}", 2 * at.size(), roi.size());
  }
  std::vector<ResizePass> passes;
  for (size_t i = 0; i < at.size(); ++i) {
    Axis axis{in[0].dims()[at[i]], out_dims[at[i]], static_cast<float>(out_dims[at[i]]), scales[i], 0, 1};
    if (!given(3)) axis.length = scales[i] * static_cast<float>(axis.in);
    if (roi.size() == 2 * at.size()) {
      axis.roi_start = static_cast<float>(roi[i]);
      axis.roi_end = static_cast<float>(roi[at.size() + i]);
    }
    if (axis.in == axis.out && scales[i] == 1 && !crops) continue;
    ResizePass pass{at[i], {}};
    for (int64_t o = 0; o < axis.out; ++o) pass.places.push_back(taps_of(op, axis, o));
    passes.push_back(std::move(pass));
  }
  return passes;
}

Result<void> Resize::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (out[0].size() == 0) return {};
  if (in[0].size() == 0) return model_error("resize: an empty image cannot grow");
  MJ_ASSIGN(const std::vector<ResizePass> passes, resize_passes(*this, in, out[0].dims()));
  std::vector<double> image = widened(in[0]);
  std::vector<int64_t> dims = in[0].dims();
  for (const ResizePass& pass : passes) {
    const AxisView view = AxisView::of(dims, static_cast<int64_t>(pass.axis));
    const auto length = static_cast<int64_t>(pass.places.size());
    std::vector<double> next(static_cast<size_t>(view.outer * length * view.inner));
    for (int64_t o = 0; o < length; ++o) {
      const ResizeTaps& t = pass.places[static_cast<size_t>(o)];
      for (int64_t outer = 0; outer < view.outer; ++outer) {
        for (int64_t inner = 0; inner < view.inner; ++inner) {
          double sum = t.outside ? static_cast<double>(extrapolation_value) : 0;
          for (const auto& [place, weight] : t.taps) {
            sum += weight * image[(outer * view.length + place) * view.inner + inner];
          }
          next[(outer * length + o) * view.inner + inner] = sum;
        }
      }
    }
    image = std::move(next);
    dims[pass.axis] = length;
  }
  narrow(image.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(Resize)

}  // namespace mj
