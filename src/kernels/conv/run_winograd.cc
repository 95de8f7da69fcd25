// SPDX-License-Identifier: Apache-2.0
// conv_winograd_f32: 3x3 convolution of stride 1 over NHWC, weights transformed when the engine is built.
#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernel.h"

namespace mj {
namespace {

bool has_bias(const Problem& problem) { return problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none; }

class WinogradF32 final : public Kernel {
 public:
  WinogradF32(const Problem& problem, Tensor packed, std::vector<int64_t> weight_dims, Isa isa)
      : op_(*problem.op.get_if<Conv>()),
        has_bias_(has_bias(problem)),
        packed_(std::move(packed)),
        weight_dims_(std::move(weight_dims)),
        isa_(isa),
        epilogue_(problem, isa, has_bias_ ? cpu::EpilogueFields::no_bias : cpu::EpilogueFields::all) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    return cpu::winograd_workspace(isa_, conv_shape(op_, inputs[0].dims, weight_dims_, outputs[0].dims), threads);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::Epilogue epilogue = bound.epilogue();
    if (has_bias_) epilogue.bias = args.inputs[2].as<const float>();
    const cpu::ConvShape s = conv_shape(op_, args.inputs[0].dims, weight_dims_, args.outputs[0].dims);
    cpu::winograd(args.pool, isa_, s, args.inputs[0].as<const float>(), static_cast<const float*>(packed_.raw()),
                  args.outputs[0].as<float>(), epilogue, args.workspace.data());
    return {};
  }

 private:
  Conv op_;
  bool has_bias_;
  Tensor packed_;
  std::vector<int64_t> weight_dims_;
  Isa isa_;
  cpu::BodyEpilogue epilogue_;
};

// packed[0]: weights after cpu::pack_winograd; packed[1]: the Isa they are packed for, then their dims.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (args.packed.size() != 2) return model_error("conv_winograd_f32 needs its packed weights");
  std::vector<int64_t> dims = args.packed[1].to_i64();
  const auto isa = static_cast<Isa>(dims[0]);
  dims.erase(dims.begin());
  return std::unique_ptr<Kernel>(std::make_unique<WinogradF32>(args.problem, args.packed[0], std::move(dims), isa));
}

}  // namespace

extern const RunRow run_conv_winograd_f32;
const RunRow run_conv_winograd_f32 = {"conv_winograd_f32", 1, Isa::portable, make};

}  // namespace mj
