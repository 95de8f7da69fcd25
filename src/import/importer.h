// SPDX-License-Identifier: Apache-2.0
// Importer: walks an ONNX model once, in order, and builds the graph. Used up by run().
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "import/node.h"
#include "import/onnx.h"
#include "import/proto.h"
#include "import/tensors.h"
#include "ir/graph.h"

namespace mj::onnx {

// The result of a node that we do not support: what depends on it is left out without another message.
inline constexpr ValueId kPoisoned = -2;

// From import_if() to add_nodes(): neither branch is taken yet.
inline constexpr std::string_view kRanksDiffer = "the branches differ in rank";

class Importer {
 public:
  // All three outlive the importer.
  Importer(const ModelProto& model, const ImportOptions& options, TensorReader& tensors)
      : model_(model),
        tensors_(tensors),
        limits_(options.limits),
        fallback_(options.fallback),
        nodes_left_(limits_.nodes) {}

  Result<Graph> run();

  // --- for import functions
  Result<Tensor> tensor(const TensorProto& proto) { return tensors_.read(proto); }
  // A name for a value that the model does not name: none of the model's own names is taken.
  std::string free_name(std::string_view base) const;
  // Imports the branch alone where the condition is known; else an `if` node, captured values being inputs of both.
  void import_if(NodeImport& node);
  // A graph in an attribute that the node calls, like a function; its results, none after an error of the node.
  std::vector<ValueId> inline_graph(NodeImport& node, const GraphProto& proto, std::span<const ValueId> inputs);
  void import_loop(NodeImport& node);
  void import_scan(NodeImport& node);
  void import_scan_8(NodeImport& node);
  void import_sequence_map(NodeImport& node);
  // The node as a model of its own, with its subgraphs, for ONNX Runtime.
  void import_fallback(NodeImport& node);

 private:
  // What becomes of an If whose condition only running can tell.
  enum class Branching : uint8_t {
    undecided,    // an `if` node, unless its branches differ in rank: see add_nodes_by_branch()
    then_branch,  // as if the condition were true
    else_branch,
    both,  // an `if` node in any case; results that differ in rank have none
  };
  // The names that one list of nodes sees: those of the main graph, of a region, or of a function's body.
  struct Frame {
    Graph* graph = nullptr;
    std::unordered_map<std::string_view, ValueId> values;
    const std::vector<OperatorSet>* opsets = nullptr;
    std::map<std::string_view, const AttributeProto*> attributes;  // of the function call
    std::map<std::string_view, std::string> renames;               // a function's outputs go by the caller's names
    std::string prefix;                                            // of value names and labels inside a function
    const FunctionProto* function = nullptr;
    Frame* caller = nullptr;
    int depth = 0;
  };
  struct Unsupported {
    std::string what;
    std::string reason;
    std::vector<std::string> nodes;
  };
  using FunctionKey = std::tuple<std::string_view, std::string_view, std::string_view>;

  Result<void> check_opsets() const;
  Result<void> collect_functions();
  Result<void> add_inputs(Frame& frame);
  Result<Type> input_type(Graph& graph, const ValueInfoProto& input);
  static Type type_inside(const TypeProto& proto, DType dtype);
  Result<void> add_initializers(Frame& frame, const GraphProto& proto);
  Result<void> add_nodes(Frame& frame, const std::vector<NodeProto>& nodes, size_t begin = 0,
                         Branching first = Branching::undecided);
  Result<void> add_nodes_by_branch(Frame& frame, const std::vector<NodeProto>& nodes, size_t begin);
  Result<void> add_node(Frame& frame, const NodeProto& node, size_t index, Branching branching);
  Result<void> add_function_call(Frame& frame, const FunctionProto& function, const NodeProto& node,
                                 std::vector<NamedAttribute> attributes, std::vector<ValueId> inputs,
                                 const std::string& label);
  Result<void> add_outputs(Frame& frame);
  Frame inner_frame(const Frame& outer, Graph& graph) const;

  // --- subgraphs
  struct Region {
    Graph graph;
    Frame frame;  // points to it
    Region() = default;
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
  };
  // A loop before its region is there: see ops/loop.h.
  struct LoopParts {
    ValueId most = kAbsent, condition = kAbsent;
    std::vector<ValueId> initial, captured;
    // Adds the body to a region whose inputs are there; `inputs`: iteration, carried, captured. Returns the region's
    // outputs. Called more than once: until the types of what is carried hold for every run.
    std::function<Result<std::vector<ValueId>>(Region&, std::span<const ValueId> inputs)> body;
  };
  void inline_branch(NodeImport& node, const GraphProto& branch);
  Result<Graph> branch(const Frame& outer, const GraphProto& proto, const std::vector<std::string_view>& captures);
  void open_region(const Frame& outer, Region& region) const;
  static ValueId capture(const Graph& outer, ValueId id, Region& region);
  Result<std::vector<ValueId>> fill_region(Region& region, const GraphProto& proto, std::string_view what);
  // Names of the outer graph that these use, each once.
  static std::vector<std::string_view> captures_of(const Frame& outer, std::span<const GraphProto* const> graphs);
  // Adds the loop; see NodeImport::finish_typed().
  std::vector<ValueId> finish_loop(NodeImport& node, const LoopParts& parts, const std::set<size_t>& in_between = {});

  Result<ValueId> lookup(const Frame& frame, std::string_view name, const std::string& label) const;
  Result<void> define(Frame& frame, std::string_view name, ValueId id, const std::string& label) const;
  Result<std::vector<NamedAttribute>> resolve_attributes(const Frame& frame, const NodeProto& node,
                                                         const std::string& label) const;
  std::string value_name(const Frame& frame, std::string_view name) const;
  int64_t opset_of(const Frame& frame, std::string_view domain) const;
  void record(const NodeProto& node, int64_t opset, const std::string& label, std::string reason);
  Error unsupported_error() const;
  // Is it one of those that the user leaves to ONNX Runtime?
  bool falls_back(const Frame& frame, const NodeProto& node);
  Result<void> check_fallbacks() const;
  // add(value), or where the value has a type that we do not have: an entry of the list and kPoisoned.
  template <class T, class Add>
  Result<ValueId> or_poison(Result<T> value, const Add& add);

  const ModelProto& model_;
  TensorReader& tensors_;
  const ImportLimits& limits_;
  const std::vector<std::string>& fallback_;
  std::set<std::string_view> fallbacks_found_;
  int64_t nodes_left_;
  std::map<FunctionKey, const FunctionProto*> functions_;
  std::unordered_set<std::string_view> main_names_;
  std::map<std::string_view, Dim> symbols_;  // by dim_param
  std::vector<Unsupported> unsupported_;
  Frame* frame_ = nullptr;  // of the node at hand, and how to take it if it is an If
  Branching branching_ = Branching::undecided;
  int branchings_left_ = 16;
};

}  // namespace mj::onnx
