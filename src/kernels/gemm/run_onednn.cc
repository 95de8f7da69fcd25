// SPDX-License-Identifier: Apache-2.0
// gemm_onednn_f32: a product with constant b, as the oneDNN module's 1x1 convolution over its rows: on the machines
// measured that is faster than the library's own matmul, and b is packed once. b comes packed for gemm_f32.
#include "kernels/cpu/gemm.h"
#include "kernels/gemm/form.h"
#include "kernels/onednn/run_kernel.h"
#include "kernels/onednn/run_module.h"

namespace mj {

extern const RunRow run_gemm_f32;

namespace {

// packed: as gemm_f32's.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  if (!onednn::module().table) return error(ErrorCode::environment, "gemm_onednn_f32: {}", onednn::module().why_not);
  GemmForm gemm;
  if (auto reason = gemm_form(args.problem, gemm))
    return model_error("gemm_onednn_f32 cannot run this step: {}", *reason);
  const std::optional<onednn::Cut> cut = onednn::parse_cut(args.config);
  if (!gemm.packs_b || args.packed.size() != (gemm.packs_bias ? 3u : 2u) || !cut)
    return model_error("gemm_onednn_f32 needs packed operands and a cut");
  const std::vector<int64_t> packed_form = args.packed[1].to_i64();
  const auto isa = static_cast<Isa>(packed_form[0]);
  const int64_t k = packed_form[1], n = packed_form[2];
  if (args.packed[0].bytes() != cpu::packed_b_floats(isa, k, n) * static_cast<int64_t>(sizeof(float)) ||
      n % cut->columns != 0) {
    return model_error("gemm_onednn_f32: its packed operand or its cut does not fit the problem");
  }
  MJ_ASSIGN(std::unique_ptr<Kernel> own, run_gemm_f32.make(args));
  onednn::LayerStep step{};
  onednn::Convolution& form = step.form;
  form.channels = k;
  form.outputs = n;
  form.kernel_h = form.kernel_w = form.stride_h = form.stride_w = form.dilation_h = form.dilation_w = form.groups = 1;
  step.flat = true;
  step.cut = *cut;
  step.packed = args.packed[0];
  step.unpack = [isa, k, n](const float* packed, float* plain) { cpu::unpack_b(isa, packed, k, n, plain); };
  step.size = [k](std::span<const TensorRef> inputs, std::span<const TensorRef>) -> onednn::SlicedLayer::Size {
    return {.images = inputs[0].size() / k};
  };
  step.adds_bias = gemm.adds_bias;
  if (gemm.packs_bias) step.bias = args.packed[2];
  return onednn::make_kernel(args, std::move(step), std::move(own));
}

}  // namespace

extern const RunRow run_gemm_onednn_f32;
const RunRow run_gemm_onednn_f32 = {"gemm_onednn_f32", 1, Isa::portable, make, onednn::missing};

}  // namespace mj
