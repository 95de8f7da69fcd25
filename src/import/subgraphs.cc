// SPDX-License-Identifier: Apache-2.0
// Graphs within nodes: regions and what they capture, If.
#include <algorithm>

#include "import/importer.h"
#include "ops/if.h"

namespace mj::onnx {
namespace {

// Names that a graph uses and does not define, in order of first use.
void free_names(const GraphProto& graph, std::vector<std::string_view>& out) {
  std::unordered_set<std::string_view> defined{""};
  for (const ValueInfoProto& input : graph.inputs) defined.insert(input.name);
  for (const TensorProto& tensor : graph.initializers) defined.insert(tensor.name);
  for (const NodeProto& node : graph.nodes) defined.insert(node.outputs.begin(), node.outputs.end());
  std::vector<std::string_view> used;
  for (const NodeProto& node : graph.nodes) {
    used.insert(used.end(), node.inputs.begin(), node.inputs.end());
    for (const AttributeProto& attribute : node.attributes) {
      if (attribute.g) free_names(*attribute.g, used);
    }
  }
  for (const ValueInfoProto& output : graph.outputs) used.push_back(output.name);
  for (std::string_view name : used) {
    if (defined.insert(name).second) out.push_back(name);
  }
}

// The value, where it follows from constants and known dimensions alone; absent otherwise. Meant for conditions: it
// follows a few small nodes back. `seen` holds what was found on the way.
Tensor known_value(const Graph& graph, ValueId id, std::unordered_map<ValueId, Tensor>& seen, int depth = 12) {
  constexpr int64_t kSmall = 64;
  if (const auto found = seen.find(id); found != seen.end()) return found->second;
  const Value& value = graph.value(id);
  if (value.is_constant()) return value.info.constant.size() <= kSmall ? value.info.constant : Tensor();
  if (const auto elements = value.info.known_elements(); elements && value.type().dtype == DType::i64) {
    Tensor known = Tensor::of_i64(*elements);
    return value.type().rank() == 0 ? known.reshaped({}) : known;
  }
  const Node* node = graph.producer(id);
  if (node == nullptr || !node->op || !node->regions.empty() || node->outputs.size() != 1 || depth == 0) return {};
  if (!node->op.pure()) return {};
  if (!value.type().ranked() || !element_count(*value.type().shape).constant().has_value() ||
      *element_count(*value.type().shape).constant() > kSmall) {
    return {};
  }
  std::vector<Tensor> inputs;
  for (ValueId input : node->inputs) {
    inputs.push_back(input == kAbsent ? Tensor() : known_value(graph, input, seen, depth - 1));
    if (input != kAbsent && !inputs.back().present()) return seen[id] = Tensor();
  }
  Result<std::vector<Tensor>> result = evaluate(node->op, inputs);
  return seen[id] = result.ok() ? std::move((*result)[0]) : Tensor();
}

}  // namespace

Importer::Frame Importer::inner_frame(const Frame& outer, Graph& graph) const {
  Frame frame;
  frame.graph = &graph;
  frame.opsets = outer.opsets;
  frame.attributes = outer.attributes;
  frame.prefix = outer.prefix;
  frame.function = outer.function;
  frame.caller = outer.caller;
  frame.depth = outer.depth + 1;
  return frame;
}

void Importer::open_region(const Frame& outer, Region& region) const {
  region.graph.share_names(*outer.graph);
  region.frame = inner_frame(outer, region.graph);
}

// Constants are copied (they share their bytes), other values become inputs of the region.
ValueId Importer::capture(const Graph& outer, ValueId id, Region& region) {
  if (id == kPoisoned || id == kAbsent) return id;
  const Value& value = outer.value(id);
  if (value.is_constant()) return region.graph.add_constant(value.name, value.info.constant);
  const ValueId inner = region.graph.add_input(value.name, value.type());
  region.graph.value(inner).info = value.info;
  return inner;
}

Result<std::vector<ValueId>> Importer::fill_region(Region& region, const GraphProto& proto, std::string_view what) {
  MJ_TRY(add_initializers(region.frame, proto));
  MJ_TRY(add_nodes(region.frame, proto.nodes));
  std::vector<ValueId> outputs;
  for (const ValueInfoProto& output : proto.outputs) {
    MJ_ASSIGN(outputs.emplace_back(), lookup(region.frame, output.name, fmt::format("the outputs of {}", what)));
    if (outputs.back() == kAbsent) return model_error("output '{}' of {} is absent", output.name, what);
  }
  return outputs;
}

std::vector<std::string_view> Importer::captures_of(const Frame& outer, std::span<const GraphProto* const> graphs) {
  std::vector<std::string_view> used, captures;
  for (const GraphProto* graph : graphs) free_names(*graph, used);
  std::unordered_set<std::string_view> seen;
  for (std::string_view name : used) {  // an unknown one is an error where it is used
    if (outer.values.contains(name) && seen.insert(name).second) captures.push_back(name);
  }
  return captures;
}

Result<Graph> Importer::branch(const Frame& outer, const GraphProto& proto,
                               const std::vector<std::string_view>& captures) {
  Region region;
  open_region(outer, region);
  region.graph.name = std::string(proto.name);
  for (std::string_view name : captures) {
    region.frame.values[name] = capture(*outer.graph, outer.values.at(name), region);
  }
  MJ_ASSIGN(region.graph.outputs, fill_region(region, proto, "a branch"));
  return std::move(region.graph);
}

void Importer::inline_branch(NodeImport& node, const GraphProto& branch) {
  const Frame& outer = *frame_;
  Frame frame = inner_frame(outer, *outer.graph);
  std::vector<std::string_view> captures;
  free_names(branch, captures);
  for (std::string_view name : captures) {
    const auto found = outer.values.find(name);
    if (found != outer.values.end()) frame.values.insert(*found);
  }
  for (size_t i = 0; i < std::min(branch.outputs.size(), node.proto.outputs.size()); ++i) {
    if (node.wants(i)) frame.renames[branch.outputs[i].name] = value_name(outer, node.proto.outputs[i]);
  }
  const auto import = [&]() -> Result<void> {
    MJ_TRY(add_initializers(frame, branch));
    MJ_TRY(add_nodes(frame, branch.nodes));
    for (size_t i = 0; i < branch.outputs.size(); ++i) {
      MJ_ASSIGN(ValueId id, lookup(frame, branch.outputs[i].name, "the outputs of a branch"));
      if (id == kPoisoned) return Error{ErrorCode::unsupported, ""};  // the cause is on the list
      node.output(i, id);
    }
    return {};
  };
  if (Result<void> imported = import(); !imported.ok()) node.fail(imported.error());
}

std::vector<ValueId> Importer::inline_graph(NodeImport& node, const GraphProto& proto,
                                            std::span<const ValueId> inputs) {
  Frame& outer = *frame_;
  Frame frame = inner_frame(outer, *outer.graph);
  frame.prefix = fmt::format("{}{}/{}/", outer.prefix, node.label(), proto.name);
  std::vector<std::string_view> captures;
  free_names(proto, captures);
  for (std::string_view name : captures) {
    const auto found = outer.values.find(name);
    if (found != outer.values.end()) frame.values.insert(*found);
  }
  const auto import = [&]() -> Result<std::vector<ValueId>> {
    if (proto.inputs.size() != inputs.size()) {
      return model_error("graph '{}' takes {} inputs, here it gets {}", proto.name, proto.inputs.size(), inputs.size());
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      MJ_TRY(define(frame, proto.inputs[i].name, inputs[i], node.label()));
    }
    MJ_TRY(add_initializers(frame, proto));
    MJ_TRY(add_nodes(frame, proto.nodes));
    std::vector<ValueId> outputs;
    for (const ValueInfoProto& output : proto.outputs) {
      MJ_ASSIGN(outputs.emplace_back(), lookup(frame, output.name, "the outputs of a graph"));
      if (outputs.back() == kPoisoned) return Error{ErrorCode::unsupported, ""};  // the cause is on the list
    }
    return outputs;
  };
  Result<std::vector<ValueId>> outputs = import();
  frame_ = &outer;
  if (outputs.ok()) return std::move(outputs).value();
  node.fail(outputs.error());
  return {};
}

void Importer::import_if(NodeImport& node) {
  const Frame& outer = *frame_;
  const Branching branching = branching_;
  node.inputs_between(1, 1);
  const ValueId condition = node.in(0);
  const GraphProto* branches[] = {node.subgraph("then_branch"), node.subgraph("else_branch")};
  if (node.failed()) return;
  if (node.dtype(condition) != DType::boolean) {
    return node.fail("its condition must be bool, got {}", to_string(node.type(condition)));
  }
  for (const GraphProto* branch : branches) {
    if (!branch->inputs.empty()) return node.fail("a branch takes no inputs, this one has {}", branch->inputs.size());
  }
  if (branching == Branching::then_branch) return inline_branch(node, *branches[0]);
  if (branching == Branching::else_branch) return inline_branch(node, *branches[1]);
  std::unordered_map<ValueId, Tensor> found;
  if (const Tensor known = known_value(node.graph, condition, found); known.present() && known.size() == 1) {
    return inline_branch(node, *branches[known.data<bool>()[0] ? 0 : 1]);
  }

  const std::vector<std::string_view> captures = captures_of(outer, branches);
  Node result;
  result.op = Op(If{});
  result.origin = {node.label()};
  for (const GraphProto* branch : branches) {
    Result<Graph> graph = this->branch(outer, *branch, captures);
    if (!graph.ok()) return node.fail(graph.error());
    result.regions.push_back(std::move(graph).value());
  }
  const Graph &then_graph = result.regions[0], &else_graph = result.regions[1];
  const size_t outputs = then_graph.outputs.size();
  if (else_graph.outputs.size() != outputs || node.output_count() > outputs) {
    return node.fail("its branches have {} and {} outputs and the node has {}", outputs, else_graph.outputs.size(),
                     node.output_count());
  }
  result.inputs = {condition};
  for (std::string_view name : captures) {
    const ValueId id = outer.values.at(name);
    if (id >= 0 && !outer.graph->value(id).is_constant()) result.inputs.push_back(id);
  }
  std::vector<ValueInfo> infos;
  for (size_t i = 0; i < outputs; ++i) {
    const ValueId a = then_graph.outputs[i], b = else_graph.outputs[i];
    if (a == kPoisoned || b == kPoisoned) return node.leave_out();
    const Type &x = then_graph.type(a), &y = else_graph.type(b);
    if (x.dtype != y.dtype || x.kind != y.kind) {
      return node.fail("output {} is {} in one branch and {} in the other", i, to_string(x), to_string(y));
    }
    if (x.is_tensor() && x.rank() != y.rank() && branching == Branching::undecided && branchings_left_ > 0) {
      return node.fail(Error{ErrorCode::model, std::string(kRanksDiffer)});
    }
    infos.push_back(ValueInfo::of(type_from_regions(node.graph, result, i)));
  }
  node.finish_typed(std::move(result), std::move(infos));
}

}  // namespace mj::onnx
