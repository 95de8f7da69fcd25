// SPDX-License-Identifier: Apache-2.0
// topk_cuda: each element has a key that puts it in order as an unsigned integer, and of equal keys the first index
// comes first. A block for each line finds the k-th key, 8 bits at a time, and notes who is not behind it; then a
// thread for each of those counts who comes before it, which is its place. Lines of up to 1024 elements are counted as
// they are.
#include <algorithm>

#include "kernels/cuda/estimate.h"
#include "kernels/cuda/index_text.h"
#include "kernels/estimate.h"
#include "kernels/topk/cuda_keys.h"
#include "ops/topk.h"

namespace mj {
namespace {

constexpr int kThreads = 512;       // of a line while it is searched
constexpr int kOrderThreads = 256;  // of a block that counts
constexpr int64_t kMostCounted = 1024;

struct Form {
  DType dtype;
  bool largest;
  Dim outer = 1, length, inner = 1, k;

  explicit Form(const Problem& problem) : dtype(problem.inputs[0].dtype), largest(problem.op.as<TopK>().largest) {
    const Shape& x = problem.inputs[0].shape;
    const int64_t axis = problem.op.as<TopK>().axis;
    const auto at = static_cast<size_t>(axis < 0 ? axis + std::ssize(x) : axis);
    for (size_t d = 0; d < x.size(); ++d) (d < at ? outer : inner) *= d == at ? Dim(1) : x[d];
    length = x[at];
    k = problem.outputs[0].shape[at];
  }
  Dim lines() const { return outer * inner; }
  bool counts_all() const { return length.constant() && *length.constant() <= kMostCounted; }
  bool wide() const { return storage_bytes(dtype) == 8; }
  std::string_view key() const { return wide() ? "unsigned long long" : "unsigned"; }
};

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<TopK>()) return "not top-k";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  if (c_storage(problem.inputs[0].dtype).empty()) return fmt::format("elements of {}", name(problem.inputs[0].dtype));
  return std::nullopt;
}

// The key of what comes first is the least. `place` is that of the element in the input.
std::string key_text(KernelText& kernel, const Form& form, std::string_view place) {
  std::string element = c_load(form.dtype, fmt::format("{}[{}]", kernel.input(0), place));
  if (is_integer(form.dtype) && storage_bytes(form.dtype) < 4) element = fmt::format("(int){}", element);
  return fmt::format("{}order_key({})", form.largest ? "~" : "", element);
}

// Declares `first`, the place of the line's first element.
void begin_line(KernelText& kernel, const Form& form) {
  const std::string inner = kernel.size(form.inner);
  kernel.line("const int length = {}, k = min({}, length);", kernel.size(form.length), kernel.size(form.k));
  kernel.line("const Index first = line / {0} * {1} + line % {0};", inner, kernel.size(form.inner * form.length));
}

Generated search(const Problem& problem, const Form& form) {
  KernelText kernel("topk_search", problem);
  kernel.helper(order_key_helpers());
  kernel.reserve_workspace(form.lines() * form.k * 4);
  const std::string inner = kernel.size(form.inner), chosen = kernel.workspace(0, "int");
  kernel.line("const Index line = blockIdx.x;");
  begin_line(kernel, form);
  kernel.line("__shared__ int histogram[256], found, left, less[2][{0}], same[2][{0}];", kThreads);
  kernel.line("{} prefix = 0;", form.key());
  kernel.line("int wanted = k;  // of those with the prefix");
  const int bits = form.wide() ? 64 : 32;
  const std::string key = key_text(kernel, form, fmt::format("first + (Index)j * {}", inner));
  kernel.line("for (int shift = {}; shift >= 0; shift -= 8) {{", bits - 8);
  kernel.line("  for (int b = threadIdx.x; b < 256; b += {}) histogram[b] = 0;", kThreads);
  kernel.line("  __syncthreads();");
  kernel.line("  for (int j = threadIdx.x; j < length; j += {}) {{", kThreads);
  kernel.line("    const {} key = {};", form.key(), key);
  kernel.line("    if (shift == {} || (key ^ prefix) >> (shift + 8) == 0) count_one(&histogram[key >> shift & 255]);",
              bits - 8);
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  kernel.text(R"(    if (threadIdx.x == 0) {
      int before = 0, digit = 0;
      while (digit < 255 && before + histogram[digit] < wanted) before += histogram[digit++];
      found = digit;
      left = wanted - before;
    }
    __syncthreads();
)");
  kernel.line("  prefix |= ({})found << shift;", form.key());
  kernel.line("  wanted = left;");
  kernel.line("}}");
  // Each thread has neighbours along the line, so that sums over the threads before are those of the elements before.
  kernel.line("const int share = (length + {0}) / {1};", kThreads - 1, kThreads);
  kernel.line("const int begin = min((int)threadIdx.x * share, length), end = min(begin + share, length);");
  kernel.line("int lesser = 0, equal = 0;");
  kernel.line("for (int j = begin; j < end; ++j) {{");
  kernel.line("  const {} key = {};", form.key(), key);
  kernel.line("  lesser += key < prefix;");
  kernel.line("  equal += key == prefix;");
  kernel.line("}}");
  kernel.line("int half = 0;");
  kernel.line("less[0][threadIdx.x] = lesser, same[0][threadIdx.x] = equal;");
  kernel.line("__syncthreads();");
  kernel.line("for (int reach = 1; reach < {}; reach *= 2, half = 1 - half) {{", kThreads);
  kernel.text(R"(    const bool reaches = threadIdx.x >= reach;
    less[1 - half][threadIdx.x] = less[half][threadIdx.x] + (reaches ? less[half][threadIdx.x - reach] : 0);
    same[1 - half][threadIdx.x] = same[half][threadIdx.x] + (reaches ? same[half][threadIdx.x - reach] : 0);
    __syncthreads();
  }
  lesser = less[half][threadIdx.x] - lesser;
  equal = same[half][threadIdx.x] - equal;
)");
  kernel.line("int* const chosen = {} + line * {};", chosen, kernel.size(form.k));
  kernel.line("for (int j = begin; j < end; ++j) {{");
  kernel.line("  const {} key = {};", form.key(), key);
  kernel.line("  if (key < prefix) chosen[lesser++] = j;");
  kernel.line("  if (key == prefix && equal < wanted) chosen[k - wanted + equal] = j;");
  kernel.line("  equal += key == prefix;");
  kernel.line("}}");
  return std::move(kernel).finish({form.lines() * min(form.k, 1), 1, 1}, {kThreads, 1, 1});
}

