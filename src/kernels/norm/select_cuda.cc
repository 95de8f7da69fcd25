// SPDX-License-Identifier: Apache-2.0
// line_norm_cuda: layer_norm, rms_norm, instance_norm and group_norm, whose statistics are of lines of x: the mean
// first, then the squares of what is left, so that no digits cancel. batch_norm_cuda: its statistics are given.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/line_text.h"
#include "kernels/cuda/row.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/norm/form.h"
#include "ops/batch_norm.h"
#include "ops/group_norm.h"
#include "ops/layer_norm.h"

namespace mj {
namespace {

constexpr int kMostHeld = 16;

Refusal refuses_all(const Problem& problem) {
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype;
    if (dtype != DType::none && c_storage(dtype).empty()) return fmt::format("elements of {}", name(dtype));
  }
  return epilogue_refusal(problem);
}

Refusal refuses_lines(const Problem& problem, const Target&) {
  if (problem.op.is(BatchNorm::kName)) return "the statistics are given";
  return refuses_all(problem);
}

Refusal refuses_batch(const Problem& problem, const Target&) {
  if (!problem.op.is(BatchNorm::kName)) return fmt::format("{} is not batch_norm", problem.op.name());
  return refuses_all(problem);
}

bool has(const Problem& problem, size_t i) {
  return i < static_cast<size_t>(problem.anchor_inputs) && problem.inputs[i].dtype != DType::none;
}

// An element of input i in the maths of x.
std::string loaded(KernelText& kernel, size_t i, const std::string& at) {
  return c_load(kernel.problem().inputs[i].dtype, fmt::format("{}[{}]", kernel.input(i), at));
}

// A float of the host's double maths, such as epsilon.
std::string number(float value, std::string_view maths) { return fmt::format("({}){}", maths, c_literal(value)); }

struct Lines {
  Dim count, length;
  bool across = false;                                      // neighbouring lines are neighbours in memory
  std::string first, place;                                 // of a line; of its element `l` from there
  Dim run;                                                  // of elements of a line that are neighbours in memory
  LineOperand::Lies channel = LineOperand::Lies::anywhere;  // what is of a channel, under them
  float epsilon = 0;
  bool centred = true;  // are means taken off?
};

// Of [N,C,...] a group's channels are neighbours; of [N,...,C] they are so in each place of the image.
Lines group_lines(KernelText& kernel, const Dim& groups, bool channels_last) {
  const Shape& x = kernel.problem().inputs[0].shape;
  const Dim& channels = channels_last ? x.back() : x[1];
  Dim plane = 1;
  for (size_t d = channels_last ? 1 : 2; d + (channels_last ? 1 : 0) < x.size(); ++d) plane *= x[d];
  const Dim width = groups == channels ? Dim(1) : floor_div(channels, groups);  // channels of a group
  Lines lines;
  lines.count = x[0] * groups;
  lines.length = width * plane;
  if (!channels_last) {
    lines.run = lines.length;
    const bool whole = is_multiple(plane, line_width(kernel.problem().inputs[0].dtype, lines.run));
    lines.channel = whole ? LineOperand::Lies::in_one : LineOperand::Lies::anywhere;
    lines.first = fmt::format("line * {}", kernel.size(lines.length));
    lines.place = "first + l";
    return lines;
  }
  const std::string g = kernel.size(groups), c = kernel.size(channels), w = kernel.size(width);
  lines.across = width.constant() == 1;
  lines.run = width;
  lines.channel = LineOperand::Lies::as_neighbours;
  const std::string image = fmt::format("line / {} * {}", g, kernel.size(channels * plane));
  lines.first = fmt::format("{} + line % {}{}", image, g, lines.across ? "" : " * " + w);
  lines.place = lines.across ? fmt::format("first + l * {}", c) : fmt::format("first + l / {} * {} + l % {}", w, c, w);
  return lines;
}

Lines row_lines(KernelText& kernel, int64_t axis) {
  const Shape& x = kernel.problem().inputs[0].shape;
  const auto first = static_cast<std::ptrdiff_t>(first_axis(axis, x.size()));
  Lines lines;
  lines.count = element_count(Shape(x.begin(), x.begin() + first));
  lines.length = element_count(Shape(x.begin() + first, x.end()));
  lines.run = lines.length;
  lines.first = fmt::format("line * {}", kernel.size(lines.length));
  lines.place = "first + l";
  return lines;
}

// The channel of element i.
std::string channel(KernelText& kernel, bool channels_last) {
  const Shape& x = kernel.problem().inputs[0].shape;
  return coordinate_text(kernel, x, channels_last ? x.size() - 1 : 1, "i");
}

Generated generate_lines(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel(std::string(problem.op.name()), problem);
  allow_in_place(kernel, 0);
  const Shape& x = problem.inputs[0].shape;
  const std::string_view maths = c_maths(problem.inputs[0].dtype), suffix = maths == "float" ? "f" : "";
  Lines form;
  std::vector<LineOperand> operands;
  const auto add = [&](size_t i, const std::string& at, LineOperand::Lies lies) {
    operands.push_back({i == 1 ? "factor" : "bias", i, at, lies});
  };
  if (const InstanceNorm* instance = problem.op.get_if<InstanceNorm>()) {
    form = group_lines(kernel, instance->channels_last ? x.back() : x[1], instance->channels_last);
    form.epsilon = instance->epsilon;
    for (size_t i : {1u, 2u}) add(i, channel(kernel, instance->channels_last), form.channel);
  } else if (const GroupNorm* group = problem.op.get_if<GroupNorm>()) {
    form = group_lines(kernel, group->num_groups, group->channels_last);
    form.epsilon = group->epsilon;
    for (size_t i : {1u, 2u}) add(i, channel(kernel, group->channels_last), form.channel);
  } else {
    const LayerNorm* layer = problem.op.get_if<LayerNorm>();
    const RmsNorm* rms = problem.op.get_if<RmsNorm>();
    form = row_lines(kernel, layer ? layer->axis : rms->axis);
    form.epsilon = layer ? layer->epsilon : rms->epsilon;
    form.centred = layer != nullptr;
    for (size_t i : {1u, 2u}) {
      if (!has(problem, i)) continue;
      const Shape& shape = problem.inputs[i].shape;
      const bool neighbours = lies_whole(shape, x, line_width(problem.inputs[0].dtype, form.run));
      add(i, broadcast_index(kernel, shape, x, "i"),
          neighbours ? LineOperand::Lies::as_neighbours : LineOperand::Lies::anywhere);
    }
  }
  LineText lines(kernel, form.count, form.length, form.across, kMostHeld,
                 line_width(problem.inputs[0].dtype, form.run));
  lines.begin();
  kernel.line("const Index first = {};", form.first);
  lines.elements(maths, form.place);
  const std::string n = fmt::format("({}){}", maths, kernel.size(form.length));
  std::string centred = "x";
  if (form.centred) {
    lines.reduce("sum", "Sum", "0", "x");
    kernel.line("const {} mean = sum / {};", maths, n);
    centred = "(x - mean)";
  }
  lines.reduce("squares", "Sum", "0", fmt::format("{0} * {0}", centred));
  kernel.line("const {} scale = 1 / sqrt{}(squares / {} + {});", maths, suffix, n, number(form.epsilon, maths));
  lines.store(fmt::format("{} * scale * factor{}", centred, operands.size() > 1 ? " + bias" : ""), operands);
  return lines.finish();
}

Generated generate_batch(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel("batch_norm", problem);
  allow_in_place(kernel, 0);
  const std::string_view maths = c_maths(problem.inputs[0].dtype), suffix = maths == "float" ? "f" : "";
  const Dim count = element_count(problem.inputs[0].shape);
  begin_elements(kernel, count);
  kernel.line("const Index c = {};", channel(kernel, false));
  const auto of_channel = [&](size_t i) { return loaded(kernel, i, "c"); };
  const std::string epsilon = number(problem.op.as<BatchNorm>().epsilon, maths);
  kernel.line("const {} scale = {} / sqrt{}({} + {});", maths, of_channel(1), suffix, of_channel(4), epsilon);
  kernel.line("const {} y = ({} - {}) * scale + {};", maths, loaded(kernel, 0, "i"), of_channel(3), of_channel(2));
  kernel.text(epilogue_text(kernel, "y", "i"));
  return finish_elements(std::move(kernel), count);
}

}  // namespace

extern const SelectRow select_line_norm_cuda;
const SelectRow select_line_norm_cuda =
    streaming_gpu_row("norm", "line_norm_cuda", refuses_lines, generate_lines, pack_nothing, 2);

extern const SelectRow select_batch_norm_cuda;
const SelectRow select_batch_norm_cuda = streaming_gpu_row("norm", "batch_norm_cuda", refuses_batch, generate_batch);

}  // namespace mj
