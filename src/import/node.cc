// SPDX-License-Identifier: Apache-2.0
#include "import/node.h"

#include <algorithm>
#include <limits>

#include "import/importer.h"
#include "import/tensors.h"

namespace mj::onnx {

const AttributeProto* NodeImport::find(std::string_view name) const {
  for (const auto& [own_name, attribute] : attributes_) {
    if (own_name == name) return attribute;
  }
  return nullptr;
}

const AttributeProto* NodeImport::get(std::string_view name, AttributeType type) {
  used_.insert(name);
  const AttributeProto* attribute = find(name);
  if (attribute == nullptr || attribute->type == type) return attribute;
  fail("attribute '{}' must be of type {}, got {}", name, onnx::name(type), onnx::name(attribute->type));
  return nullptr;
}

ValueId NodeImport::in(size_t i) {
  if (!has(i)) fail("input {} is missing", i);
  return optional(i);
}

void NodeImport::inputs_between(size_t at_least, size_t at_most) {
  if (inputs_.size() >= at_least && inputs_.size() <= at_most) return;
  if (at_least == at_most) return fail("takes {} inputs, got {}", at_least, inputs_.size());
  fail("takes {} to {} inputs, got {}", at_least, at_most, inputs_.size());
}

std::vector<int64_t> NodeImport::known_integers(size_t i, std::string_view what) {
  const ValueId id = in(i);
  if (failed()) return {};
  std::optional<std::vector<int64_t>> numbers = graph.value(id).info.known_elements();
  if (numbers) return *numbers;
  unsupported("{} must be known before running, but input '{}' is computed", what, graph.value(id).name);
  return {};
}

void NodeImport::outputs_at_most(size_t count) {
  for (size_t i = count; i < output_names_.size(); ++i) {
    if (wants(i)) return unsupported("output {} ('{}') is used", i, output_names_[i]);
  }
}

int64_t NodeImport::integer(std::string_view name, int64_t otherwise) {
  const AttributeProto* attribute = get(name, AttributeType::integer);
  return attribute ? attribute->i : otherwise;
}

float NodeImport::number(std::string_view name, float otherwise) {
  const AttributeProto* attribute = get(name, AttributeType::floating);
  return attribute ? attribute->f : otherwise;
}

std::string NodeImport::string(std::string_view name, std::string_view otherwise) {
  const AttributeProto* attribute = get(name, AttributeType::string);
  return std::string(attribute ? attribute->s : otherwise);
}

std::optional<std::vector<int64_t>> NodeImport::integers(std::string_view name) {
  const AttributeProto* attribute = get(name, AttributeType::integers);
  return attribute ? std::optional(attribute->ints) : std::nullopt;
}

std::optional<std::vector<float>> NodeImport::numbers(std::string_view name) {
  const AttributeProto* attribute = get(name, AttributeType::floats);
  return attribute ? std::optional(attribute->floats) : std::nullopt;
}

std::optional<std::vector<std::string>> NodeImport::strings(std::string_view name) {
  const AttributeProto* attribute = get(name, AttributeType::strings);
  if (!attribute) return std::nullopt;
  return std::vector<std::string>(attribute->strings.begin(), attribute->strings.end());
}

Tensor NodeImport::tensor(std::string_view name) {
  const AttributeProto* attribute = get(name, AttributeType::tensor);
  if (!attribute) return {};
  if (!attribute->t) {
    fail("attribute '{}' holds no tensor", name);
    return {};
  }
  return take(importer.tensor(*attribute->t));
}

const GraphProto* NodeImport::subgraph(std::string_view name) {
  const AttributeProto* attribute = get(name, AttributeType::graph);
  if (!attribute || !attribute->g) {
    fail("attribute '{}' must hold a graph", name);
    return nullptr;
  }
  return attribute->g.get();
}

const TypeProto* NodeImport::type_proto(std::string_view name) {
  const AttributeProto* attribute = get(name, AttributeType::type_proto);
  if (!attribute || !attribute->tp) {
    fail("attribute '{}' must hold a type", name);
    return nullptr;
  }
  return attribute->tp.get();
}

DType NodeImport::dtype(std::string_view name, DType otherwise) {
  const AttributeProto* attribute = get(name, AttributeType::integer);
  return attribute ? take(dtype_of(attribute->i), DType::none) : otherwise;
}

void NodeImport::finish_attributes() {
  for (const auto& [name, attribute] : attributes_) {
    if (!used_.contains(name)) return unsupported("attribute '{}' is not known", name);
  }
}

const Type& NodeImport::type(ValueId id) const {
  static const Type kNothing;
  return id == kAbsent ? kNothing : graph.type(id);
}

int64_t NodeImport::rank(ValueId id) {
  if (failed()) return 0;
  const Type& type = this->type(id);
  if (type.kind != Type::Kind::tensor) {
    fail("expects a tensor, got {}", mj::to_string(type));
  } else if (!type.ranked()) {
    unsupported("the rank of '{}' must be known", graph.value(id).name);
  }
  return failed() ? 0 : type.rank();
}

int64_t NodeImport::axis(int64_t axis, int64_t rank, std::string_view what) {
  if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  fail("{} must be in [{}, {}], got {}", what, -rank, rank - 1, axis);
  return 0;
}

std::vector<int64_t> NodeImport::axes(std::vector<int64_t> axes, int64_t rank) {
  for (int64_t& axis : axes) axis = this->axis(axis, rank);
  if (failed()) return {};
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) fail("axes must differ");
  return axes;
}

