// SPDX-License-Identifier: Apache-2.0
#include "import/importer.h"

#include <algorithm>

#include "base/checked.h"
#include "base/log.h"
#include "import/plugins.h"
#include "import/rows.h"

namespace mj::onnx {
namespace {

constexpr int64_t kOldestOpset = 1;
constexpr int64_t kNewestOpset = 28;  // the newest whose changes were read through

bool is_default_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

// Exporters write these for "I do not know"; they name nothing.
bool names_nothing(std::string_view param) { return param.empty() || param == "?" || param == "-1" || param == "None"; }

std::string label_of(const NodeProto& node, size_t index, const std::string& prefix) {
  if (node.name.empty()) return fmt::format("{}#{} of type {}", prefix, index, node.op_type);
  return fmt::format("{}{} ({})", prefix, node.name, node.op_type);
}

}  // namespace

Result<Graph> Importer::run() {
  MJ_TRY(check_opsets());
  MJ_TRY(collect_functions());
  for (const ValueInfoProto& input : model_.graph.inputs) main_names_.insert(input.name);
  for (const NodeProto& node : model_.graph.nodes) main_names_.insert(node.outputs.begin(), node.outputs.end());
  for (const TensorProto& tensor : model_.graph.initializers) main_names_.insert(tensor.name);

  Graph graph;
  graph.name = std::string(model_.graph.name);
  Frame frame;
  frame.graph = &graph;
  frame.opsets = &model_.opsets;
  MJ_TRY(add_inputs(frame));
  MJ_TRY(add_initializers(frame, model_.graph));
  MJ_TRY(add_nodes(frame, model_.graph.nodes));
  MJ_TRY(check_fallbacks());
  if (!unsupported_.empty()) return unsupported_error();
  MJ_TRY(add_outputs(frame));
  return graph;
}

Result<void> Importer::check_opsets() const {
  for (const OperatorSet& set : model_.opsets) {
    if (!is_default_domain(set.domain)) continue;  // other domains count only where a node uses them
    if (set.version >= kOldestOpset && set.version <= kNewestOpset) continue;
    return error(ErrorCode::unsupported, "the model uses ONNX opset {}; opsets {} to {} are supported", set.version,
                 kOldestOpset, kNewestOpset);
  }
  return {};
}

Result<void> Importer::collect_functions() {
  for (const FunctionProto& function : model_.functions) {
    const auto [at, added] = functions_.try_emplace({function.domain, function.name, function.overload}, &function);
    if (!added) return model_error("function '{}' of domain '{}' is defined twice", function.name, function.domain);
  }
  return {};
}

std::string Importer::free_name(std::string_view base) const {
  std::string name(base);
  for (int n = 1; main_names_.contains(name); ++n) name = fmt::format("{}.{}", base, n);
  return name;
}

std::string Importer::value_name(const Frame& frame, std::string_view name) const {
  const auto renamed = frame.renames.find(name);
  if (renamed != frame.renames.end()) return renamed->second;
  if (frame.graph != nullptr && frame.prefix.empty() && frame.depth == 0) return std::string(name);
  return free_name(frame.prefix + std::string(name));
}

// --- inputs, initializers, outputs

// Of what is inside a sequence or optional. A dim without a number gives no symbol its value: it may differ from tensor
// to tensor, and nothing need be there.
Type Importer::type_inside(const TypeProto& proto, DType dtype) {
  if (!proto.has_shape) return Type::unranked(dtype);
  Shape shape;
  for (const Dimension& dim : proto.dims) {
    shape.push_back(dim.has_value && dim.value >= 0 ? Dim(dim.value) : any_dim());
  }
  return Type::tensor(dtype, std::move(shape));
}

Result<Type> Importer::input_type(Graph& graph, const ValueInfoProto& input) {
  if (input.type.kind == TypeProto::Kind::none || input.type.kind == TypeProto::Kind::other) {
    return error(ErrorCode::unsupported,
                 "input '{}' is neither a tensor, a sequence of tensors nor an optional of these: nothing else is "
                 "supported",
                 input.name);
  }
  Result<DType> dtype = dtype_of(input.type.elem_type);
  if (!dtype.ok()) return dtype.error().in(fmt::format("input '{}'", input.name));
  if (input.type.kind == TypeProto::Kind::sequence) return Type::sequence(type_inside(input.type, *dtype));
  if (input.type.kind == TypeProto::Kind::optional) return type_inside(input.type, *dtype).as_optional();
  if (input.type.kind == TypeProto::Kind::optional_sequence) {
    return Type::sequence(type_inside(input.type, *dtype)).as_optional();
  }
  if (!input.type.has_shape) return Type::unranked(*dtype);
  Shape shape;
  for (const Dimension& dim : input.type.dims) {
    if (dim.has_value && dim.value >= 0) {
      shape.push_back(Dim(dim.value));
      continue;
    }
    if (!names_nothing(dim.param)) {
      const auto [at, added] = symbols_.try_emplace(dim.param);
      if (added) at->second = Dim::symbol(dim.param);
      if (!at->second.valid()) {
        return model_error("input '{}': a dimension's name is {} bytes long", input.name, dim.param.size());
      }
      shape.push_back(at->second);
      continue;
    }
    const std::string hint = fmt::format("{}.{}", input.name.substr(0, 100), shape.size());
    Dim fresh = graph.fresh_symbol(hint);
    while (symbols_.contains(fresh.symbol_name().value_or(""))) fresh = graph.fresh_symbol(hint);
    shape.push_back(fresh);
  }
  std::vector<int64_t> known;
  for (const Dim& dim : shape) known.push_back(dim.constant().value_or(1));
  const Result<int64_t> bytes = tensor_bytes(*dtype, known);
  if (!bytes.ok()) return bytes.error().in(fmt::format("input '{}'", input.name));
  return Type::tensor(*dtype, std::move(shape));
}

template <class T, class Add>
Result<ValueId> Importer::or_poison(Result<T> value, const Add& add) {
  if (value.ok()) return add(std::move(value).value());
  if (value.error().code != ErrorCode::unsupported) return value.error();
  unsupported_.push_back({value.error().message, "", {}});  // goes on the list; what depends on it is passed over
  return kPoisoned;
}

Result<void> Importer::add_inputs(Frame& frame) {
  std::unordered_set<std::string_view> initialized;
  for (const TensorProto& tensor : model_.graph.initializers) initialized.insert(tensor.name);
  for (const ValueInfoProto& input : model_.graph.inputs) {  // first, so that made-up symbols keep clear of them
    if (input.type.kind != TypeProto::Kind::tensor) continue;
    for (const Dimension& dim : input.type.dims) {
      if (!dim.has_value && !names_nothing(dim.param)) symbols_.try_emplace(dim.param, Dim::symbol(dim.param));
    }
  }
  for (const ValueInfoProto& input : model_.graph.inputs) {
    if (initialized.contains(input.name)) continue;  // a default value, which is a constant to us
    if (input.name.empty()) return model_error("an input of the graph has no name");
    Result<Type> type = input_type(*frame.graph, input);
    MJ_ASSIGN(const ValueId id, or_poison(std::move(type), [&](Type&& known) {
                return frame.graph->add_input(std::string(input.name), std::move(known));
              }));
    MJ_TRY(define(frame, input.name, id, "the inputs"));
  }
  return {};
}

Result<void> Importer::add_initializers(Frame& frame, const GraphProto& proto) {
  if (!proto.sparse_initializers.empty()) {
    return error(ErrorCode::unsupported, "initializer '{}' is sparse; sparse tensors are not supported",
                 proto.sparse_initializers[0]);
  }
  for (const TensorProto& initializer : proto.initializers) {
    if (initializer.name.empty()) return model_error("an initializer has no name");
    MJ_ASSIGN(const ValueId id, or_poison(tensors_.read(initializer), [&](Tensor&& tensor) {
                return frame.graph->add_constant(value_name(frame, initializer.name), std::move(tensor));
              }));
    MJ_TRY(define(frame, initializer.name, id, "the initializers"));
  }
  return {};
}

namespace {

// What the model says of an output against what its nodes make. A wrong element type is an error, as whoever reads the
// output trusts it; wrong sizes are only worth a word, exporters leave them behind.
Result<void> check_declared(const ValueInfoProto& output, const Type& found) {
  const Result<DType> dtype = dtype_of(output.type.elem_type);
  if (output.type.kind == TypeProto::Kind::none || !dtype.ok() || *dtype == DType::none) return {};
  if (*dtype != found.dtype) {
    return model_error(
        "output '{}' is declared as {}, but the graph makes {}; export the model anew, or mend the declaration",
        output.name, name(*dtype), to_string(found));
  }
  if (output.type.kind != TypeProto::Kind::tensor || !output.type.has_shape || !found.is_tensor() || !found.shape)
    return {};
  Shape declared;
  for (const Dimension& dim : output.type.dims) {
    declared.push_back(dim.has_value && dim.value >= 0 ? Dim(dim.value) : any_dim());
  }
  bool fits = declared.size() == found.shape->size();
  for (size_t i = 0; fits && i < declared.size(); ++i) fits = equal(declared[i], (*found.shape)[i]) != Tri::no;
  if (!fits) {
    log_warning("output '{}' is declared as {}, but the graph makes {}", output.name,
                to_string(Type::tensor(*dtype, std::move(declared))), to_string(found));
  }
  return {};
}

}  // namespace

// Names of outputs are public: each output is a value of its own that bears its name.
Result<void> Importer::add_outputs(Frame& frame) {
  Graph& graph = *frame.graph;
  std::unordered_set<std::string_view> names;
  for (const ValueInfoProto& output : model_.graph.outputs) {
    if (!names.insert(output.name).second) return model_error("output '{}' is listed twice", output.name);
  }
  for (const ValueInfoProto& output : model_.graph.outputs) {
    MJ_ASSIGN(ValueId id, lookup(frame, output.name, "the outputs of the graph"));
    if (id == kAbsent) return model_error("output '{}' of the graph is absent", output.name);
    MJ_TRY(check_declared(output, graph.type(id)));
    const Value& value = graph.value(id);
    const std::string wanted(output.name);
    if (value.name != wanted || value.is_constant()) {
      if (value.producer == kNoNode || graph.is_output(id) || names.contains(value.name)) {
        if (value.name == wanted) graph.value(id).name = free_name(wanted + ".value");
        MJ_ASSIGN(std::vector<ValueId> copy, graph.add(mj::op("identity"), {id}, 1, {wanted}));
        id = copy[0];
      }
      graph.rename(id, wanted);
    }
    graph.outputs.push_back(id);
  }
  if (graph.outputs.empty()) return model_error("the graph has no outputs");
  return {};
}

// --- names

Result<ValueId> Importer::lookup(const Frame& frame, std::string_view name, const std::string& label) const {
  if (name.empty()) return kAbsent;
  const auto found = frame.values.find(name);
  if (found != frame.values.end()) return found->second;
  return model_error(
      "{}: '{}' is not defined before it is used: the graph has a cycle, is not sorted, or is incomplete", label, name);
}

Result<void> Importer::define(Frame& frame, std::string_view name, ValueId id, const std::string& label) const {
  if (frame.values.emplace(name, id).second) return {};
  return model_error("{}: '{}' is defined twice", label, name);
}

int64_t Importer::opset_of(const Frame& frame, std::string_view domain) const {
  for (const OperatorSet& set : *frame.opsets) {
    if (set.domain == domain || (is_default_domain(domain) && is_default_domain(set.domain))) return set.version;
  }
  return 0;
}

Result<std::vector<NamedAttribute>> Importer::resolve_attributes(const Frame& frame, const NodeProto& node,
                                                                 const std::string& label) const {
  std::vector<NamedAttribute> attributes;
  for (const AttributeProto& attribute : node.attributes) {
    const bool twice = std::any_of(attributes.begin(), attributes.end(),
                                   [&](const NamedAttribute& other) { return other.first == attribute.name; });
    if (twice) return model_error("{}: attribute '{}' is given twice", label, attribute.name);
    if (attribute.ref_attr_name.empty()) {
      attributes.emplace_back(attribute.name, &attribute);
      continue;
    }
    const auto bound = frame.attributes.find(attribute.ref_attr_name);
    if (bound != frame.attributes.end()) attributes.emplace_back(attribute.name, bound->second);
  }
  return attributes;
}

// --- nodes

Result<void> Importer::add_nodes(Frame& frame, const std::vector<NodeProto>& nodes, size_t begin, Branching first) {
  for (size_t i = begin; i < nodes.size(); ++i) {
    Result<void> added = add_node(frame, nodes[i], i, i == begin ? first : Branching::undecided);
    if (added.ok()) continue;
    if (added.error().message == kRanksDiffer) return add_nodes_by_branch(frame, nodes, i);
    return added;
  }
  return {};
}

// The If at `begin` gives different ranks, which exporters write where their source asked for a dimension ("squeeze it
// if it is 1"). What follows tells the ranks apart: a branch after which it cannot be imported was never meant to be
// taken, so the other one is taken for good. Where both or neither fit, the If stays.
Result<void> Importer::add_nodes_by_branch(Frame& frame, const std::vector<NodeProto>& nodes, size_t begin) {
  --branchings_left_;
  const Graph graph = *frame.graph;
  const Frame names = frame;
  const std::vector<Unsupported> unsupported = unsupported_;
  const auto restore = [&] {
    *frame.graph = graph;
    frame = names;
    unsupported_ = unsupported;
  };
  std::vector<std::pair<Graph, Frame>> fitting;
  for (Branching branch : {Branching::then_branch, Branching::else_branch}) {
    if (add_nodes(frame, nodes, begin, branch).ok() && unsupported_.size() == unsupported.size()) {
      fitting.emplace_back(*frame.graph, frame);
    }
    restore();
  }
  if (fitting.size() != 1) return add_nodes(frame, nodes, begin, Branching::both);
  *frame.graph = std::move(fitting[0].first);
  frame = std::move(fitting[0].second);
  return {};
}

Result<void> Importer::add_node(Frame& frame, const NodeProto& node, size_t index, Branching branching) {
  const std::string label = label_of(node, index, frame.prefix);
  nodes_left_ -= 1 + static_cast<int64_t>((node.inputs.size() + node.outputs.size()) / 16);
  if (nodes_left_ < 0) {
    return model_error("{}: the model has more than {} nodes after its functions are inlined", label, limits_.nodes);
  }
  bool poisoned = false;
  std::vector<ValueId> inputs;
  for (std::string_view name : node.inputs) {
    MJ_ASSIGN(ValueId id, lookup(frame, name, label));
    poisoned = poisoned || id == kPoisoned;
    inputs.push_back(id);
  }
  while (!inputs.empty() && inputs.back() == kAbsent) inputs.pop_back();
  MJ_ASSIGN(std::vector<NamedAttribute> attributes, resolve_attributes(frame, node, label));

  const auto poison = [&]() -> Result<void> {
    for (std::string_view name : node.outputs) {
      if (!name.empty()) MJ_TRY(define(frame, name, kPoisoned, label));
    }
    return {};
  };
  const int64_t opset = opset_of(frame, node.domain);
  const bool fallback = falls_back(frame, node);
  const PluginOperator plugin =
      fallback ? PluginOperator{} : find_plugin_operator(node.domain, node.op_type, std::max<int64_t>(opset, 1));
  const auto function = functions_.find({node.domain, node.op_type, node.overload});
  if (!fallback && !plugin && function != functions_.end()) {
    return add_function_call(frame, *function->second, node, std::move(attributes), std::move(inputs), label);
  }
  const Row* row = fallback || plugin ? nullptr : find_row(node.domain, node.op_type, opset);
  if (row == nullptr && !fallback && !plugin) {
    record(node, opset, label, "");
    return poison();
  }
  if (poisoned) return poison();

  std::vector<std::string> output_names;
  for (std::string_view name : node.outputs) output_names.push_back(name.empty() ? "" : value_name(frame, name));
  NodeImport context(*this, *frame.graph, node, opset, std::move(attributes), std::move(inputs),
                     std::move(output_names), label);
  frame_ = &frame;
  branching_ = branching;
  if (fallback) {
    import_fallback(context);
  } else if (plugin) {
    import_plugin(context, plugin);
  } else if (row->import) {
    row->import(context);
  } else {
    import_regular(context, *row->op);
  }
  frame_ = &frame;  // a subgraph's nodes have moved it
  if (!context.failed()) context.finish_attributes();
  if (context.failed()) {
    const Error& why = *context.error();
    if (why.message == kRanksDiffer) return why;
    if (why.code == ErrorCode::unsupported) {
      if (!why.message.empty()) record(node, opset, label, why.message);
      return poison();
    }
    return why.message.starts_with(label) ? why : why.in(label);
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i].empty()) continue;
    const ValueId id = context.results()[i];
    if (id == kAbsent) return model_error("{}: has no output {} ('{}')", label, i, node.outputs[i]);
    MJ_TRY(define(frame, node.outputs[i], id, label));
  }
  return {};
}

