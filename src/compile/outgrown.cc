// SPDX-License-Identifier: Apache-2.0
#include "compile/outgrown.h"

#include <algorithm>
#include <cmath>

namespace mj {
namespace {

bool outgrows(const TensorRef& ref, DType dtype) {
  if (ref.value || !ref.present() || ref.dtype != DType::f32) return false;
  const std::span<const float> elements(static_cast<const float*>(ref.data), static_cast<size_t>(ref.size()));
  return std::any_of(elements.begin(), elements.end(), [&](float x) {
    const float rounded = dtype == DType::f16 ? static_cast<float>(F16(x)) : static_cast<float>(Bf16(x));
    return std::isfinite(x) && !std::isfinite(rounded);
  });
}

}  // namespace

Result<std::set<std::string>> outgrown(std::shared_ptr<const Program> program, ThreadPool& pool,
                                       std::span<const Tensor> inputs, DType dtype) {
  const Plan& plan = program->plan();
  std::set<int> large;  // tensors
  std::set<std::string> names;
  const auto keep = [&](const Step& step) { names.insert(step.origin.begin(), step.origin.end()); };
  RunOptions options;
  options.observer = [&](size_t step, double, std::span<const TensorRef> outputs) {
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!outgrows(outputs[i], dtype)) continue;
      large.insert(plan.steps[step].outputs[i]);
      keep(plan.steps[step]);
    }
  };
  Session session(program, pool, {});
  std::vector<Tensor> ignored;
  MJ_TRY(session.run(inputs, ignored, options));
  const auto is_large = [&](int id) {
    while (id != kNoTensor && plan.tensors[static_cast<size_t>(id)].kind == PlanTensor::Kind::alias) {
      id = plan.tensors[static_cast<size_t>(id)].alias_of;
    }
    return large.contains(id);
  };
  for (const Step& step : plan.steps) {
    if (std::any_of(step.inputs.begin(), step.inputs.end(), is_large)) keep(step);
  }
  return names;
}

}  // namespace mj
