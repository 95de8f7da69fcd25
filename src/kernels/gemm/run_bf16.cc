// SPDX-License-Identifier: Apache-2.0
// gemm_bf16 and its kin: a product with a constant matrix, both rounded to bf16, added up in fp32 and written in fp32.
#include "kernels/bf16/run_row.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/gemm/epilogue.h"

namespace mj {
namespace {

using cpu::Bf16Unit;

class GemmBf16 final : public Kernel {
 public:
  GemmBf16(const Problem& problem, const GemmForm& form, std::span<const Tensor> packed, Isa isa, Bf16Unit unit)
      : form_(form),
        kernels_(cpu::bf16_kernels(isa, unit)),
        epilogue_(problem, isa, gemm_fields(form)),
        panels_(packed[0]),
        bias_(form.packs_bias ? packed[2] : Tensor()),
        k_(packed[1].to_i64()[0]),
        n_(packed[1].to_i64()[1]) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    return cpu::bf16_gemm_workspace(kernels_, rows(inputs[0], outputs[0]), n_, k_, threads);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::Bf16Gemm g;
    g.m = rows(args.inputs[0], args.outputs[0]);
    g.n = n_;
    g.k = k_;
    g.a = args.inputs[0].as<const float>();
    g.lda = k_;
    g.packed_b = static_cast<const uint16_t*>(panels_.raw());
    g.c = args.outputs[0].as<float>();
    g.ldc = n_;
    g.epilogue = gemm_epilogue(form_, bound, bias_, args.inputs, n_);
    cpu::bf16_gemm(args.pool, kernels_, g, args.workspace.data());
    return {};
  }

 private:
  int64_t rows(const TensorRef& a, const TensorRef& c) const { return k_ ? a.size() / k_ : n_ ? c.size() / n_ : 0; }

  GemmForm form_;
  const cpu::Bf16Kernels& kernels_;
  cpu::BodyEpilogue epilogue_;
  Tensor panels_, bias_;
  int64_t k_, n_;
};

// packed: the panels of b and {k, n}; then with packs_bias the bias.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args, Bf16Unit unit) {
  GemmForm form;
  if (auto reason = gemm_form(args.problem, form)) return model_error("gemm_bf16 cannot run this step: {}", *reason);
  if (!form.packs_b || args.packed.size() != (form.packs_bias ? 3u : 2u) || args.packed[1].size() != 2)
    return model_error("gemm_bf16 needs packed operands");
  const std::vector<int64_t> dims = args.packed[1].to_i64();
  const Shape& b = args.problem.inputs[1].shape;
  const size_t k = form.b_transposed ? 1 : 0;
  if (args.packed[0].dtype() != DType::u16 || b[k] != Dim(dims[0]) || b[1 - k] != Dim(dims[1]) ||
      args.packed[0].size() != cpu::packed_bf16(dims[0], dims[1])) {
    return model_error("gemm_bf16: its packed operand does not fit {}x{}", dims[0], dims[1]);
  }
  return std::unique_ptr<Kernel>(std::make_unique<GemmBf16>(args.problem, form, args.packed, args.isa, unit));
}

}  // namespace

extern const RunRow run_gemm_bf16, run_gemm_avx512_bf16, run_gemm_amx_bf16;
const RunRow run_gemm_bf16 = bf16_run_row<Bf16Unit::none, make>("gemm_bf16");
const RunRow run_gemm_avx512_bf16 = bf16_run_row<Bf16Unit::avx512_bf16, make>("gemm_avx512_bf16");
const RunRow run_gemm_amx_bf16 = bf16_run_row<Bf16Unit::amx_bf16, make>("gemm_amx_bf16");

}  // namespace mj