Result<void> Importer::add_function_call(Frame& frame, const FunctionProto& function, const NodeProto& node,
                                         std::vector<NamedAttribute> attributes, std::vector<ValueId> inputs,
                                         const std::string& label) {
  for (const Frame* at = &frame; at != nullptr; at = at->caller) {
    if (at->function == &function) return model_error("{}: function '{}' calls itself", label, function.name);
  }
  if (frame.depth >= limits_.depth) return model_error("{}: functions nest deeper than {}", label, limits_.depth);
  if (inputs.size() > function.inputs.size() || node.outputs.size() > function.outputs.size()) {
    return model_error("{}: function '{}' has {} inputs and {} outputs, the call {} and {}", label, function.name,
                       function.inputs.size(), function.outputs.size(), inputs.size(), node.outputs.size());
  }
  nodes_left_ -= static_cast<int64_t>(function.inputs.size() + function.attribute_defaults.size());
  Frame body;
  body.graph = frame.graph;
  body.opsets = &function.opsets;
  body.function = &function;
  body.caller = &frame;
  body.depth = frame.depth + 1;
  body.prefix = fmt::format("{}{}/", frame.prefix, node.name.empty() ? node.op_type : node.name);
  for (const AttributeProto& with_default : function.attribute_defaults) {
    body.attributes[with_default.name] = &with_default;
  }
  for (const auto& [name, attribute] : attributes) body.attributes[name] = attribute;
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    MJ_TRY(define(body, function.inputs[i], i < inputs.size() ? inputs[i] : kAbsent, label));
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (!node.outputs[i].empty()) body.renames[function.outputs[i]] = value_name(frame, node.outputs[i]);
  }
  MJ_TRY(add_nodes(body, function.nodes));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i].empty()) continue;
    MJ_ASSIGN(ValueId id, lookup(body, function.outputs[i], label));
    MJ_TRY(define(frame, node.outputs[i], id, label));
  }
  return {};
}

