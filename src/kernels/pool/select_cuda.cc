// SPDX-License-Identifier: Apache-2.0
// pool_cuda: max_pool and average_pool, a thread as many neighbouring channels of the result as it reads at once.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/row.h"
#include "kernels/cuda/vector_text.h"
#include "ops/pool.h"

namespace mj {
namespace {

constexpr int64_t kMostUnrolled =
    64;  // taps of a window whose loops are unrolled, so that its reads are under way at once

const PoolFields* fields_of(const Op& op) {
  if (const MaxPool* max = op.get_if<MaxPool>()) return max;
  return op.get_if<AveragePool>();
}

Refusal refuses(const Problem& problem, const Target&) {
  if (!fields_of(problem.op)) return "not a max or average pool";
  const DType dtype = problem.inputs[0].dtype;
  if (c_storage(dtype).empty()) return fmt::format("elements of {}", name(dtype));
  if (problem.op.is(AveragePool::kName) && !is_float(dtype)) return "an average of integers";
  if (problem.inputs[0].shape.size() > 5) return "more than 3 spatial dims";
  return epilogue_refusal(problem);
}

// A spatial dim, in which tap k of output place o stands at o * stride - begin + k * dilation.
struct Along {
  std::string name;  // of a coordinate: z, y, x
  size_t axis = 0;
  Dim in, out, begin, end;
  int64_t taps = 1, stride = 1, dilation = 1;

