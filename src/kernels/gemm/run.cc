// SPDX-License-Identifier: Apache-2.0
// gemm_f32: matmul and gemm on the fp32 core; b packed ahead where it is constant, else by each run.
#include <algorithm>

#include "kernels/cpu/gemm.h"
#include "kernels/gemm/epilogue.h"
#include "kernels/gemm/form.h"
#include "kernels/kernel.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

int64_t product(const Dims& dims, size_t first, size_t last) {
  int64_t n = 1;
  for (size_t i = first; i < last; ++i) n *= dims[i];
  return n;
}

// The products to run: `outer` times a batch of evenly spaced ones.
struct Plan {
  cpu::BatchedGemm g;
  Dims a_outer, b_outer;  // element offsets of each outer step
};

class GemmF32 final : public Kernel {
 public:
  GemmF32(const Problem& problem, const GemmForm& form, std::span<const Tensor> packed, Isa isa)
      : form_(form), isa_(isa), epilogue_(problem, isa, gemm_fields(form)) {
    size_t at = 0;
    if (form.packs_b) {
      const Dims packed_form = packed[1].to_i64();
      packed_b_ = packed[0];
      isa_ = static_cast<Isa>(packed_form[0]);  // the layout of the panels is the packing machine's
      k_ = packed_form[1];
      n_ = packed_form[2];
      at = 2;
    }
    if (form.packs_bias) bias_ = packed[at];
  }

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef>, int threads) const override {
    if (form_.packs_b) return 0;
    return cpu::batched_gemm_workspace(isa_, plan(inputs).g, threads);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    float* c = args.outputs[0].as<float>();
    const float* a = args.inputs[0].as<const float>();
    if (form_.packs_b) {
      const int64_t m = k_ ? args.inputs[0].size() / k_ : n_ ? args.outputs[0].size() / n_ : 0;
      cpu::gemm(
          args.pool, isa_,
          {m, n_, k_, a, k_, static_cast<const float*>(packed_b_.raw()), c, n_, epilogue(bound, args.inputs, n_)});
      return {};
    }
    Plan p = plan(args.inputs);
    p.g.epilogue = epilogue(bound, args.inputs, p.g.n);
    const int64_t step = p.g.batch * p.g.m * p.g.n;
    for (size_t i = 0; i < p.a_outer.size(); ++i) {
      p.g.a = a + p.a_outer[i];
      p.g.b = args.inputs[1].as<const float>() + p.b_outer[i];
      p.g.c = c + static_cast<int64_t>(i) * step;
      cpu::batched_gemm(args.pool, isa_, p.g, args.workspace.data());
      p.g.first_row += p.g.batch * p.g.m;
    }
    return {};
  }

 private:
  cpu::Epilogue epilogue(const cpu::BodyEpilogue::Bound& bound, std::span<const TensorRef> inputs, int64_t n) const {
    return gemm_epilogue(form_, bound, bias_, inputs, n);
  }

  // Dims only; the pointers come later.
  Plan plan(std::span<const TensorRef> inputs) const {
    const std::span<const int64_t> a_dims = inputs[0].dims, b_dims = inputs[1].dims;
    const int64_t a_rows = a_dims.size() == 1 ? 1 : a_dims[a_dims.size() - 2], a_columns = a_dims.back();
    const int64_t b_rows = b_dims.size() == 1 ? b_dims[0] : b_dims[b_dims.size() - 2];
    const int64_t b_columns = b_dims.size() == 1 ? 1 : b_dims.back();
    Plan p;
    cpu::BatchedGemm& g = p.g;
    g.a_transposed = form_.a_transposed;
    g.b_transposed = form_.b_transposed;
    g.lda = a_columns;
    g.ldb = b_columns;
    g.m = g.a_transposed ? a_columns : a_rows;
    g.k = g.a_transposed ? a_rows : a_columns;
    g.n = g.b_transposed ? b_rows : b_columns;
    g.ldc = g.n;
    const size_t a_batch = a_dims.size() - std::min<size_t>(2, a_dims.size());
    const size_t b_batch = b_dims.size() - std::min<size_t>(2, b_dims.size());
    const size_t rank = std::max(a_batch, b_batch);
    Dims a(rank, 1), b(rank, 1);
    std::copy_n(a_dims.begin(), a_batch, a.end() - static_cast<std::ptrdiff_t>(a_batch));
    std::copy_n(b_dims.begin(), b_batch, b.end() - static_cast<std::ptrdiff_t>(b_batch));
    if (!g.a_transposed && product(b, 0, rank) == 1) {
      g.m *= product(a, 0, rank);  // one b for all: the batch is just more rows
      p.a_outer = p.b_outer = {0};
      return p;
    }
    // The innermost axes on which both move in step (or one stands still) make a batch; the rest are outer steps.
    size_t split = rank;
    while (split > 0 && a[split - 1] == b[split - 1]) --split;
    const int64_t a_size = g.m * g.k, b_size = g.k * g.n;
    g.batch = product(a, split, rank);
    g.stride_a = a_size;
    g.stride_b = b_size;
    g.stride_c = g.m * g.n;
    if (split == rank && (product(a, 0, rank) == 1 || product(b, 0, rank) == 1)) {
      g.batch = std::max(product(a, 0, rank), product(b, 0, rank));
      if (product(a, 0, rank) == 0 || product(b, 0, rank) == 0) g.batch = 0;
      if (product(a, 0, rank) == 1) g.stride_a = 0;
      if (product(b, 0, rank) == 1) g.stride_b = 0;
      split = 0;
    }
    p.a_outer = p.b_outer = {0};
    for (size_t axis = 0; axis < split; ++axis) {
      const int64_t a_step = a[axis] == 1 ? 0 : product(a, axis + 1, rank) * a_size;
      const int64_t b_step = b[axis] == 1 ? 0 : product(b, axis + 1, rank) * b_size;
      const int64_t steps = a[axis] == 1 ? b[axis] : a[axis];
      Dims next_a, next_b;
      for (size_t i = 0; i < p.a_outer.size(); ++i)
        for (int64_t s = 0; s < steps; ++s) {
          next_a.push_back(p.a_outer[i] + s * a_step);
          next_b.push_back(p.b_outer[i] + s * b_step);
        }
      p.a_outer = std::move(next_a);
      p.b_outer = std::move(next_b);
    }
    return p;
  }

  GemmForm form_;
  Isa isa_;
  cpu::BodyEpilogue epilogue_;
  Tensor packed_b_, bias_;
  int64_t k_ = 0, n_ = 0;
};

// packed: with packs_b the panels of b and {isa, k, n}; then with packs_bias the bias.
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  GemmForm form;
  if (auto reason = gemm_form(args.problem, form)) return model_error("gemm_f32 cannot run this step: {}", *reason);
  const size_t want = (form.packs_b ? 2 : 0) + (form.packs_bias ? 1 : 0);
  if (args.packed.size() != want)
    return model_error("gemm_f32 needs {} packed tensors, the engine has {}", want, args.packed.size());
  return std::unique_ptr<Kernel>(std::make_unique<GemmF32>(args.problem, form, args.packed, args.isa));
}

}  // namespace

extern const RunRow run_gemm_f32;
const RunRow run_gemm_f32 = {"gemm_f32", 1, Isa::portable, make};

}  // namespace mj
