// SPDX-License-Identifier: Apache-2.0
// arg_reduce_cuda: arg_max and arg_min. A block for each line whose elements are neighbours in memory, otherwise a
// thread: neighbouring threads have neighbouring lines. NaN is beyond all numbers, whichever is sought.
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/op_field.h"
#include "kernels/cuda/row.h"
#include "kernels/topk/cuda_keys.h"

namespace mj {
namespace {

constexpr int kThreads = 128;

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.is("arg_max") && !problem.op.is("arg_min"))
    return fmt::format("{} finds no place", problem.op.name());
  if (!problem.epilogue.empty()) return "there is an epilogue";
  const DType dtype = problem.inputs[0].dtype;
  if (c_storage(dtype).empty() || dtype == DType::boolean) return fmt::format("elements of {}", name(dtype));
  return std::nullopt;
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  const Operand& x = problem.inputs[0];
  const size_t axis = axis_field(problem.op, x.shape.size());
  Dim outer = 1, inner = 1;
  for (size_t d = 0; d < x.shape.size(); ++d) (d < axis ? outer : inner) *= d == axis ? Dim(1) : x.shape[d];
  const bool alone = inner.constant() != 1, last = field_of<bool>(problem.op, "select_last_index");
  const bool least = problem.op.is("arg_min"), number = is_float(x.dtype);
  const std::string_view key = storage_bytes(x.dtype) == 8 ? "unsigned long long" : "unsigned";
  KernelText kernel(std::string(problem.op.name()), problem);
  kernel.helper(order_key_helpers());
  const std::string step = kernel.size(inner), length = kernel.size(x.shape[axis]);
  if (alone) {
    begin_elements(kernel, outer * inner);
    kernel.line("const Index line = i;");
  } else {
    kernel.line("const Index line = blockIdx.x;");
  }
  kernel.line("const Index first = line / {0} * {1} + line % {0};", step, kernel.size(inner * x.shape[axis]));
  kernel.line("{} best = 0;", key);
  kernel.line("int place = -1;");
  // Of equal keys, the one that comes first or last.
  const auto take = [&](std::string_view other_key, std::string_view other) {
    return fmt::format(
        "if ({0} >= 0 && (place < 0 || {1} > best || ({1} == best && {0} {2} place))) best = {1}, place = {0};", other,
        other_key, last ? ">" : "<");
  };
  kernel.line("for (int k = {}; k < {}; k += {}) {{", alone ? "0" : "threadIdx.x", length, alone ? 1 : kThreads);
  std::string element = c_load(x.dtype, fmt::format("{}[first + (Index)k * {}]", kernel.input(0), step));
  if (is_integer(x.dtype) && storage_bytes(x.dtype) < 4) element = "(int)" + element;
  kernel.line("  const auto x = {};", element);
  kernel.line(
      "  const {} key = {};", key,
      least ? fmt::format("{}~order_key(x)", number ? fmt::format("x != x ? ~({})0 : ", key) : "") : "order_key(x)");
  kernel.line("  {}", take("key", "k"));
  kernel.line("}}");
  if (alone) {
    kernel.line("{}[i] = max(place, 0);", kernel.output(0));
    return finish_elements(std::move(kernel), outer * inner);
  }
  kernel.line("__shared__ {} keys[{}];", key, kThreads);
  kernel.line("__shared__ int places[{}];", kThreads);
  kernel.line("keys[threadIdx.x] = best, places[threadIdx.x] = place;");
  kernel.line("__syncthreads();");
  kernel.line("for (int half = {}; half > 0; half /= 2) {{", kThreads / 2);
  kernel.line("  if (threadIdx.x < half) {{");
  kernel.line("    const {} key = keys[threadIdx.x + half];", key);
  kernel.line("    const int other = places[threadIdx.x + half];");
  kernel.line("    {}", take("key", "other"));
  kernel.line("    keys[threadIdx.x] = best, places[threadIdx.x] = place;");
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  kernel.line("}}");
  kernel.line("if (threadIdx.x == 0) {}[line] = max(place, 0);", kernel.output(0));
  return std::move(kernel).finish({outer, 1, 1}, {kThreads, 1, 1});
}

}  // namespace

extern const SelectRow select_arg_reduce_cuda;
const SelectRow select_arg_reduce_cuda = streaming_gpu_row("topk", "arg_reduce_cuda", refuses, generate);

}  // namespace mj
