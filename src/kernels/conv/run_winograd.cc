// SPDX-License-Identifier: Apache-2.0
// conv_winograd_f32: 3x3 convolution of stride 1 over NHWC, weights transformed when the engine is built.
#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/winograd.h"
#include "kernels/kernel.h"

namespace mj {
namespace {

class WinogradF32 final : public Kernel {
 public:
  WinogradF32(const Problem& problem, PackedWeights weights)
      : op_(problem.op.as<Conv>()),
        has_bias_(has_bias(problem)),
        weights_(std::move(weights)),
        epilogue_(problem, weights_.isa, has_bias_ ? cpu::EpilogueFields::no_bias : cpu::EpilogueFields::all) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    return cpu::winograd_workspace(weights_.isa, conv_shape(op_, inputs[0].dims, weights_.dims, outputs[0].dims),
                                   threads);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::Epilogue epilogue = bound.epilogue();
    if (has_bias_) epilogue.bias = args.inputs[2].as<const float>();
    const cpu::ConvShape s = conv_shape(op_, args.inputs[0].dims, weights_.dims, args.outputs[0].dims);
    cpu::winograd(args.pool, weights_.isa, s, args.inputs[0].as<const float>(),
                  static_cast<const float*>(weights_.panels.raw()), args.outputs[0].as<float>(), epilogue,
                  args.workspace.data());
    return {};
  }

 private:
  Conv op_;
  bool has_bias_;
  PackedWeights weights_;
  cpu::BodyEpilogue epilogue_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (args.packed.size() != 2) return model_error("conv_winograd_f32 needs its packed weights");
  return std::unique_ptr<Kernel>(std::make_unique<WinogradF32>(args.problem, PackedWeights::of(args)));
}

}  // namespace

extern const RunRow run_conv_winograd_f32;
const RunRow run_conv_winograd_f32 = {"conv_winograd_f32", 1, Isa::portable, make};

}  // namespace mj
