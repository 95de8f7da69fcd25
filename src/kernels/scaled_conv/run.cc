// SPDX-License-Identifier: Apache-2.0
// scaled_conv_f32: a block of pixels is scaled and multiplied while it is in the cache.
#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/scaled_gemm.h"

namespace mj {
namespace {

class ScaledConvF32 final : public Kernel {
 public:
  ScaledConvF32(const Problem& problem, PackedWeights weights)
      : has_bias_(problem.anchor_inputs > 3 && problem.inputs[3].dtype != DType::none),
        weights_(std::move(weights)),
        epilogue_(problem, weights_.isa, has_bias_ ? cpu::EpilogueFields::no_bias : cpu::EpilogueFields::all) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef>, int threads) const override {
    return cpu::scaled_gemm_workspace(weights_.isa, product(inputs), threads);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::ScaledGemm s = product(args.inputs);
    s.g.epilogue = bound.epilogue();
    if (has_bias_) s.g.epilogue.bias = args.inputs[3].as<const float>();
    s.g.a = args.inputs[0].as<const float>();
    s.scale = args.inputs[1].as<const float>();
    s.g.packed_b = static_cast<const float*>(weights_.panels.raw());
    s.g.c = args.outputs[0].as<float>();
    cpu::scaled_gemm(args.pool, weights_.isa, s, args.workspace.data());
    return {};
  }

 private:
  cpu::ScaledGemm product(std::span<const TensorRef> inputs) const {
    const std::span<const int64_t> x = inputs[0].dims;
    cpu::ScaledGemm s;
    s.g.m = x[0] * x[1] * x[2];
    s.g.k = s.g.lda = x[3];
    s.g.n = s.g.ldc = weights_.dims[0];
    s.rows_per_scale = inputs[1].dims[0] == x[0] ? x[1] * x[2] : s.g.m;
    return s;
  }

  bool has_bias_;
  PackedWeights weights_;
  cpu::BodyEpilogue epilogue_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (args.packed.size() != 2) return model_error("scaled_conv_f32 needs its packed weights");
  return std::unique_ptr<Kernel>(std::make_unique<ScaledConvF32>(args.problem, PackedWeights::of(args)));
}

}  // namespace

extern const RunRow run_scaled_conv_f32;
const RunRow run_scaled_conv_f32 = {"scaled_conv_f32", 1, Isa::portable, make};

}  // namespace mj
