// SPDX-License-Identifier: Apache-2.0
// quantized_product: quantized_conv over NHWC and quantized_matmul with weights, scales and bias packed ahead.
#include "kernels/conv/shape.h"
#include "kernels/kernel.h"
#include "kernels/quantized/product.h"
#include "ops/quantized.h"

namespace mj {

std::vector<int64_t> product_weight_dims(const Problem& problem, std::span<const int64_t> weights) {
  if (problem.op.is(QuantizedMatMul::kName)) return {weights[1], weights[0], 1, 1};
  return {weights.begin(), weights.end()};
}

cpu::ByteConv product_of(const Problem& problem, std::span<const int64_t> x, std::span<const int64_t> weight_dims,
                         std::span<const int64_t> y) {
  cpu::ByteConv p;
  p.x_signed = problem.inputs[0].dtype == DType::i8;
  const Requantize* rounding = problem.op.get_if<QuantizedMatMul>();
  if (rounding) {
    p.shape.n = p.shape.h = p.shape.oh = 1;
    p.shape.k = weight_dims[0], p.shape.c = weight_dims[1];
    p.shape.w = 1;
    for (size_t d = 0; d + 1 < x.size(); ++d) p.shape.w *= x[d];
    p.shape.ow = p.shape.w;
  } else {
    const QuantizedConv& conv = problem.op.as<QuantizedConv>();
    rounding = &conv;
    const Conv plain{conv.strides, conv.pads, conv.dilations, conv.group, conv.auto_pad, conv.channels_last};
    p.shape = conv_shape(plain, x, weight_dims, y);
  }
  p.x_zero = static_cast<int32_t>(rounding->x_zero), p.y_zero = static_cast<int32_t>(rounding->y_zero);
  p.low = static_cast<int32_t>(rounding->low), p.high = static_cast<int32_t>(rounding->high);
  p.y_signed = rounding->to == DType::i8;
  return p;
}

namespace {

class QuantizedProduct final : public Kernel {
 public:
  explicit QuantizedProduct(const MakeArgs& args)
      : problem_(args.problem), weights_(PackedWeights::of(args)), bias_(args.packed[2]), scale_(args.packed[3]) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    return cpu::byte_conv_workspace(weights_.isa, product(inputs, outputs), threads);
  }

  Result<void> run(const RunArgs& args) const override {
    cpu::byte_conv(args.pool, weights_.isa, product(args.inputs, args.outputs), args.inputs[0].data,
                   static_cast<const int8_t*>(weights_.panels.raw()), static_cast<const int32_t*>(bias_.raw()),
                   static_cast<const float*>(scale_.raw()), args.outputs[0].data, args.workspace.data());
    return {};
  }

 private:
  cpu::ByteConv product(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs) const {
    return product_of(problem_, inputs[0].dims, weights_.dims, outputs[0].dims);
  }

  Problem problem_;
  PackedWeights weights_;
  Tensor bias_, scale_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (args.packed.size() != 4 || args.packed[0].dtype() != DType::i8 || args.packed[1].size() == 0 ||
      args.packed[2].dtype() != DType::i32 || args.packed[3].dtype() != DType::f32) {
    return model_error("quantized_product needs its packed weights, bias and scale");
  }
  const PackedWeights weights = PackedWeights::of(args);
  std::vector<int64_t> written;
  for (const Dim& dim : args.problem.inputs[1].shape) written.push_back(dim.constant().value_or(-1));
  if (weights.dims != product_weight_dims(args.problem, written)) {
    return model_error("quantized_product: its packed weights have other dims than the problem");
  }
  const std::vector<int64_t> ones(weights.dims.size(), 1);
  const cpu::ByteConv p = product_of(args.problem, ones, weights.dims, ones);
  const int64_t columns = cpu::byte_columns(weights.isa, p.shape).count;
  if (args.packed[0].size() != cpu::packed_byte_conv(weights.isa, p.shape) || args.packed[2].size() != columns ||
      args.packed[3].size() != columns) {
    return model_error("quantized_product: its packed weights do not fit the problem");
  }
  return std::unique_ptr<Kernel>(std::make_unique<QuantizedProduct>(args));
}

}  // namespace

extern const RunRow run_quantized_product;
const RunRow run_quantized_product = {"quantized_product", 1, Isa::portable, make};

}  // namespace mj
