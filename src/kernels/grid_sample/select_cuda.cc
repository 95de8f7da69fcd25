// SPDX-License-Identifier: Apache-2.0
// grid_sample_cuda: one thread an element of the result, which works out its taps along each axis. Places that are no
// numbers, or far away, are outside of the image, whatever the grid says.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/op_field.h"
#include "kernels/cuda/row.h"

namespace mj {
namespace {

bool is_read(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.is("grid_sample")) return "it samples no grid";
  for (size_t i : {0u, 1u}) {
    if (!is_read(problem.inputs[i].dtype)) return fmt::format("an operand is {}", name(problem.inputs[i].dtype));
  }
  if (!problem.inputs[1].shape.back().constant()) return "the numbers of a place are not known";
  return epilogue_refusal(problem);
}

// As the operator's own; Place is double where a half decides, or what is left of a large number.
constexpr std::string_view kTaps = R"(struct Taps {
  int at[kTaps];  // -1: outside, 0
  float weight[kTaps];
};
// Mirrored at both borders until it lies between them.
__device__ __forceinline__ Place reflected(Place x, Place low, Place high) {
  const Place range = high - low;
  if (range <= 0) return low;
  const Place there_and_back = fmod(fabs(x - low), 2 * range);
  return low + (there_and_back > range ? 2 * range - there_and_back : there_and_back);
}
__device__ __forceinline__ float near_weight(float d) { return (1.25f * d - 2.25f) * d * d + 1; }
__device__ __forceinline__ float far_weight(float d) { return ((-0.75f * d + 3.75f) * d - 6.0f) * d + 3.0f; }
__device__ __forceinline__ Taps taps_of(Place place, int n) {
  const Place low = kAlign ? 0 : (Place)-0.5, high = n - (kAlign ? (Place)1 : (Place)0.5);
  Place x = kAlign ? (place + 1) / 2 * (n - 1) : ((place + 1) * n - 1) / 2;
  x = place - place != 0 ? (Place)-10 : x > (Place)-1e9 ? x < (Place)1e9 ? x : (Place)1e9 : (Place)-1e9;
  if (kTaps == 1) x = rint(x);
  if (x < low || x > high) {
    if (kPadding == 1) x = x < 0 ? 0 : x > n - 1 ? n - 1 : x;
    if (kPadding == 2) x = reflected(x, low, high);
  }
  const Place first = kTaps == 1 ? rint(x) : floor(x);
  const float t = (float)(x - first);
  Taps taps;
  if (kTaps == 1) taps.weight[0] = 1;
  if (kTaps == 2) taps.weight[0] = 1 - t, taps.weight[kTaps - 1] = t;
  if (kTaps == 4) {
    taps.weight[0] = far_weight(t + 1), taps.weight[kTaps / 4] = near_weight(t);
    taps.weight[kTaps / 2] = near_weight(1 - t), taps.weight[kTaps - 1] = far_weight(2 - t);
  }
  for (int i = 0; i < kTaps; ++i) {
    int at = (int)first + i - (kTaps == 4 ? 1 : 0);
    if (at < 0 || at >= n) {
      if (kPadding == 2) at = (int)reflected((Place)at, low, high);
      at = kPadding == 0 ? -1 : min(max(at, 0), n - 1);
    }
    taps.at[i] = at;
  }
  return taps;
}
)";

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("grid_sample", problem);
  const Operand &x = problem.inputs[0], &grid = problem.inputs[1];
  const Shape& out = problem.outputs[0].shape;
  const auto mode = field_of<std::string>(problem.op, "mode"),
             padding = field_of<std::string>(problem.op, "padding_mode");
  const Dim count = element_count(out), places = element_count(Shape(out.begin() + 2, out.end()));
  const size_t rank = x.shape.size() - 2;
  kernel.helper(fmt::format("typedef {} Place;\nenum {{ kTaps = {}, kPadding = {}, kAlign = {} }};\n",
                            mode == "nearest" || padding == "reflection" ? "double" : "float",
                            mode == "nearest"  ? 1
                            : mode == "linear" ? 2
                                               : 4,
                            padding == "zeros"    ? 0
                            : padding == "border" ? 1
                                                  : 2,
                            field_of<bool>(problem.op, "align_corners") ? 1 : 0));
  kernel.helper(kTaps);
  begin_elements(kernel, count);
  kernel.line("const Index place = ({} * {} + i % {}) * {};", coordinate_text(kernel, out, 0, "i"), kernel.size(places),
              kernel.size(places), rank);
  for (size_t d = 0; d < rank; ++d) {
    kernel.line("const Taps taps{} = taps_of({}, {});", d,
                c_load(grid.dtype, fmt::format("{}[place + {}]", kernel.input(1), rank - 1 - d)),
                kernel.size(x.shape[d + 2]));
  }
  const Dim pixels = element_count(Shape(x.shape.begin() + 2, x.shape.end()));
  kernel.line("const Index image = i / {} * {};", kernel.size(places), kernel.size(pixels));
  kernel.line("float sum = 0;");
  std::string at, weight, inside;
  for (size_t d = 0; d < rank; ++d) {
    kernel.line("{0}#pragma unroll", std::string(2 * d, ' '));
    kernel.line("{0}for (int k{1} = 0; k{1} < kTaps; ++k{1}) {{", std::string(2 * d, ' '), d);
    const std::string tap = fmt::format("taps{0}.at[k{0}]", d);
    at = d == 0 ? tap : fmt::format("({} * {} + {})", at, kernel.size(x.shape[d + 2]), tap);
    weight += fmt::format("{}taps{}.weight[k{}]", d ? " * " : "", d, d);
    inside += fmt::format("{}{} >= 0", d ? " && " : "", tap);
  }
  const std::string indent(2 * rank, ' ');
  kernel.line("{}const float weight = {};", indent, weight);
  kernel.line("{}if ({} && weight != 0) sum += weight * {};", indent, inside,
              c_load(x.dtype, fmt::format("{}[image + {}]", kernel.input(0), at)));
  for (size_t d = rank; d-- > 0;) kernel.line("{}}}", std::string(2 * d, ' '));
  kernel.text(epilogue_text(kernel, "sum", "i"));
  // Of an image without elements there is nothing that could be read.
  return finish_elements(std::move(kernel), count * min(pixels, 1));
}

}  // namespace

extern const SelectRow select_grid_sample_cuda;
const SelectRow select_grid_sample_cuda = streaming_gpu_row("grid_sample", "grid_sample_cuda", refuses, generate);

}  // namespace mj
