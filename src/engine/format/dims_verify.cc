// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/checked.h"
#include "engine/format/plan_verify.h"
#include "engine/format/problem_verify.h"

namespace mj {
namespace {

class DimsVerifier {
 public:
  DimsVerifier(const Plan& plan, std::span<const std::vector<int64_t>> dims, const std::vector<bool>& late)
      : plan_(plan), dims_(dims), late_(late) {}

  Result<void> run() const {
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      auto result = check_alias(i);
      if (!result.ok()) return result.error().in(fmt::format("tensor '{}'", plan_.tensors[i].name));
    }
    for (const Step& step : plan_.steps) {
      if (step.kind != Step::Kind::kernel) continue;
      auto result = verify_dims(plan_, step, [&](int id) {
        return known(id) ? std::optional(std::span<const int64_t>(dims_[static_cast<size_t>(id)])) : std::nullopt;
      });
      if (!result.ok()) return result.error().in(step.origin.empty() ? "a step" : step.origin.front());
    }
    return {};
  }

 private:
  bool known(int id) const { return id != kNoTensor && !late_[static_cast<size_t>(id)]; }
  Result<void> check_alias(size_t i) const {
    const PlanTensor& tensor = plan_.tensors[i];
    if (tensor.kind != PlanTensor::Kind::alias || !known(static_cast<int>(i)) || !known(tensor.alias_of)) return {};
    MJ_ASSIGN(const int64_t ours, element_count(std::span(dims_[i])));
    MJ_ASSIGN(const int64_t theirs, element_count(std::span(dims_[static_cast<size_t>(tensor.alias_of)])));
    if (ours == theirs) return {};
    return model_error("{} elements cannot have the shape [{}]", theirs, fmt::join(dims_[i], ","));
  }

  const Plan& plan_;
  const std::span<const std::vector<int64_t>> dims_;
  const std::vector<bool>& late_;
};

}  // namespace

Result<void> verify_dims(const Plan& plan, const Step& step, KnownDims dims) {
  const auto type = [&](int id) -> std::optional<Type> {
    const PlanTensor& tensor = plan.tensors[static_cast<size_t>(id)];
    if (!tensor.type().is_tensor()) return tensor.type();
    const auto known = dims(id);
    return known ? std::optional(Type::tensor(tensor.dtype, Shape(known->begin(), known->end()))) : std::nullopt;
  };
  std::vector<ValueInfo> inputs(step.inputs.size());
  std::vector<Type> outputs(step.outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int id = step.inputs[i];
    if (id == kNoTensor) {
      const Operand& operand = step.problem.inputs[i];
      if (operand.dtype != DType::none) inputs[i].type = operand.type();
      continue;
    }
    const std::optional<Type> known = type(id);
    if (!known) return {};
    inputs[i].type = *known;
    inputs[i].constant = plan.tensors[static_cast<size_t>(id)].constant;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (step.outputs[i] != kNoTensor) outputs[i] = type(step.outputs[i]).value_or(Type());
  }
  return verify(step.problem, inputs, outputs);
}

Result<void> verify_dims(const Plan& plan, std::span<const std::vector<int64_t>> dims, const std::vector<bool>& late) {
  return DimsVerifier(plan, dims, late).run();
}

}  // namespace mj
