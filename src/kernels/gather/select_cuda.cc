// SPDX-License-Identifier: Apache-2.0
// box_copy_cuda, gather_cuda: one thread an element of the result (of split, an element of what is split).
#include <algorithm>
#include <numeric>

#include "kernels/cuda/body_text.h"
#include "kernels/cuda/estimate.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/op_field.h"
#include "kernels/gather/boxes.h"
#include "ops/gather.h"

namespace mj {
namespace {

constexpr size_t kMostParts = 128;  // so that all addresses are well within a kernel's 4 KB of parameters

// The value as it is, bit for bit, or through the epilogue.
void store(KernelText& kernel, const std::string& value) {
  const Problem& problem = kernel.problem();
  if (problem.epilogue.empty()) {
    kernel.line("{}[i] = {};", kernel.output(0), value);
  } else {
    kernel.text(epilogue_text(kernel, c_load(problem.inputs[0].dtype, value), "i"));
  }
}

Dim product(const Shape& shape, size_t begin, size_t end) {
  return element_count(
      Shape(shape.begin() + static_cast<std::ptrdiff_t>(begin), shape.begin() + static_cast<std::ptrdiff_t>(end)));
}

// slice(x, starts, ends, axes?, steps?) has its bounds in tensors, slice_to in fields.
struct Cut {
  Dim start;  // of slice_to; of slice it is packed, as is the step
  int64_t step = 1;
};
using Cuts = std::map<size_t, Cut>;  // by axis

int64_t as_i32(int64_t x) { return std::clamp<int64_t>(x, -INT32_MAX, INT32_MAX); }

// Nothing if a bound cannot be read.
std::optional<Cuts> cuts_of(const Problem& problem) {
  const size_t rank = problem.inputs[0].shape.size();
  Cuts cuts;
  if (problem.op.is("slice")) {
    const bool named = problem.anchor_inputs > 3 && problem.inputs[3].dtype != DType::none;
    const std::optional<int64_t> count = problem.inputs[1].shape[0].constant();
    // Axes that are packed may be any.
    for (size_t d = 0; d < (named || !count ? rank : static_cast<size_t>(*count)); ++d) cuts[d] = {};
    return cuts;
  }
  const auto axes = field_of<std::vector<int64_t>>(problem.op, "axes"),
             steps = field_of<std::vector<int64_t>>(problem.op, "steps");
  const auto starts = field_of<std::vector<std::string>>(problem.op, "starts");
  for (size_t i = 0; i < starts.size(); ++i) {
    const Result<Dim> start = Dim::parse(starts[i]);
    if (!start.ok()) return std::nullopt;
    const int64_t axis = axes.empty() ? static_cast<int64_t>(i) : axes[i];
    Cut& cut = cuts[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis)];
    cut.start = start->constant() ? Dim(as_i32(*start->constant())) : *start;
    cut.step = steps.empty() ? 1 : as_i32(steps[i]);
  }
  return cuts;
}

constexpr std::string_view kSliceStart =
    R"(// Where the slice of an axis of length n starts: a negative bound counts from the end, then it is clamped.
__device__ __forceinline__ int slice_start(int start, int n, int step) {
  const int high = step > 0 ? n : n - 1;
  if (start < 0) start = start < -n ? 0 : start + n;
  return min(max(start, 0), high);
}
)";

int64_t slice_start(int64_t start, int64_t n, int64_t step) {
  const int64_t high = step > 0 ? n : n - 1;
  if (start < 0) start = start < -n ? 0 : start + n;
  return std::min(std::max<int64_t>(start, 0), high);
}

