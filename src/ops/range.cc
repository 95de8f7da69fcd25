// SPDX-License-Identifier: Apache-2.0
// range(start, limit, delta) = start, start + delta, ... up to before limit
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct RangeOf {
  static constexpr std::string_view kName = "range";
  static constexpr OnnxName kOnnx = {.name = "Range", .since = 11};
  static constexpr auto kFields = std::tuple{};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult RangeOf::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 3));
  for (size_t i = 0; i < 3; ++i) {
    MJ_TRY(context.rank_at_least(i, 0));
    MJ_TRY(context.same_dtype(0, i));
    if (equal(element_count(context.shape(i)), 1) == Tri::no) {
      return context.fail(fmt::format("input {} must be a scalar, got {}", i, to_string(context[i].type)));
    }
  }
  const DType dtype = context.dtype(0);
  if (!is_float(dtype) && !is_integer(dtype)) return context.fail("inputs must be numbers");
  if (is_float(dtype)) {
    const Tensor &start = context[0].constant, &limit = context[1].constant, &delta = context[2].constant;
    if (!start.present() || !limit.present() || !delta.present()) return one(dtype, {context.fresh("range")});
    const double count = std::ceil((limit.to_f64()[0] - start.to_f64()[0]) / delta.to_f64()[0]);
    if (!(std::fabs(count) < 1e15)) return context.fail("its length is no number");
    return one(dtype, {Dim(std::max<int64_t>(static_cast<int64_t>(count), 0))});
  }
  const auto start = context[0].elements(), limit = context[1].elements(), delta = context[2].elements();
  const std::optional<int64_t> step = delta ? (*delta)[0].constant() : std::nullopt;
  if (step && (*step == 0 || *step == INT64_MIN)) return context.fail(fmt::format("delta is {}", *step));
  if (!start || !limit || !step) {
    if (context.concrete()) return context.fail("inputs must be integers");
    return one(dtype, {context.fresh("range")});
  }
  if (const auto first = (*start)[0].constant(), last = (*limit)[0].constant(); first && last) {
    const bool up = *step > 0;
    if (up ? *first >= *last : *first <= *last) return one(dtype, {Dim(0)});
    int64_t between = 0;
    if (__builtin_sub_overflow(up ? *last : *first, up ? *first : *last, &between)) {
      return context.fail(fmt::format("from {} to {} are more than 2^63 numbers", *first, *last));
    }
  }
  const Dim room = *step > 0 ? (*limit)[0] - (*start)[0] : (*start)[0] - (*limit)[0];
  const Dim length = max(ceil_div(room, std::abs(*step)), 0);
  ValueInfo info = ValueInfo::of(Type::tensor(dtype, {length}));
  if (!context.concrete() && length.constant().value_or(INT64_MAX) <= kMaxContents) {
    info.contents.emplace();
    for (int64_t i = 0; i < *length.constant(); ++i) info.contents->push_back((*start)[0] + Dim(*step) * i);
  }
  return one(std::move(info));
}

Result<void> RangeOf::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (is_float(in[0].dtype())) {
    const double start = in[0].to_f64()[0], delta = in[2].to_f64()[0];
    std::vector<double> values(static_cast<size_t>(out[0].size()));
    for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<double>(i) * delta;
    narrow(values.data(), out[0].size(), out[0]);
    return {};
  }
  const int64_t start = in[0].to_i64()[0], delta = in[2].to_i64()[0];
  dispatch(in[0].dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (int64_t i = 0; i < out[0].size(); ++i) out[0].mutable_data<T>()[i] = static_cast<T>(start + i * delta);
    }
  });
  return {};
}

MJ_REGISTER_OP(RangeOf)

}  // namespace mj
