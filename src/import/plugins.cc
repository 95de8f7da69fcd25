// SPDX-License-Identifier: Apache-2.0
#include "import/plugins.h"

#include "import/importer.h"
#include "ops/plugin_attributes.h"

namespace mj::onnx {
namespace {

FieldValue attribute_value(NodeImport& node, std::string_view name, const AttributeProto& attribute) {
  switch (attribute.type) {
    case AttributeType::floating:
      return attribute.f;
    case AttributeType::integer:
      return attribute.i;
    case AttributeType::string:
      return std::string(attribute.s);
    case AttributeType::floats:
      return attribute.floats;
    case AttributeType::integers:
      return attribute.ints;
    case AttributeType::strings:
      return std::vector<std::string>(attribute.strings.begin(), attribute.strings.end());
    case AttributeType::tensor:
      break;
    default:
      node.unsupported("attribute '{}' is of type {}, which plugins do not take", name, onnx::name(attribute.type));
      return int64_t{0};
  }
  Tensor tensor = node.tensor(name);
  if (tensor.dtype() != DType::string && tensor.present()) return tensor;
  node.unsupported("attribute '{}' is a tensor of strings, which plugins do not take", name);
  return int64_t{0};
}

}  // namespace

void finish_plugin(NodeImport& node, PluginOp op, std::vector<ValueId> inputs) {
  for (size_t i = 0; i < node.output_count(); ++i) {
    if (node.wants(i)) op.dtypes.push_back(0);
  }
  if (op.dtypes.empty()) return node.fail("it has no outputs");
  const std::vector<ValueId> results = node.finish_wanted(Op(op), std::move(inputs));
  if (node.failed()) return;
  for (size_t i = 0; i < results.size(); ++i) op.dtypes[i] = static_cast<int64_t>(node.dtype(results[i]));
  node.graph.node(node.graph.value(results[0]).producer).op = Op(std::move(op));
}

void import_plugin(NodeImport& node, const PluginOperator& plugin) {
  PluginOp op;
  op.plugin = plugin.plugin->name;
  op.version = plugin.plugin->version;
  op.domain = plugin.table->domain;
  op.op = plugin.table->op;
  op.opset = std::max<int64_t>(node.opset, 1);
  op.is_pure = (plugin.table->flags & MJ_OPERATOR_PURE) != 0;
  op.rows = (plugin.table->flags & MJ_OPERATOR_ROWS) != 0;
  for (const auto& [name, attribute] : node.attributes()) {
    op.attributes.push_back(attribute_text(name, attribute_value(node, name, *attribute)));
    node.ignore(name);
    if (node.failed()) return;
  }
  for (size_t i = 0; i < node.output_count(); ++i) {
    if (!node.wants(i)) return node.unsupported("output {} is left out, which plugins are not told", i);
  }
  finish_plugin(node, std::move(op), node.inputs());
}

}  // namespace mj::onnx