// What is one of the result's axes, or a run of them that are whole, stands at (start + coordinate * step) * stride.
// Ends need no reading: the result's shape says where a slice ends.
Generated slice(const Problem& problem) {
  KernelText kernel("slice", problem);
  const Shape &in = problem.inputs[0].shape, &out = problem.outputs[0].shape;
  const Cuts cuts = *cuts_of(problem);
  const bool packed = problem.op.is("slice");
  begin_elements(kernel, element_count(out));
  std::string sum;
  bool helper = false;
  Dim inner_in = 1, inner_out = 1;
  for (size_t end = out.size(); end > 0;) {
    size_t begin = end - 1;
    const bool is_cut = cuts.contains(begin);
    while (!is_cut && begin > 0 && !cuts.contains(begin - 1)) --begin;
    const Dim run_in = product(in, begin, end), run_out = product(out, begin, end);
    std::string place = inner_out.constant() == 1 ? "i" : fmt::format("i / {}", kernel.size(inner_out));
    if (begin > 0) place = fmt::format("{} % {}", place, kernel.size(run_out));
    if (is_cut) {
      const Cut& cut = cuts.at(begin);
      std::string start, step = std::to_string(cut.step);
      if (!packed && cut.start.constant() && run_in.constant()) {
        start = std::to_string(slice_start(*cut.start.constant(), *run_in.constant(), cut.step));
      } else {
        const std::string bound =
            packed ? fmt::format("{}[{}]", kernel.packed(0, "int"), 2 * begin) : kernel.size(cut.start);
        if (packed) step = fmt::format("{}[{}]", kernel.packed(0, "int"), 2 * begin + 1);
        start = fmt::format("slice_start({}, {}, {})", bound, kernel.size(run_in), step);
        helper = true;
      }
      if (step == "1") {
        place = fmt::format("{} + {}", start, place);
      } else {
        place = fmt::format("{} + (int)({}) * {}", start, place, step);
      }
    }
    kernel.line("const Index at{} = {};", begin, place);
    const std::string stride = kernel.size(inner_in);
    sum = fmt::format("at{}{}{}{}", begin, stride == "1" ? "" : " * " + stride, sum.empty() ? "" : " + ", sum);
    inner_in *= run_in;
    inner_out *= run_out;
    end = begin;
  }
  if (helper) kernel.helper(kSliceStart);
  store(kernel, fmt::format("{}[{}]", kernel.input(0), sum.empty() ? "0" : sum));
  return finish_elements(std::move(kernel), element_count(out));
}

Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  Packed packed;
  for (int i = 1; i < problem.anchor_inputs && (problem.op.is("slice") || problem.op.is("expand")); ++i) {
    if (problem.inputs[static_cast<size_t>(i)].constant) packed.consumed.push_back(i);
  }
  if (!problem.op.is("slice")) return packed;
  const auto rank = static_cast<int64_t>(problem.inputs[0].shape.size());
  const auto given = [&](size_t i) { return i < constants.size() && constants[i].present(); };
  const std::vector<int64_t> starts = constants[1].to_i64();
  std::vector<int64_t> axes(starts.size()), steps(starts.size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  if (given(3) && problem.anchor_inputs > 3) axes = constants[3].to_i64();
  if (given(4) && problem.anchor_inputs > 4) steps = constants[4].to_i64();
  Tensor table = Tensor::zeros(DType::i32, {rank, 2});
  const std::span<int32_t> numbers = table.mutable_data<int32_t>();
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d) numbers[2 * d + 1] = 1;
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto d = static_cast<size_t>(axes[i] < 0 ? axes[i] + rank : axes[i]);
    numbers[2 * d] = static_cast<int32_t>(as_i32(starts[i]));
    numbers[2 * d + 1] = static_cast<int32_t>(as_i32(steps[i]));
  }
  packed.tensors.push_back(std::move(table));
  return packed;
}

// `one` is made of `parts` along an axis. Element i of it is number `at` between two steps of the axes before that one,
// which are at step `outer`. `line(part, condition, place)` says what happens to element `place` of a part; `condition`
// is what to begin the line with, so that it holds for the elements of that part alone.
template <class Line>
void parts(KernelText& kernel, const Operand& one, std::span<const Operand> parts, Line line) {
  const size_t axis = axis_field(kernel.problem().op, one.shape.size());
  const Dim inner = product(one.shape, axis + 1, one.shape.size());
  const bool single = product(one.shape, 0, axis).constant() == 1;
  const std::string whole = kernel.size(inner * one.shape[axis]);
  kernel.line("const Index outer = {}, at = {};", single ? "0" : "i / " + whole, single ? "i" : "i % " + whole);
  std::vector<size_t> filled;  // others have no elements
  for (size_t p = 0; p < parts.size(); ++p) {
    if (element_count(parts[p].shape).constant() != 0) filled.push_back(p);
  }
  Dim done = 0;
  for (size_t p : filled) {
    const Dim length = inner * parts[p].shape[axis];
    const std::string to = p == filled.back() ? "" : fmt::format("if (at < {}) ", kernel.size(done + length));
    const std::string from = done.constant() == 0 ? "at" : fmt::format("at - {}", kernel.size(done));
    line(p, fmt::format("{}{}", p == filled.front() ? "" : "else ", to),
         fmt::format("outer * {} + {}", kernel.size(length), from));
    done += length;
  }
}

Generated concat(const Problem& problem) {
  KernelText kernel("concat", problem);
  const Operand& out = problem.outputs[0];
  begin_elements(kernel, element_count(out.shape));
  kernel.line("{} x{};", c_storage(problem.inputs[0].dtype), element_count(out.shape).constant() == 0 ? " = 0" : "");
  parts(kernel, out, std::span(problem.inputs).first(static_cast<size_t>(problem.anchor_inputs)),
        [&](size_t part, const std::string& condition, const std::string& place) {
          kernel.line("{}x = {}[{}];", condition, kernel.input(part), place);
        });
  store(kernel, "x");
  return finish_elements(std::move(kernel), element_count(out.shape));
}

Generated split(const Problem& problem) {
  KernelText kernel("split", problem);
  const Operand& in = problem.inputs[0];
  begin_elements(kernel, element_count(in.shape));
  parts(kernel, in, problem.outputs, [&](size_t part, const std::string& condition, const std::string& place) {
    kernel.line("{}{}[{}] = {}[i];", condition, kernel.output(part), place, kernel.input(0));
  });
  return finish_elements(std::move(kernel), element_count(in.shape));
}

