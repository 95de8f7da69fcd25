// SPDX-License-Identifier: Apache-2.0
#include "ops/conv.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

constexpr int64_t kPositions = 1 << 14;  // output positions unrolled at a time, which bounds the memory of 3-d ones

struct Strides {
  int64_t channel, dim[3];
};

Strides image_strides(const int64_t dims[3], int64_t channels, bool channels_last) {
  const int64_t step = channels_last ? channels : 1;
  return {channels_last ? 1 : dims[0] * dims[1] * dims[2], {dims[1] * dims[2] * step, dims[2] * step, step}};
}

// columns[(c, k), p]: tap k of channel c at position first + p.
void unroll(const Window& w, const double* image, const Strides& s, int64_t channels, int64_t first, int64_t n,
            double* columns) {
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t k = 0; k < w.taps(); ++k) {
      const int64_t k2 = k % w.kernel[2], k1 = k / w.kernel[2] % w.kernel[1], k0 = k / w.kernel[2] / w.kernel[1];
      double* row = columns + (c * w.taps() + k) * n;
      for (int64_t p = 0; p < n; ++p) {
        const int64_t o = first + p;
        const int64_t x = w.at(2, o % w.out[2], k2), y = w.at(1, o / w.out[2] % w.out[1], k1),
                      z = w.at(0, o / w.out[2] / w.out[1], k0);
        const bool inside = x >= 0 && x < w.in[2] && y >= 0 && y < w.in[1] && z >= 0 && z < w.in[0];
        row[p] = inside ? image[c * s.channel + z * s.dim[0] + y * s.dim[1] + x * s.dim[2]] : 0.0;
      }
    }
  }
}

}  // namespace

InferResult Conv::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.rank_at_least(0, 3));
  MJ_TRY(context.rank(1, context[0].type.rank()));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be numbers, got {}", to_string(context[0].type)));
  }
  MJ_TRY(context.same_dtype(0, 1));
  const Shape& x = context.shape(0);
  const Shape& w = context.shape(1);
  const size_t spatial = x.size() - 2;
  MJ_TRY(check_window(context, window(), spatial));
  const Dim& channels = channels_last ? x.back() : x[1];
  if (group < 1) return context.fail(fmt::format("group must be 1 or more, got {}", group));
  MJ_TRY(require_equal(context, "the channels of x and the weights' input channels * group", channels, w[1] * group));
  if (equal(mod(w[0], group), 0) == Tri::no) {
    return context.fail(fmt::format("{} output channels are not divisible into {} groups", w[0], group));
  }
  if (context.has(2)) {
    MJ_TRY(context.rank(2, 1));
    MJ_TRY(context.same_dtype(0, 2));
    MJ_TRY(require_equal(context, "the bias's length and the output channels", context.shape(2)[0], w[0]));
  }
  const Shape in(x.begin() + (channels_last ? 1 : 2), x.end() - (channels_last ? 1 : 0));
  const Shape kernel(w.begin() + 2, w.end());
  MJ_TRY(check_window_fits(context, window(), in, kernel));
  Shape out = window_output(window(), in, kernel);
  out.insert(out.begin(), x[0]);
  out.insert(channels_last ? out.end() : out.begin() + 1, w[0]);
  return one(context.dtype(0), std::move(out));
}

Result<void> Conv::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const Tensor &x = in[0], &w = in[1];
  Tensor& y = out[0];
  const size_t spatial = static_cast<size_t>(x.rank()) - 2, at = channels_last ? 1 : 2;
  const std::span<const int64_t> w_dims = w.dims();
  const Window win = Window::of(window(), std::span(x.dims()).subspan(at, spatial), w_dims.subspan(2),
                                std::span(y.dims()).subspan(at, spatial));
  const int64_t channels = w_dims[1], outputs = w_dims[0] / group, depth = channels * win.taps();
  const int64_t in_size = channels * group * win.in[0] * win.in[1] * win.in[2];
  const Strides from = image_strides(win.in, channels * group, channels_last);
  const std::vector<double> weights = widened(w);
  const std::vector<double> bias = in.size() > 2 && in[2].present() ? widened(in[2]) : std::vector<double>(w_dims[0]);
  const int64_t block = std::min(kPositions, win.positions());
  std::vector<double> image(in_size), columns(depth * block), product(outputs * block);
  std::vector<double> result(w_dims[0] * win.positions());
  for (int64_t n = 0; n < x.dims()[0]; ++n) {
    widen(x, n * in_size, in_size, image.data());
    for (int64_t g = 0; g < group; ++g) {
      for (int64_t first = 0; first < win.positions(); first += block) {
        const int64_t count = std::min(block, win.positions() - first);
        unroll(win, image.data() + g * channels * from.channel, from, channels, first, count, columns.data());
        reference_gemm(outputs, count, depth, weights.data() + g * outputs * depth, columns.data(), product.data());
        for (int64_t o = 0; o < outputs; ++o) {
          const int64_t channel = g * outputs + o;
          for (int64_t p = 0; p < count; ++p) {
            const int64_t to =
                channels_last ? (first + p) * w_dims[0] + channel : channel * win.positions() + first + p;
            result[to] = product[o * count + p] + bias[channel];
          }
        }
      }
    }
    narrow(result.data(), static_cast<int64_t>(result.size()), y, n * static_cast<int64_t>(result.size()));
  }
  return {};
}

MJ_REGISTER_OP(Conv)

}  // namespace mj
