// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/anchor.h"

#include <fmt/format.h>

#include "kernels/cuda/body_text.h"
#include "problem/anchor.h"

namespace mj {

std::optional<std::string> float_anchor_refusal(const Problem& problem) {
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype;
    const bool known = dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::none;
    if (!known) return fmt::format("an operand is {}", name(dtype));
  }
  if (std::optional<std::string> reason = epilogue_refusal(problem)) return reason;
  if (problem.epilogue.empty()) return std::nullopt;
  const std::optional<Type> anchor = anchor_type(problem);
  if (!anchor || !anchor->shape || !same_shape(*anchor->shape, problem.outputs[0].shape))
    return "the epilogue broadcasts the anchor's result";
  return std::nullopt;
}

}  // namespace mj