Generated expand(const Problem& problem) {
  KernelText kernel("expand", problem);
  const Shape& out = problem.outputs[0].shape;
  begin_elements(kernel, element_count(out));
  store(kernel, fmt::format("{}[{}]", kernel.input(0), broadcast_index(kernel, problem.inputs[0].shape, out, "i")));
  return finish_elements(std::move(kernel), element_count(out));
}

Generated generate_boxes(const Problem& problem, const Target&, std::string_view) {
  if (problem.op.is("slice") || problem.op.is("slice_to")) return slice(problem);
  if (problem.op.is("concat")) return concat(problem);
  return problem.op.is("split") ? split(problem) : expand(problem);
}

// The host's row reports an index that is out of range; here nobody is told, but nothing is read outside of the data.
Generated generate_gather(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("gather", problem);
  const Shape &data = problem.inputs[0].shape, &indices = problem.inputs[1].shape;
  const size_t axis = axis_field(problem.op, data.size());
  const Dim inner = product(data, axis + 1, data.size()), outer = product(data, 0, axis),
            count = element_count(indices);
  const Shape view = {outer, count, inner};
  const Dim size = outer * count * inner;
  begin_elements(kernel, size);
  const std::string length = kernel.size(data[axis]);
  kernel.line("long long index = {}[{}];", kernel.input(1), coordinate_text(kernel, view, 1, "i"));
  kernel.line("if (index < 0) index += {};", length);
  kernel.line("const Index row = min(max(index, 0ll), {} - 1ll);", length);
  std::string place = "row";
  if (outer.constant() != 1) place = fmt::format("({} * {} + row)", coordinate_text(kernel, view, 0, "i"), length);
  if (inner.constant() != 1)
    place += fmt::format(" * {} + {}", kernel.size(inner), coordinate_text(kernel, view, 2, "i"));
  store(kernel, fmt::format("{}[{}]", kernel.input(0), place));
  // Of an axis without elements there is nothing that could be read.
  return finish_elements(std::move(kernel), size * min(data[axis], 1));
}

Refusal unknown_elements(const Problem& problem) {
  for (const auto* operands : {&problem.inputs, &problem.outputs}) {
    for (const Operand& operand : *operands) {
      if (operand.dtype != DType::none && c_storage(operand.dtype).empty())
        return fmt::format("elements of {}", name(operand.dtype));
    }
  }
  return std::nullopt;
}

Refusal refuses_boxes(const Problem& problem, const Target&) {
  if (!is_box_copy(problem.op)) return fmt::format("{} is no copy of boxes", problem.op.name());
  if (auto reason = unknown_elements(problem)) return reason;
  if (problem.op.is("slice")) {
    for (size_t i : {1u, 3u, 4u}) {
      const bool given = i < static_cast<size_t>(problem.anchor_inputs) && problem.inputs[i].dtype != DType::none;
      if (given && !problem.inputs[i].constant) return "the bounds are computed";
    }
  }
  if (problem.op.is("slice_to") && !cuts_of(problem)) return "a bound cannot be read";
  if (problem.op.is("split")) {
    if (!problem.epilogue.empty()) return "split has an epilogue";
    for (const Operand& output : problem.outputs) {
      if (output.dtype == DType::none) return "an output is absent";
    }
  }
  if (std::max(problem.inputs.size(), problem.outputs.size()) > kMostParts)
    return fmt::format("more than {} parts", kMostParts);
  return problem.op.is("split") ? std::nullopt : epilogue_refusal(problem);
}

Refusal refuses_gather(const Problem& problem, const Target&) {
  if (!problem.op.is("gather")) return fmt::format("{} is not gather", problem.op.name());
  if (auto reason = unknown_elements(problem)) return reason;
  return epilogue_refusal(problem);
}

// Of a table, and of what is cut, only what is taken is read: as much as is written.
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  Problem moved = problem;
  if (!problem.op.is("concat") && !problem.op.is("split")) moved.inputs[0].shape = problem.outputs[0].shape;
  return gpu_seconds(moved, target, bindings);
}

}  // namespace

extern const SelectRow select_box_copy_cuda;
const SelectRow select_box_copy_cuda = {.family = "gather",
                                        .name = "box_copy_cuda",
                                        .version = 1,
                                        .refuses = refuses_boxes,
                                        .configs = one_config,
                                        .estimate = estimate,
                                        .pack = pack,
                                        .generate = generate_boxes};

extern const SelectRow select_gather_cuda;
const SelectRow select_gather_cuda = {.family = "gather",
                                      .name = "gather_cuda",
                                      .version = 1,
                                      .refuses = refuses_gather,
                                      .configs = one_config,
                                      .estimate = estimate,
                                      .pack = pack_nothing,
                                      .generate = generate_gather};

}  // namespace mj
