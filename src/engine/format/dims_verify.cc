// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/checked.h"
#include "base/hash64.h"
#include "engine/format/plan_verify.h"
#include "engine/format/problem_verify.h"

namespace mj {
namespace {

class DimsVerifier {
 public:
  DimsVerifier(const Plan& plan, std::span<const std::vector<int64_t>> dims, const std::vector<bool>& late,
               std::span<const int> alike)
      : plan_(plan), dims_(dims), late_(late), alike_(alike) {}

  Result<void> run() const {
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      auto result = check_alias(i);
      if (!result.ok()) return result.error().in(fmt::format("tensor '{}'", plan_.tensors[i].name));
    }
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      const Step& step = plan_.steps[s];
      if (step.kind != Step::Kind::kernel || is_verified(s)) continue;
      auto result = verify_dims(plan_, step, [&](int id) {
        return known(id) ? std::optional(std::span<const int64_t>(dims_[static_cast<size_t>(id)])) : std::nullopt;
      });
      if (!result.ok()) return result.error().in(step.origin.empty() ? "a step" : step.origin.front());
    }
    return {};
  }

 private:
  // Has a step like it been verified, with the same dims?
  bool is_verified(size_t s) const {
    if (alike_.empty() || alike_[s] == static_cast<int>(s)) return false;
    const Step &step = plan_.steps[s], &other = plan_.steps[static_cast<size_t>(alike_[s])];
    const auto same = [&](int a, int b) {
      if (a == kNoTensor || b == kNoTensor) return a == b;
      return known(a) && known(b) && dims_[static_cast<size_t>(a)] == dims_[static_cast<size_t>(b)];
    };
    return std::equal(step.inputs.begin(), step.inputs.end(), other.inputs.begin(), other.inputs.end(), same) &&
           std::equal(step.outputs.begin(), step.outputs.end(), other.outputs.begin(), other.outputs.end(), same);
  }
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
  const std::span<const int> alike_;
};

// Equal for equal problems, and cheap.
uint64_t rough_hash(const Problem& problem) {
  uint64_t hash = hash64(problem.op.name());
  for (const Operand& operand : problem.inputs) {
    hash = mix64(hash, static_cast<uint64_t>(operand.dtype));
    for (const Dim& dim : operand.shape) hash = mix64(hash, dim.hash());
  }
  return mix64(hash, problem.epilogue.instructions.size());
}

}  // namespace

std::vector<int> alike_steps(const Plan& plan) {
  const auto reads_constant = [&](const Step& step) {
    return std::any_of(step.inputs.begin(), step.inputs.end(), [&](int id) {
      return id != kNoTensor && plan.tensors[static_cast<size_t>(id)].kind == PlanTensor::Kind::constant;
    });
  };
  std::vector<int> alike(plan.steps.size());
  std::unordered_multimap<uint64_t, int> firsts;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    alike[s] = static_cast<int>(s);
    if (step.kind != Step::Kind::kernel) continue;
    const uint64_t hash = rough_hash(step.problem);
    const auto [begin, end] = firsts.equal_range(hash);
    const auto same = std::find_if(begin, end, [&](const auto& first) {
      return plan.steps[static_cast<size_t>(first.second)].problem == step.problem;
    });
    if (same == end) {
      firsts.emplace(hash, static_cast<int>(s));
      continue;
    }
    // What a constant holds may decide on the dims, and two need not hold the same.
    const bool constants = reads_constant(step) || reads_constant(plan.steps[static_cast<size_t>(same->second)]);
    if (!constants || dims_decide(step.problem)) alike[s] = same->second;
  }
  return alike;
}

Result<void> verify_dims(const Plan& plan, const Step& step, KnownDims dims) {
  const auto type = [&](int id) -> std::optional<Type> {
    const PlanTensor& tensor = plan.tensors[static_cast<size_t>(id)];
    if (!tensor.is_tensor()) return tensor.type();
    const auto known = dims(id);
    if (!known) return std::nullopt;
    return Type::tensor(tensor.dtype, Shape(known->begin(), known->end()));
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
    std::optional<Type> known = type(id);
    if (!known) return {};
    inputs[i].type = *std::move(known);
    const PlanTensor& tensor = plan.tensors[static_cast<size_t>(id)];
    if (tensor.kind == PlanTensor::Kind::constant) inputs[i].constant = tensor.constant;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (step.outputs[i] != kNoTensor) outputs[i] = type(step.outputs[i]).value_or(Type());
  }
  return verify_types(step.problem, inputs, outputs);
}

Result<void> verify_dims(const Plan& plan, std::span<const std::vector<int64_t>> dims, const std::vector<bool>& late,
                         std::span<const int> alike) {
  return DimsVerifier(plan, dims, late, alike).run();
}

}  // namespace mj
