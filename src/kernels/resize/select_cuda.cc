// SPDX-License-Identifier: Apache-2.0
// resize_cuda: one thread an element of the result. From where it comes is worked out when it is built, by the operator
// itself: of each axis a table says, for each place of the result, places of the input and, but for nearest, weights.
#include <algorithm>

#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/row.h"
#include "ops/resize.h"

namespace mj {
namespace {

bool has(const Problem& problem, size_t i) {
  return i < static_cast<size_t>(problem.anchor_inputs) && problem.inputs[i].dtype != DType::none &&
         problem.inputs[i].shape != Shape{0};
}

// An axis that may change has a table. One that is 1 long, or not known, stays as it is.
bool has_table(const Problem& problem, size_t axis) {
  const Dim &in = problem.inputs[0].shape[axis], &out = problem.outputs[0].shape[axis];
  return in.constant() && out.constant() && (in.constant() != 1 || out.constant() != 1);
}

Refusal refuses(const Problem& problem, const Target&) {
  const Resize& resize = problem.op.as<Resize>();
  const Operand& x = problem.inputs[0];
  if (c_storage(x.dtype).empty()) return fmt::format("elements of {}", name(x.dtype));
  if (resize.mode != "nearest" && (!is_float(x.dtype) || x.dtype == DType::f64)) {
    return fmt::format("{} of {}", resize.mode, name(x.dtype));
  }
  if (resize.antialias) return "it is antialiased";
  if (resize.coordinate_transformation_mode == "tf_crop_and_resize") return "it crops";
  for (size_t i : {2u, 3u}) {
    if (has(problem, i) && !problem.inputs[i].constant) return "the scales or sizes are computed";
  }
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const Dim& out = problem.outputs[0].shape[d];
    if ((!x.shape[d].constant() || !out.constant()) && equal(x.shape[d], out) != Tri::yes) {
      return fmt::format("the lengths of axis {} are not known", d);
    }
  }
  return epilogue_refusal(problem);
}

// Taps of each place in the tables of an axis. Nothing: the table's first number says so, which is 1 unless somebody
// scales an axis without changing its length.
std::optional<int64_t> taps_of(const Problem& problem, size_t axis) {
  const std::string& mode = problem.op.as<Resize>().mode;
  if (mode == "nearest") return 1;
  if (problem.inputs[0].shape[axis] == problem.outputs[0].shape[axis]) return std::nullopt;
  return mode == "linear" ? 2 : 4;
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel(fmt::format("resize_{}", problem.op.as<Resize>().mode), problem);
  const Operand& x = problem.inputs[0];
  const Shape& out = problem.outputs[0].shape;
  const Dim count = element_count(out);
  const bool nearest = problem.op.as<Resize>().mode == "nearest";
  begin_elements(kernel, count);
  std::string place, weight;
  std::vector<size_t> summed;
  int tables = 0;
  for (size_t d = 0; d < out.size(); ++d) {
    const std::string at = coordinate_text(kernel, out, d, "i");
    place =
        d == 0 ? "p0" : fmt::format("{} * {} + p{}", d == 1 ? place : "(" + place + ")", kernel.size(x.shape[d]), d);
    if (!has_table(problem, d)) {
      kernel.line("const Index p{} = {};", d, at);
      continue;
    }
    const std::string places = kernel.packed(tables++, "int");
    if (nearest) {
      kernel.line("const Index p{} = {}[1 + {}];", d, places, at);
      continue;
    }
    const std::optional<int64_t> taps = taps_of(problem, d);
    kernel.line("const int taps{0} = {1}, row{0} = (int)({2}) * taps{0};", d,
                taps ? std::to_string(*taps) : places + "[0]", at);
    ++tables;
    summed.push_back(d);
    weight += fmt::format("w{} * ", d);
  }
  if (out.empty()) place = "0";
  std::string value = fmt::format("{}[{}]", kernel.input(0), place);
  if (nearest) {
    kernel.line("const {} value = {};", c_storage(x.dtype), value);
    value = problem.epilogue.empty() ? "value" : c_load(x.dtype, "value");
  } else {
    value = c_load(x.dtype, value);
  }
  if (!nearest) {
    kernel.line("float sum = 0;");
    std::string indent;
    int table = 0;
    for (size_t d : summed) {
      kernel.line("{0}for (int k{1} = 0; k{1} < taps{1}; ++k{1}) {{", indent, d);
      indent += "  ";
      kernel.line("{0}const Index p{1} = {2}[1 + row{1} + k{1}];", indent, d, kernel.packed(table++, "int"));
      kernel.line("{0}const float w{1} = {2}[row{1} + k{1}];", indent, d, kernel.packed(table++, "float"));
    }
    kernel.line("{}sum += {}{};", indent, weight, value);
    for (size_t d = summed.size(); d-- > 0;) kernel.line("{}}}", std::string(2 * d, ' '));
    value = "sum";
  }
  if (nearest && problem.epilogue.empty()) {
    kernel.line("{}[i] = {};", kernel.output(0), value);
  } else {
    kernel.text(epilogue_text(kernel, value, "i"));
  }
  return finish_elements(std::move(kernel), count * min(element_count(x.shape), 1));
}

// Of each axis with a table: the number of taps and then the places, as i32; but for nearest also the weights, as f32.
// Places with fewer taps than others have one of theirs in several parts.
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const auto numbers = [](const Shape& shape) {  // what is not known stays as it is, whatever its length
    std::vector<int64_t> dims;
    for (const Dim& dim : shape) dims.push_back(dim.constant().value_or(1));
    return dims;
  };
  const Shape &in = problem.inputs[0].shape, &out = problem.outputs[0].shape;
  std::vector<Tensor> inputs(constants.begin(), constants.begin() + problem.anchor_inputs);
  inputs[0] = Tensor::view(problem.inputs[0].dtype, numbers(in), nullptr, nullptr);
  MJ_ASSIGN(const std::vector<ResizePass> passes, resize_passes(problem.op.as<Resize>(), inputs, numbers(out)));
  Packed packed;
  for (int i = 1; i < problem.anchor_inputs; ++i) {
    if (problem.inputs[static_cast<size_t>(i)].constant) packed.consumed.push_back(i);
  }
  for (size_t d = 0; d < out.size(); ++d) {
    if (!has_table(problem, d)) continue;
    ResizePass pass{d, {}};
    for (int64_t o = 0; o < *out[d].constant(); ++o) pass.places.push_back({{{o, 1.0}}, false});
    for (const ResizePass& known : passes) {
      if (known.axis == d) pass = known;
    }
    size_t taps = static_cast<size_t>(taps_of(problem, d).value_or(1));
    for (const ResizeTaps& place : pass.places) taps = std::max(taps, place.taps.size());
    std::vector<int32_t> places = {static_cast<int32_t>(taps)};
    std::vector<float> weights;
    for (ResizeTaps& place : pass.places) {
      if (place.taps.empty()) place.taps.push_back({0, 0.0});
      while (place.taps.size() < taps) {
        place.taps.back().second /= 2;
        place.taps.push_back(place.taps.back());
      }
      for (const auto& [at, weight] : place.taps) {
        places.push_back(static_cast<int32_t>(at));
        weights.push_back(static_cast<float>(weight));
      }
    }
    packed.tensors.push_back(Tensor::of<int32_t>({std::ssize(places)}, places));
    if (problem.op.as<Resize>().mode != "nearest")
      packed.tensors.push_back(Tensor::of<float>({std::ssize(weights)}, weights));
  }
  return packed;
}

}  // namespace

extern const SelectRow select_resize_cuda;
const SelectRow select_resize_cuda = streaming_gpu_row("resize", "resize_cuda", refuses, generate, pack);

}  // namespace mj
