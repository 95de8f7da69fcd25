// SPDX-License-Identifier: Apache-2.0
// pointwise_cuda: one thread an element.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/row.h"
#include "kernels/pointwise/body.h"

namespace mj {
namespace {

constexpr int kThreads = 256;

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
  const Dim count = element_count(shape);
  kernel.line("const Index i = blockIdx.x * {}u + threadIdx.x;", kThreads);
  kernel.line("if (i >= {}) return;", kernel.size(count));
  std::vector<std::string> params;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const Operand& operand = problem.inputs[i];
    const std::string at = broadcast_index(kernel, operand.shape, shape, "i");
    kernel.line("const {} x{} = {};", c_maths(operand.dtype), i,
                c_load(operand.dtype, fmt::format("{}[{}]", kernel.input(i), at)));
    params.push_back(fmt::format("x{}", i));
  }
  const BodyText body = body_text(pointwise_body(problem), params);
  kernel.text(body.lines);
  for (size_t o = 0; o < problem.outputs.size(); ++o) {
    kernel.line("{}[i] = {};", kernel.output(o), c_store(problem.outputs[o].dtype, body.results[o]));
  }
  return std::move(kernel).finish({ceil_div(count, kThreads), 1, 1}, {kThreads, 1, 1});
}

}  // namespace

extern const SelectRow select_pointwise_cuda;
const SelectRow select_pointwise_cuda = streaming_gpu_row("pointwise", "pointwise_cuda", refuses, generate);

}  // namespace mj
