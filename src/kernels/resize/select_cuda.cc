// SPDX-License-Identifier: Apache-2.0
// resize_cuda: one thread an element of the result. From where it comes is worked out when it is built, by the operator
// itself: of each axis a table says, for each place of the result, places of the input and, but for nearest, weights.
// Along an axis whose lengths only running tells, each thread works it out as the operator does.
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

bool by_sizes(const Problem& problem) { return has(problem, 3); }

// Is it worked out as it runs? Lengths may be known where the sizes are not, which tables are made of.
bool is_computed(const Problem& problem, size_t axis) {
  const Dim &in = problem.inputs[0].shape[axis], &out = problem.outputs[0].shape[axis];
  const bool tables = in.constant() && out.constant() && (!by_sizes(problem) || problem.inputs[3].constant);
  return !tables && equal(in, out) != Tri::yes;
}

// An axis that may change has a table. One that is 1 long, or not known, stays as it is.
bool has_table(const Problem& problem, size_t axis) {
  if (by_sizes(problem) && !problem.inputs[3].constant) return false;
  const Dim &in = problem.inputs[0].shape[axis], &out = problem.outputs[0].shape[axis];
  return in.constant() && out.constant() && (in.constant() != 1 || out.constant() != 1);
}

bool any_computed(const Problem& problem) {
  for (size_t d = 0; d < problem.inputs[0].shape.size(); ++d) {
    if (is_computed(problem, d)) return true;
  }
  return false;
}

