// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "kernels/cpu/body_epilogue.h"
#include "kernels/norm/form.h"
#include "ops/layer_norm.h"

namespace mj {
namespace {

std::optional<std::string> all_f32(const Problem& problem) {
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype;
    if (dtype != DType::f32 && dtype != DType::none) return fmt::format("input {} is {}, not f32", i, name(dtype));
  }
  return std::nullopt;
}

// Is `shape` that of one row of x, whose dims from `first` on are normalized?
bool is_row(const Shape& shape, const Shape& x, size_t first) {
  const size_t extra = x.size() - first;
  if (shape.size() < extra || shape.size() > x.size()) return false;
  for (size_t back = 1; back <= shape.size(); ++back) {
    const Dim& dim = shape[shape.size() - back];
    if (back > extra ? dim.constant() != 1 : equal(dim, x[x.size() - back]) != Tri::yes) return false;
  }
  return true;
}

}  // namespace

size_t first_axis(int64_t axis, size_t rank) {
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

std::optional<std::string> row_norm_refusal(const Problem& problem) {
  const LayerNorm* layer = problem.op.get_if<LayerNorm>();
  const RmsNorm* rms = problem.op.get_if<RmsNorm>();
  if (!layer && !rms) return "normalizes channels, not rows";
  if (auto reason = all_f32(problem)) return reason;
  const Shape& x = problem.inputs[0].shape;
  const size_t first = first_axis(layer ? layer->axis : rms->axis, x.size());
  for (int i = 1; i < problem.anchor_inputs; ++i) {
    const Operand& operand = problem.inputs[static_cast<size_t>(i)];
    if (operand.dtype != DType::none && !is_row(operand.shape, x, first)) {
      return fmt::format("input {} has not one number for each element of a row", i);
    }
  }
  return cpu::BodyEpilogue::refuses(problem);
}

std::optional<std::string> channel_norm_refusal(const Problem& problem) {
  if (problem.op.is("layer_norm") || problem.op.is("rms_norm")) return "normalizes rows, not channels";
  if (auto reason = all_f32(problem)) return reason;
  return cpu::BodyEpilogue::refuses(problem);
}

}  // namespace mj
