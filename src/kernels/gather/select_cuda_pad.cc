// SPDX-License-Identifier: Apache-2.0
// pad_cuda: one thread an element of the result, which is one of x or the padding value.
#include <algorithm>
#include <numeric>

#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/row.h"
#include "ops/pad.h"

namespace mj {
namespace {

bool has(const Problem& problem, size_t i) {
  return i < static_cast<size_t>(problem.anchor_inputs) && problem.inputs[i].dtype != DType::none;
}

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.is("pad")) return fmt::format("{} is not pad", problem.op.name());
  if (c_storage(problem.inputs[0].dtype).empty()) return fmt::format("elements of {}", name(problem.inputs[0].dtype));
  for (size_t i : {1u, 3u}) {
    if (has(problem, i) && !problem.inputs[i].constant) return "the pads are computed";
  }
  return epilogue_refusal(problem);
}

constexpr std::string_view kEdge =
    R"(// Where place `at` of the result comes from in an axis of length n: the edges go on.
__device__ __forceinline__ int source(int at, int n) { return min(max(at, 0), n - 1); }
)";
constexpr std::string_view kWrap =
    R"(// Where place `at` of the result comes from in an axis of length n, which begins again and again.
__device__ __forceinline__ int source(int at, int n) { return (at % n + n) % n; }
)";
constexpr std::string_view kReflect =
    R"(// Where place `at` of the result comes from in an axis of length n: there and back without repeating the ends.
__device__ __forceinline__ int source(int at, int n) {
  if (n == 1) return 0;
  const int period = 2 * (n - 1), place = (at % period + period) % period;
  return place < n ? place : period - place;
}
)";

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("pad", problem);
  const Shape &in = problem.inputs[0].shape, &out = problem.outputs[0].shape;
  const std::string& mode = problem.op.as<Pad>().mode;
  const DType dtype = problem.inputs[0].dtype;
  Dim count = element_count(out);
  if (mode == "edge") kernel.helper(kEdge);
  if (mode == "wrap") kernel.helper(kWrap);
  if (mode == "reflect") kernel.helper(kReflect);
  begin_elements(kernel, count);
  std::string place, inside;
  for (size_t d = 0; d < out.size(); ++d) {
    const std::string length = kernel.size(in[d]);
    const std::string at =
        fmt::format("(int)({}) - {}[{}]", coordinate_text(kernel, out, d, "i"), kernel.packed(0, "int"), d);
    kernel.line("const int at{} = {};", d, mode == "constant" ? at : fmt::format("source({}, {})", at, length));
    place = d == 0 ? "at0" : fmt::format("{} * {} + at{}", d == 1 ? place : "(" + place + ")", length, d);
    inside += fmt::format("{}at{} >= 0 && at{} < {}", d ? " && " : "", d, d, length);
  }
  if (out.empty()) place = "0", inside = "true";
  std::string value = fmt::format("{}[{}]", kernel.input(0), place);
  if (mode == "constant") {
    const std::string padding = has(problem, 2) ? kernel.input(2) + "[0]" : fmt::format("({})0", c_storage(dtype));
    value = fmt::format("{} ? {} : {}", inside, value, padding);
  } else {
    count *= min(element_count(in), 1);  // there may be nothing to repeat
  }
  kernel.line("const {} x = {};", c_storage(dtype), value);
  if (problem.epilogue.empty()) {
    kernel.line("{}[i] = x;", kernel.output(0));
  } else {
    kernel.text(epilogue_text(kernel, c_load(dtype, "x"), "i"));
  }
  return finish_elements(std::move(kernel), count);
}

// How many places are added before each axis; negative ones are cut off.
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const auto rank = static_cast<int64_t>(problem.inputs[0].shape.size());
  std::vector<int64_t> axes(static_cast<size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  if (has(problem, 3)) axes = constants[3].to_i64();
  const std::vector<int64_t> pads = constants[1].to_i64();
  Tensor begins = Tensor::zeros(DType::i32, {rank});
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t begin = std::clamp<int64_t>(pads[i], -INT32_MAX / 2, INT32_MAX / 2);
    begins.mutable_data<int32_t>()[static_cast<size_t>(axes[i] < 0 ? axes[i] + rank : axes[i])] =
        static_cast<int32_t>(begin);
  }
  Packed packed;
  if (rank > 0) packed.tensors.push_back(std::move(begins));
  packed.consumed.push_back(1);
  if (has(problem, 3)) packed.consumed.push_back(3);
  return packed;
}

}  // namespace

extern const SelectRow select_pad_cuda;
const SelectRow select_pad_cuda = streaming_gpu_row("gather", "pad_cuda", refuses, generate, pack);

}  // namespace mj
