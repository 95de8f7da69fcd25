// SPDX-License-Identifier: Apache-2.0
// linear_attention{update_rule, heads, kv_heads, scale}(q [B,T,heads*K], k [B,T,kv_heads*K], v [B,T,kv_heads*V], past?
// [B,kv_heads,K,V], decay?, beta?): attention by a state S [K,V] of each head of keys that every token writes to:
//   S = exp(decay) S                  where the rule is gated; decay for each head, or for each row of S
//   v = beta (v - S' k)               where the rule has delta; beta for each head, or one
//   S = S + k v'    y = scale S' q    scale 0 is 1 / sqrt(K)
// and the state after the last token.
#include <fmt/format.h>

#include <cmath>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct LinearAttention {
  std::string update_rule = "gated_delta";
  int64_t heads = 0, kv_heads = 0;
  float scale = 0;

  static constexpr std::string_view kName = "linear_attention";
  static constexpr auto kFields =
      std::tuple{field(1, "update_rule", &LinearAttention::update_rule), field(2, "heads", &LinearAttention::heads),
                 field(3, "kv_heads", &LinearAttention::kv_heads), field(4, "scale", &LinearAttention::scale)};

  bool gated() const { return update_rule == "gated" || update_rule == "gated_delta"; }
  bool delta() const { return update_rule == "delta" || update_rule == "gated_delta"; }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult LinearAttention::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 6));
  if (!gated() && !delta() && update_rule != "linear") {
    return context.fail(fmt::format("update_rule must be linear, gated, delta or gated_delta, got '{}'", update_rule));
  }
  if (heads < 1 || kv_heads < 1 || heads % kv_heads != 0) {
    return context.fail(fmt::format("{} heads of queries cannot share {} of keys", heads, kv_heads));
  }
  for (size_t i = 0; i < 3; ++i) {
    MJ_TRY(context.rank(i, 3));
    MJ_TRY(context.same_dtype(0, i));
  }
  if (!is_float(context.dtype(0))) return context.fail("inputs must be floating point");
  const auto takes = [&](bool it) { return fmt::format("the rule {} takes {}", update_rule, it ? "" : "no "); };
  if (context.has(4) != gated()) return context.fail(takes(gated()) + "decay");
  if (context.has(5) != delta()) return context.fail(takes(delta()) + "beta");
  const Shape &q = context.shape(0), &k = context.shape(1), &v = context.shape(2);
  const Dim keys = floor_div(q[2], heads), values = floor_div(v[2], kv_heads);
  MJ_TRY(require_equal(context, "the queries and the heads of one key", q[2], keys * heads));
  MJ_TRY(require_equal(context, "the keys and the heads of one key", k[2], keys * kv_heads));
  MJ_TRY(require_equal(context, "the values and the heads of one value", v[2], values * kv_heads));
  for (size_t i = 1; i < 6; ++i) {
    if (!context.has(i) || i == 3) continue;
    MJ_TRY(context.rank(i, 3));
    MJ_TRY(require_equal(context, "the batches", context.shape(i)[0], q[0]));
    MJ_TRY(require_equal(context, "the tokens", context.shape(i)[1], q[1]));
  }
  const auto fits = [&](size_t i, const Dim& many) {
    if (!context.has(i)) return true;
    const Dim& last = context.shape(i)[2];
    return equal(last, kv_heads) != Tri::no || equal(last, many) != Tri::no;
  };
  if (!fits(4, keys * kv_heads)) return context.fail("decay must be one number for each head, or for each key");
  if (!fits(5, 1)) return context.fail("beta must be one number for each head, or one");
  const Shape state{q[0], kv_heads, keys, values};
  DType state_dtype = context.dtype(0);
  if (context.has(3)) {
    MJ_TRY(context.rank(3, 4));
    state_dtype = context.dtype(3);
    for (size_t d = 0; d < 4; ++d) {
      MJ_TRY(require_equal(context, fmt::format("dimension {} of the state", d), context.shape(3)[d], state[d]));
    }
  }
  return std::vector<ValueInfo>{ValueInfo::of(Type::tensor(context.dtype(0), {q[0], q[1], values * heads})),
                                ValueInfo::of(Type::tensor(state_dtype, state))};
}

Result<void> LinearAttention::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t batches = in[0].dims()[0], tokens = in[0].dims()[1];
  const int64_t keys = in[0].dims()[2] / heads, values = in[2].dims()[2] / kv_heads, share = heads / kv_heads;
  const auto given = [&](size_t i) {
    return i < in.size() && in[i].present() ? widened(in[i]) : std::vector<double>();
  };
  const std::vector<double> q = given(0), k = given(1), v = given(2), decay = given(4), beta = given(5);
  std::vector<double> state = given(3);
  if (state.empty()) state.resize(static_cast<size_t>(batches * kv_heads * keys * values), 0);
  const int64_t decays = decay.empty() ? 0 : in[4].dims()[2], betas = beta.empty() ? 0 : in[5].dims()[2];
  const double factor = scale == 0 ? 1 / std::sqrt(static_cast<double>(keys)) : static_cast<double>(scale);
  std::vector<double> y(static_cast<size_t>(batches * tokens * heads * values), 0);
  for (int64_t b = 0; b < batches; ++b) {
    for (int64_t h = 0; h < kv_heads; ++h) {
      double* s = state.data() + (b * kv_heads + h) * keys * values;
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t row = b * tokens + t;
        const double* key = k.data() + (row * kv_heads + h) * keys;
        for (int64_t i = 0; i < keys && gated(); ++i) {
          const double gate =
              std::exp(decay[static_cast<size_t>(row * decays + (decays == kv_heads ? h : h * keys + i))]);
          for (int64_t j = 0; j < values; ++j) s[i * values + j] *= gate;
        }
        for (int64_t j = 0; j < values; ++j) {
          double value = v[static_cast<size_t>((row * kv_heads + h) * values + j)];
          if (delta()) {
            double known = 0;
            for (int64_t i = 0; i < keys; ++i) known += s[i * values + j] * key[i];
            value = beta[static_cast<size_t>(row * betas + (betas == kv_heads ? h : 0))] * (value - known);
          }
          for (int64_t i = 0; i < keys; ++i) s[i * values + j] += key[i] * value;
        }
        for (int64_t g = h * share; g < (h + 1) * share; ++g) {
          const double* query = q.data() + (row * heads + g) * keys;
          for (int64_t j = 0; j < values; ++j) {
            double sum = 0;
            for (int64_t i = 0; i < keys; ++i) sum += query[i] * s[i * values + j];
            y[static_cast<size_t>((row * heads + g) * values + j)] = factor * sum;
          }
        }
      }
    }
  }
  narrow(y.data(), out[0].size(), out[0]);
  if (out.size() > 1 && out[1].present()) narrow(state.data(), out[1].size(), out[1]);
  return {};
}

MJ_REGISTER_OP(LinearAttention)

}  // namespace mj
