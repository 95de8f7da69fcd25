// SPDX-License-Identifier: Apache-2.0
#include "ops/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

// The sizes of a problem, whatever the layout; Int is Dim or int64_t.
template <class Int>
struct Sizes {
  Int batch, queries, keys, depth, v_depth;
};

// One head's rows in a tensor: element (s, d) of head h of image b is at b * batch + h * head + s * row + first + d.
struct HeadWalk {
  int64_t batch, head, row, first;

  std::vector<double> read(const std::vector<double>& x, int64_t b, int64_t h, int64_t rows, int64_t depth) const {
    std::vector<double> out(static_cast<size_t>(rows * depth));
    for (int64_t s = 0; s < rows; ++s) {
      std::copy_n(x.begin() + (b * batch + h * head + s * row + first), depth, out.begin() + s * depth);
    }
    return out;
  }
};

HeadWalk walk(bool heads_outer, int64_t heads, int64_t rows, int64_t depth) {
  if (heads_outer) return {heads * rows * depth, rows * depth, depth, 0};
  return {rows * heads * depth, depth, heads * depth, 0};
}

void softmax_rows(std::vector<double>& scores, int64_t columns, bool zero_masked) {
  for (size_t at = 0; at < scores.size(); at += static_cast<size_t>(columns)) {
    const std::span<double> row = std::span(scores).subspan(at, static_cast<size_t>(columns));
    const double largest = *std::max_element(row.begin(), row.end());
    if (zero_masked && std::isinf(largest) && largest < 0) {
      std::fill(row.begin(), row.end(), 0.0);
      continue;
    }
    double sum = 0;
    for (double& x : row) sum += x = std::exp(x - largest);
    for (double& x : row) x /= sum;
  }
}

}  // namespace

