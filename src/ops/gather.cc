// SPDX-License-Identifier: Apache-2.0
#include "ops/gather.h"

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {
namespace {

std::optional<std::vector<Dim>> gather_contents(const InferContext& context) {
  const std::optional<std::vector<Dim>> all = context[0].elements();
  const std::optional<std::vector<int64_t>> indices = context[1].known_elements();
  if (context.concrete() || !all || context[0].type.rank() != 1 || !indices) return std::nullopt;
  std::vector<Dim> out;
  const auto n = static_cast<int64_t>(all->size());
  for (int64_t index : *indices) {
    if (index < -n || index >= n) return std::nullopt;
    out.push_back((*all)[static_cast<size_t>(index < 0 ? index + n : index)]);
  }
  return out;
}

}  // namespace

InferResult Gather::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.ranked(1));
  MJ_TRY(require_indices(context, 1));
  const Shape& data = context.shape(0);
  const Shape& indices = context.shape(1);
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  Shape out(data.begin(), data.begin() + at);
  out.insert(out.end(), indices.begin(), indices.end());
  out.insert(out.end(), data.begin() + at + 1, data.end());
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  info.contents = gather_contents(context);
  return one(std::move(info));
}

Result<void> Gather::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const AxisView view = AxisView::of(in[0].dims(), axis);
  const std::vector<int64_t> indices = in[1].to_i64();
  int64_t to = 0;
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t index : indices) {
      MJ_ASSIGN(const int64_t i, checked_index(kName, index, view.length));
      copy_elements(in[0], (o * view.length + i) * view.inner, out[0], to, view.inner);
      to += view.inner;
    }
  }
  return {};
}

MJ_REGISTER_OP(Gather)

}  // namespace mj
