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
      auto result = check_kernel(step);
      if (!result.ok()) return result.error().in(step.origin.empty() ? "a step" : step.origin.front());
    }
    return {};
  }

 private:
  bool known(int id) const { return id != kNoTensor && !late_[static_cast<size_t>(id)]; }
  Type type(int id) const {
    const auto at = static_cast<size_t>(id);
    return Type::tensor(plan_.tensors[at].dtype, Shape(dims_[at].begin(), dims_[at].end()));
  }

  Result<void> check_alias(size_t i) const {
    const PlanTensor& tensor = plan_.tensors[i];
    if (tensor.kind != PlanTensor::Kind::alias || !known(static_cast<int>(i)) || !known(tensor.alias_of)) return {};
    MJ_ASSIGN(const int64_t ours, element_count(std::span(dims_[i])));
    MJ_ASSIGN(const int64_t theirs, element_count(std::span(dims_[static_cast<size_t>(tensor.alias_of)])));
    if (ours == theirs) return {};
    return model_error("{} elements cannot have the shape [{}]", theirs, fmt::join(dims_[i], ","));
  }

  Result<void> check_kernel(const Step& step) const {
    std::vector<ValueInfo> inputs(step.inputs.size());
    std::vector<Type> outputs(step.outputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const int id = step.inputs[i];
      const Operand& operand = step.problem.inputs[i];
      if (id == kNoTensor) {
        if (operand.dtype != DType::none) inputs[i].type = Type::tensor(operand.dtype, operand.shape);
        continue;
      }
      if (!known(id)) return {};  // nothing can be said before the step that makes it has run
      inputs[i].type = type(id);
      inputs[i].constant = plan_.tensors[static_cast<size_t>(id)].constant;
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (known(step.outputs[i])) outputs[i] = type(step.outputs[i]);
    }
    return verify(step.problem, inputs, outputs);
  }

  const Plan& plan_;
  const std::span<const std::vector<int64_t>> dims_;
  const std::vector<bool>& late_;
};

}  // namespace

Result<void> verify_dims(const Plan& plan, std::span<const std::vector<int64_t>> dims, const std::vector<bool>& late) {
  return DimsVerifier(plan, dims, late).run();
}

}  // namespace mj
