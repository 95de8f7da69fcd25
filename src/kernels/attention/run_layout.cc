// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/attention/layout.h"

namespace mj {
namespace {

HeadLayout dense(bool heads_outer, int64_t heads, int64_t rows, int64_t depth) {
  if (heads_outer) return {0, heads * rows * depth, rows * depth, depth};
  return {0, rows * heads * depth, depth, heads * depth};
}

Result<void> check_dims(size_t i, const TensorRef& input, std::initializer_list<int64_t> want) {
  if (std::ranges::equal(input.dims, want)) return {};
  return model_error("attention: input {} has dims [{}], the others make it [{}]", i, fmt::join(input.dims, ","),
                     fmt::join(want, ","));
}

Result<void> add_mask(std::span<const int64_t> dims, AttentionLayout& l) {
  const int64_t whole[4] = {l.batch, l.heads, l.queries, l.keys};
  int64_t step = 1;
  for (size_t back = 1; back <= dims.size(); ++back) {
    const int64_t dim = dims[dims.size() - back];
    if (back > 4 || (dim != 1 && dim != whole[4 - back])) {
      return model_error("attention: the mask's dims [{}] do not broadcast to [{}]", fmt::join(dims, ","),
                         fmt::join(whole, ","));
    }
    l.mask_strides[4 - back] = dim == 1 ? 0 : step;
    step *= dim;
  }
  return {};
}

}  // namespace

Result<AttentionLayout> attention_layout(const Attention& op, std::span<const TensorRef> inputs) {
  const std::span<const int64_t> q = inputs[0].dims;
  AttentionLayout l;
  l.heads = op.heads;
  l.key_heads = op.key_heads();
  l.batch = q[0];
  if (op.layout == "qkv") {
    const int64_t width = q[2];
    l.queries = l.keys = q[1];
    l.depth = l.v_depth = width / (l.heads + 2 * l.key_heads);
    l.q = {0, l.queries * width, l.depth, width};
    l.k = {l.heads * l.depth, l.q.batch, l.depth, width};
    l.v = {(l.heads + l.key_heads) * l.depth, l.q.batch, l.depth, width};
    l.y = dense(false, l.heads, l.queries, l.v_depth);
  } else {
    const bool outer = op.layout == "bhsd";
    const std::span<const int64_t> k = inputs[1].dims, v = inputs[2].dims;
    l.queries = q[outer ? 2 : 1];
    l.keys = k[outer ? 2 : 1];
    l.depth = outer ? q[3] : q[2] / l.heads;
    l.v_depth = outer ? v[3] : v[2] / l.key_heads;
    if (outer) {
      MJ_TRY(check_dims(0, inputs[0], {l.batch, l.heads, l.queries, l.depth}));
      MJ_TRY(check_dims(1, inputs[1], {l.batch, l.key_heads, l.keys, l.depth}));
      MJ_TRY(check_dims(2, inputs[2], {l.batch, l.key_heads, l.keys, l.v_depth}));
    } else {
      MJ_TRY(check_dims(0, inputs[0], {l.batch, l.queries, l.heads * l.depth}));
      MJ_TRY(check_dims(1, inputs[1], {l.batch, l.keys, l.key_heads * l.depth}));
      MJ_TRY(check_dims(2, inputs[2], {l.batch, l.keys, l.key_heads * l.v_depth}));
    }
    l.q = dense(outer, l.heads, l.queries, l.depth);
    l.k = dense(outer, l.key_heads, l.keys, l.depth);
    l.v = dense(outer, l.key_heads, l.keys, l.v_depth);
    l.y = dense(outer, l.heads, l.queries, l.v_depth);
  }
  const size_t mask = op.mask_input();
  if (inputs.size() > mask && inputs[mask].present()) MJ_TRY(add_mask(inputs[mask].dims, l));
  return l;
}

}  // namespace mj
