// SPDX-License-Identifier: Apache-2.0
// conv_onednn_f32: convolution over NHWC by the oneDNN module. Weights come packed for conv_f32, which also takes the
// sizes that the library has no fast code for.
#include "kernels/conv/shape.h"
#include "kernels/onednn/run_kernel.h"
#include "kernels/onednn/run_module.h"

namespace mj {

extern const RunRow run_conv_f32;

namespace {

// packed: as conv_f32's.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (!onednn::module().table) return error(ErrorCode::environment, "conv_onednn_f32: {}", onednn::module().why_not);
  const std::optional<onednn::Cut> cut = onednn::parse_cut(args.config);
  if (args.packed.size() != 2 || !cut) return model_error("conv_onednn_f32 needs packed weights and a cut");
  const PackedWeights weights = PackedWeights::of(args);
  const std::vector<int64_t> image(weights.dims.size(), 1);
  const cpu::ConvShape s = conv_shape(args.problem.op.as<Conv>(), image, weights.dims, image);
  if (weights.panels.bytes() != cpu::packed_conv_floats(weights.isa, s) * static_cast<int64_t>(sizeof(float)) ||
      s.k % cut->columns != 0 || (s.groups > 1 && cut->columns > 1)) {
    return model_error("conv_onednn_f32: its packed weights or its cut do not fit the problem");
  }
  MJ_ASSIGN(std::unique_ptr<Kernel> own, run_conv_f32.make(args));
  onednn::LayerStep step{};
  step.form.channels = s.c;
  step.form.outputs = s.k;
  step.form.kernel_h = s.kh, step.form.kernel_w = s.kw;
  step.form.stride_h = s.stride_h, step.form.stride_w = s.stride_w;
  step.form.dilation_h = s.dilation_h, step.form.dilation_w = s.dilation_w;
  step.form.groups = s.groups;
  step.flat = s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 &&
              s.groups == 1;
  step.cut = *cut;
  step.packed = weights.panels;
  step.unpack = [isa = weights.isa, s](const float* packed, float* plain) { cpu::unpack_conv(isa, s, packed, plain); };
  step.size = [op = args.problem.op.as<Conv>(), dims = weights.dims](
                  std::span<const TensorRef> inputs, std::span<const TensorRef> outputs) -> onednn::SlicedLayer::Size {
    const cpu::ConvShape c = conv_shape(op, inputs[0].dims, dims, outputs[0].dims);
    return {c.n, c.h, c.w, c.oh, c.ow, c.pad_top, c.pad_left};
  };
  step.adds_bias = has_bias(args.problem);
  return onednn::make_kernel(args, std::move(step), std::move(own));
}

}  // namespace

extern const RunRow run_conv_onednn_f32;
const RunRow run_conv_onednn_f32 = {"conv_onednn_f32", 1, Isa::portable, make, onednn::missing};

}  // namespace mj
