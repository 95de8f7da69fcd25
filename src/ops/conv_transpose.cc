// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_transpose.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

int64_t listed(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return i < list.size() ? list[i] : otherwise;
}

// The output's length before padding is cut off.
Dim full_length(const ConvTranspose& op, size_t i, const Dim& in, const Dim& kernel) {
  return (in - 1) * listed(op.strides, i, 1) + listed(op.output_padding, i, 0) +
         (kernel - 1) * listed(op.dilations, i, 1) + 1;
}

}  // namespace

InferResult ConvTranspose::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.rank_at_least(0, 3));
  MJ_TRY(context.rank(1, context[0].type.rank()));
  MJ_TRY(context.same_dtype(0, 1));
  if (!is_float(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be floating point, got {}", to_string(context[0].type)));
  }
  const Shape& x = context.shape(0);
  const Shape& w = context.shape(1);
  const size_t spatial = x.size() - 2;
  MJ_TRY(check_window(context, {strides, pads, dilations, auto_pad}, spatial));
  for (const std::vector<int64_t>* list : {&output_padding, &output_shape}) {
    const bool wrong = std::any_of(list->begin(), list->end(), [](int64_t v) { return v < 0 || v > INT32_MAX; });
    if (!list->empty() && (list->size() != spatial || wrong)) {
      return context.fail(fmt::format("output_padding and output_shape need {} numbers from 0", spatial));
    }
  }
  if (group < 1) return context.fail(fmt::format("group must be 1 or more, got {}", group));
  MJ_TRY(require_equal(context, "the channels of x and the weights", x[1], w[0]));
  MJ_TRY(require_equal(context, "the channels beyond whole groups and 0", mod(w[0], group), 0));
  Shape out{x[0], w[1] * group};
  if (context.has(2)) {
    MJ_TRY(context.rank(2, 1));
    MJ_TRY(context.same_dtype(0, 2));
    MJ_TRY(require_equal(context, "the bias's length and the output channels", context.shape(2)[0], out[1]));
  }
  for (size_t i = 0; i < spatial; ++i) {
    if (!output_shape.empty()) {
      out.push_back(output_shape[i]);
    } else if (auto_pad.starts_with("SAME")) {
      out.push_back(x[i + 2] * listed(strides, i, 1));
    } else {
      out.push_back(full_length(*this, i, x[i + 2], w[i + 2]) - listed(pads, i, 0) - listed(pads, spatial + i, 0));
    }
  }
  return one(context.dtype(0), std::move(out));
}

Result<void> ConvTranspose::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const Tensor &x = in[0], &w = in[1];
  const size_t spatial = static_cast<size_t>(x.rank()) - 2;
  // Seen from y this is a convolution over y whose "output" is x.
  Window win = Window::of({strides, {}, dilations, "NOTSET"}, std::span(out[0].dims()).subspan(2),
                          std::span(w.dims()).subspan(2), std::span(x.dims()).subspan(2));
  for (size_t i = 0; i < spatial; ++i) {
    const size_t d = 3 - spatial + i;
    win.begin[d] = listed(pads, i, 0);
    if (output_shape.empty() && !auto_pad.starts_with("SAME")) continue;
    const int64_t surplus =
        std::max<int64_t>(*full_length(*this, i, x.dims()[i + 2], w.dims()[i + 2]).constant() - win.in[d], 0);
    win.begin[d] = auto_pad == "SAME_UPPER" ? surplus / 2 : surplus - surplus / 2;
  }
  const int64_t channels = w.dims()[0] / group, outputs = w.dims()[1], taps = win.taps(), n_in = win.positions();
  const int64_t n_out = win.in[0] * win.in[1] * win.in[2];
  const std::vector<double> flat = widened(w), image = widened(x);
  const std::vector<double> bias =
      in.size() > 2 && in[2].present() ? widened(in[2]) : std::vector<double>(outputs * group);
  std::vector<double> turned(outputs * taps * channels), columns(outputs * taps * n_in), y(outputs * n_out);
  for (int64_t n = 0; n < x.dims()[0]; ++n) {
    for (int64_t g = 0; g < group; ++g) {
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t j = 0; j < outputs * taps; ++j) {
          turned[j * channels + c] = flat[(g * channels + c) * outputs * taps + j];
        }
      }
      reference_gemm(outputs * taps, n_in, channels, turned.data(), image.data() + (n * group + g) * channels * n_in,
                     columns.data());
      for (int64_t o = 0; o < outputs; ++o) {
        std::fill_n(y.begin() + o * n_out, n_out, bias[g * outputs + o]);
        for (int64_t k = 0; k < taps; ++k) {
          const int64_t k2 = k % win.kernel[2], k1 = k / win.kernel[2] % win.kernel[1];
          const int64_t k0 = k / win.kernel[2] / win.kernel[1];
          for (int64_t p = 0; p < n_in; ++p) {
            const int64_t a = win.at(2, p % win.out[2], k2), b = win.at(1, p / win.out[2] % win.out[1], k1);
            const int64_t c = win.at(0, p / win.out[2] / win.out[1], k0);
            if (a < 0 || a >= win.in[2] || b < 0 || b >= win.in[1] || c < 0 || c >= win.in[0]) continue;
            y[o * n_out + (c * win.in[1] + b) * win.in[2] + a] += columns[(o * taps + k) * n_in + p];
          }
        }
      }
      narrow(y.data(), outputs * n_out, out[0], (n * group + g) * outputs * n_out);
    }
  }
  return {};
}

MJ_REGISTER_OP(ConvTranspose)

}  // namespace mj
