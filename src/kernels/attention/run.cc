// SPDX-License-Identifier: Apache-2.0
// attention_f32: for each block of queries of a head all its scores, their softmax and their sum of values, before the
// next block begins; K and V are packed once for each head. A result depends on its own query, keys and values only.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/align.h"
#include "kernels/attention/layout.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/row_loops.h"

namespace mj {
namespace {

constexpr int64_t kMaxBlock = 48;           // queries whose scores are made at once: a multiple of every tile's height
constexpr int64_t kBlockFloats = 32 << 10;  // of scores: they and a panel of V stay in L2

int64_t block_rows(int64_t keys) {
  return std::clamp<int64_t>(kBlockFloats / std::max<int64_t>(keys, 1), 12, kMaxBlock);
}

class AttentionF32 final : public Kernel {
 public:
  AttentionF32(const Problem& problem, Isa isa)
      : op_(problem.op.as<Attention>()),
        anchor_inputs_(static_cast<size_t>(problem.anchor_inputs)),
        isa_(isa),
        loops_(cpu::row_loops(isa)),
        epilogue_(problem, isa, cpu::EpilogueFields::none) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef>, int threads) const override {
    const Result<AttentionLayout> layout = attention_layout(op_, inputs.first(anchor_inputs_));
    return layout.ok() ? 4 * sizes(*layout, threads).total : 0;
  }

  Result<void> run(const RunArgs& args) const override {
    const std::span<const TensorRef> inputs = args.inputs.first(anchor_inputs_);
    MJ_ASSIGN(const AttentionLayout l, attention_layout(op_, inputs));
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    const bool packed = op_.layout == "qkv";
    const size_t mask = op_.mask_input();
    const Run r{l,
                inputs[0].as<const float>(),
                inputs[packed ? 0 : 1].as<const float>(),
                inputs[packed ? 0 : 2].as<const float>(),
                inputs.size() > mask && inputs[mask].present() ? inputs[mask].as<const float>() : nullptr,
                args.outputs[0].as<float>(),
                bound};
    const Sizes s = sizes(l, args.pool.threads());
    float* space = reinterpret_cast<float*>(args.workspace.data());
    float* threads_space = space + s.slots * s.slot;
    const int64_t blocks = (l.queries + s.rows - 1) / s.rows, group = l.heads / l.key_heads;
    if (l.keys == 0 || l.queries == 0 || l.v_depth == 0 || l.batch == 0) {
      std::fill_n(r.y, args.outputs[0].size(), 0.0f);
      return {};
    }
    if (s.head_a_task) {
      args.pool.run(l.batch * l.key_heads, [&](int64_t head, int thread) {
        float* panels = space + thread * s.slot;
        pack(r, head, panels);
        for (int64_t g = 0; g < group; ++g)
          for (int64_t b = 0; b < blocks; ++b)
            attend(r, head * group + g, b * s.rows, s, panels, threads_space + thread * s.thread);
      });
      return {};
    }
    args.pool.run(l.batch * l.key_heads, [&](int64_t head, int) { pack(r, head, space + head * s.slot); });
    args.pool.run(l.batch * l.heads * blocks, [&](int64_t task, int thread) {
      const int64_t head = task / blocks;
      attend(r, head, task % blocks * s.rows, s, space + head / group * s.slot, threads_space + thread * s.thread);
    });
    return {};
  }

 private:
  struct Run {
    const AttentionLayout& l;
    const float *q, *k, *v, *mask;
    float* y;
    const cpu::BodyEpilogue::Bound& bound;
  };

  // Of the workspace, in floats.
  struct Sizes {
    bool head_a_task;  // enough heads to keep all threads busy: each packs its own K and V
    int64_t rows;      // of a block of queries
    int64_t k_panels;  // packed K at the start of a slot; V follows
    int64_t slot, slots, thread, total;
  };
  Sizes sizes(const AttentionLayout& l, int threads) const {
    Sizes s{};
    s.head_a_task = l.batch * l.key_heads >= 2 * threads;
    s.rows = block_rows(l.keys);
    s.k_panels = aligned_floats(cpu::packed_b_floats(isa_, l.depth, l.keys));
    s.slot = s.k_panels + aligned_floats(cpu::packed_b_floats(isa_, l.keys, l.v_depth));
    s.slots = s.head_a_task ? threads : l.batch * l.key_heads;
    s.thread = aligned_floats(s.rows * l.keys);
    s.total = s.slots * s.slot + threads * s.thread;
    return s;
  }

