// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "kernels/estimate.h"
#include "kernels/gather/boxes.h"

namespace mj {
namespace {

Refusal refuses_all(const Problem& problem) {
  if (storage_bytes(problem.inputs[0].dtype) == 0) return "strings have no size";
  if (!problem.epilogue.empty()) return "only moves data; there is an epilogue";
  return std::nullopt;
}

Refusal refuses_boxes(const Problem& problem, const Target&) {
  if (!is_box_copy(problem.op)) return fmt::format("{} is no copy of boxes", problem.op.name());
  for (const Operand& output : problem.outputs) {
    if (output.dtype == DType::none) return "an output is absent";
  }
  return refuses_all(problem);
}

Refusal refuses_gather(const Problem& problem, const Target&) {
  if (!problem.op.is("gather")) return fmt::format("{} is not gather", problem.op.name());
  return refuses_all(problem);
}

Refusal refuses_pad(const Problem& problem, const Target&) {
  if (!problem.op.is("pad")) return fmt::format("{} is not pad", problem.op.name());
  return refuses_all(problem);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  // Of a table only what is taken is read: as many bytes as are written.
  Problem moved = problem;
  if (problem.op.is("gather")) moved.inputs[0].shape = problem.outputs[0].shape;
  return streaming_seconds(moved, target, bindings, 1);
}

}  // namespace

extern const SelectRow select_box_copy;
const SelectRow select_box_copy = {"gather", "box_copy", 1, refuses_boxes, one_config, estimate, pack_nothing};

extern const SelectRow select_gather_rows;
const SelectRow select_gather_rows = {"gather", "gather_rows", 1, refuses_gather, one_config, estimate, pack_nothing};

extern const SelectRow select_pad_rows;
const SelectRow select_pad_rows = {"gather", "pad_rows", 1, refuses_pad, one_config, estimate, pack_nothing};

}  // namespace mj
