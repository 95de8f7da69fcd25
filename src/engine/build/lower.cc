// SPDX-License-Identifier: Apache-2.0
#include "engine/build/lower.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "engine/build/place.h"
#include "ops/loop.h"

namespace mj {
namespace {

constexpr std::array<std::string_view, 5> kAliases = {"reshape", "reshape_to", "squeeze", "unsqueeze", "identity"};

class Lowering {
 public:
  // `bound`: symbols that have a value before the graph runs, besides those of its inputs.
  Lowering(const Graph& graph, const Chooser& choose, const Chooser& choose_on_host, std::set<std::string> bound)
      : graph_(graph), choose_(choose), choose_on_host_(choose_on_host), bound_(std::move(bound)) {
    plan_.name = graph.name;
  }

  Result<Plan> run() {
    for (ValueId id : graph_.inputs) {
      plan_.inputs.push_back(add(id, PlanTensor::Kind::input));
      bind_symbols(graph_.type(id));
    }
    given_ = bound_;
    for (NodeId id : graph_.order()) MJ_TRY(lower_node(graph_.node(id)));
    for (ValueId id : graph_.outputs) plan_.outputs.push_back(tensor(id));
    return std::move(plan_);
  }

 private:
  int add(ValueId id, PlanTensor::Kind kind, int alias_of = kNoTensor) {
    const Value& value = graph_.value(id);
    PlanTensor tensor;
    tensor.name = value.name;
    tensor.kind = kind;
    tensor.dtype = value.type().dtype;
    tensor.form = value.type().kind;
    tensor.shape = value.type().shape;
    tensor.alias_of = alias_of;
    if (kind == PlanTensor::Kind::constant) tensor.constant = value.info.constant;
    plan_.tensors.push_back(std::move(tensor));
    return tensors_[id] = static_cast<int>(plan_.tensors.size()) - 1;
  }

  // Constants get their tensor when first read: those that packing consumes are not stored a second time.
  int tensor(ValueId id) {
    if (id == kAbsent) return kNoTensor;
    const auto at = tensors_.find(id);
    if (at != tensors_.end()) return at->second;
    CHECK(graph_.value(id).is_constant(), "value '{}' is read before it is made", graph_.value(id).name);
    return add(id, PlanTensor::Kind::constant);
  }

  void bind_symbols(const Type& type) {
    if (!type.shape || !type.is_tensor()) return;
    for (const Dim& dim : *type.shape) bound_.merge(dim.symbols());
  }

  // May the node's output share its input's bytes? Its shape must not wait for the node itself to run.
  bool is_alias(const Node& node) const {
    if (!node.op || !node.epilogue.empty()) return false;
    if (std::find(kAliases.begin(), kAliases.end(), node.op.name()) == kAliases.end()) return false;
    const Type& type = graph_.type(node.outputs[0]);
    return !type.is_tensor() || sized(type);
  }

  // Are its dims known by now, when running has come so far?
  bool sized(const Type& type) const { return sized(type, bound_); }
  static bool sized(const Type& type, const std::set<std::string>& bound) {
    if (!type.shape) return false;
    return std::all_of(type.shape->begin(), type.shape->end(), [&](const Dim& dim) {
      const std::set<std::string> symbols = dim.symbols();
      return std::includes(bound.begin(), bound.end(), symbols.begin(), symbols.end());
    });
  }
  // Known before anything runs?
  bool sized_ahead(const std::vector<ValueId>& ids) const {
    return std::all_of(ids.begin(), ids.end(),
                       [&](ValueId id) { return id == kAbsent || sized(graph_.type(id), given_); });
  }

  Result<void> lower_node(const Node& node) {
    if (is_alias(node)) {
      add(node.outputs[0], PlanTensor::Kind::alias, tensor(node.inputs[0]));
      return {};
    }
    Step step;
    step.origin = node.origin;
    if (!node.regions.empty()) {
      const Loop* loop = node.op.get_if<Loop>();
      step.kind = loop ? Step::Kind::loop : Step::Kind::branch;
      step.carried = loop ? static_cast<int>(loop->carried) : 0;
      for (const Graph& region : node.regions) {
        MJ_ASSIGN(Plan branch, Lowering(region, choose_on_host_, choose_on_host_, bound_).run());
        step.branches.push_back(std::make_shared<const Plan>(std::move(branch)));
      }
      for (ValueId id : node.inputs) step.inputs.push_back(tensor(id));
    } else {
      MJ_TRY(lower_kernel(node, step));
    }
    for (ValueId id : node.outputs) {
      step.outputs.push_back(add(id, PlanTensor::Kind::temporary));
      bind_symbols(graph_.type(id));
    }
    plan_.steps.push_back(std::move(step));
    return {};
  }

  Result<void> lower_kernel(const Node& node, Step& step) {
    step.problem = problem_of(graph_, node);
    std::vector<Tensor> constants;
    for (ValueId id : node.inputs) {
      constants.push_back(id == kAbsent ? Tensor() : graph_.value(id).info.constant);
    }
    // Only the reference makes outputs whose size it finds out itself.
    const bool all_sized =
        std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return sized(graph_.type(id)); });
    const Chooser& choose = sized_ahead(node.inputs) && sized_ahead(node.outputs) ? choose_ : choose_on_host_;
    Result<Chosen> chosen = all_sized ? choose(step.problem, constants) : choose_reference(step.problem, constants);
    if (!chosen.ok()) return node.origin.empty() ? chosen.error() : chosen.error().in(node.origin[0]);
    step.choice = std::move(chosen->choice);
    step.problem.products = chosen->products;
    step.packed = std::move(chosen->packed.tensors);
    step.alternative = std::move(chosen->alternative);
    step.device = std::move(chosen->device);
    const std::vector<int>& consumed = chosen->packed.consumed;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const bool packed = std::find(consumed.begin(), consumed.end(), static_cast<int>(i)) != consumed.end();
      step.inputs.push_back(packed ? kNoTensor : tensor(node.inputs[i]));
    }
    return {};
  }

  const Graph& graph_;
  const Chooser &choose_, &choose_on_host_;
  Plan plan_;
  std::unordered_map<ValueId, int> tensors_;
  std::set<std::string> bound_, given_;  // by now, and before the first node
};

Operand operand_of(const Graph& graph, ValueId id) {
  if (id == kAbsent) return {};
  const Value& value = graph.value(id);
  const Type& type = value.type();
  return {type.dtype, type.shape.value_or(Shape{any_dim()}), value.is_constant(), type.kind};
}

}  // namespace

Problem problem_of(const Graph& graph, const Node& node) {
  Problem problem;
  problem.op = node.op;
  problem.epilogue = node.epilogue;
  problem.anchor_inputs =
      node.op ? (node.epilogue.empty() ? static_cast<int>(node.inputs.size()) : node.anchor_inputs) : 0;
  for (ValueId id : node.inputs) problem.inputs.push_back(operand_of(graph, id));
  for (ValueId id : node.outputs) problem.outputs.push_back(operand_of(graph, id));
  return problem;
}

Result<Plan> lower(const Graph& graph, const Chooser& choose, const Chooser& choose_on_host) {
  MJ_ASSIGN(Plan plan, Lowering(graph, choose, choose_on_host ? choose_on_host : choose, {}).run());
  return with_copies(std::move(plan));
}

Result<Chosen> choose_reference(const Problem&, std::span<const Tensor>) {
  Chosen chosen;
  chosen.choice.row = "reference";
  return chosen;
}

}  // namespace mj
