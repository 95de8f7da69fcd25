// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/index_text.h"

namespace mj {
namespace {

constexpr int kThreads = 256;

}  // namespace

std::string coordinate_text(KernelText& kernel, const Shape& shape, size_t axis, const std::string& index) {
  if (shape[axis].constant() == 1) return "0";
  Dim inner = 1;
  bool first = true;  // but for lengths of 1
  for (size_t d = axis + 1; d < shape.size(); ++d) inner *= shape[d];
  for (size_t d = 0; d < axis; ++d) first = first && shape[d].constant() == 1;
  std::string text = inner.constant() == 1 ? index : fmt::format("{} / {}", index, kernel.size(inner));
  if (!first) text += fmt::format(" % {}", kernel.size(shape[axis]));
  return text;
}

void begin_elements(KernelText& kernel, const Dim& count, int width) {
  const std::string_view name = width == 1 ? "i" : "thread";
  kernel.line("const Index {} = blockIdx.x * {}u + threadIdx.x;", name, kThreads);
  kernel.line("if ({} >= {}) return;", name, kernel.size(count));
  if (width > 1) kernel.line("const Index i = thread * {}u;", width);
}

Generated finish_elements(KernelText&& kernel, const Dim& count) {
  return std::move(kernel).finish({ceil_div(count, kThreads), 1, 1}, {kThreads, 1, 1});
}

void allow_in_place(KernelText& kernel, int anchor_input) {
  const Problem& problem = kernel.problem();
  if (problem.outputs.size() != 1) return;
  const Operand& output = problem.outputs[0];
  for (int i = 0; i < static_cast<int>(problem.inputs.size()); ++i) {
    const Operand& input = problem.inputs[static_cast<size_t>(i)];
    if (i < problem.anchor_inputs && i != anchor_input) continue;
    if (input.dtype == output.dtype && input.shape == output.shape) kernel.in_place(i, 0);
  }
}

}  // namespace mj
