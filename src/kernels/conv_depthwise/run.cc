// SPDX-License-Identifier: Apache-2.0
// conv_depthwise_rows_f32: row by row, the wide image never whole. conv_depthwise_whole_f32: one convolution after the
// other, the wide image in the workspace; better where it is small and the first has many weights.
#include "base/align.h"
#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/conv_depthwise.h"
#include "ops/conv_depthwise.h"

namespace mj {
namespace {

// The first convolution with its activation as a step of its own, for its epilogue.
Problem first_of(const Problem& problem) {
  const ConvDepthwise& op = problem.op.as<ConvDepthwise>();
  Problem first;
  first.op = op.pixelwise();
  first.anchor_inputs = 3;
  first.inputs.assign(problem.inputs.begin(), problem.inputs.begin() + 3);
  Shape wide = problem.inputs[0].shape;
  wide.back() = problem.inputs[1].shape[0];
  first.outputs = {{DType::f32, wide}};
  if (const Op activation = op.between()) {
    first.epilogue.params = {DType::f32};
    first.epilogue.results = {first.epilogue.append(activation, {0})};
  }
  return first;
}

bool has_second_bias(const Problem& problem) {
  return problem.anchor_inputs > 4 && problem.inputs[4].dtype != DType::none;
}

class ConvDepthwiseF32 final : public Kernel {
 public:
  ConvDepthwiseF32(const Problem& problem, std::span<const Tensor> packed, bool by_rows)
      : op_(problem.op.as<ConvDepthwise>()),
        by_rows_(by_rows),
        first_bias_(problem.inputs[2].dtype != DType::none),
        second_bias_(has_second_bias(problem)),
        first_(packed[0]),
        second_(packed[1]),
        first_dims_(packed[2].to_i64()),
        second_dims_(packed[3].to_i64()),
        isa_(static_cast<Isa>(packed[4].to_i64()[0])),
        between_(first_of(problem), isa_, cpu::EpilogueFields::no_bias),
        epilogue_(problem, isa_, second_bias_ ? cpu::EpilogueFields::no_bias : cpu::EpilogueFields::all) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    const cpu::ConvDepthwiseShape s = shape(inputs, outputs);
    if (by_rows_) return cpu::conv_depthwise_workspace(isa_, s, threads);
    return wide_bytes(s) +
           std::max(cpu::conv_workspace(isa_, s.pixelwise, threads), cpu::conv_workspace(isa_, s.depthwise, threads));
  }

  Result<void> run(const RunArgs& args) const override {
    const cpu::ConvDepthwiseShape s = shape(args.inputs, args.outputs);
    const std::vector<int64_t> wide = {s.depthwise.n, s.depthwise.h, s.depthwise.w, s.depthwise.c};
    const TensorRef wide_ref{nullptr, wide, DType::f32};
    MJ_ASSIGN(const auto bound_between, between_.bind({}, {&wide_ref, 1}));
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::Epilogue between = bound_between.epilogue(), epilogue = bound.epilogue();
    if (first_bias_) between.bias = args.inputs[2].as<const float>();
    if (second_bias_) epilogue.bias = args.inputs[4].as<const float>();
    const float *x = args.inputs[0].as<const float>(), *w = static_cast<const float*>(first_.raw()),
                *v = static_cast<const float*>(second_.raw());
    float* y = args.outputs[0].as<float>();
    if (by_rows_) {
      cpu::conv_depthwise(args.pool, isa_, s, x, w, v, y, between, epilogue, args.workspace.data());
      return {};
    }
    float* image = reinterpret_cast<float*>(args.workspace.data());
    std::byte* space = args.workspace.data() + wide_bytes(s);
    cpu::conv(args.pool, isa_, s.pixelwise, x, w, image, between, space);
    cpu::conv(args.pool, isa_, s.depthwise, image, v, y, epilogue, space);
    return {};
  }

 private:
  static int64_t wide_bytes(const cpu::ConvDepthwiseShape& s) {
    const cpu::ConvShape& d = s.depthwise;
    return aligned_bytes(d.n * d.h * d.w * d.c * static_cast<int64_t>(sizeof(float)));
  }

  cpu::ConvDepthwiseShape shape(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs) const {
    std::vector<int64_t> wide(inputs[0].dims.begin(), inputs[0].dims.end());
    wide.back() = first_dims_[0];
    return {conv_shape(op_.pixelwise(), inputs[0].dims, first_dims_, wide),
            conv_shape(op_.depthwise(first_dims_[0]), wide, second_dims_, outputs[0].dims)};
  }

  ConvDepthwise op_;
  bool by_rows_, first_bias_, second_bias_;
  Tensor first_, second_;
  std::vector<int64_t> first_dims_, second_dims_;
  Isa isa_;
  cpu::BodyEpilogue between_, epilogue_;
};

template <bool by_rows>
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (args.packed.size() != 5) return model_error("conv_depthwise needs its packed weights");
  return std::unique_ptr<Kernel>(std::make_unique<ConvDepthwiseF32>(args.problem, args.packed, by_rows));
}

}  // namespace

extern const RunRow run_conv_depthwise_rows_f32, run_conv_depthwise_whole_f32;
const RunRow run_conv_depthwise_rows_f32 = {"conv_depthwise_rows_f32", 1, Isa::portable, make<true>};
const RunRow run_conv_depthwise_whole_f32 = {"conv_depthwise_whole_f32", 1, Isa::portable, make<false>};

}  // namespace mj