InferResult Attention::infer(const InferContext& context) const {
  const int64_t kv = key_heads();
  if (heads < 1 || heads > INT16_MAX || kv_heads < 0 || heads % kv != 0) {
    return context.fail(fmt::format("{} heads do not share {} key heads", heads, kv));
  }
  const auto head_size = [&](const Dim& width, int64_t count) -> Result<Dim> {
    MJ_TRY(
        require_equal(context, fmt::format("the width {} beyond {} heads and 0", width, count), mod(width, count), 0));
    return floor_div(width, count);
  };
  Sizes<Dim> s;
  Shape out;
  if (layout == "qkv") {
    MJ_TRY(context.inputs_between(1, 2));
    MJ_TRY(context.rank(0, 3));
    out = context.shape(0);
    MJ_ASSIGN(const Dim depth, head_size(out[2], heads + 2 * kv));
    s = {out[0], out[1], out[1], depth, depth};
    out[2] = depth * heads;
  } else if (layout == "bshd" || layout == "bhsd") {
    MJ_TRY(context.inputs_between(3, 4));
    const bool flat = layout == "bshd";
    for (size_t i = 0; i < 3; ++i) {
      MJ_TRY(context.rank(i, flat ? 3 : 4));
      MJ_TRY(context.same_dtype(0, i));
    }
    const Shape &q = context.shape(0), &k = context.shape(1), &v = context.shape(2);
    s = {q[0], q[flat ? 1 : 2], k[flat ? 1 : 2], 0, 0};
    out = q;
    MJ_TRY(require_equal(context, "the batch of q and k", q[0], k[0]));
    MJ_TRY(require_equal(context, "the batch of k and v", k[0], v[0]));
    MJ_TRY(require_equal(context, "the length of k and v", s.keys, v[flat ? 1 : 2]));
    if (flat) {
      MJ_ASSIGN(s.depth, head_size(q[2], heads));
      MJ_ASSIGN(s.v_depth, head_size(v[2], kv));
      MJ_TRY(require_equal(context, "the width of k and what q says", k[2], s.depth * kv));
      out[2] = s.v_depth * heads;
    } else {
      MJ_TRY(require_equal(context, "the heads of q and the field", q[1], heads));
      MJ_TRY(require_equal(context, "the heads of k and the field", k[1], kv));
      MJ_TRY(require_equal(context, "the heads of v and the field", v[1], kv));
      MJ_TRY(require_equal(context, "the head size of q and k", q[3], k[3]));
      out[3] = v[3];
    }
  } else {
    return context.fail(fmt::format("layout must be bshd, bhsd or qkv, got '{}'", layout));
  }
  if (!is_float(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be floating point, got {}", to_string(context[0].type)));
  }
  if (const size_t m = mask_input(); context.has(m)) {
    MJ_TRY(context.ranked(m));
    const Shape want{s.batch, heads, s.queries, s.keys};
    const Shape& mask = context.shape(m);
    bool fits = mask.size() <= 4 && is_float(context.dtype(m));
    for (size_t back = 1; fits && back <= mask.size(); ++back) {
      const Dim& dim = mask[mask.size() - back];
      fits = equal(dim, 1) != Tri::no || equal(dim, want[4 - back]) != Tri::no;
    }
    if (!fits) {
      return context.fail(
          fmt::format("the mask {} does not broadcast to {}", to_string(context[m].type), to_string(want)));
    }
  }
  return one(context.dtype(0), std::move(out));
}

Result<void> Attention::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const bool packed = layout == "qkv", outer = layout == "bhsd";
  const std::vector<int64_t>& dims = in[0].dims();
  const int64_t kv = key_heads();
  Sizes<int64_t> s{dims[0], dims[outer ? 2 : 1], 0, 0, 0};
  const Tensor &key = in[packed ? 0 : 1], &value = in[packed ? 0 : 2];
  s.keys = key.dims()[outer ? 2 : 1];
  s.depth = packed ? dims[2] / (heads + 2 * kv) : outer ? dims[3] : dims[2] / heads;
  s.v_depth = packed ? s.depth : outer ? value.dims()[3] : value.dims()[2] / kv;
  HeadWalk q_walk = walk(outer, heads, s.queries, s.depth), k_walk = walk(outer, kv, s.keys, s.depth);
  HeadWalk v_walk = walk(outer, kv, s.keys, s.v_depth);
  const HeadWalk y_walk = walk(outer, heads, s.queries, s.v_depth);
  if (packed) {
    q_walk = {s.queries * dims[2], s.depth, dims[2], 0};
    k_walk = {s.queries * dims[2], s.depth, dims[2], heads * s.depth};
    v_walk = {s.queries * dims[2], s.depth, dims[2], (heads + kv) * s.depth};
  }
  const std::vector<double> q = widened(in[0]), k = packed ? q : widened(key), v = packed ? q : widened(value);
  const Tensor mask = in.size() > mask_input() ? in[mask_input()] : Tensor();
  const std::vector<double> added = mask.present() ? widened(mask) : std::vector<double>{};
  std::vector<int64_t> mask_stride(4);
  const std::vector<int64_t> mask_strides = row_major(mask.dims());
  for (size_t back = 1; back <= mask.dims().size(); ++back) {
    const size_t d = mask.dims().size() - back;
    mask_stride[4 - back] = mask.dims()[d] == 1 ? 0 : mask_strides[d];
  }
  const double factor = scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(s.depth));
  std::vector<double> y(static_cast<size_t>(out[0].size())), scores(static_cast<size_t>(s.queries * s.keys));
  std::vector<double> turned(static_cast<size_t>(s.keys * s.depth)), head(static_cast<size_t>(s.queries * s.v_depth));
  if (y.empty() || s.keys == 0) return {};
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      const std::vector<double> queries = q_walk.read(q, b, h, s.queries, s.depth);
      const std::vector<double> keys = k_walk.read(k, b, h / (heads / kv), s.keys, s.depth);
      const std::vector<double> values = v_walk.read(v, b, h / (heads / kv), s.keys, s.v_depth);
      for (int64_t j = 0; j < s.keys; ++j) {
        for (int64_t d = 0; d < s.depth; ++d) turned[d * s.keys + j] = keys[j * s.depth + d];
      }
      reference_gemm(s.queries, s.keys, s.depth, queries.data(), turned.data(), scores.data());
      for (int64_t i = 0; i < s.queries; ++i) {
        for (int64_t j = 0; j < s.keys; ++j) {
          double& score = scores[i * s.keys + j];
          score *= factor;
          if (mask.present()) {
            score += added[b * mask_stride[0] + h * mask_stride[1] + i * mask_stride[2] + j * mask_stride[3]];
          }
          if (causal && j > i + s.keys - s.queries) score = -std::numeric_limits<double>::infinity();
        }
      }
      softmax_rows(scores, s.keys, zero_masked_rows);
      reference_gemm(s.queries, s.v_depth, s.keys, scores.data(), values.data(), head.data());
      for (int64_t i = 0; i < s.queries; ++i) {
        std::copy_n(head.begin() + i * s.v_depth, s.v_depth,
                    y.begin() + (b * y_walk.batch + h * y_walk.head + i * y_walk.row));
      }
    }
  }
  narrow(y.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(Attention)

}  // namespace mj