// --- what we do not have

void Importer::record(const NodeProto& node, int64_t opset, const std::string& label, std::string reason) {
  const std::string domain(node.domain.empty() ? "ai.onnx" : node.domain);
  std::string what = opset > 0 ? fmt::format("{} ({}, opset {})", node.op_type, domain, opset)
                               : fmt::format("{} ({}, a domain without opset)", node.op_type, domain);
  for (Unsupported& entry : unsupported_) {
    if (entry.what == what && entry.reason == reason) return entry.nodes.push_back(label);
  }
  unsupported_.push_back({std::move(what), std::move(reason), {label}});
}

Error Importer::unsupported_error() const {
  constexpr size_t kNamed = 5;
  std::string text = "the model uses operators that are not supported:", flags;
  for (const Unsupported& entry : unsupported_) {
    text += fmt::format("\n  {}", entry.what);
    if (!entry.reason.empty()) text += fmt::format(": {}", entry.reason);
    if (entry.nodes.empty()) continue;
    text += fmt::format("; {} {}: ", entry.nodes.size(), entry.nodes.size() == 1 ? "node" : "nodes");
    for (size_t i = 0; i < std::min(entry.nodes.size(), kNamed); ++i) text += (i ? ", " : "") + entry.nodes[i];
    if (entry.nodes.size() > kNamed) text += ", ...";
    const std::string flag = fmt::format(" --fallback ort:{}", entry.what.substr(0, entry.what.find(" (")));
    if (flags.find(flag) == std::string::npos) flags += flag;
  }
  if (!flags.empty()) {
    text += fmt::format(
        "\nwrite such an operator as a plugin (millijoule/plugin.h) and name it with --plugin FILE, or leave nodes to "
        "ONNX Runtime, by name or type:{}",
        flags);
  }
  return {ErrorCode::unsupported, std::move(text)};
}

}  // namespace mj::onnx