// Why an axis cannot be worked out as it runs, or nothing.
Refusal refuses_computed(const Problem& problem, size_t axis) {
  const Resize& resize = problem.op.as<Resize>();
  const bool known = resize.mode == "nearest" || (resize.mode == "linear" && !resize.exclude_outside);
  if (known && resize.coordinate_transformation_mode != "half_pixel_symmetric" &&
      resize.keep_aspect_ratio_policy == "stretch") {
    return std::nullopt;
  }
  return fmt::format("the lengths of axis {} are not known", axis);
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
  if (!by_sizes(problem) && has(problem, 2) && !problem.inputs[2].constant) return "the scales are computed";
  for (size_t d = 0; d < x.shape.size(); ++d) {
    if (!is_computed(problem, d)) continue;
    if (Refusal reason = refuses_computed(problem, d)) return reason;
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

int tables_of(const Problem& problem) {
  int tables = 0;
  for (size_t d = 0; d < problem.inputs[0].shape.size(); ++d) tables += has_table(problem, d);
  return problem.op.as<Resize>().mode == "nearest" ? tables : 2 * tables;
}

constexpr std::string_view kProduct = R"(// Rounded, whatever it is added to.
#ifdef MJ_EMULATED
static inline float rounded_product(float a, float b) { return a * b; }
#else
#define rounded_product __fmul_rn
#endif
)";

// Declares for axis d, of which `at` is the place in the result, the place `p` of the input for nearest; for linear two
// places `low` and `high` with weights. In f32, as the operator does it.
void compute_axis(KernelText& kernel, size_t d, const std::string& at) {
  const Problem& problem = kernel.problem();
  const Resize& resize = problem.op.as<Resize>();
  const std::string in = kernel.size(problem.inputs[0].shape[d]), out = kernel.size(problem.outputs[0].shape[d]);
  kernel.helper(kProduct);
  if (by_sizes(problem)) {
    kernel.line("const float scale{0} = (float){1} / (float)max({2}, 1), length{0} = {1};", d, out, in);
  } else {
    kernel.line("const float scale{0} = {1}[{0}], length{0} = rounded_product(scale{0}, (float){2});", d,
                kernel.packed(tables_of(problem), "float"), in);
  }
  kernel.line("const float o{} = (float)({});", d, at);
  const std::string& mode = resize.coordinate_transformation_mode;
  std::string x = fmt::format("(o{0} + 0.5f) / scale{0} - 0.5f", d);
  if (mode == "asymmetric") x = fmt::format("o{0} / scale{0}", d);
  if (mode == "tf_half_pixel_for_nn") x = fmt::format("(o{0} + 0.5f) / scale{0}", d);
  if (mode == "align_corners")
    x = fmt::format("{2} == 1 ? 0.0f : o{0} * ({1} - 1.0f) / (length{0} - 1.0f)", d, in, out);
  if (mode == "pytorch_half_pixel") x = fmt::format("{} == 1 ? 0.0f : {}", out, x);
  kernel.line("const float x{0} = {1} == {2} && scale{0} == 1.0f ? o{0} : {3};", d, in, out, x);
  const auto clamped = [&](const std::string& place) {
    return fmt::format("({0} > 0 ? (Index)fmin((double)({0}), {1} - 1.0) : 0)", place, in);
  };
  if (resize.mode == "nearest") {
    const std::string& rounding = resize.nearest_mode;
    const std::string place = rounding == "floor"               ? "floor((double)x{0})"
                              : rounding == "ceil"              ? "ceil((double)x{0})"
                              : rounding == "round_prefer_ceil" ? "floor((double)x{0} + 0.5)"
                                                                : "ceil((double)x{0} - 0.5)";
    kernel.line("const double near{} = {};", d, fmt::format(fmt::runtime(place), d));
    kernel.line("const Index p{} = {};", d, clamped(fmt::format("near{}", d)));
    return;
  }
  kernel.line("const float below{0} = floorf(x{0}), beyond{0} = x{0} - below{0};", d);
  kernel.line("const Index low{} = {};", d, clamped(fmt::format("below{}", d)));
  // A place that is hit exactly counts half twice: what lies beyond may be infinite.
  kernel.line("const Index high{0} = beyond{0} == 0 ? low{0} : {1};", d, clamped(fmt::format("(below{} + 1)", d)));
  kernel.line("const float high_weight{0} = beyond{0} == 0 ? 0.5f : beyond{0};", d);
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
    if (is_computed(problem, d)) {
      compute_axis(kernel, d, at);
      if (nearest) continue;
      kernel.line("const int taps{} = 2;", d);
      summed.push_back(d);
      weight += fmt::format("w{} * ", d);
      continue;
    }
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
      if (is_computed(problem, d)) {
        kernel.line("{0}const Index p{1} = k{1} ? high{1} : low{1};", indent, d);
        kernel.line("{0}const float w{1} = k{1} ? high_weight{1} : 1 - high_weight{1};", indent, d);
        continue;
      }
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
// Places with fewer taps than others have one of theirs in several parts. Then the scales of all axes, as f32, where
// they are worked with.
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const auto numbers = [](const Shape& shape) {  // what is not known stays as it is, whatever its length
    std::vector<int64_t> dims;
    for (const Dim& dim : shape) dims.push_back(dim.constant().value_or(1));
    return dims;
  };
  const Shape &in = problem.inputs[0].shape, &out = problem.outputs[0].shape;
  std::vector<ResizePass> passes;
  if (tables_of(problem) > 0) {
    std::vector<Tensor> inputs(constants.begin(), constants.begin() + problem.anchor_inputs);
    inputs[0] = Tensor::view(problem.inputs[0].dtype, numbers(in), nullptr, nullptr);
    MJ_ASSIGN(passes, resize_passes(problem.op.as<Resize>(), inputs, numbers(out)));
  }
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
  if (any_computed(problem) && !by_sizes(problem)) {
    std::vector<float> scales(in.size(), 1);
    const std::vector<double> given = constants[2].to_f64();
    const std::vector<int64_t>& axes = problem.op.as<Resize>().axes;
    for (size_t i = 0; i < given.size(); ++i) {
      const int64_t axis = axes.empty() ? static_cast<int64_t>(i) : axes[i];
      scales[static_cast<size_t>(axis < 0 ? axis + std::ssize(in) : axis)] = static_cast<float>(given[i]);
    }
    packed.tensors.push_back(Tensor::of<float>({std::ssize(scales)}, scales));
  }
  return packed;
}

}  // namespace

extern const SelectRow select_resize_cuda;
const SelectRow select_resize_cuda = streaming_gpu_row("resize", "resize_cuda", refuses, generate, pack);

}  // namespace mj
