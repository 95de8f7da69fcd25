// SPDX-License-Identifier: Apache-2.0
// quantized_add_cuda, quantized_mean_cuda, quantize_cuda, dequantize_cuda: what streams its bytes once. Bit for bit
// what the reference does.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/row.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/quantized/cuda_text.h"
#include "kernels/quantized/form.h"
#include "ops/quantize.h"
#include "ops/reduce.h"

namespace mj {
namespace {

constexpr int kThreads = 256;
constexpr int kTogether = 8;  // elements of a thread, where their number divides that of all

bool is_scaled_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

// `i` is the first of `width` elements of a thread.
int begin_neighbours(KernelText& kernel, const Dim& count) {
  const int width = is_multiple(count, kTogether) ? kTogether : 1;
  kernel.helper(vector_helpers());
  kernel.helper(byte_helpers());
  kernel.line("const Index thread = blockIdx.x * {}u + threadIdx.x;", kThreads);
  kernel.line("if (thread >= {}) return;", kernel.size(floor_div(count, width)));
  kernel.line("const Index i = thread{};", width == 1 ? "" : fmt::format(" * {}u", width));
  return width;
}

Generated finish_neighbours(KernelText&& kernel, const Dim& count, int width) {
  return std::move(kernel).finish({ceil_div(floor_div(count, width), kThreads), 1, 1}, {kThreads, 1, 1});
}

Refusal refuses_add(const Problem& problem, const Target&) {
  if (!problem.op.is(QuantizedAdd::kName)) return "not a sum of bytes";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  return std::nullopt;
}

Generated add(const Problem& problem, const Target&, std::string_view) {
  const QuantizedAdd& op = problem.op.as<QuantizedAdd>();
  KernelText kernel("quantized_add", problem);
  const Dim count = element_count(problem.outputs[0].shape);
  for (int i : {0, 1}) {
    if (problem.inputs[static_cast<size_t>(i)].dtype == op.to) kernel.in_place(i, 0);
  }
  const int width = begin_neighbours(kernel, count);
  kernel.line("int a[{0}], b[{0}], y[{0}];", width);
  kernel.line("load_elements<{}>({} + i, a);", width, kernel.input(0));
  kernel.line("load_elements<{}>({} + i, b);", width, kernel.input(1));
  kernel.line("#pragma unroll");
  kernel.line("for (int e = 0; e < {}; ++e) {{", width);
  kernel.line("  const float x = exact_mul((float)(a[e] - {}), {});", op.x_zero, c_literal(op.x_scale));
  kernel.line("  const float z = exact_mul((float)(b[e] - {}), {});", op.b_zero, c_literal(op.b_scale));
  kernel.line("  y[e] = {};", rounded_text(op, fmt::format("exact_div(exact_add(x, z), {})", c_literal(op.y_scale))));
  kernel.line("}}");
  kernel.line("store_elements<{}>({} + i, y);", width, kernel.output(0));
  return finish_neighbours(std::move(kernel), count, width);
}

Refusal refuses_mean(const Problem& problem, const Target&) {
  const QuantizedMean* op = problem.op.get_if<QuantizedMean>();
  if (!op) return "not a mean of bytes";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  if (!has_mean_form(*op, std::ssize(problem.inputs[0].shape))) return "its axes are not neighbours";
  return std::nullopt;
}

// One thread a result.
Generated mean(const Problem& problem, const Target&, std::string_view) {
  const QuantizedMean& op = problem.op.as<QuantizedMean>();
  const Shape& x = problem.inputs[0].shape;
  const std::vector<int64_t> axes = ReduceFields{op.axes, op.keepdims}.resolved(std::ssize(x));
  Dim outer = 1, length = 1, inner = 1;
  for (int64_t d = 0; d < std::ssize(x); ++d) {
    const bool before = !axes.empty() && d < axes.front(), within = !axes.empty() && !before && d <= axes.back();
    (before ? outer : within ? length : inner) *= x[static_cast<size_t>(d)];
  }
  KernelText kernel("quantized_mean", problem);
  kernel.helper(byte_helpers());
  begin_elements(kernel, outer * inner);
  const std::string n = kernel.size(length), columns = kernel.size(inner);
  kernel.line("const {0}* x = {1} + i / {2} * {3} + i % {2};", c_storage(problem.inputs[0].dtype), kernel.input(0),
              columns, kernel.size(length * inner));
  kernel.line("int sum = 0;");
  kernel.line("#pragma unroll 8");
  kernel.line("for (int k = 0; k < {}; ++k) sum += (int)x[(Index)k * {}] - {};", n, columns, op.x_zero);
  kernel.line("const float scale = exact_div({}[0], (float){});", kernel.input(1), n);
  kernel.line("{}[i] = {};", kernel.output(0), c_store(op.to, rounded_text(op, "exact_mul((float)sum, scale)")));
  return finish_elements(std::move(kernel), outer * inner);
}

// Both ways between floats and bytes.
Refusal refuses_scaling(const Problem& problem, const Operand& bytes, const Operand& floats, int64_t block_size) {
  if (!is_byte(bytes.dtype)) return "not u8 or i8";
  if (!is_scaled_float(floats.dtype) || problem.inputs[1].dtype != DType::f32) return "not from or to f32";
  if (block_size != 0) return "it has blocks with scales of their own";
  return epilogue_refusal(problem);
}

// Which scale and zero point belong to element `at`.
std::string scale_index(KernelText& kernel, int64_t axis, const std::string& at) {
  const Problem& problem = kernel.problem();
  const Shape &x = problem.inputs[0].shape, &scale = problem.inputs[1].shape;
  if (element_count(scale).constant() == 1) return "0";
  const size_t d = static_cast<size_t>(axis < 0 ? axis + std::ssize(x) : axis);
  const std::string place = coordinate_text(kernel, x, d, at);
  // A vector of one number, whose length only running tells, is for all.
  return scale[0].constant() ? place : fmt::format("({} == 1 ? 0 : {})", kernel.size(scale[0]), place);
}

std::string zero_text(KernelText& kernel, const std::string& index) {
  const Problem& problem = kernel.problem();
  const bool has = problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none;
  return has ? fmt::format("(int){}[{}]", kernel.input(2), index) : "0";
}

Refusal refuses_quantize(const Problem& problem, const Target&) {
  const QuantizeLinear* op = problem.op.get_if<QuantizeLinear>();
  if (!op) return "it does not quantize";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  return refuses_scaling(problem, problem.outputs[0], problem.inputs[0], op->block_size);
}

Generated quantize(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("quantize", problem);
  const DType to = problem.outputs[0].dtype;
  const auto [low, high] = byte_range(to);
  const Dim count = element_count(problem.outputs[0].shape);
  const int width = begin_neighbours(kernel, count);
  kernel.line("float x[{}];", width);
  kernel.text(vector_load_text(kernel, problem.inputs[0].dtype, width, kernel.input(0), "i", "x"));
  kernel.line("int y[{}];", width);
  kernel.line("#pragma unroll");
  kernel.line("for (int e = 0; e < {}; ++e) {{", width);
  kernel.line("  const Index s = {};", scale_index(kernel, problem.op.as<QuantizeLinear>().axis, "(i + e)"));
  kernel.line("  const int zero = {};", zero_text(kernel, "s"));
  kernel.line("  y[e] = rounded_steps(exact_div(x[e], {}[s]), (float)({} - zero), (float)({} - zero), zero);",
              kernel.input(1), low, high);
  kernel.line("}}");
  kernel.line("store_elements<{}>({} + i, y);", width, kernel.output(0));
  return finish_neighbours(std::move(kernel), count, width);
}

Refusal refuses_dequantize(const Problem& problem, const Target&) {
  const DequantizeLinear* op = problem.op.get_if<DequantizeLinear>();
  if (!op) return "it does not dequantize";
  const DType to = op->output_dtype == DType::none ? problem.inputs[1].dtype : op->output_dtype;
  if (to != DType::f32) return "not from or to f32";
  return refuses_scaling(problem, problem.inputs[0], {to, {}}, op->block_size);
}

Generated dequantize(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("dequantize", problem);
  const Dim count = element_count(problem.outputs[0].shape);
  const int width = begin_neighbours(kernel, count);
  kernel.line("int x[{}];", width);
  kernel.line("load_elements<{}>({} + i, x);", width, kernel.input(0));
  kernel.line("float y[{}];", width);
  kernel.line("#pragma unroll");
  kernel.line("for (int e = 0; e < {}; ++e) {{", width);
  kernel.line("  const Index s = {};", scale_index(kernel, problem.op.as<DequantizeLinear>().axis, "(i + e)"));
  kernel.line("  y[e] = exact_mul((float)(x[e] - {}), {}[s]);", zero_text(kernel, "s"), kernel.input(1));
  kernel.line("}}");
  kernel.text(vector_epilogue_text(kernel, "y", "i", width));
  return finish_neighbours(std::move(kernel), count, width);
}

}  // namespace

extern const SelectRow select_quantized_add_cuda, select_quantized_mean_cuda, select_quantize_cuda,
    select_dequantize_cuda;
const SelectRow select_quantized_add_cuda = streaming_gpu_row("quantized", "quantized_add_cuda", refuses_add, add);
const SelectRow select_quantized_mean_cuda = streaming_gpu_row("quantized", "quantized_mean_cuda", refuses_mean, mean);
const SelectRow select_quantize_cuda = streaming_gpu_row("quantized", "quantize_cuda", refuses_quantize, quantize);
const SelectRow select_dequantize_cuda =
    streaming_gpu_row("quantized", "dequantize_cuda", refuses_dequantize, dequantize);

}  // namespace mj
