// SPDX-License-Identifier: Apache-2.0
// deform_conv{group, offset_group, kernel_shape, strides, pads, dilations}(x [N,C,H,W], w [M,C/group,kh,kw], offset
// [N,offset_group*kh*kw*2,OH,OW], bias? [M], mask? [N,offset_group*kh*kw,OH,OW]): a convolution each of whose taps
// reads beside its place, by (y, x) of the offset, between elements; 0 outside the image; times the mask
#include <fmt/format.h>

#include <cmath>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct DeformConv {
  int64_t group = 1, offset_group = 1;
  std::vector<int64_t> kernel_shape, strides, pads, dilations;

  static constexpr std::string_view kName = "deform_conv";
  static constexpr OnnxName kOnnx = {.name = "DeformConv", .since = 19};
  static constexpr auto kFields = std::tuple{field(1, "group", &DeformConv::group),
                                             field(2, "offset_group", &DeformConv::offset_group),
                                             field(3, "kernel_shape", &DeformConv::kernel_shape),
                                             field(4, "strides", &DeformConv::strides),
                                             field(5, "pads", &DeformConv::pads),
                                             field(6, "dilations", &DeformConv::dilations)};

  int64_t stride(size_t d) const { return strides.empty() ? 1 : strides[d]; }
  int64_t dilation(size_t d) const { return dilations.empty() ? 1 : dilations[d]; }
  int64_t pad(size_t d) const { return pads.empty() ? 0 : pads[d]; }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

// Of a plane, between its four elements around (y, x); those outside are 0.
double between_elements(const double* plane, int64_t height, int64_t width, double y, double x) {
  if (!(y > -1 && x > -1 && y < static_cast<double>(height) && x < static_cast<double>(width))) return 0;
  const double top = std::floor(y), left = std::floor(x);
  double sum = 0;
  for (int corner = 0; corner < 4; ++corner) {
    const double row = top + (corner / 2), column = left + (corner % 2);
    const auto i = static_cast<int64_t>(row), j = static_cast<int64_t>(column);
    if (i < 0 || j < 0 || i >= height || j >= width) continue;
    sum += (1 - std::fabs(y - row)) * (1 - std::fabs(x - column)) * plane[i * width + j];
  }
  return sum;
}

}  // namespace

InferResult DeformConv::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 5));
  if (!is_float(context.dtype(0))) return context.fail("inputs must be floating point");
  for (size_t i = 0; i < 5; ++i) {
    if (!context.has(i)) continue;
    MJ_TRY(context.rank(i, i == 3 ? 1 : 4));
    MJ_TRY(context.same_dtype(0, i));
  }
  const auto fits = [](const std::vector<int64_t>& list, size_t n, int64_t least) {
    for (int64_t value : list) {
      if (value < least || value > INT32_MAX) return false;
    }
    return list.empty() || list.size() == n;
  };
  if (group < 1 || offset_group < 1 || !fits(kernel_shape, 2, 1) || !fits(strides, 2, 1) || !fits(pads, 4, 0) ||
      !fits(dilations, 2, 1)) {
    return context.fail("group, offset_group, kernel_shape, strides, pads and dilations must fit two spatial dims");
  }
  const Shape &x = context.shape(0), &w = context.shape(1), &offset = context.shape(2);
  Shape out{x[0], w[0], 0, 0};
  for (size_t d = 0; d < 2; ++d) {
    if (!kernel_shape.empty()) MJ_TRY(require_equal(context, "a kernel and kernel_shape", w[d + 2], kernel_shape[d]));
    const Dim reach = (w[d + 2] - 1) * dilation(d) + 1;
    out[d + 2] = floor_div(x[d + 2] + pad(d) + pad(d + 2) - reach, stride(d)) + 1;
    MJ_TRY(require_equal(context, "the output and its offsets", out[d + 2], offset[d + 2]));
  }
  const Dim taps = w[2] * w[3] * offset_group;
  MJ_TRY(require_equal(context, "the channels and those of the weights", x[1], w[1] * group));
  MJ_TRY(require_equal(context, "the channels beyond whole groups and 0", mod(x[1], offset_group), 0));
  MJ_TRY(require_equal(context, "the filters beyond whole groups and 0", mod(w[0], group), 0));
  MJ_TRY(require_equal(context, "the batches of x and the offsets", x[0], offset[0]));
  MJ_TRY(require_equal(context, "the offsets and two for each tap", offset[1], taps * 2));
  if (context.has(3)) MJ_TRY(require_equal(context, "the bias and the filters", context.shape(3)[0], w[0]));
  if (context.has(4)) {
    const Shape mask{x[0], taps, offset[2], offset[3]};
    for (size_t d = 0; d < 4; ++d) {
      MJ_TRY(require_equal(context, fmt::format("dimension {} of the mask", d), context.shape(4)[d], mask[d]));
    }
  }
  return one(context.dtype(0), {x[0], w[0], offset[2], offset[3]});
}

Result<void> DeformConv::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t>&image = in[0].dims(), &filter = in[1].dims(), &result = out[0].dims();
  const int64_t channels = image[1], height = image[2], width = image[3], taps = filter[2] * filter[3];
  const int64_t places = result[2] * result[3], filters = filter[0], of_group = filter[1];
  const std::vector<double> x = widened(in[0]), w = widened(in[1]), offset = widened(in[2]);
  const auto given = [&](size_t i) {
    return i < in.size() && in[i].present() ? widened(in[i]) : std::vector<double>();
  };
  const std::vector<double> bias = given(3), mask = given(4);
  std::vector<double> y(static_cast<size_t>(out[0].size()), 0);
  for (int64_t n = 0; n < result[0]; ++n) {
    for (int64_t m = 0; m < filters; ++m) {
      for (int64_t at = 0; at < places; ++at) {
        double sum = bias.empty() ? 0 : bias[static_cast<size_t>(m)];
        for (int64_t c = 0; c < of_group; ++c) {
          const int64_t channel = m / (filters / group) * of_group + c;
          const int64_t moved = n * offset_group + channel / (channels / offset_group);
          for (int64_t tap = 0; tap < taps; ++tap) {
            const double* by = offset.data() + ((moved * taps + tap) * 2) * places + at;
            const int64_t row = at / result[3] * stride(0) - pad(0) + tap / filter[3] * dilation(0);
            const int64_t column = at % result[3] * stride(1) - pad(1) + tap % filter[3] * dilation(1);
            const double value =
                between_elements(x.data() + (n * channels + channel) * height * width, height, width,
                                 static_cast<double>(row) + by[0], static_cast<double>(column) + by[places]);
            const double weight = mask.empty() ? 1 : mask[static_cast<size_t>((moved * taps + tap) * places + at)];
            sum += value * weight * w[static_cast<size_t>((m * of_group + c) * taps + tap)];
          }
        }
        y[static_cast<size_t>((n * filters + m) * places + at)] = sum;
      }
    }
  }
  narrow(y.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(DeformConv)

}  // namespace mj
