// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/anchor.h"

#include <fmt/format.h>

#include "kernels/cuda/body_text.h"

namespace mj {
namespace {

std::optional<Shape> anchor_shape(const Problem& problem) {
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
  if (!result.ok()) return std::nullopt;
  return (*result)[0].type.shape;
}

bool same_shape(const Shape& a, const Shape& b) {
  if (a.size() != b.size()) return false;
  for (size_t d = 0; d < a.size(); ++d) {
    if (equal(a[d], b[d]) != Tri::yes) return false;
  }
  return true;
}

}  // namespace

std::optional<std::string> f32_anchor_refusal(const Problem& problem) {
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype;
    if (dtype != DType::f32 && dtype != DType::none) return fmt::format("an operand is {}, not f32", name(dtype));
  }
  if (std::optional<std::string> reason = epilogue_refusal(problem)) return reason;
  if (problem.epilogue.empty()) return std::nullopt;
  const std::optional<Shape> anchor = anchor_shape(problem);
  if (!anchor || !same_shape(*anchor, problem.outputs[0].shape)) return "the epilogue broadcasts the anchor's result";
  return std::nullopt;
}

}  // namespace mj
