// SPDX-License-Identifier: Apache-2.0
#include "kernels/estimate.h"
#include "ops/pool.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  const MaxPool* op = problem.op.get_if<MaxPool>();
  if (!op) return "not a max pool";
  if (problem.inputs[0].dtype != DType::u8 && problem.inputs[0].dtype != DType::i8) return "the image is not u8 or i8";
  if (!op->channels_last) return "it is not channels_last";
  if (problem.inputs[0].shape.size() > 5) return "more than 3 spatial dims";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  return std::nullopt;
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  double taps = 1;
  for (int64_t k : problem.op.get_if<MaxPool>()->kernel_shape) taps *= static_cast<double>(k);
  return streaming_seconds(problem, target, bindings, taps / 4);
}

}  // namespace

extern const SelectRow select_max_pool_bytes;
const SelectRow select_max_pool_bytes = {"pool", "max_pool_bytes", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
