// SPDX-License-Identifier: Apache-2.0
// conv_bf16 and its kin: convolution of an NHWC image, image and weights rounded to bf16, added up in fp32.
#include "kernels/bf16/run_row.h"
#include "kernels/conv/shape.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/cpu/body_epilogue.h"

namespace mj {
namespace {

using cpu::Bf16Unit;

class ConvBf16 final : public Kernel {
 public:
  ConvBf16(const Problem& problem, std::span<const Tensor> packed, Isa isa, Bf16Unit unit)
      : op_(problem.op.as<Conv>()),
        has_bias_(has_bias(problem)),
        kernels_(cpu::bf16_kernels(isa, unit)),
        panels_(packed[0]),
        dims_(packed[1].to_i64()),
        epilogue_(problem, isa, has_bias_ ? cpu::EpilogueFields::no_bias : cpu::EpilogueFields::all) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    return cpu::bf16_conv_workspace(kernels_, conv_shape(op_, inputs[0].dims, dims_, outputs[0].dims), threads);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::Epilogue epilogue = bound.epilogue();
    if (has_bias_) epilogue.bias = args.inputs[2].as<const float>();
    cpu::bf16_conv(args.pool, kernels_, conv_shape(op_, args.inputs[0].dims, dims_, args.outputs[0].dims),
                   args.inputs[0].as<const float>(), static_cast<const uint16_t*>(panels_.raw()),
                   args.outputs[0].as<float>(), epilogue, args.workspace.data());
    return {};
  }

 private:
  Conv op_;
  bool has_bias_;
  const cpu::Bf16Kernels& kernels_;
  Tensor panels_;
  std::vector<int64_t> dims_;  // of the weights
  cpu::BodyEpilogue epilogue_;
};

// packed: the panels of the weights and their dims.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args, Bf16Unit unit) {
  if (!args.problem.op.get_if<Conv>() || args.packed.size() != 2 || args.packed[0].dtype() != DType::u16)
    return model_error("conv_bf16 needs a convolution and its packed weights");
  const std::vector<int64_t> dims = args.packed[1].to_i64();
  const Shape& weights = args.problem.inputs[1].shape;
  int64_t k = 1;
  for (size_t i = 1; i < dims.size(); ++i) k *= dims[i];
  if (Shape(dims.begin(), dims.end()) != weights || args.packed[0].size() != cpu::packed_bf16(k, dims[0]))
    return model_error("conv_bf16: its packed weights do not fit the problem");
  return std::unique_ptr<Kernel>(std::make_unique<ConvBf16>(args.problem, args.packed, args.isa, unit));
}

}  // namespace

extern const RunRow run_conv_bf16, run_conv_avx512_bf16, run_conv_amx_bf16;
const RunRow run_conv_bf16 = bf16_run_row<Bf16Unit::none, make>("conv_bf16");
const RunRow run_conv_avx512_bf16 = bf16_run_row<Bf16Unit::avx512_bf16, make>("conv_avx512_bf16");
const RunRow run_conv_amx_bf16 = bf16_run_row<Bf16Unit::amx_bf16, make>("conv_amx_bf16");

}  // namespace mj
