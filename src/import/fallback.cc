// SPDX-License-Identifier: Apache-2.0
// Nodes that the user leaves to ONNX Runtime: each becomes a model of one node, which is an attribute of a plugin's
// operator.
#include <algorithm>
#include <protozero/pbf_writer.hpp>

#include "import/importer.h"
#include "import/plugins.h"
#include "ops/plugin_attributes.h"

namespace mj::onnx {
namespace {

using protozero::pbf_writer;

// Constants that the shape of the result may hang on go into the model; others are inputs of it.
constexpr int64_t kMostInModel = 64;  // elements

bool in_model(const Value& value) {
  if (!value.is_constant()) return false;
  const Tensor& tensor = value.info.constant;
  return tensor.size() <= kMostInModel && tensor.dtype() != DType::string && bits(tensor.dtype()) >= 8;
}

int32_t onnx_number(DType dtype) {
  for (int32_t number = 1; number < 64; ++number) {
    const Result<DType> known = dtype_of(number);
    if (known.ok() && *known == dtype) return number;
  }
  return 0;
}

// Why the text of the file alone is not the node.
std::string why_incomplete(const NodeProto& node);

std::string why_incomplete(const GraphProto& graph) {
  const auto elsewhere = [](const TensorProto& tensor) { return tensor.data_location != 0; };
  if (std::any_of(graph.initializers.begin(), graph.initializers.end(), elsewhere)) return "it has external data";
  for (const NodeProto& node : graph.nodes) {
    if (std::string why = why_incomplete(node); !why.empty()) return why;
  }
  return "";
}

std::string why_incomplete(const NodeProto& node) {
  for (const AttributeProto& attribute : node.attributes) {
    if (!attribute.ref_attr_name.empty()) return "its attributes are those of the function it stands in";
    if (attribute.t && attribute.t->data_location != 0) return "it has external data";
    if (!attribute.g) continue;
    if (std::string why = why_incomplete(*attribute.g); !why.empty()) return why;
  }
  return "";
}

// Equal dims go by one name.
class DimNames {
 public:
  void write(pbf_writer& shape, const Dim& dim) {
    pbf_writer message(shape, 1);
    if (dim.constant()) return message.add_int64(1, *dim.constant());
    const auto [at, added] = names_.try_emplace(dim, fmt::format("d{}", names_.size()));
    message.add_string(2, at->second);
  }

 private:
  std::map<Dim, std::string> names_;
};

void write_input(pbf_writer& graph, std::string_view name, const Type& type, DimNames& names) {
  pbf_writer info(graph, 11);
  info.add_string(1, name.data(), name.size());
  pbf_writer type_message(info, 2);
  pbf_writer tensor(type_message, 1);
  tensor.add_int32(1, onnx_number(type.dtype));
  pbf_writer shape(tensor, 2);
  for (const Dim& dim : *type.shape) names.write(shape, dim);
}

void write_initializer(pbf_writer& graph, std::string_view name, const Tensor& value) {
  pbf_writer tensor(graph, 5);
  for (const int64_t dim : value.dims()) tensor.add_int64(1, dim);
  tensor.add_int32(2, onnx_number(value.dtype()));
  tensor.add_string(8, name.data(), name.size());
  tensor.add_bytes(9, static_cast<const char*>(value.raw()), static_cast<size_t>(value.bytes()));
}

}  // namespace

bool Importer::falls_back(const Frame& frame, const NodeProto& node) {
  for (const std::string& name : fallback_) {
    const bool same = (!node.name.empty() && (name == node.name || name == frame.prefix + std::string(node.name))) ||
                      name == node.op_type || name == fmt::format("{}.{}", node.domain, node.op_type);
    if (!same) continue;
    fallbacks_found_.insert(name);
    return true;
  }
  return false;
}

Result<void> Importer::check_fallbacks() const {
  for (const std::string& name : fallback_) {
    if (fallbacks_found_.contains(name)) continue;
    return error(ErrorCode::usage, "--fallback ort:{}: the model has no node of this name, and none of this type",
                 name);
  }
  return {};
}

void Importer::import_fallback(NodeImport& node) {
  Frame& frame = *frame_;
  for (const auto& [name, attribute] : node.attributes()) node.ignore(name);
  if (const std::string why = why_incomplete(node.proto); !why.empty()) {
    return node.unsupported("it cannot be left to ONNX Runtime: {}", why);
  }
  std::vector<std::string_view> names(node.proto.inputs.begin(), node.proto.inputs.end());
  std::vector<const GraphProto*> graphs;
  for (const AttributeProto& attribute : node.proto.attributes) {
    if (attribute.g) graphs.push_back(attribute.g.get());
  }
  const std::vector<std::string_view> captured = captures_of(frame, graphs);
  names.insert(names.end(), captured.begin(), captured.end());

  std::string graph_bytes;
  pbf_writer graph(graph_bytes);
  graph.add_bytes(1, node.proto.message.data(), node.proto.message.size());
  graph.add_string(2, "fallback");
  std::vector<ValueId> inputs;
  std::unordered_set<std::string_view> seen{""};
  DimNames dim_names;
  for (const std::string_view name : names) {
    if (!seen.insert(name).second) continue;
    const ValueId id = frame.values.at(name);
    if (id == kPoisoned) return node.leave_out();
    if (id == kAbsent) return node.unsupported("it cannot be left to ONNX Runtime: '{}' is absent", name);
    const Value& value = frame.graph->value(id);
    if (value.type().boxed() || !value.type().shape) {
      return node.unsupported(
          "it cannot be left to ONNX Runtime: '{}' is {}, only tensors of numbers can be handed over", name,
          to_string(value.type()));
    }
    if (in_model(value)) {
      write_initializer(graph, name, value.info.constant);
    } else {
      write_input(graph, name, value.type(), dim_names);
      inputs.push_back(id);
    }
  }
  for (const std::string_view name : node.proto.outputs) {
    if (!name.empty()) pbf_writer(graph, 12).add_string(1, name.data(), name.size());
  }

  std::string bytes;
  pbf_writer model(bytes);
  model.add_int64(1, std::max<int64_t>(model_.ir_version, 3));
  model.add_bytes(7, graph_bytes);
  for (const OperatorSet& set : *frame.opsets) {
    pbf_writer opset(model, 8);
    opset.add_string(1, set.domain.data(), set.domain.size());
    opset.add_int64(2, set.version);
  }
  for (const FunctionProto& function : model_.functions) {
    model.add_bytes(25, function.message.data(), function.message.size());
  }

  const Plugin* plugin = find_plugin(kOrtPlugin);
  CHECK(plugin, "a node falls back to a plugin that is not loaded");
  PluginOp op;
  op.plugin = plugin->name;
  op.version = plugin->version;
  op.domain = "millijoule";
  op.op = "OnnxModel";
  op.attributes = {attribute_text("type", std::string(node.proto.op_type)), attribute_text("model", bytes)};
  finish_plugin(node, std::move(op), std::move(inputs));
}

}  // namespace mj::onnx
