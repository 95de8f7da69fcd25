// SPDX-License-Identifier: Apache-2.0
// scatter_cuda: scatter_elements and scatter_nd, always with the same result. What an update lands on is a slot: an
// element of data, or the slice that a row of indices names.
//   replacing: each slot notes the last update that names it (a maximum of numbers, in any order), then each element of
//   the result takes that update's or its own.
//   add, mul, max, min: a first kernel notes the slot of each update, then each element of the result goes over those
//   that may name it, in their order, rounding after each as the host does.
// The host reports an index that is out of range; here nobody is told, and that update is left out.
#include <algorithm>

#include "kernels/cuda/body_text.h"
#include "kernels/cuda/estimate.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/op_field.h"
#include "kernels/estimate.h"

namespace mj {
namespace {

bool is_nd(const Problem& problem) { return problem.op.is("scatter_nd"); }
bool replaces(const Problem& problem) { return field_of<std::string>(problem.op, "reduction") == "none"; }

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.is("scatter_elements") && !is_nd(problem))
    return fmt::format("{} does not scatter", problem.op.name());
  const DType dtype = problem.inputs[0].dtype;
  if (c_storage(dtype).empty()) return fmt::format("elements of {}", name(dtype));
  if (is_nd(problem) && !problem.inputs[1].shape.back().constant()) return "a row of indices has any length";
  return epilogue_refusal(problem);
}

struct Form {
  Dim updates, slots, slice = 1;  // slice: elements of a slot

  explicit Form(const Problem& problem) {
    const Shape &data = problem.inputs[0].shape, &indices = problem.inputs[1].shape;
    if (!is_nd(problem)) {
      updates = element_count(indices), slots = element_count(data);
      return;
    }
    const int64_t depth = *indices.back().constant();
    updates = element_count(Shape(indices.begin(), indices.end() - 1));
    slots = element_count(Shape(data.begin(), data.begin() + depth));
    slice = element_count(Shape(data.begin() + depth, data.end()));
  }
};

// Declares `slot`, that of update `i`, or -1.
void slot_lines(KernelText& kernel) {
  const Problem& problem = kernel.problem();
  const Shape &data = problem.inputs[0].shape, &indices = problem.inputs[1].shape;
  kernel.line("int slot = 0;");
  const auto step = [&](const std::string& at, const Dim& length, bool is_index) {
    const std::string n = kernel.size(length);
    kernel.line("{{");
    kernel.line("  long long at = {};", at);
    if (is_index) kernel.line("  if (at < 0) at += {};", n);
    kernel.line("  slot = slot < 0 || at < 0 || at >= {0} ? -1 : slot * {0} + (int)at;", n);
    kernel.line("}}");
  };
  if (is_nd(problem)) {
    const int64_t depth = *indices.back().constant();
    for (int64_t k = 0; k < depth; ++k)
      step(fmt::format("{}[i * {} + {}]", kernel.input(1), depth, k), data[static_cast<size_t>(k)], true);
    return;
  }
  const size_t axis = axis_field(problem.op, data.size());
  for (size_t d = 0; d < data.size(); ++d) {
    step(d == axis ? kernel.input(1) + "[i]" : fmt::format("(long long)({})", coordinate_text(kernel, indices, d, "i")),
         data[d], d == axis);
  }
}

constexpr std::string_view kNote = R"(#ifndef MJ_NOTE
#define MJ_NOTE
__device__ __forceinline__ void note_greatest(int* noted, int number) {
#ifdef MJ_EMULATED
  *noted = max(*noted, number);
#else
  atomicMax(noted, number);
#endif
}
#endif
)";

// The element as it is, bit for bit, or through the epilogue.
void store(KernelText& kernel, const std::string& element) {
  const Problem& problem = kernel.problem();
  if (problem.epilogue.empty()) {
    kernel.line("{}[i] = {};", kernel.output(0), element);
  } else {
    kernel.text(epilogue_text(kernel, c_load(problem.inputs[0].dtype, element), "i"));
  }
}

Generated replace(const Problem& problem, const Form& form) {
  const Dim bytes = form.slots * 4;
  KernelText clear("scatter_clear", problem);
  begin_elements(clear, form.slots);
  clear.line("{}[i] = -1;", clear.workspace(0, "int"));
  clear.reserve_workspace(bytes);

  KernelText note("scatter_note", problem);
  note.helper(kNote);
  begin_elements(note, form.updates);
  slot_lines(note);
  note.line("if (slot >= 0) note_greatest(&{}[slot], (int)i);", note.workspace(0, "int"));
  note.reserve_workspace(bytes);

  KernelText kernel("scatter_replace", problem);
  const Dim count = element_count(problem.outputs[0].shape);
  begin_elements(kernel, count);
  const std::string slice = kernel.size(form.slice);
  kernel.line("const int update = {}[i / {}];", kernel.workspace(0, "const int"), slice);
  kernel.line("const {} element = update < 0 ? {}[i] : {}[(Index)update * {} + i % {}];",
              c_storage(problem.inputs[0].dtype), kernel.input(0), kernel.input(2), slice, slice);
  store(kernel, "element");
  kernel.reserve_workspace(bytes);
  return join(join(finish_elements(std::move(clear), form.slots), finish_elements(std::move(note), form.updates)),
              finish_elements(std::move(kernel), count));
}

