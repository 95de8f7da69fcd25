// SPDX-License-Identifier: Apache-2.0
#include "ops/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/axis_lines.h"
#include "ops/cast.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

Result<void> check_scales(const InferContext& context, int64_t axis, int64_t block_size) {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.ranked(0));
  MJ_TRY(context.ranked(1));
  if (!is_float(context.dtype(1))) {
    return context.fail(fmt::format("scale must be floating point, got {}", to_string(context[1].type)));
  }
  const Shape &x = context.shape(0), &scale = context.shape(1);
  if (context.has(2)) {
    MJ_TRY(context.rank(2, context[1].type.rank()));
    for (size_t d = 0; d < scale.size(); ++d) {
      MJ_TRY(require_equal(context, "the dimensions of scale and zero_point", scale[d], context.shape(2)[d]));
    }
  }
  if (scale.empty() || (scale.size() == 1 && block_size == 0 && scale[0] == Dim(1))) return {};
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  const Dim& along = x[static_cast<size_t>(at)];
  if (block_size == 0) {
    MJ_TRY(context.rank(1, 1));
    return require_equal(context, "the number of scales and the length of the axis", scale[0], along);
  }
  if (block_size < 0) return context.fail(fmt::format("block_size must be 0 or more, got {}", block_size));
  MJ_TRY(context.rank(1, context[0].type.rank()));
  for (size_t d = 0; d < x.size(); ++d) {
    const Dim want = static_cast<int64_t>(d) == at ? ceil_div(x[d], block_size) : x[d];
    MJ_TRY(require_equal(context, fmt::format("dimension {} of scale and the blocks of x", d), scale[d], want));
  }
  return {};
}

// Which scale belongs to element i of x.
struct ScaleIndex {
  ScaleIndex(const Tensor& x, const Tensor& scale, int64_t axis, int64_t block_size)
      : single(scale.size() == 1), block(std::max<int64_t>(block_size, 1)), blocked(block_size > 0) {
    if (!single) view = AxisView::of(x.dims(), axis);
  }
  int64_t operator()(int64_t i) const {
    if (single) return 0;
    const int64_t place = i / view.inner % view.length;
    if (!blocked) return place;
    const int64_t blocks = (view.length + block - 1) / block;
    return (i / view.inner / view.length * blocks + place / block) * view.inner + i % view.inner;
  }
  bool single;
  int64_t block;
  bool blocked;
  AxisView view{1, 1, 1};
};

std::vector<double> zero_points(std::span<const Tensor> in) {
  return in.size() > 2 && in[2].present() ? widened(in[2]) : std::vector<double>(static_cast<size_t>(in[1].size()));
}

std::pair<double, double> integer_range(DType dtype) {
  const auto n = static_cast<int>(bits(dtype));
  return is_signed(dtype) ? std::pair{-std::ldexp(1, n - 1), std::ldexp(1, n - 1) - 1}
                          : std::pair{0.0, std::ldexp(1, n) - 1};
}

}  // namespace

InferResult QuantizeLinear::infer(const InferContext& context) const {
  MJ_TRY(check_scales(context, axis, block_size));
  if (!is_float(context.dtype(0)) && context.dtype(0) != DType::i32) {
    return context.fail(fmt::format("input 0 must be floating point or i32, got {}", to_string(context[0].type)));
  }
  const DType given = context.has(2) ? context.dtype(2) : DType::none;
  const DType dtype = given != DType::none ? given : output_dtype != DType::none ? output_dtype : DType::u8;
  if (output_dtype != DType::none && output_dtype != dtype)
    return context.fail("output_dtype is not that of zero_point");
  if (!is_small_float(dtype) && (!is_integer(dtype) || bits(dtype) > 32)) {
    return context.fail(fmt::format("cannot quantize to {}", name(dtype)));
  }
  return one(dtype, context.shape(0));
}

Result<void> QuantizeLinear::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const ScaleIndex index(in[0], in[1], axis, block_size);
  const std::vector<double> scale = widened(in[1]), zero = zero_points(in);
  std::vector<double> x = widened(in[0]);
  const bool integer = is_integer(out[0].dtype());
  const auto [low, high] = integer ? integer_range(out[0].dtype()) : std::pair{0.0, 0.0};
  for (int64_t i = 0; i < in[0].size(); ++i) {
    const int64_t s = index(i);
    // One division in f32, as ONNX says: a division in double rounds some halves the other way.
    const double scaled = static_cast<float>(x[i]) / static_cast<float>(scale[s]);
    if (!integer) {
      const double shifted = scaled + zero[s];
      x[i] = saturate ? saturated(static_cast<float>(shifted), out[0].dtype()) : shifted;
      continue;
    }
    const double rounded = std::nearbyint(scaled) + zero[s];
    x[i] = std::isnan(rounded) ? zero[s] : std::clamp(rounded, low, high);
  }
  narrow(x.data(), std::ssize(x), out[0]);
  return {};
}

InferResult DequantizeLinear::infer(const InferContext& context) const {
  MJ_TRY(check_scales(context, axis, block_size));
  if (context.has(2)) MJ_TRY(context.same_dtype(0, 2));
  if (!is_small_float(context.dtype(0)) && !is_integer(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be integers or small floats, got {}", to_string(context[0].type)));
  }
  const DType dtype = output_dtype == DType::none ? context.dtype(1) : output_dtype;
  if (!is_float(dtype)) return context.fail(fmt::format("output_dtype must be floating point, got {}", name(dtype)));
  return one(dtype, context.shape(0));
}

Result<void> DequantizeLinear::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const ScaleIndex index(in[0], in[1], axis, block_size);
  const std::vector<double> scale = widened(in[1]), zero = zero_points(in);
  std::vector<double> x = widened(in[0]);
  for (int64_t i = 0; i < in[0].size(); ++i) x[i] = (x[i] - zero[index(i)]) * scale[index(i)];
  narrow(x.data(), std::ssize(x), out[0]);
  return {};
}

MJ_REGISTER_OP(QuantizeLinear)
MJ_REGISTER_OP(DequantizeLinear)

}  // namespace mj
