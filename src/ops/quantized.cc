// SPDX-License-Identifier: Apache-2.0
#include "ops/quantized.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/conv.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

// x - zero as i32; zero has one number, or one for each index of an axis after which `inner` elements stand.
Tensor centered(const Tensor& x, const Tensor& zero, int64_t inner) {
  std::vector<int64_t> values = x.to_i64();
  if (zero.present()) {
    const std::vector<int64_t> zeros = zero.to_i64();
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] -= zeros[i / static_cast<size_t>(inner) % zeros.size()];
    }
  }
  Tensor wide = Tensor::zeros(DType::i32, x.dims());
  std::transform(values.begin(), values.end(), wide.mutable_data<int32_t>().begin(),
                 [](int64_t v) { return static_cast<int32_t>(v); });
  return wide;
}

Tensor optional_input(std::span<const Tensor> in, size_t i) { return i < in.size() ? in[i] : Tensor(); }

// The rule of the operator in f32 or i32 that this one computes in integers.
template <class Plain>
Result<Shape> plain_shape(const Plain& plain, const InferContext& context, size_t inputs) {
  std::vector<ValueInfo> infos;
  for (size_t i = 0; i < inputs; ++i) {
    Type type = context[i].type;
    type.dtype = DType::i32;
    infos.push_back(ValueInfo::of(std::move(type)));
  }
  InferContext wide = context;
  wide.inputs = infos;
  MJ_ASSIGN(const std::vector<ValueInfo> result, plain.infer(wide));
  return *result[0].type.shape;
}

}  // namespace

int64_t Requantize::rounded(float steps) const {
  if (std::isnan(steps)) return y_zero;  // a mean of nothing
  const auto least = static_cast<float>(low - y_zero), most = static_cast<float>(high - y_zero);
  return static_cast<int64_t>(std::nearbyint(std::clamp(steps, least, most))) + y_zero;
}

Result<void> Requantize::check(const InferContext& context) const {
  if (!is_byte(to)) return context.fail(fmt::format("results are u8 or i8, not {}", name(to)));
  const auto [least, most] = byte_range(to);
  if (low < least || high > most || low > high || y_zero < least || y_zero > most) {
    return context.fail(fmt::format("y_zero {} and bounds [{}, {}] are not those of {}", y_zero, low, high, name(to)));
  }
  if (!is_byte(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be u8 or i8, got {}", to_string(context[0].type)));
  }
  const auto [x_least, x_most] = byte_range(context.dtype(0));
  if (x_zero < x_least || x_zero > x_most) {
    return context.fail(fmt::format("x_zero {} is no {}", x_zero, name(context.dtype(0))));
  }
  return {};
}

Result<void> Requantize::check_operands(const InferContext& context, const Dim& outputs) const {
  MJ_TRY(check(context));
  if (!is_byte(context.dtype(1))) {
    return context.fail(fmt::format("input 1 must be u8 or i8, got {}", to_string(context[1].type)));
  }
  const auto one_for_each = [&](size_t i, bool or_single) -> Result<void> {
    MJ_TRY(context.rank(i, 1));
    const Dim& length = context.shape(i)[0];
    if (or_single && length == Dim(1)) return {};
    return require_equal(context, fmt::format("the length of input {} and the outputs", i), length, outputs);
  };
  if (context.dtype(2) != DType::f32) {
    return context.fail(fmt::format("scale must be f32, got {}", to_string(context[2].type)));
  }
  MJ_TRY(one_for_each(2, true));
  if (context.has(3)) {
    if (context.dtype(3) != DType::i32) {
      return context.fail(fmt::format("the bias must be i32, got {}", to_string(context[3].type)));
    }
    MJ_TRY(one_for_each(3, false));
  }
  if (context.has(4)) {
    MJ_TRY(context.same_dtype(1, 4));
    MJ_TRY(one_for_each(4, true));
  }
  return {};
}

void Requantize::apply(const Tensor& sums, const Tensor& scale, int64_t inner, Tensor& y) const {
  const std::span<const int32_t> acc = sums.data<int32_t>();
  const std::span<const float> scales = scale.data<float>();
  const auto fill = [&]<class T>(std::span<T> out) {
    for (size_t i = 0; i < acc.size(); ++i) {
      out[i] =
          static_cast<T>(rounded(static_cast<float>(acc[i]) * scales[i / static_cast<size_t>(inner) % scales.size()]));
    }
  };
  if (to == DType::u8) {
    fill(y.mutable_data<uint8_t>());
  } else {
    fill(y.mutable_data<int8_t>());
  }
}

InferResult QuantizedConv::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 5));
  MJ_TRY(context.rank_at_least(1, 3));
  MJ_TRY(check_operands(context, context.shape(1)[0]));
  const Conv plain{strides, pads, dilations, group, auto_pad, channels_last};
  MJ_ASSIGN(Shape shape, plain_shape(plain, context, 2));
  return one(to, std::move(shape));
}

