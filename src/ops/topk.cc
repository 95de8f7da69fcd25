// SPDX-License-Identifier: Apache-2.0
#include "ops/topk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

InferResult TopK::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.ranked(1));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) return context.fail("input 0 must be numbers");
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  const std::optional<std::vector<Dim>> k = context[1].elements();
  if (k && k->size() != 1) return context.fail("k must be one number");
  if (!k && context.concrete()) return context.fail("k must be an integer");
  Shape out = context.shape(0);
  Dim& dim = out[static_cast<size_t>(at)];
  const Dim count = k ? (*k)[0] : context.fresh("k");
  if (less_equal(count, dim) == Tri::no) return context.fail(fmt::format("k is {} in a dimension of {}", count, dim));
  dim = count;
  ValueInfo values = ValueInfo::of(Type::tensor(context.dtype(0), out));
  return std::vector<ValueInfo>{std::move(values), ValueInfo::of(Type::tensor(DType::i64, std::move(out)))};
}

Result<void> TopK::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const AxisView view = AxisView::of(in[0].dims(), axis);
  const int64_t k = AxisView::of(out[0].dims(), axis).length;
  const bool wide = is_integer(in[0].dtype());  // 64-bit integers do not fit a double
  const std::vector<double> values = wide ? std::vector<double>{} : in[0].to_f64();
  const std::vector<int64_t> integers = in[0].to_i64();
  std::vector<int64_t> order(static_cast<size_t>(view.length));
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t i = 0; i < view.inner; ++i) {
      const auto at = [&](int64_t j) { return (o * view.length + j) * view.inner + i; };
      const auto before = [&](int64_t a, int64_t b) {
        if (wide) return largest ? integers[at(a)] > integers[at(b)] : integers[at(a)] < integers[at(b)];
        const double x = values[at(a)], y = values[at(b)];
        if (std::isnan(x) || std::isnan(y))
          return largest ? std::isnan(x) && !std::isnan(y) : !std::isnan(x) && std::isnan(y);
        return largest ? x > y : x < y;
      };
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), before);
      for (int64_t j = 0; j < k; ++j) {
        const int64_t to = (o * k + j) * view.inner + i;
        copy_elements(in[0], at(order[j]), out[0], to, 1);
        out[1].mutable_data<int64_t>()[to] = order[j];
      }
    }
  }
  return {};
}

MJ_REGISTER_OP(TopK)

}  // namespace mj
