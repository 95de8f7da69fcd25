// SPDX-License-Identifier: Apache-2.0
#include "ops/reshape.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

// product(in) / product(out). Equal dims cancel first, so that [N,S,768] into [N,S,12,-1] leaves 64, whatever N is.
Dim remaining(Shape in, Shape out) {
  std::erase_if(out, [&](const Dim& dim) {
    const auto same = std::find(in.begin(), in.end(), dim);
    if (same == in.end() || equal(dim, 0) == Tri::yes) return false;
    in.erase(same);
    return true;
  });
  return floor_div(element_count(in), element_count(out));
}

}  // namespace

InferResult Reshape::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.ranked(0));
  MJ_TRY(context.rank(1, 1));
  const Shape& in = context.shape(0);
  const std::optional<std::vector<Dim>> wanted = context[1].elements();
  Shape out;
  if (!wanted) {
    if (context.concrete()) return context.fail("input 1 must be integers");
    const std::optional<int64_t> rank = context.shape(1)[0].constant();
    if (!rank) return one(ValueInfo::of(Type::unranked(context.dtype(0))));
    for (int64_t d = 0; d < *rank; ++d) out.push_back(context.fresh("reshape"));
    return one(context.dtype(0), std::move(out));
  }
  std::optional<size_t> open;
  for (size_t d = 0; d < wanted->size(); ++d) {
    const Dim& dim = (*wanted)[d];
    out.push_back(dim);
    if (dim == Dim(0) && !allowzero) {
      if (d >= in.size()) return context.fail(fmt::format("0 at place {} has no dimension of the input to copy", d));
      out[d] = in[d];
    } else if (dim == Dim(-1)) {
      if (open) return context.fail("only one dimension may be -1");
      open = d;
      out[d] = 1;
    } else if (dim.constant() && *dim.constant() < 0) {
      return context.fail(fmt::format("dimension {} is negative", dim));
    }
  }
  if (open) {
    Shape others = out;
    others.erase(others.begin() + static_cast<int64_t>(*open));
    if (equal(element_count(others), 0) == Tri::yes)
      return context.fail("-1 beside a dimension of 0 could be anything");
    out[*open] = remaining(in, others);
  }
  if (equal(element_count(in), element_count(out)) == Tri::no) {
    return context.fail(fmt::format("{} does not fit into [{}]", to_string(context[0].type), fmt::join(*wanted, ",")));
  }
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  if (!context.concrete() && info.type.rank() <= 1) info.contents = context[0].elements();
  return one(std::move(info));
}

Result<void> Reshape::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  copy_all(in[0], out[0]);
  return {};
}

MJ_REGISTER_OP(Reshape)

}  // namespace mj
