// SPDX-License-Identifier: Apache-2.0
// softmax_cuda: softmax and log_softmax along any axis.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/line_text.h"
#include "kernels/cuda/row.h"

namespace mj {
namespace {

constexpr int kMostHeld = 16;

Refusal refuses(const Problem& problem, const Target&) {
  const DType dtype = problem.inputs[0].dtype;
  if (c_storage(dtype).empty()) return fmt::format("elements of {}", name(dtype));
  return epilogue_refusal(problem);
}

size_t axis_of(const Problem& problem) {
  for (const NamedField& field : problem.op.fields()) {
    if (field.name != "axis") continue;
    const int64_t axis = std::get<int64_t>(field.value);
    return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(problem.inputs[0].shape.size()) : axis);
  }
  CHECK(false, "{} has no axis", problem.op.name());
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel(std::string(problem.op.name()), problem);
  allow_in_place(kernel, 0);
  const Operand& x = problem.inputs[0];
  const size_t axis = axis_of(problem);
  Dim outer = 1, inner = 1;
  for (size_t d = 0; d < x.shape.size(); ++d) (d < axis ? outer : inner) *= d == axis ? Dim(1) : x.shape[d];
  const Dim& length = x.shape[axis];
  const bool along = inner.constant() == 1;
  const std::string n = kernel.size(length), step = kernel.size(inner);
  const std::string_view maths = c_maths(x.dtype), suffix = maths == "float" ? "f" : "";

  LineText lines(kernel, outer * inner, length, !along, kMostHeld, along ? line_width(x.dtype, length) : 1);
  lines.begin();
  kernel.line("const Index first = {};",
              along ? fmt::format("line * {}", n)
                    : fmt::format("line / {0} * {1} + line % {0}", step, kernel.size(length * inner)));
  lines.elements(maths, along ? "first + l" : fmt::format("first + l * {}", step));
  lines.reduce("largest", "Max", "-INFINITY", "x");
  lines.reduce("sum", "Sum", "0", fmt::format("exp{}(x - largest)", suffix));
  if (problem.op.is("softmax")) {
    kernel.line("const {} scale = 1 / sum;", maths);
    lines.store(fmt::format("exp{}(x - largest) * scale", suffix));
  } else {
    kernel.line("const {} log_sum = log{}(sum);", maths, suffix);
    lines.store("x - largest - log_sum");
  }
  return lines.finish();
}

}  // namespace

extern const SelectRow select_softmax_cuda;
const SelectRow select_softmax_cuda = streaming_gpu_row("softmax", "softmax_cuda", refuses, generate, pack_nothing, 2);

}  // namespace mj
