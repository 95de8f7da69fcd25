// SPDX-License-Identifier: Apache-2.0
#include "passes/bodies.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/constant.h"

namespace mj {
namespace {

// The largest rank among the node's other inputs.
int64_t rank_beside(const Graph& graph, const Node& node, ValueId input) {
  int64_t rank = 0;
  for (ValueId other : node.inputs) {
    if (other != input && other != kAbsent) rank = std::max(rank, graph.type(other).rank());
  }
  return rank;
}

}  // namespace

int BodyBuilder::add(Op op, std::vector<int> args, DType dtype) {
  pending_.push_back({std::move(op), std::move(args), dtype});
  return ~static_cast<int>(pending_.size() - 1);
}

int BodyBuilder::find(ValueId id) const {
  const auto at = std::find_if(defined_.begin(), defined_.end(), [&](const auto& d) { return d.first == id; });
  CHECK(at != defined_.end(), "a body's value is not defined");
  return at->second;
}

int BodyBuilder::anchor(DType dtype) {
  CHECK(dtypes_.empty(), "the anchor's result is the first parameter");
  has_anchor_ = true;
  dtypes_.push_back(dtype);
  return 0;
}

int BodyBuilder::use(const Graph& graph, ValueId id, int64_t rank) {
  for (const auto& [known, value] : defined_) {
    if (known == id) return value;
  }
  const Value& value = graph.value(id);
  int number = 0;
  const bool one = value.is_constant() && value.info.constant.size() == 1 && value.type().rank() <= rank;
  if (one && value.info.constant.dtype() == DType::f32) {
    number = add(Constant{value.info.constant.reshaped({})}, {}, value.type().dtype);
  } else {
    number = static_cast<int>(dtypes_.size());
    dtypes_.push_back(value.type().dtype);
    params_.push_back(id);
  }
  define(id, number);
  return number;
}

void BodyBuilder::define(ValueId id, int body_value) { defined_.emplace_back(id, body_value); }

void BodyBuilder::append(const Graph& graph, const Node& node) {
  if (node.op) {
    std::vector<int> args;
    for (ValueId input : node.inputs) args.push_back(use(graph, input, rank_beside(graph, node, input)));
    define(node.outputs[0], add(node.op, std::move(args), graph.type(node.outputs[0]).dtype));
    return;
  }
  std::vector<int> values;  // of the inner body
  for (ValueId input : node.inputs) values.push_back(use(graph, input, rank_beside(graph, node, input)));
  for (const BodyInstruction& instruction : node.epilogue.instructions) {
    std::vector<int> args;
    for (int arg : instruction.args) args.push_back(values[static_cast<size_t>(arg)]);
    values.push_back(add(instruction.op, std::move(args), instruction.dtype));
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    define(node.outputs[i], values[static_cast<size_t>(node.epilogue.results[i])]);
  }
}

Body BodyBuilder::finish(const std::vector<ValueId>& results) {
  const int first = static_cast<int>(dtypes_.size());
  auto final_number = [&](int number) { return number >= 0 ? number : first + ~number; };
  Body body;
  body.params = dtypes_;
  for (const Pending& pending : pending_) {
    std::vector<int> args;
    for (int arg : pending.args) args.push_back(final_number(arg));
    body.instructions.push_back({pending.op, std::move(args), pending.dtype});
  }
  for (ValueId result : results) body.results.push_back(final_number(find(result)));
  return body;
}

std::string why_not_in_body(const Graph& graph, const Node& node) {
  if (!node.is_pointwise()) return fmt::format("{} is not pointwise", node.op.name());
  if (node.op && !node.epilogue.empty()) return "it has an epilogue of its own";
  for (ValueId id : node.inputs) {
    if (id == kAbsent) return "an input is absent";
    const DType dtype = graph.type(id).dtype;
    if (!graph.type(id).is_tensor()) return "an input is no tensor";
    if (dtype != DType::f32 && dtype != DType::boolean) return fmt::format("an input is {}", name(dtype));
  }
  if (node.op && !node.op.info().map_f32) return fmt::format("{} has no f32 form", node.op.name());
  for (ValueId id : node.outputs) {
    const DType dtype = graph.type(id).dtype;
    if (dtype != DType::f32 && dtype != DType::boolean) return fmt::format("its result is {}", name(dtype));
    if (!graph.type(id).shape) return "its rank is unknown";
  }
  return "";
}

}  // namespace mj