std::string combine_text(const Problem& problem) {
  const std::string how = field_of<std::string>(problem.op, "reduction");
  if (problem.inputs[0].dtype == DType::boolean) return how == "add" || how == "max" ? "x || y" : "x && y";
  if (how == "add") return "x + y";
  if (how == "mul") return "x * y";
  return how == "max" ? "x > y || x != x ? x : y" : "x < y || x != x ? x : y";
}

// Of scatter_elements an element goes over those of its own line.
Generated reduce(const Problem& problem, const Form& form) {
  const Dim bytes = form.updates * 4;
  KernelText note("scatter_slots", problem);
  begin_elements(note, form.updates);
  slot_lines(note);
  note.line("{}[i] = slot;", note.workspace(0, "int"));
  note.reserve_workspace(bytes);

  KernelText kernel("scatter_reduce", problem);
  const Operand& data = problem.inputs[0];
  const Dim count = element_count(problem.outputs[0].shape);
  const std::string_view maths = c_maths(data.dtype);
  begin_elements(kernel, count);
  const std::string slice = kernel.size(form.slice);
  kernel.line("const int slot = i / {};", slice);
  kernel.line("{} x = {};", maths, c_load(data.dtype, kernel.input(0) + "[i]"));
  const std::string slots = kernel.workspace(0, "const int");
  std::string first = "0", step = "1", length = kernel.size(form.updates), reached = "true";
  if (!is_nd(problem)) {
    const Shape &shape = data.shape, &indices = problem.inputs[1].shape;
    const size_t axis = axis_field(problem.op, shape.size());
    Dim inner = 1;
    for (size_t d = axis + 1; d < indices.size(); ++d) inner *= indices[d];
    first.clear();
    reached.clear();
    for (size_t d = 0; d < shape.size(); ++d) {
      const std::string at = d == axis ? "0" : fmt::format("(Index)({})", coordinate_text(kernel, shape, d, "i"));
      first = d == 0 ? at : fmt::format("({} * {} + {})", first, kernel.size(indices[d]), at);
      if (d == axis || indices[d] == shape[d]) continue;
      reached += fmt::format("{}{} < {}", reached.empty() ? "" : " && ", at, kernel.size(indices[d]));
    }
    if (reached.empty()) reached = "true";
    step = kernel.size(inner), length = kernel.size(indices[axis]);
  }
  kernel.line("const Index first = {};", first);
  kernel.line("const int length = {} ? {} : 0;", reached, length);
  kernel.line("for (int k = 0; k < length; ++k) {{");
  kernel.line("  const Index update = first + (Index)k * {};", step);
  kernel.line("  if ({}[update] != slot) continue;", slots);
  kernel.line("  const {} y = {};", maths,
              c_load(data.dtype, fmt::format("{}[update * {} + i % {}]", kernel.input(2), slice, slice)));
  kernel.line("  x = {};", c_load(data.dtype, c_store(data.dtype, combine_text(problem))));
  kernel.line("}}");
  kernel.line("const {} element = {};", c_storage(data.dtype), c_store(data.dtype, "x"));
  store(kernel, "element");
  kernel.reserve_workspace(bytes);
  return join(finish_elements(std::move(note), form.updates), finish_elements(std::move(kernel), count));
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  const Form form(problem);
  return replaces(problem) ? replace(problem, form) : reduce(problem, form);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Form form(problem);
  std::optional<double> looks = 0;
  if (!replaces(problem)) {
    const Shape& data = problem.inputs[0].shape;
    Dim each = form.updates;
    if (!is_nd(problem)) each = problem.inputs[1].shape[axis_field(problem.op, data.size())];
    looks = elements_of({element_count(data) * each}, bindings);
  }
  if (!looks) return std::nullopt;
  const std::optional<double> least =
      gpu_seconds(problem, target, bindings, *looks, gpu_f32_fma_per_second(*target.gpu) / 4);
  if (!least) return std::nullopt;
  return *least + (replaces(problem) ? 2 : 1) * kLaunchSeconds;
}

}  // namespace

extern const SelectRow select_scatter_cuda;
const SelectRow select_scatter_cuda = {.family = "scatter",
                                       .name = "scatter_cuda",
                                       .version = 1,
                                       .refuses = refuses,
                                       .configs = one_config,
                                       .estimate = estimate,
                                       .pack = pack_nothing,
                                       .generate = generate};

}  // namespace mj
