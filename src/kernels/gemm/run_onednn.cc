// SPDX-License-Identifier: Apache-2.0
// gemm_onednn_f32: a product with constant b, as the oneDNN module's 1x1 convolution over its rows: on the machines
// measured that is faster than the library's own matmul, and b is packed once. b comes packed for gemm_f32.
#include "kernels/cpu/gemm.h"
#include "kernels/gemm/form.h"
#include "kernels/onednn/run_module.h"
#include "kernels/onednn/run_sliced.h"

namespace mj {

extern const RunRow run_gemm_f32;

namespace {

class GemmOnednn final : public Kernel {
 public:
  GemmOnednn(const GemmForm& gemm, Tensor bias, const onednn::Convolution& form, onednn::Cut cut,
             onednn::Layer::Unpack unpack, std::unique_ptr<Kernel> own, cpu::BodyEpilogue epilogue)
      : adds_bias_(gemm.adds_bias),
        bias_(std::move(bias)),
        columns_(form.channels),
        layer_(form, true, cut, std::move(unpack)),
        own_(std::move(own)),
        epilogue_(std::move(epilogue)) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    const int64_t own = own_->workspace_bytes(inputs, outputs, threads);
    return inputs[0].size() ? std::max(own, layer_.workspace_bytes(size(inputs), threads).value_or(0)) : own;
  }

  Result<void> run(const RunArgs& args) const override {
    if (args.inputs[0].size() == 0 || args.outputs[0].size() == 0) return own_->run(args);
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    const float* bias = bound.epilogue().bias;
    if (adds_bias_) bias = bias_.present() ? static_cast<const float*>(bias_.raw()) : args.inputs[2].as<const float>();
    MJ_ASSIGN(const bool done, layer_.run(args.pool,
                                          {size(args.inputs), args.inputs[0].as<const float>(),
                                           args.outputs[0].as<float>(), bias, bound},
                                          args.workspace.data()));
    return done ? Result<void>() : own_->run(args);
  }

 private:
  onednn::SlicedLayer::Size size(std::span<const TensorRef> inputs) const {
    return {.images = inputs[0].size() / columns_};
  }

  bool adds_bias_;
  Tensor bias_;  // packed ahead, if it is
  int64_t columns_;
  onednn::SlicedLayer layer_;
  std::unique_ptr<Kernel> own_;
  cpu::BodyEpilogue epilogue_;
};

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
  onednn::Convolution form{};
  form.channels = k;
  form.outputs = n;
  form.kernel_h = form.kernel_w = form.stride_h = form.stride_w = form.dilation_h = form.dilation_w = form.groups = 1;
  form.image_type = form.weights_type = form.result_type = static_cast<int32_t>(DType::f32);
  cpu::BodyEpilogue epilogue(args.problem, args.isa,
                             gemm.adds_bias ? cpu::EpilogueFields::none : cpu::EpilogueFields::bias);
  if (gemm.adds_bias || epilogue.takes_bias()) form.bias_type = form.image_type;
  const auto unpack = [packed = args.packed[0], release = args.release, isa, k, n](float* weights) {
    cpu::unpack_b(isa, static_cast<const float*>(packed.raw()), k, n, weights);
    if (release) release({static_cast<const std::byte*>(packed.raw()), static_cast<size_t>(packed.bytes())});
  };
  return std::unique_ptr<Kernel>(std::make_unique<GemmOnednn>(gemm, gemm.packs_bias ? args.packed[2] : Tensor(), form,
                                                              *cut, unpack, std::move(own), std::move(epilogue)));
}

std::string missing() { return onednn::module().why_not; }

}  // namespace

extern const RunRow run_gemm_onednn_f32;
const RunRow run_gemm_onednn_f32 = {"gemm_onednn_f32", 1, Isa::portable, make, missing};

}  // namespace mj