  Dim last() const { return (out - 1) * stride + (taps - 1) * dilation; }  // the last window's last tap, from -begin
  bool never_outside() const { return begin.constant() == 0 && less_equal(last() + 1, in) == Tri::yes; }
  bool never_beyond_padding() const { return less_equal(last() + 1, begin + in + end) == Tri::yes; }
};

std::vector<Along> spatial_dims(const Problem& problem) {
  const PoolFields& fields = *fields_of(problem.op);
  const Shape &x = problem.inputs[0].shape, &y = problem.outputs[0].shape;
  const size_t spatial = x.size() - 2;
  std::vector<Along> all;
  for (size_t i = 0; i < spatial; ++i) {
    Along d;
    d.name = "zyx"[3 - spatial + i];
    d.axis = i + (fields.channels_last ? 1 : 2);
    d.in = x[d.axis], d.out = y[d.axis];
    d.taps = fields.kernel_shape[i];
    if (!fields.strides.empty()) d.stride = fields.strides[i];
    if (!fields.dilations.empty()) d.dilation = fields.dilations[i];
    if (fields.auto_pad.starts_with("SAME")) {
      const Dim need = max(d.last() + 1 - d.in, 0);
      const Dim less = floor_div(need, 2);
      d.begin = fields.auto_pad == "SAME_LOWER" ? need - less : less;
      d.end = need - d.begin;
    } else if (fields.auto_pad == "NOTSET" && !fields.pads.empty()) {
      d.begin = fields.pads[i], d.end = fields.pads[spatial + i];
    }
    all.push_back(std::move(d));
  }
  return all;
}

std::string lowest(DType dtype) {
  if (is_float(dtype)) return "-INFINITY";
  if (!is_signed(dtype)) return "0";
  return fmt::format("({})(1ull << {})", c_storage(dtype), 8 * storage_bytes(dtype) - 1);
}

constexpr std::string_view kTapsBelow = R"(// How many of the `taps` places start, start + step, ... are below `bound`.
__device__ __forceinline__ int taps_below(int bound, int start, int step, int taps) {
  return bound <= start ? 0 : min((bound - start + step - 1) / step, taps);
}
)";

// What a sum is divided by: the taps in the image, which the loops count, or those in the padded image.
std::string divisor(KernelText& kernel, const std::vector<Along>& dims) {
  const bool padding = kernel.problem().op.as<AveragePool>().count_include_pad;
  int64_t taps = 1;
  bool all = true;
  for (const Along& d : dims) {
    taps *= d.taps;
    all = all && (padding ? d.never_beyond_padding() : d.never_outside());
  }
  if (all) return std::to_string(taps);
  if (!padding) return "inside";
  kernel.helper(kTapsBelow);
  std::string product;
  for (const Along& d : dims) {
    product += fmt::format("{}taps_below({}, {}0, {}, {})", product.empty() ? "" : " * ", kernel.size(d.in + d.end),
                           d.name, d.dilation, d.taps);
  }
  return product;
}

// Elements of a thread: neighbouring channels of one pixel.
int width_of(const Problem& problem) {
  if (!fields_of(problem.op)->channels_last || !is_float(problem.inputs[0].dtype)) return 1;
  int width = vector_width(problem);
  while (!is_multiple(problem.inputs[0].shape.back(), width)) width /= 2;
  return width;
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel(std::string(problem.op.name()), problem);
  const bool average = problem.op.is(AveragePool::kName), last = fields_of(problem.op)->channels_last;
  const Operand &x = problem.inputs[0], &y = problem.outputs[0];
  const std::vector<Along> dims = spatial_dims(problem);
  const int width = width_of(problem);
  const Dim count = floor_div(element_count(y.shape), width);
  begin_elements(kernel, count, width);
  Dim image = 1, result = 1;  // elements
  int64_t taps = 1;
  for (const Along& d : dims) image *= d.in, result *= d.out, taps *= d.taps;
  const std::string pixel = last ? kernel.size(x.shape.back()) : "1";  // elements from one to the next
  if (last) {
    kernel.line("const Index first = {} * {} + {};", coordinate_text(kernel, y.shape, 0, "i"),
                kernel.size(image * x.shape.back()), coordinate_text(kernel, y.shape, y.shape.size() - 1, "i"));
  } else {
    kernel.line("const Index first = i / {} * {};", kernel.size(result), kernel.size(image));
  }
  for (const Along& d : dims) {
    kernel.line("const int {}0 = (int)({}) * {} - {};", d.name, coordinate_text(kernel, y.shape, d.axis, "i"), d.stride,
                kernel.size(d.begin));
  }
  const std::string by = average ? divisor(kernel, dims) : "";
  // Integers are compared as they are; only the epilogue wants them wide.
  const std::string_view type = is_float(x.dtype) ? c_maths(x.dtype) : c_storage(x.dtype);
  kernel.line("{} pooled[{}];", type, width);
  kernel.line("for (int e = 0; e < {}; ++e) pooled[e] = {};", width, average ? "0" : lowest(x.dtype));
  if (by == "inside") kernel.line("int inside = 0;");
  std::string indent, place;
  for (const Along& d : dims) {
    if (taps <= kMostUnrolled) kernel.line("{}#pragma unroll", indent);
    kernel.line("{0}for (int k{1} = 0; k{1} < {2}; ++k{1}) {{", indent, d.name, d.taps);
    indent += "  ";
    const std::string step = d.dilation == 1 ? "" : fmt::format(" * {}", d.dilation);
    kernel.line("{0}const int {1} = {1}0 + k{1}{2};", indent, d.name, step);
    if (!d.never_outside()) kernel.line("{0}if ({1} < 0 || {1} >= {2}) continue;", indent, d.name, kernel.size(d.in));
    place = place.empty()
                ? d.name
                : fmt::format("{} * {} + {}", &d == &dims[1] ? place : "(" + place + ")", kernel.size(d.in), d.name);
  }
  if (pixel != "1") place = fmt::format("{} * {}", dims.size() == 1 ? place : "(" + place + ")", pixel);
  kernel.line("{}{} value[{}];", indent, type, width);
  const std::string from = fmt::format("(first + {})", place);
  if (is_float(x.dtype)) {
    kernel.text(vector_load_text(kernel, x.dtype, width, kernel.input(0), from, "value"));
  } else {
    kernel.line("{}value[0] = {}[{}];", indent, kernel.input(0), from);
  }
  kernel.line("{}#pragma unroll", indent);
  kernel.line("{}for (int e = 0; e < {}; ++e) {{", indent, width);
  if (average) {
    kernel.line("{}  pooled[e] += value[e];", indent);
  } else {
    const char* nan = is_float(x.dtype) ? " || value[e] != value[e]" : "";
    kernel.line("{}  if (value[e] > pooled[e]{}) pooled[e] = value[e];", indent, nan);
  }
  kernel.line("{}}}", indent);
  if (by == "inside") kernel.line("{}++inside;", indent);
  for (size_t d = dims.size(); d-- > 0;) kernel.line("{}}}", std::string(2 * d, ' '));
  if (average) kernel.line("for (int e = 0; e < {}; ++e) pooled[e] /= ({})({});", width, type, by);
  kernel.text(width == 1 ? epilogue_text(kernel, "pooled[0]", "i")
                         : vector_epilogue_text(kernel, "pooled", "i", width));
  return finish_elements(std::move(kernel), count);
}

}  // namespace

extern const SelectRow select_pool_cuda;
const SelectRow select_pool_cuda = streaming_gpu_row("pool", "pool_cuda", refuses, generate, pack_nothing, 2);

}  // namespace mj