ValueId NodeImport::constant(Tensor tensor) {
  if (failed()) return kAbsent;
  return graph.add_constant(importer.free_name(output_names_.empty() ? "c" : output_names_[0] + ".c"),
                            std::move(tensor));
}

ValueId NodeImport::named_constant(Tensor tensor) {
  if (failed()) return kAbsent;
  return graph.add_constant(output_names_.empty() ? "" : output_names_[0], std::move(tensor));
}

ValueId NodeImport::scalar(double value, DType dtype) {
  if (failed()) return kAbsent;
  if (dtype == DType::none || dtype == DType::string) {
    fail("expects a tensor of numbers");
    return kAbsent;
  }
  return constant(dispatch(dtype, [&]<class T>() {
    Tensor tensor = Tensor::zeros(dtype, {});
    if constexpr (std::is_integral_v<T>) {
      using Limits = std::numeric_limits<T>;
      if (value < static_cast<double>(Limits::lowest()) || value >= static_cast<double>(Limits::max()) + 1) {
        fail("needs the constant {}, which is out of the range of its inputs' type {}", value, to_string(dtype));
        return tensor;
      }
    }
    tensor.mutable_data<T>()[0] = static_cast<T>(static_cast<std::conditional_t<sizeof(T) <= 2, float, double>>(value));
    return tensor;
  }));
}

std::vector<ValueId> NodeImport::add(Op op, std::vector<ValueId> inputs, int outputs, std::vector<std::string> names) {
  std::vector<ValueId> none(static_cast<size_t>(outputs), kAbsent);
  if (failed()) return none;
  return take(graph.add(std::move(op), std::move(inputs), outputs, std::move(names), {label_}), none);
}

std::vector<ValueId> NodeImport::emit(Op op, std::vector<ValueId> inputs, int outputs) {
  const std::string base = output_names_.empty() ? std::string() : output_names_[0] + ".";
  std::vector<std::string> names(static_cast<size_t>(outputs), importer.free_name(base + std::string(op.name())));
  return add(std::move(op), std::move(inputs), outputs, std::move(names));
}

ValueId NodeImport::emit(Op op, std::vector<ValueId> inputs) { return emit(std::move(op), std::move(inputs), 1)[0]; }

