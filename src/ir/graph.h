// SPDX-License-Identifier: Apache-2.0
// Graph: values and nodes in vectors, handles are indices. Functional, SSA; a region is a graph of its own whose inputs
// are what it captures, so no name is looked up across graphs.
//
// Rewrites append nodes and redirect uses; erased nodes and values leave holes until normalize(), which drops what is
// dead, restores topological order and renumbers. Handles are stable between two calls of normalize().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/op.h"
#include "problem/body.h"

namespace mj {

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr ValueId kAbsent = -1;  // an optional input that is not there
inline constexpr NodeId kNoNode = -1;

struct Value {
  std::string name;  // the model's name where it has one; unique and not empty
  ValueInfo info;    // a constant has info.constant and no producer
  NodeId producer = kNoNode;
  std::vector<NodeId> users;  // each node once for each use; order of addition

  bool is_constant() const { return info.constant.present(); }
  const Type& type() const { return info.type; }
};

class Graph;

struct Node {
  Op op;                        // none for a fused pointwise node: all its maths stands in `epilogue`
  std::vector<ValueId> inputs;  // the anchor's, then the epilogue's; kAbsent where optional
  std::vector<ValueId> outputs;
  Body epilogue;
  int anchor_inputs = 0;            // of a node with an epilogue: how many of `inputs` are the anchor's
  std::vector<Graph> regions;       // of `if`: then, else; of `loop`: its body. Inputs: see own_inputs()
  std::vector<std::string> origin;  // names of the ONNX nodes it computes
  bool erased = false;

  bool is(std::string_view name) const { return op.is(name); }
  bool is_pointwise() const { return op ? op.info().pointwise : true; }
};

class Graph {
 public:
  std::string name;
  std::vector<ValueId> inputs, outputs;

  // --- reading
  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  Node& node(NodeId id) { return nodes_[static_cast<size_t>(id)]; }
  const Type& type(ValueId id) const { return value(id).info.type; }
  const Shape& shape(ValueId id) const { return *type(id).shape; }
  const Node* producer(ValueId id) const;  // null for inputs and constants
  ValueId value_count() const { return static_cast<ValueId>(values_.size()); }
  NodeId node_count() const { return static_cast<NodeId>(nodes_.size()); }
  // Nodes that are not erased, in topological order (as of the last normalize(); appended ones at the end).
  std::vector<NodeId> order() const;
  bool is_output(ValueId id) const;
  // Is `id` used once, and not an output of the graph?
  bool single_use(ValueId id) const;

  // --- building
  ValueId add_input(std::string name, Type type);
  ValueId add_constant(std::string name, Tensor tensor);  // shares the tensor's bytes
  ValueId add_constant(Tensor tensor) { return add_constant("", std::move(tensor)); }
  // Adds a node and infers its outputs. Errors are the shape rule's, in the node's name.
  // `output_names` may be shorter than `outputs`; missing ones are made up.
  Result<std::vector<ValueId>> add(Op op, std::vector<ValueId> inputs, int outputs = 1,
                                   std::vector<std::string> output_names = {}, std::vector<std::string> origin = {});
  // The same for one output where we know that it fits (rewrites): an error is a CHECK.
  ValueId add1(Op op, std::vector<ValueId> inputs, std::vector<std::string> origin = {});
  // A node whose outputs' types are given: regions, fused nodes.
  std::vector<ValueId> add_typed(Node node, std::vector<ValueInfo> outputs, std::vector<std::string> output_names = {});

  // --- changing
  // Every use of `from` (nodes, outputs) becomes `to`. An output keeps its public name: `to` takes over the name.
  void replace_uses(ValueId from, ValueId to);
  void replace_input(NodeId node, size_t index, ValueId to);
  // From now on no other value gets this name.
  void rename(ValueId id, std::string_view name);
  void erase(NodeId node);  // its outputs must be unused
  // Re-runs shape rules in order; new facts (shapes, contents) replace older ones. Region inputs get them too.
  Result<void> infer_all();
  // Drops dead nodes and values, sorts topologically, renumbers. Returns whether anything was dropped.
  bool normalize();

  // A symbol that no dimension of this compilation has yet: "hint", or "hint.1", ... Shared by a graph and its regions.
  Dim fresh_symbol(std::string_view hint);
  // Call on an empty region before filling it: it draws names and symbols from the outer graph's pool.
  void share_names(const Graph& other);

 private:
  std::string unique_name(std::string_view base);
  Result<void> infer_all(std::map<std::string, Dim, std::less<>> learned);
  ValueId add_value(std::string_view name, ValueInfo info, NodeId producer);

  std::vector<Value> values_;
  std::vector<Node> nodes_;
  struct Names;
  std::shared_ptr<Names> names_;  // unique names of values and symbols; shared with copies and regions
};

// Inputs of a node as a shape rule sees them.
std::vector<ValueInfo> input_infos(const Graph& graph, const Node& node);

// A node with regions: input i of a region is input i + 1 of the node, but for the first own_inputs(): a loop's region
// has the iteration and what is carried, which change while it runs.
size_t own_inputs(const Node& node);
// The type of output `output` of a node with regions.
//   if    what both branches agree on; a dimension that differs becomes a symbol, a rank that differs becomes unknown
//   loop  of what is carried, what its region takes; of stacked items, the item with the number of runs in front.
//         Dimensions that only mean something inside become symbols.
Type type_from_regions(Graph& graph, const Node& node, size_t output);

// Empty, or the first broken invariant, naming node and value: the IR's written spec, run between passes in debug
// builds and by tests.
std::string verify(const Graph& graph);

// Text form: prints, and parses back to the same graph (constants above `inline_elements` print as "hash:..." and parse
// only when the text was printed with all elements).
struct PrintOptions {
  int64_t inline_elements = 16;
  bool types = true;
};
std::string to_string(const Graph& graph, const PrintOptions& options = {});
Result<Graph> parse_graph(std::string_view text);

}  // namespace mj
