// SPDX-License-Identifier: Apache-2.0
// roi_align{...}(x [N,C,H,W], rois [R,4], batch [R]): each region (x, y, x, y in units of 1 / spatial_scale) of its
// batch as output_height * output_width bins, each the mean or the largest of sampling_ratio^2 places (0: one for each
// element) read between elements.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct RoiAlign {
  std::string mode = "avg";
  int64_t output_height = 1, output_width = 1, sampling_ratio = 0;
  float spatial_scale = 1.0f;
  std::string coordinate_transformation_mode = "half_pixel";

  static constexpr std::string_view kName = "roi_align";
  static constexpr OnnxName kOnnx = {.name = "RoiAlign", .since = 16};
  static constexpr auto kFields =
      std::tuple{field(1, "mode", &RoiAlign::mode),
                 field(2, "output_height", &RoiAlign::output_height),
                 field(3, "output_width", &RoiAlign::output_width),
                 field(4, "sampling_ratio", &RoiAlign::sampling_ratio),
                 field(5, "spatial_scale", &RoiAlign::spatial_scale),
                 field(6, "coordinate_transformation_mode", &RoiAlign::coordinate_transformation_mode)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

struct Corner {
  int64_t at = 0;
  double weight = 0;
};

// The four elements around a place; nothing outside.
bool corners_of(double y, double x, int64_t height, int64_t width, Corner (&corners)[4]) {
  const auto h = static_cast<double>(height), w = static_cast<double>(width);
  if (!(y >= -1 && y <= h && x >= -1 && x <= w)) return false;
  y = std::clamp(y, 0.0, h - 1);
  x = std::clamp(x, 0.0, w - 1);
  const auto top = static_cast<int64_t>(y), left = static_cast<int64_t>(x);
  const int64_t bottom = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
  const double down = y - static_cast<double>(top), across = x - static_cast<double>(left);
  corners[0] = {top * width + left, (1 - down) * (1 - across)};
  corners[1] = {top * width + right, (1 - down) * across};
  corners[2] = {bottom * width + left, down * (1 - across)};
  corners[3] = {bottom * width + right, down * across};
  return true;
}

// A bound on how many places are read of one bin: a region that is so large comes from broken data.
constexpr double kMaxPlaces = 1 << 14;

}  // namespace

InferResult RoiAlign::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 3));
  MJ_TRY(context.rank(0, 4));
  MJ_TRY(context.rank(1, 2));
  MJ_TRY(context.rank(2, 1));
  MJ_TRY(context.same_dtype(0, 1));
  if (!is_float(context.dtype(0))) return context.fail("input 0 must be floating point");
  if (context.dtype(2) != DType::i64) return context.fail("input 2 must be i64");
  if (mode != "avg" && mode != "max") return context.fail(fmt::format("no mode '{}'", mode));
  if (coordinate_transformation_mode != "half_pixel" && coordinate_transformation_mode != "output_half_pixel") {
    return context.fail(fmt::format("no coordinate_transformation_mode '{}'", coordinate_transformation_mode));
  }
  if (output_height < 1 || output_width < 1 || sampling_ratio < 0) return context.fail("sizes must be positive");
  MJ_TRY(require_equal(context, "the numbers of a region and 4", context.shape(1)[1], 4));
  MJ_TRY(require_equal(context, "the regions and their batches", context.shape(1)[0], context.shape(2)[0]));
  return one(context.dtype(0), {context.shape(2)[0], context.shape(0)[1], output_height, output_width});
}

Result<void> RoiAlign::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t>& dims = in[0].dims();
  const int64_t channels = dims[1], height = dims[2], width = dims[3], plane = height * width;
  if (out[0].size() == 0) return {};
  if (plane == 0) return model_error("roi_align: there is nothing to read in {}", to_string(in[0], 0));
  const std::vector<double> x = widened(in[0]), rois = widened(in[1]);
  std::vector<double> y(static_cast<size_t>(out[0].size()), 0);
  const bool half = coordinate_transformation_mode == "half_pixel";
  const double offset = half ? 0.5 : 0;
  for (int64_t r = 0; r < out[0].dims()[0]; ++r) {
    const int64_t batch = in[2].data<int64_t>()[static_cast<size_t>(r)];
    if (batch < 0 || batch >= dims[0]) {
      return model_error("roi_align: batch {} of region {} is outside [0, {}]", batch, r, dims[0] - 1);
    }
    const double* roi = rois.data() + r * 4;
    double start[2], bin[2];  // of y, x
    int64_t places[2];
    for (int d = 0; d < 2; ++d) {
      start[d] = roi[1 - d] * spatial_scale - offset;
      double length = roi[3 - d] * spatial_scale - offset - start[d];
      if (!half) length = std::max(length, 1.0);
      bin[d] = length / static_cast<double>(d ? output_width : output_height);
      const double wanted = sampling_ratio > 0 ? static_cast<double>(sampling_ratio) : std::ceil(bin[d]);
      if (!(std::fabs(wanted) <= kMaxPlaces)) return model_error("roi_align: region {} is too large", r);
      places[d] = std::max<int64_t>(static_cast<int64_t>(wanted), 0);
    }
    const double count = static_cast<double>(std::max<int64_t>(places[0] * places[1], 1));
    for (int64_t i = 0; i < output_height * output_width; ++i) {
      const int64_t row = i / output_width, column = i % output_width;
      const double top = start[0] + static_cast<double>(row) * bin[0];
      const double left = start[1] + static_cast<double>(column) * bin[1];
      for (int64_t p = 0; p < places[0] * places[1]; ++p) {
        const auto middle = [&](int64_t k, int d) {
          return (static_cast<double>(k) + 0.5) * bin[d] / static_cast<double>(places[d]);
        };
        Corner corners[4] = {};
        (void)corners_of(top + middle(p / places[1], 0), left + middle(p % places[1], 1), height, width, corners);
        for (int64_t c = 0; c < channels; ++c) {
          const double* from = x.data() + (batch * channels + c) * plane;
          double& to = y[static_cast<size_t>(((r * channels + c) * output_height * output_width) + i)];
          double sum = 0, most = -std::numeric_limits<double>::infinity();
          for (const Corner& corner : corners) {
            const double term = corner.weight * from[corner.at];
            sum += term;
            most = std::max(most, term);
          }
          if (mode == "avg") {
            to += sum / count;
          } else {
            to = p == 0 ? most : std::max(to, most);
          }
        }
      }
    }
  }
  narrow(y.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(RoiAlign)

}  // namespace mj
