// SPDX-License-Identifier: Apache-2.0
#include "problem/anchor.h"

#include <fmt/format.h>

#include <algorithm>

namespace mj {

std::optional<Type> anchor_type(const Problem& problem) {
  std::vector<ValueInfo> inputs;
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    const Operand& operand = problem.inputs[static_cast<size_t>(i)];
    inputs.push_back(operand.dtype == DType::none ? ValueInfo{}
                                                  : ValueInfo::of(Type::tensor(operand.dtype, operand.shape)));
  }
  int fresh = 0;
  const InferContext context{problem.op.name(), inputs, 1,
                             [&](std::string_view) { return Dim::symbol(fmt::format("fresh{}", fresh++)); }};
  const InferResult result = problem.op.infer(context);
  return result.ok() ? std::optional((*result)[0].type) : std::nullopt;
}

bool same_shape(const Shape& a, const Shape& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Dim& x, const Dim& y) { return equal(x, y) == Tri::yes; });
}

}  // namespace mj
