// SPDX-License-Identifier: Apache-2.0
// conv_onednn_f32: convolution over NHWC by the oneDNN module. Weights come packed for conv_f32, which also takes the
// sizes that the library has no fast code for.
#include "kernels/conv/shape.h"
#include "kernels/onednn/run_module.h"
#include "kernels/onednn/run_sliced.h"

namespace mj {

extern const RunRow run_conv_f32;

namespace {

class ConvOnednn final : public Kernel {
 public:
  ConvOnednn(const Problem& problem, std::vector<int64_t> weight_dims, const onednn::Convolution& form, bool flat,
             onednn::Cut cut, onednn::Layer::Unpack unpack, std::unique_ptr<Kernel> own, cpu::BodyEpilogue epilogue)
      : op_(*problem.op.get_if<Conv>()),
        has_bias_(has_bias(problem)),
        weight_dims_(std::move(weight_dims)),
        layer_(form, flat, cut, std::move(unpack)),
        own_(std::move(own)),
        epilogue_(std::move(epilogue)) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    const int64_t own = own_->workspace_bytes(inputs, outputs, threads);
    return inputs[0].size() ? std::max(own, layer_.workspace_bytes(size(inputs, outputs), threads).value_or(0)) : own;
  }

  Result<void> run(const RunArgs& args) const override {
    if (args.inputs[0].size() == 0 || args.outputs[0].size() == 0) return own_->run(args);
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    const float* bias = has_bias_ ? args.inputs[2].as<const float>() : bound.epilogue().bias;
    MJ_ASSIGN(const bool done, layer_.run(args.pool,
                                          {size(args.inputs, args.outputs), args.inputs[0].as<const float>(),
                                           args.outputs[0].as<float>(), bias, bound},
                                          args.workspace.data()));
    return done ? Result<void>() : own_->run(args);
  }

 private:
  onednn::SlicedLayer::Size size(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs) const {
    const cpu::ConvShape s = conv_shape(op_, inputs[0].dims, weight_dims_, outputs[0].dims);
    return {s.n, s.h, s.w, s.oh, s.ow, s.pad_top, s.pad_left};
  }

  Conv op_;
  bool has_bias_;
  std::vector<int64_t> weight_dims_;
  onednn::SlicedLayer layer_;
  std::unique_ptr<Kernel> own_;
  cpu::BodyEpilogue epilogue_;
};

// packed: as conv_f32's.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (!onednn::module().table) return error(ErrorCode::environment, "conv_onednn_f32: {}", onednn::module().why_not);
  const std::optional<onednn::Cut> cut = onednn::parse_cut(args.config);
  if (args.packed.size() != 2 || !cut) return model_error("conv_onednn_f32 needs packed weights and a cut");
  const PackedWeights weights = PackedWeights::of(args);
  const std::vector<int64_t> image(weights.dims.size(), 1);
  const cpu::ConvShape s = conv_shape(*args.problem.op.get_if<Conv>(), image, weights.dims, image);
  if (weights.panels.bytes() != cpu::packed_conv_floats(weights.isa, s) * static_cast<int64_t>(sizeof(float)) ||
      s.k % cut->columns != 0 || (s.groups > 1 && cut->columns > 1)) {
    return model_error("conv_onednn_f32: its packed weights or its cut do not fit the problem");
  }
  onednn::Convolution form{};
  form.channels = s.c;
  form.outputs = s.k;
  form.kernel_h = s.kh, form.kernel_w = s.kw;
  form.stride_h = s.stride_h, form.stride_w = s.stride_w;
  form.dilation_h = s.dilation_h, form.dilation_w = s.dilation_w;
  form.groups = s.groups;
  MJ_ASSIGN(std::unique_ptr<Kernel> own, run_conv_f32.make(args));
  form.image_type = form.weights_type = form.result_type = static_cast<int32_t>(DType::f32);
  const bool bias = has_bias(args.problem);
  cpu::BodyEpilogue epilogue(args.problem, args.isa, bias ? cpu::EpilogueFields::none : cpu::EpilogueFields::bias);
  if (bias || epilogue.takes_bias()) form.bias_type = form.image_type;
  const bool flat = s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 &&
                    s.groups == 1;
  const auto unpack = [packed = weights.panels, isa = weights.isa, release = args.release, s](float* plain) {
    cpu::unpack_conv(isa, s, static_cast<const float*>(packed.raw()), plain);
    if (release) release({static_cast<const std::byte*>(packed.raw()), static_cast<size_t>(packed.bytes())});
  };
  return std::unique_ptr<Kernel>(std::make_unique<ConvOnednn>(args.problem, weights.dims, form, flat, *cut, unpack,
                                                              std::move(own), std::move(epilogue)));
}

std::string missing() { return onednn::module().why_not; }

}  // namespace

extern const RunRow run_conv_onednn_f32;
const RunRow run_conv_onednn_f32 = {"conv_onednn_f32", 1, Isa::portable, make, missing};

}  // namespace mj