  // `head` counts through the batch.
  void pack(const Run& r, int64_t head, float* panels) const {
    const AttentionLayout& l = r.l;
    const int64_t b = head / l.key_heads, h = head % l.key_heads;
    const int64_t k_floats = aligned_floats(cpu::packed_b_floats(isa_, l.depth, l.keys));
    cpu::pack_b(isa_, r.k + l.k.at(b, h), l.k.row, true, l.depth, l.keys, panels);
    cpu::pack_b(isa_, r.v + l.v.at(b, h), l.v.row, false, l.keys, l.v_depth, panels + k_floats);
  }

  void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, float* c,
                int64_t ldc) const {
    const float* rows[kMaxBlock];
    for (int64_t i = 0; i < m; ++i) rows[i] = a + i * lda;
    cpu::Block block{};
    block.rows = rows;
    block.channels = k;
    block.b = b;
    block.m = m;
    block.n = n;
    block.c = c;
    block.ldc = ldc;
    cpu::multiply_block(cpu::microkernels(isa_), block, {});
  }

  void attend(const Run& r, int64_t head, int64_t first, const Sizes& s, const float* panels, float* scores) const {
    const AttentionLayout& l = r.l;
    const int64_t b = head / l.heads, h = head % l.heads, m = std::min(s.rows, l.queries - first);
    const float scale = op_.scale != 0 ? op_.scale : 1 / std::sqrt(static_cast<float>(l.depth));
    // Causal: no query of the block sees a key beyond what its last one sees.
    const int64_t n = op_.causal ? std::clamp<int64_t>(first + m + l.keys - l.queries, 1, l.keys) : l.keys;
    float* y = r.y + l.y.at(b, h) + first * l.y.row;
    multiply(m, n, l.depth, r.q + l.q.at(b, h) + first * l.q.row, l.q.row, panels, scores, l.keys);
    float factors[kMaxBlock];
    for (int64_t i = 0; i < m; ++i) {
      float* row = scores + i * l.keys;
      const int64_t seen = op_.causal ? std::clamp<int64_t>(first + i + 1 + l.keys - l.queries, 0, l.keys) : l.keys;
      const float* mask = nullptr;
      float constant = 0;
      if (r.mask) {
        mask = r.mask + b * l.mask_strides[0] + h * l.mask_strides[1] + (first + i) * l.mask_strides[2];
        if (l.mask_strides[3] == 0) constant = *mask, mask = nullptr;
      }
      bool all_hidden = true;
      factors[i] = std::numeric_limits<float>::quiet_NaN();
      if (seen > 0) factors[i] = 1 / loops_.exp_scores(row, seen, scale, mask, constant, &all_hidden);
      std::fill(row + seen, row + l.keys, 0.0f);
      if (!all_hidden || !op_.zero_masked_rows) continue;
      std::fill_n(row, seen, 0.0f);
      factors[i] = 0;
    }
    // The panels of V hold all keys; those that nobody sees have weight 0.
    multiply(m, l.v_depth, l.keys, scores, l.keys, panels + s.k_panels, y, l.y.row);
    for (int64_t i = 0; i < m; ++i) {
      float* out = y + i * l.y.row;
      loops_.shift_scale(out, l.v_depth, 0, factors[i], 0, out);
      r.bound.apply(out, out - r.y, l.v_depth);
    }
  }

  const Attention op_;
  const size_t anchor_inputs_;
  const Isa isa_;
  const cpu::RowLoops& loops_;
  const cpu::BodyEpilogue epilogue_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<AttentionF32>(args.problem, args.isa));
}

}  // namespace

extern const RunRow run_attention_f32;
const RunRow run_attention_f32 = {"attention_f32", 1, Isa::portable, make};

}  // namespace mj
