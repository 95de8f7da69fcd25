// SPDX-License-Identifier: Apache-2.0
#include "kernels/estimate.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (storage_bytes(problem.inputs[0].dtype) == 0) return "strings have no size";
  if (!problem.epilogue.empty()) return "only moves data; there is an epilogue";
  return std::nullopt;
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  return streaming_seconds(problem, target, bindings, 4);
}

}  // namespace

extern const SelectRow select_transpose_copy;
const SelectRow select_transpose_copy = {"transpose", "transpose_copy", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
