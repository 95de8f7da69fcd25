// SPDX-License-Identifier: Apache-2.0
#include "ops/transpose.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

std::vector<int64_t> Transpose::order(int64_t rank) const {
  if (!perm.empty()) return perm;
  std::vector<int64_t> reversed;
  for (int64_t d = rank; d-- > 0;) reversed.push_back(d);
  return reversed;
}

InferResult Transpose::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  const Shape& in = context.shape(0);
  const std::vector<int64_t> axes = order(context[0].type.rank());
  std::vector<int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  bool each_once = sorted.size() == in.size();
  for (size_t d = 0; each_once && d < sorted.size(); ++d) each_once = sorted[d] == static_cast<int64_t>(d);
  if (!each_once) {
    return context.fail(fmt::format("perm [{}] does not name each dimension of {} once", fmt::join(perm, ", "),
                                    to_string(context[0].type)));
  }
  Shape out;
  for (int64_t axis : axes) out.push_back(in[static_cast<size_t>(axis)]);
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  if (!context.concrete() && in.size() <= 1) info.contents = context[0].elements();
  return one(std::move(info));
}

Result<void> Transpose::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t> strides = row_major(in[0].dims());
  Walk from;
  for (int64_t axis : order(in[0].rank())) from.strides.push_back(strides[static_cast<size_t>(axis)]);
  copy_box(out[0].dims(), in[0], from, out[0], {0, row_major(out[0].dims())});
  return {};
}

MJ_REGISTER_OP(Transpose)

}  // namespace mj
