// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/cpu/body_epilogue.h"
#include "kernels/estimate.h"
#include "ops/pool.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.is(MaxPool::kName) && !problem.op.is(AveragePool::kName)) return "not a max or average pool";
  if (problem.inputs[0].dtype != DType::f32) return "the image is not f32";
  if (problem.inputs[0].shape.size() > 5) return "more than 3 spatial dims";
  return cpu::BodyEpilogue::refuses(problem);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const MaxPool* max = problem.op.get_if<MaxPool>();
  const PoolFields& fields = max ? static_cast<const PoolFields&>(*max) : problem.op.as<AveragePool>();
  double taps = 1;
  for (int64_t k : fields.kernel_shape) taps *= static_cast<double>(k);
  return streaming_seconds(problem, target, bindings, taps);
}

}  // namespace

extern const SelectRow select_pool_f32;
const SelectRow select_pool_f32 = {"pool", "pool_f32", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