// Puts `n` elements in order: all of the line, or those that search() noted.
Generated order(const Problem& problem, const Form& form) {
  KernelText kernel("topk_order", problem);
  kernel.helper(order_key_helpers());
  const bool all = form.counts_all();
  const Dim most = all ? form.length : form.k, blocks = ceil_div(most, kOrderThreads);
  const std::string inner = kernel.size(form.inner);
  kernel.line("const Index line = blockIdx.x / {};", kernel.size(blocks));
  begin_line(kernel, form);
  kernel.line("const int n = {};", all ? "length" : "k");
  if (!all) {
    kernel.reserve_workspace(form.lines() * form.k * 4);
    kernel.line("const int* const chosen = {} + line * {};", kernel.workspace(0, "const int"), kernel.size(form.k));
  }
  const std::string_view index = all ? "j" : "chosen[j]";
  const std::string key = key_text(kernel, form, fmt::format("first + (Index)index * {}", inner));
  kernel.line("__shared__ {} keys[{}];", form.key(), kOrderThreads);
  kernel.line("__shared__ int indices[{}];", kOrderThreads);
  kernel.line("{} own_key = 0;", form.key());
  kernel.line("int own = 0, before = 0;");
  kernel.line("const int self = blockIdx.x % {} * {} + threadIdx.x;", kernel.size(blocks), kOrderThreads);
  kernel.line("if (self < n) {{");
  kernel.line("  const int j = self, index = {};", index);
  kernel.line("  own = index;");
  kernel.line("  own_key = {};", key);
  kernel.line("}}");
  kernel.line("for (int begin = 0; begin < n; begin += {}) {{", kOrderThreads);
  kernel.line("  const int j = begin + threadIdx.x;");
  kernel.line("  if (j < n) {{");
  kernel.line("    const int index = {};", index);
  kernel.line("    indices[threadIdx.x] = index;");
  kernel.line("    keys[threadIdx.x] = {};", key);
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  kernel.line("  const int filled = min(n - begin, {});", kOrderThreads);
  kernel.text(R"(    for (int other = 0; other < filled; ++other)
      before += keys[other] < own_key || (keys[other] == own_key && indices[other] < own);
    __syncthreads();
  }
  if (self >= n || before >= k) return;
)");
  kernel.line("const Index to = (line / {0} * {1} + before) * {0} + line % {0};", inner, kernel.size(form.k));
  if (problem.outputs[0].dtype != DType::none)
    kernel.line("{}[to] = {}[first + (Index)own * {}];", kernel.output(0), kernel.input(0), inner);
  if (problem.outputs.size() > 1 && problem.outputs[1].dtype != DType::none)
    kernel.line("{}[to] = own;", kernel.output(1));
  return std::move(kernel).finish({form.lines() * blocks * min(form.k, 1), 1, 1}, {kOrderThreads, 1, 1});
}

// k stands in the shape of the result.
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor>) {
  return problem.inputs[1].constant ? Packed{{}, {1}} : Packed{};
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  const Form form(problem);
  return form.counts_all() ? order(problem, form) : join(search(problem, form), order(problem, form));
}

// A block goes over its line five times, or nine; so many elements a clock. Not measured yet.
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Form form(problem);
  const std::optional<double> least = gpu_seconds(problem, target, bindings);
  const std::optional<double> length = elements_of({form.length}, bindings),
                              lines = elements_of({form.lines()}, bindings);
  if (!least || !length || !lines || form.counts_all()) return least;
  constexpr double kPerClock = 8;
  const double waves = std::max(1.0, *lines / (4 * target.gpu->multiprocessors));
  return *least + kLaunchSeconds + waves * (form.wide() ? 9 : 5) * *length / kPerClock / target.gpu->clock_hz;
}

}  // namespace

extern const SelectRow select_topk_cuda;
const SelectRow select_topk_cuda = {.family = "topk",
                                    .name = "topk_cuda",
                                    .version = 1,
                                    .refuses = refuses,
                                    .configs = one_config,
                                    .estimate = estimate,
                                    .pack = pack,
                                    .generate = generate};

}  // namespace mj
