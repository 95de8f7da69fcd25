// SPDX-License-Identifier: Apache-2.0
// pointwise_cuda: a thread takes as many neighbouring elements as it can read and write at once.
#include "kernels/cuda/row.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/pointwise/body.h"

namespace mj {
namespace {

constexpr int kThreads = 128;

Refusal refuses(const Problem& problem, const Target&) {
  for (const auto* operands : {&problem.inputs, &problem.outputs}) {
    for (const Operand& operand : *operands) {
      if (c_storage(operand.dtype).empty()) return fmt::format("elements of {}", name(operand.dtype));
    }
  }
  for (const Operand& output : problem.outputs) {
    if (output.shape != problem.outputs[0].shape) return "outputs of several shapes";
  }
  return body_refusal(pointwise_body(problem));
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("pointwise", problem);
  const Shape& shape = problem.outputs[0].shape;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    for (size_t o = 0; o < problem.outputs.size(); ++o) {
      const bool same = problem.inputs[i].shape == shape && problem.inputs[i].dtype == problem.outputs[o].dtype;
      if (same) kernel.in_place(static_cast<int>(i), static_cast<int>(o));
    }
  }
  const int width = vector_width(problem);
  const Dim threads = floor_div(element_count(shape), width);
  kernel.line("const Index thread = blockIdx.x * {}u + threadIdx.x;", kThreads);
  kernel.line("if (thread >= {}) return;", kernel.size(threads));
  kernel.line("const Index i = thread{};", width == 1 ? "" : fmt::format(" * {}u", width));
  kernel.text(vector_body_text(kernel, pointwise_body(problem), "", 0, "i", width, "x"));
  return std::move(kernel).finish({ceil_div(threads, kThreads), 1, 1}, {kThreads, 1, 1});
}

}  // namespace

extern const SelectRow select_pointwise_cuda;
const SelectRow select_pointwise_cuda =
    streaming_gpu_row("pointwise", "pointwise_cuda", refuses, generate, pack_nothing, 2);

}  // namespace mj