Result<void> QuantizedConv::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t outputs = in[1].dims()[0];
  const Tensor zero = Tensor::of_i64(std::vector{x_zero});
  std::vector<Tensor> operands = {
      centered(in[0], zero, 1),
      centered(in[1], optional_input(in, 4), std::max<int64_t>(1, in[1].size() / std::max<int64_t>(1, outputs)))};
  if (const Tensor bias = optional_input(in, 3); bias.present()) operands.push_back(bias);
  const Conv plain{strides, pads, dilations, group, auto_pad, channels_last};
  MJ_ASSIGN(const std::vector<Tensor> sums, evaluate(plain, operands));
  const std::vector<int64_t>& dims = out[0].dims();
  int64_t inner = 1;
  for (size_t d = 2; !channels_last && d < dims.size(); ++d) inner *= dims[d];
  apply(sums[0], in[2], inner, out[0]);
  return {};
}

InferResult QuantizedMatMul::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 5));
  MJ_TRY(context.rank_at_least(0, 2));
  MJ_TRY(context.rank(1, 2));
  MJ_TRY(check_operands(context, context.shape(1)[1]));
  MJ_ASSIGN(Shape shape, plain_shape(MatMul{}, context, 2));
  return one(to, std::move(shape));
}

Result<void> QuantizedMatMul::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const Tensor zero = Tensor::of_i64(std::vector{x_zero});
  MJ_ASSIGN(std::vector<Tensor> sums,
            evaluate(MatMul{}, std::vector{centered(in[0], zero, 1), centered(in[1], optional_input(in, 4), 1)}));
  if (const Tensor bias = optional_input(in, 3); bias.present()) {
    MJ_ASSIGN(sums, evaluate(op("add"), std::vector{sums[0], bias}));
  }
  apply(sums[0], in[2], 1, out[0]);
  return {};
}

InferResult QuantizedMean::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(check(context));
  MJ_TRY(context.rank(1, 1));
  if (context.dtype(1) != DType::f32) {
    return context.fail(fmt::format("scale must be f32, got {}", to_string(context[1].type)));
  }
  MJ_TRY(require_equal(context, "the number of scales and 1", context.shape(1)[0], Dim(1)));
  MJ_ASSIGN(Shape shape, plain_shape(ReduceSum{{axes, keepdims}}, context, 1));
  return one(to, std::move(shape));
}

Result<void> QuantizedMean::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const Tensor zero = Tensor::of_i64(std::vector{x_zero});
  MJ_ASSIGN(const std::vector<Tensor> sums,
            evaluate(ReduceSum{{axes, keepdims}}, std::vector{centered(in[0], zero, 1)}));
  int64_t length = 1;
  for (int64_t axis : ReduceFields{axes, keepdims}.resolved(in[0].rank())) {
    length *= in[0].dims()[static_cast<size_t>(axis)];
  }
  Tensor scale = Tensor::zeros(DType::f32, {1});
  scale.mutable_data<float>()[0] = in[1].data<float>()[0] / static_cast<float>(length);
  apply(sums[0], scale, 1, out[0]);
  return {};
}

InferResult QuantizedAdd::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.ranked(0));
  MJ_TRY(check(context));
  if (!is_byte(context.dtype(1))) {
    return context.fail(fmt::format("input 1 must be u8 or i8, got {}", to_string(context[1].type)));
  }
  const auto [least, most] = byte_range(context.dtype(1));
  if (b_zero < least || b_zero > most) {
    return context.fail(fmt::format("b_zero {} is no {}", b_zero, name(context.dtype(1))));
  }
  if (!(x_scale > 0 && b_scale > 0 && y_scale > 0)) {
    return context.fail(fmt::format("scales must be positive, got {}, {} and {}", x_scale, b_scale, y_scale));
  }
  const Shape& shape = context.shape(0);
  MJ_TRY(context.rank(1, std::ssize(shape)));
  for (size_t d = 0; d < shape.size(); ++d) {
    MJ_TRY(require_equal(context, fmt::format("dimension {} of both operands", d), shape[d], context.shape(1)[d]));
  }
  return one(to, shape);
}

Result<void> QuantizedAdd::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t> a = in[0].to_i64(), b = in[1].to_i64();
  std::vector<double> y(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const float x = static_cast<float>(a[i] - x_zero) * x_scale, z = static_cast<float>(b[i] - b_zero) * b_scale;
    y[i] = static_cast<double>(rounded((x + z) / y_scale));
  }
  narrow(y.data(), std::ssize(y), out[0]);
  return {};
}

MJ_REGISTER_OP(QuantizedConv)
MJ_REGISTER_OP(QuantizedMatMul)
MJ_REGISTER_OP(QuantizedMean)
MJ_REGISTER_OP(QuantizedAdd)

}  // namespace mj
