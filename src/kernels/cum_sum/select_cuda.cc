// SPDX-License-Identifier: Apache-2.0
// cum_sum_cuda: a block for each line along the axis, 256 elements at a time, whose sums are those of pairs, of fours,
// and so on. Which axis it is stands in a packed number.
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/op_field.h"
#include "kernels/cuda/row.h"

namespace mj {
namespace {

constexpr int kThreads = 256;

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.is("cum_sum")) return "not a running sum";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  if (c_storage(problem.inputs[0].dtype).empty()) return fmt::format("elements of {}", name(problem.inputs[0].dtype));
  if (!problem.inputs[1].constant) return "its axis is computed";
  return std::nullopt;
}

Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const int64_t rank = std::ssize(problem.inputs[0].shape), axis = constants[1].to_i64()[0];
  if (axis < -rank || axis >= rank) return model_error("cum_sum: axis {} of a tensor of rank {}", axis, rank);
  const auto place = static_cast<int32_t>(axis < 0 ? axis + rank : axis);
  return Packed{{Tensor::of<int32_t>({1}, std::span(&place, 1))}, {1}};
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("cum_sum", problem);
  const Shape& shape = problem.inputs[0].shape;
  const DType dtype = problem.inputs[0].dtype;
  const std::string_view maths = c_maths(dtype);
  const Dim count = element_count(shape);
  std::string lengths;
  for (const Dim& dim : shape) lengths += (lengths.empty() ? "" : ", ") + kernel.size(dim);
  kernel.line("const int lengths[] = {{{}}}, axis = {}[0];", lengths, kernel.packed(0, "int"));
  kernel.line("Index inner = 1;");
  kernel.line("for (int d = {}; d > axis; --d) inner *= lengths[d];", shape.size() - 1);
  kernel.line("const Index length = lengths[axis], lines = {} / length;", kernel.size(count));
  kernel.line("__shared__ {} sums[2][{}];", maths, kThreads);
  kernel.line("for (Index line = blockIdx.x; line < lines; line += gridDim.x) {{");
  kernel.line("  const Index first = line / inner * inner * length + line % inner;");
  kernel.line("  {} before = 0;", maths);
  kernel.line("  for (Index begin = 0; begin < length; begin += {}) {{", kThreads);
  const bool reverse = field_of<bool>(problem.op, "reverse");
  kernel.line("    const Index along = begin + threadIdx.x, at = {};", reverse ? "length - 1 - along" : "along");
  kernel.line("    int half = 0;");
  kernel.line("    sums[0][threadIdx.x] = along < length ? {} : 0;",
              c_load(dtype, kernel.input(0) + "[first + at * inner]"));
  kernel.line("    __syncthreads();");
  kernel.line("    for (int reach = 1; reach < {}; reach *= 2, half = 1 - half) {{", kThreads);
  kernel.line("      sums[1 - half][threadIdx.x] =");
  kernel.line("          sums[half][threadIdx.x] + (threadIdx.x >= reach ? sums[half][threadIdx.x - reach] : 0);");
  kernel.line("      __syncthreads();");
  kernel.line("    }}");
  const bool exclusive = field_of<bool>(problem.op, "exclusive");
  const std::string sum =
      exclusive ? "before + (threadIdx.x > 0 ? sums[half][threadIdx.x - 1] : 0)" : "before + sums[half][threadIdx.x]";
  kernel.line("    if (along < length) {}[first + at * inner] = {};", kernel.output(0), c_store(dtype, sum));
  kernel.line("    before += sums[half][{}];", kThreads - 1);
  kernel.line("    __syncthreads();");
  kernel.line("  }}");
  kernel.line("}}");
  return std::move(kernel).finish({ceil_div(count, kThreads), 1, 1}, {kThreads, 1, 1});
}

}  // namespace

extern const SelectRow select_cum_sum_cuda;
const SelectRow select_cum_sum_cuda = streaming_gpu_row("cum_sum", "cum_sum_cuda", refuses, generate, pack);

}  // namespace mj
