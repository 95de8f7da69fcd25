// SPDX-License-Identifier: Apache-2.0
// indexed_copy_cuda: gather_elements, gather_nd, tile, depth_to_space, space_to_depth, trilu, one_hot: one thread an
// element of the result. The host reports an index that is out of range; here nobody is told, but the nearest that
// there is is read, never anything outside of the data.
#include <algorithm>
#include <array>

#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/op_field.h"
#include "kernels/cuda/row.h"

namespace mj {
namespace {

constexpr std::array<std::string_view, 7> kOps = {"gather_elements", "gather_nd", "tile",   "depth_to_space",
                                                  "space_to_depth",  "trilu",     "one_hot"};

// What the result's elements are taken from.
const Operand& source(const Problem& problem) { return problem.inputs[problem.op.is("one_hot") ? 2 : 0]; }

Refusal refuses(const Problem& problem, const Target&) {
  if (std::find(kOps.begin(), kOps.end(), problem.op.name()) == kOps.end())
    return fmt::format("{} is no copy by index", problem.op.name());
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype;
    if (dtype != DType::none && c_storage(dtype).empty()) return fmt::format("elements of {}", name(dtype));
  }
  if (problem.op.is("trilu") && problem.anchor_inputs > 1 && problem.inputs[1].dtype != DType::none &&
      element_count(problem.inputs[1].shape).constant() != 1) {
    return "its diagonal is not one number";
  }
  if (problem.op.is("gather_nd") && !problem.inputs[1].shape.back().constant())
    return "a row of indices has any length";
  return epilogue_refusal(problem);
}

Dim product(const Shape& shape, size_t begin, size_t end) {
  return element_count(
      Shape(shape.begin() + static_cast<std::ptrdiff_t>(begin), shape.begin() + static_cast<std::ptrdiff_t>(end)));
}

// Declares `name`, element `at` of input 1 as a place below `length`.
void read_index(KernelText& kernel, const std::string& name, const std::string& at, const Dim& length) {
  const std::string n = kernel.size(length);
  kernel.line("long long {}_read = {}[{}];", name, kernel.input(1), at);
  kernel.line("if ({0}_read < 0) {0}_read += {1};", name, n);
  kernel.line("const Index {0} = min(max({0}_read, 0ll), {1} - 1ll);", name, n);
}

// A row-major index of coordinates, expressions.
std::string linear(KernelText& kernel, const Shape& shape, const std::vector<std::string>& coordinates) {
  std::string place;
  for (size_t d = 0; d < shape.size(); ++d) {
    place = d == 0 ? coordinates[0] : fmt::format("({} * {} + {})", place, kernel.size(shape[d]), coordinates[d]);
  }
  return place.empty() ? "0" : place;
}

std::string gather_elements(KernelText& kernel) {
  const Problem& problem = kernel.problem();
  const Shape &data = problem.inputs[0].shape, &out = problem.outputs[0].shape;
  const size_t axis = axis_field(problem.op, data.size());
  read_index(kernel, "row", "i", data[axis]);
  std::vector<std::string> at;
  for (size_t d = 0; d < data.size(); ++d) {
    const std::string own = fmt::format("(Index)({})", coordinate_text(kernel, out, d, "i"));
    const bool fits = less_equal(out[d], data[d]) == Tri::yes;
    at.push_back(d == axis ? "row" : fits ? own : fmt::format("min({}, (Index)({} - 1))", own, kernel.size(data[d])));
  }
  return linear(kernel, data, at);
}

std::string gather_nd(KernelText& kernel) {
  const Problem& problem = kernel.problem();
  const Shape &data = problem.inputs[0].shape, &indices = problem.inputs[1].shape;
  const auto batch_dims = static_cast<size_t>(field_of<int64_t>(problem.op, "batch_dims"));
  const auto depth = static_cast<size_t>(*indices.back().constant());
  const std::string slice = kernel.size(product(data, batch_dims + depth, data.size()));
  kernel.line("const Index row = i / {0}, within = i % {0};", slice);
  std::string place;
  if (batch_dims > 0) place = fmt::format("row / {}", kernel.size(product(indices, batch_dims, indices.size() - 1)));
  for (size_t k = 0; k < depth; ++k) {
    const std::string index = fmt::format("at{}", k);
    read_index(kernel, index, fmt::format("row * {} + {}", depth, k), data[batch_dims + k]);
    place = place.empty() ? index : fmt::format("({} * {} + {})", place, kernel.size(data[batch_dims + k]), index);
  }
  return fmt::format("{} * {} + within", place, slice);
}

std::string tile(KernelText& kernel) {
  const Shape &in = kernel.problem().inputs[0].shape, &out = kernel.problem().outputs[0].shape;
  std::vector<std::string> at;
  for (size_t d = 0; d < in.size(); ++d) {
    const std::string own = coordinate_text(kernel, out, d, "i");
    at.push_back(in[d].constant() == 1 ? "0" : in[d] == out[d] ? own : fmt::format("{} % {}", own, kernel.size(in[d])));
  }
  return linear(kernel, in, at);
}

std::string depth_to_space(KernelText& kernel) {
  const Problem& problem = kernel.problem();
  const Shape &in = problem.inputs[0].shape, &out = problem.outputs[0].shape;
  const auto block = field_of<int64_t>(problem.op, "blocksize");
  const auto at = [&](size_t d) { return coordinate_text(kernel, out, d, "i"); };
  kernel.line("const Index c = {}, y = {}, x = {};", at(1), at(2), at(3));
  kernel.line("const Index block = y % {0} * {0} + x % {0};", block);
  const std::string channel = field_of<std::string>(problem.op, "mode") == "DCR"
                                  ? fmt::format("block * {} + c", kernel.size(out[1]))
                                  : fmt::format("c * {} + block", block * block);
  return linear(kernel, in, {at(0), channel, fmt::format("y / {}", block), fmt::format("x / {}", block)});
}

std::string space_to_depth(KernelText& kernel) {
  const Problem& problem = kernel.problem();
  const Shape &in = problem.inputs[0].shape, &out = problem.outputs[0].shape;
  const auto block = field_of<int64_t>(problem.op, "blocksize");
  const auto at = [&](size_t d) { return coordinate_text(kernel, out, d, "i"); };
  kernel.line("const Index channel = {0}, block = channel / {1}, c = channel % {1};", at(1), kernel.size(in[1]));
  kernel.line("const Index y = {} * {} + block / {}, x = {} * {} + block % {};", at(2), block, block, at(3), block,
              block);
  return linear(kernel, in, {at(0), "c", "y", "x"});
}

// Declares `kept`.
void trilu(KernelText& kernel) {
  const Problem& problem = kernel.problem();
  const Shape& shape = problem.outputs[0].shape;
  const bool given = problem.anchor_inputs > 1 && problem.inputs[1].dtype != DType::none;
  kernel.line("const long long diagonal = {};", given ? kernel.input(1) + "[0]" : "0");
  kernel.line("const long long above = (long long)({}) - (long long)({});",
              coordinate_text(kernel, shape, shape.size() - 1, "i"),
              coordinate_text(kernel, shape, shape.size() - 2, "i"));
  kernel.line("const bool kept = above {} diagonal;", field_of<bool>(problem.op, "upper") ? ">=" : "<=");
}

std::string one_hot(KernelText& kernel) {
  const Problem& problem = kernel.problem();
  const Shape& out = problem.outputs[0].shape;
  const size_t axis = axis_field(problem.op, out.size());
  const std::string inner = kernel.size(product(out, axis + 1, out.size())), length = kernel.size(out[axis]);
  kernel.line("const double read = {};",
              c_load(problem.inputs[0].dtype,
                     fmt::format("{0}[i / {1} / {2} * {1} + i % {1}]", kernel.input(0), inner, length)));
  kernel.line("const double wanted = read < 0 ? read + {} : read;", length);
  return fmt::format("wanted == (double)(i / {} % {}) ? 1 : 0", inner, length);
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  KernelText kernel(std::string(problem.op.name()), problem);
  const Operand& from = source(problem);
  const Dim count = element_count(problem.outputs[0].shape);
  begin_elements(kernel, count);
  std::string place = "i";
  if (problem.op.is("gather_elements")) place = gather_elements(kernel);
  if (problem.op.is("gather_nd")) place = gather_nd(kernel);
  if (problem.op.is("tile")) place = tile(kernel);
  if (problem.op.is("depth_to_space")) place = depth_to_space(kernel);
  if (problem.op.is("space_to_depth")) place = space_to_depth(kernel);
  if (problem.op.is("trilu")) trilu(kernel);
  if (problem.op.is("one_hot")) place = one_hot(kernel);
  const std::string pointer = kernel.input(problem.op.is("one_hot") ? 2 : 0);
  std::string element = fmt::format("{}[{}]", pointer, place);
  if (problem.op.is("trilu")) element = fmt::format("kept ? {} : ({})0", element, c_storage(from.dtype));
  kernel.line("const {} element = {};", c_storage(from.dtype), element);
  if (problem.epilogue.empty()) {
    kernel.line("{}[i] = element;", kernel.output(0));
  } else {
    kernel.text(epilogue_text(kernel, c_load(from.dtype, "element"), "i"));
  }
  // Of data without elements there is nothing that could be read.
  return finish_elements(std::move(kernel), count * min(element_count(from.shape), 1));
}

// Repeats and depths stand in the shape of the result.
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor>) {
  const bool shapes = problem.op.is("tile") || problem.op.is("one_hot");
  return shapes && problem.inputs[1].constant ? Packed{{}, {1}} : Packed{};
}

// Only what is taken is read.
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  Problem moved = problem;
  if (!problem.op.is("one_hot")) moved.inputs[0].shape = problem.outputs[0].shape;
  return gpu_seconds(moved, target, bindings);
}

}  // namespace

extern const SelectRow select_indexed_copy_cuda;
const SelectRow select_indexed_copy_cuda = {.family = "gather",
                                            .name = "indexed_copy_cuda",
                                            .version = 1,
                                            .refuses = refuses,
                                            .configs = one_config,
                                            .estimate = estimate,
                                            .pack = pack,
                                            .generate = generate};

}  // namespace mj
