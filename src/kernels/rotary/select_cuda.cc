// SPDX-License-Identifier: Apache-2.0
// rotary_cuda: one thread a pair.
#include "kernels/cuda/anchor.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/row.h"
#include "ops/rotary.h"

namespace mj {
namespace {

enum class Width { each, pair, unknown };  // a factor for each element, or one for each pair

Width width_of(const Problem& problem, size_t input) {
  const Dim &depth = problem.inputs[0].shape.back(), &width = problem.inputs[input].shape.back();
  if (equal(width, depth) == Tri::yes) return Width::each;
  return equal(width * 2, depth) == Tri::yes ? Width::pair : Width::unknown;
}

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<Rotary>()) return "not rotary";
  for (size_t i : {1u, 2u}) {
    if (width_of(problem, i) == Width::unknown) return "the length of its factors is not known";
  }
  return float_anchor_refusal(problem);
}

// The factor of `element`, or of pair `pair`, in `row`.
std::string factor(KernelText& kernel, size_t input, const std::string& element) {
  const Problem& problem = kernel.problem();
  const Shape &x = problem.inputs[0].shape, &shape = problem.inputs[input].shape;
  const std::string row =
      broadcast_index(kernel, Shape(shape.begin(), shape.end() - 1), Shape(x.begin(), x.end() - 1), "row");
  return c_load(problem.inputs[input].dtype,
                fmt::format("{}[{} * {} + {}]", kernel.input(input), row, kernel.size(shape.back()),
                            width_of(problem, input) == Width::each ? element : "pair"));
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("rotary", problem);
  const Operand& x = problem.inputs[0];
  const Dim half = floor_div(x.shape.back(), 2), count = floor_div(element_count(x.shape), 2);
  begin_elements(kernel, count);
  kernel.line("const Index row = i / {0}, pair = i % {0};", kernel.size(half));
  if (problem.op.as<Rotary>().interleaved) {
    kernel.line("const Index a = 2 * pair, b = a + 1;");
  } else {
    kernel.line("const Index a = pair, b = pair + {};", kernel.size(half));
  }
  kernel.line("const Index first = row * {0} + a, second = row * {0} + b;", kernel.size(x.shape.back()));
  kernel.line("const float from_a = {}, from_b = {};", c_load(x.dtype, kernel.input(0) + "[first]"),
              c_load(x.dtype, kernel.input(0) + "[second]"));
  kernel.line("const float to_a = from_a * {} - from_b * {};", factor(kernel, 1, "a"), factor(kernel, 2, "a"));
  kernel.line("const float to_b = from_b * {} + from_a * {};", factor(kernel, 1, "b"), factor(kernel, 2, "b"));
  kernel.text(epilogue_text(kernel, "to_a", "first", "v"));
  kernel.text(epilogue_text(kernel, "to_b", "second", "w"));
  return finish_elements(std::move(kernel), count);
}

}  // namespace

extern const SelectRow select_rotary_cuda;
const SelectRow select_rotary_cuda = streaming_gpu_row("rotary", "rotary_cuda", refuses, generate);

}  // namespace mj
