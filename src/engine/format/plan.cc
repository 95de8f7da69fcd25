// SPDX-License-Identifier: Apache-2.0
#include "engine/format/plan.h"

#include <algorithm>

#include "engine/format/manifest.h"

namespace mj {
namespace {

bool identical_lists(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), identical);
}

}  // namespace

bool PlanTensor::operator==(const PlanTensor& other) const {
  return name == other.name && kind == other.kind && dtype == other.dtype && shape == other.shape &&
         form == other.form && alias_of == other.alias_of && on_device == other.on_device &&
         identical(constant, other.constant);
}

bool Step::operator==(const Step& other) const {
  const auto same_plan = [](const auto& a, const auto& b) { return *a == *b; };
  return kind == other.kind && inputs == other.inputs && outputs == other.outputs && origin == other.origin &&
         problem == other.problem && choice == other.choice && identical_lists(packed, other.packed) &&
         device == other.device && alternative == other.alternative &&
         std::equal(branches.begin(), branches.end(), other.branches.begin(), other.branches.end(), same_plan) &&
         carried == other.carried && left == other.left && right == other.right && message == other.message;
}

bool Sample::operator==(const Sample& other) const {
  return identical_lists(inputs, other.inputs) && identical_lists(outputs, other.outputs);
}

}  // namespace mj