void NodeImport::finish(Op op, std::vector<ValueId> inputs, int outputs) {
  outputs_at_most(static_cast<size_t>(outputs));
  std::vector<std::string> names = output_names_;
  names.resize(static_cast<size_t>(outputs));
  for (std::string& name : names) {
    if (name.empty()) name = importer.free_name(std::string(op.name()));
  }
  const std::vector<ValueId> results = add(std::move(op), std::move(inputs), outputs, std::move(names));
  for (size_t i = 0; i < results.size(); ++i) output(i, results[i]);
}

std::vector<ValueId> NodeImport::finish_typed(Node node, std::vector<ValueInfo> outputs,
                                              const std::set<size_t>& in_between) {
  if (failed()) return {};
  std::vector<std::string> names = output_names_;
  names.resize(outputs.size());
  for (size_t i : in_between) names[i] = importer.free_name(names[i] + "." + std::string(node.op.name()));
  std::vector<ValueId> results = graph.add_typed(std::move(node), std::move(outputs), std::move(names));
  for (size_t i = 0; i < results.size(); ++i) {
    if (!in_between.contains(i)) output(i, results[i]);
  }
  return results;
}

std::vector<ValueId> NodeImport::finish_wanted(Op op, std::vector<ValueId> inputs) {
  std::vector<size_t> wanted;
  std::vector<std::string> names;
  for (size_t i = 0; i < output_names_.size(); ++i) {
    if (!wants(i)) continue;
    wanted.push_back(i);
    names.push_back(output_names_[i]);
  }
  std::vector<ValueId> results =
      add(std::move(op), std::move(inputs), static_cast<int>(wanted.size()), std::move(names));
  for (size_t i = 0; i < wanted.size(); ++i) output(wanted[i], results[i]);
  return results;
}

void NodeImport::output(size_t i, ValueId id) {
  if (i < outputs_.size()) outputs_[i] = id;
}

namespace {

// The attribute as a value of the same type as `like`; nullopt where it is not there.
std::optional<FieldValue> read_field(NodeImport& node, std::string_view name, const FieldValue& like) {
  if (!node.has_attribute(name)) return std::nullopt;
  return std::visit(
      [&]<class T>(const T&) -> FieldValue {
        if constexpr (std::is_same_v<T, int64_t>) return node.integer(name, 0);
        if constexpr (std::is_same_v<T, float>) return node.number(name, 0);
        if constexpr (std::is_same_v<T, bool>) return node.flag(name, false);
        if constexpr (std::is_same_v<T, std::string>) return node.string(name, "");
        if constexpr (std::is_same_v<T, DType>) return node.dtype(name, DType::none);
        if constexpr (std::is_same_v<T, std::vector<int64_t>>) return node.integers(name).value_or(T());
        if constexpr (std::is_same_v<T, std::vector<float>>) return node.numbers(name).value_or(T());
        if constexpr (std::is_same_v<T, std::vector<std::string>>) return node.strings(name).value_or(T());
        if constexpr (std::is_same_v<T, Tensor>) return node.tensor(name);
      },
      like);
}

}  // namespace

Op NodeImport::op(std::string_view name, std::initializer_list<NamedField> more) {
  Op plain = mj::op(name);
  if (failed()) return plain;
  const std::vector<FieldValue> defaults = plain.info().get(plain.raw());
  std::vector<NamedField> fields;
  for (size_t i = 0; i < plain.info().fields.size(); ++i) {
    const FieldInfo& info = plain.info().fields[i];
    const bool given = std::any_of(more.begin(), more.end(), [&](const NamedField& f) { return f.name == info.name; });
    if (given) continue;
    if (std::optional<FieldValue> value = read_field(*this, info.name, defaults[i])) {
      fields.push_back({info.number, info.name, std::move(*value)});
    }
  }
  fields.insert(fields.end(), more.begin(), more.end());
  if (failed()) return plain;
  return take(make_op(name, fields), plain);
}

}  // namespace mj::onnx
