// SPDX-License-Identifier: Apache-2.0
#include "compile/fall_back.h"

#include <algorithm>

namespace mj {

int count_rounding(const Plan& plan) {
  int count = 0;
  for (const Step& step : plan.steps) {
    if (step.problem.products) ++count;
    for (const auto& branch : step.branches) count += count_rounding(*branch);
  }
  return count;
}

std::vector<size_t> rounding_steps(const Plan& plan) {
  std::vector<size_t> found;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    if (step.problem.products || std::any_of(step.branches.begin(), step.branches.end(),
                                             [](const auto& branch) { return count_rounding(*branch) > 0; })) {
      found.push_back(i);
    }
  }
  return found;
}

bool interchangeable(const Plan& a, const Plan& b) {
  const auto same_tensor = [](const PlanTensor& x, const PlanTensor& y) {
    return x.name == y.name && x.kind == y.kind && x.alias_of == y.alias_of;
  };
  const auto same_step = [](const Step& x, const Step& y) {
    return x.kind == y.kind && x.inputs == y.inputs && x.outputs == y.outputs && x.origin == y.origin;
  };
  return std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), b.tensors.end(), same_tensor) &&
         std::equal(a.steps.begin(), a.steps.end(), b.steps.begin(), b.steps.end(), same_step);
}

Plan with_steps(const Plan& plan, const Plan& other, std::span<const size_t> indices) {
  Plan result = plan;
  for (const size_t i : indices) result.steps[i] = other.steps[i];
  return result;
}

std::string place_of(const Step& step) {
  std::string names;
  for (const std::string& name : step.origin) names += (names.empty() ? "" : " + ") + name;
  return names;
}

}  // namespace mj
