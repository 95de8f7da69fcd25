// SPDX-License-Identifier: Apache-2.0
// reduce_cuda: every result is a line of elements, wherever they lie. The order of its additions depends on the length
// alone, so that the same input always gives the same bits.
#include <algorithm>

#include "kernels/cuda/body_text.h"
#include "kernels/cuda/line_text.h"
#include "kernels/cuda/row.h"
#include "ops/reduce.h"

namespace mj {
namespace {

constexpr std::string_view kHelpers = R"(struct Min {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const { return a < b || a != a ? a : b; }
};
struct Product {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const { return a * b; }
};
)";

// How x enters the fold, by what, and what is made of it: {} is the fold, {n} the number of elements.
struct Fold {
  std::string_view op, term, combine, finish;
};
constexpr Fold kFolds[] = {
    {"reduce_sum", "x", "Sum", "fold"},
    {"reduce_mean", "x", "Sum", "fold / ({maths}){n}"},
    {"reduce_max", "x", "Max", "fold"},
    {"reduce_min", "x", "Min", "fold"},
    {"reduce_prod", "x", "Product", "fold"},
    {"reduce_l1", "x < 0 ? -x : x", "Sum", "fold"},
    {"reduce_l2", "x * x", "Sum", "sqrt(fold)"},
    {"reduce_log_sum", "x", "Sum", "log(fold)"},
    {"reduce_log_sum_exp", "exp(x - largest)", "Sum", "isinf(largest) ? largest : largest + log(fold)"},
    {"reduce_sum_square", "x * x", "Sum", "fold"},
};

const Fold* fold_of(const Op& op) {
  const auto found = std::ranges::find(kFolds, op.name(), &Fold::op);
  return found == std::end(kFolds) ? nullptr : found;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// Functions of floats have an f at their end.
std::string in_maths(std::string text, std::string_view maths) {
  if (maths != "float") return text;
  for (std::string_view name : {"sqrt(", "log(", "exp("})
    text = replaced(text, name, fmt::format("{}f(", name.substr(0, name.size() - 1)));
  return text;
}

std::string_view maths_of(DType dtype) { return dtype == DType::boolean ? "unsigned long long" : c_maths(dtype); }

std::string neutral_of(const Fold& fold, DType dtype) {
  const bool order = fold.combine == "Max" || fold.combine == "Min";
  if (!order) return fold.combine == "Product" ? "1" : "0";
  const bool high = fold.combine == "Min";
  if (is_float(dtype)) return high ? "INFINITY" : "-INFINITY";
  if (is_signed(dtype)) return high ? "0x7fffffffffffffffll" : "-0x7fffffffffffffffll - 1";
  return high ? "~0ull" : "0ull";
}

std::vector<int64_t> reduced_axes(const Problem& problem) {
  ReduceFields fields;
  for (const NamedField& field : problem.op.fields()) {
    if (field.name == "axes") fields.axes = std::get<std::vector<int64_t>>(field.value);
  }
  return fields.resolved(static_cast<int64_t>(problem.inputs[0].shape.size()));
}

Refusal refuses(const Problem& problem, const Target&) {
  const Fold* fold = fold_of(problem.op);
  if (!fold) return fmt::format("{} is no fold", problem.op.name());
  const DType dtype = problem.inputs[0].dtype;
  if (c_storage(dtype).empty()) return fmt::format("elements of {}", name(dtype));
  const bool real =
      fold->finish.find("log") != std::string_view::npos || fold->finish.find("sqrt") != std::string_view::npos;
  if (real && !is_float(dtype)) return fmt::format("{} of {}", problem.op.name(), name(dtype));
  return epilogue_refusal(problem);
}

// Runs of neighbouring axes that are all reduced or all kept, the innermost first.
struct Run {
  bool reduced;
  Dim length, stride;
};
std::vector<Run> runs_of(const Shape& shape, std::span<const int64_t> axes) {
  std::vector<Run> runs;
  Dim stride = 1;
  for (size_t d = shape.size(); d-- > 0; stride *= shape[d]) {
    const bool reduced = std::ranges::count(axes, static_cast<int64_t>(d)) > 0;
    if (shape[d].constant() == 1) continue;
    if (runs.empty() || runs.back().reduced != reduced) runs.push_back({reduced, 1, stride});
    runs.back().length *= shape[d];
  }
  return runs;
}

// Where number `index` of what the reduced (or kept) axes span begins.
std::string place_of(KernelText& kernel, std::span<const Run> runs, bool reduced, const std::string& index) {
  std::vector<const Run*> own;
  for (const Run& run : runs) {
    if (run.reduced == reduced) own.push_back(&run);
  }
  std::string sum;
  Dim inner = 1;
  for (const Run* run : own) {
    std::string term = inner.constant() == 1 ? index : fmt::format("{} / {}", index, kernel.size(inner));
    if (run != own.back()) term += fmt::format(" % {}", kernel.size(run->length));
    if (run->stride.constant() != 1) term += fmt::format(" * {}", kernel.size(run->stride));
    sum += (sum.empty() ? "" : " + ") + term;
    inner *= run->length;
  }
  return sum.empty() ? "0" : sum;
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel(std::string(problem.op.name()), problem);
  const Fold& fold = *fold_of(problem.op);
  const Operand& x = problem.inputs[0];
  const std::string_view maths = maths_of(x.dtype);
  const std::vector<Run> runs = runs_of(x.shape, reduced_axes(problem));
  Dim length = 1;
  for (const Run& run : runs) length *= run.reduced ? run.length : Dim(1);
  const bool across = !runs.empty() && !runs[0].reduced;
  if (fold.combine == "Min" || fold.combine == "Product") kernel.helper(kHelpers);
  LineText lines(kernel, element_count(problem.outputs[0].shape), length, across,
                 problem.op.is("reduce_log_sum_exp") ? 16 : 0,
                 runs.empty() || across ? 1 : line_width(x.dtype, runs[0].length));
  lines.begin();
  kernel.line("const Index first = {};", place_of(kernel, runs, false, "line"));
  lines.elements(maths, "first + " + place_of(kernel, runs, true, "l"));
  if (problem.op.is("reduce_log_sum_exp")) lines.reduce("largest", "Max", "-INFINITY", "x");
  lines.reduce("fold", std::string(fold.combine), neutral_of(fold, x.dtype), in_maths(std::string(fold.term), maths));
  const std::string n = kernel.size(length);
  std::string value = replaced(replaced(in_maths(std::string(fold.finish), maths), "{maths}", maths), "{n}", n);
  if (!is_float(x.dtype)) {  // integers are 0 where there are none, and wrap before the epilogue
    if (length.constant().value_or(0) == 0 && fold.combine != "Sum" && fold.combine != "Product")
      value = fmt::format("{} == 0 ? 0 : {}", n, value);
    if (problem.op.is("reduce_mean")) value = fmt::format("(long long)fold / max({}, 1)", n);  // of unsigned ones too
    value = fmt::format("({})({})", c_storage(x.dtype), value);
  }
  kernel.line("const {} result = {};", c_maths(x.dtype), value);
  lines.once(epilogue_text(kernel, "result", "line"));
  return lines.finish();
}

}  // namespace

extern const SelectRow select_reduce_cuda;
const SelectRow select_reduce_cuda = streaming_gpu_row("reduce", "reduce_cuda", refuses, generate, pack_nothing, 2);

}  // namespace mj
