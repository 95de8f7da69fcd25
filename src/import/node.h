// SPDX-License-Identifier: Apache-2.0
// NodeImport: one ONNX node on its way into the graph, as the files in import/ops/ see it.
//
// Errors stick: after the first one every call does nothing and answers a neutral value (0, kAbsent, an empty list), so
// that an import function reads as the formula it is. The importer reports the error in the node's name.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "import/proto.h"
#include "ir/graph.h"

namespace mj::onnx {

class Importer;
using NamedAttribute = std::pair<std::string_view, const AttributeProto*>;

class NodeImport {
 public:
  // `attributes`: by the node's own names, with references to the attributes of an inlined function resolved.
  // `output_names`: one for each output of the node, empty where it is left out.
  NodeImport(Importer& importer, Graph& graph, const NodeProto& proto, int64_t opset,
             std::vector<NamedAttribute> attributes, std::vector<ValueId> inputs, std::vector<std::string> output_names,
             std::string label)
      : importer(importer),
        graph(graph),
        proto(proto),
        opset(opset),
        attributes_(std::move(attributes)),
        inputs_(std::move(inputs)),
        output_names_(std::move(output_names)),
        outputs_(output_names_.size(), kAbsent),
        label_(std::move(label)) {}

  Importer& importer;
  Graph& graph;
  const NodeProto& proto;
  const int64_t opset;  // of the node's domain

  // --- inputs; numbers are those of the ONNX operator
  size_t input_count() const { return inputs_.size(); }  // up to the last one present
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i] != kAbsent; }
  ValueId in(size_t i);  // an error where it is missing
  ValueId optional(size_t i) const { return has(i) ? inputs_[i] : kAbsent; }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  void inputs_between(size_t at_least, size_t at_most);
  // The numbers in an integer input; `what` for the error that it has to be known before running.
  std::vector<int64_t> known_integers(size_t i, std::string_view what);
  // The tensor, when the input is a constant.
  Tensor constant(size_t i) const { return has(i) ? graph.value(inputs_[i]).info.constant : Tensor(); }

  // --- outputs
  size_t output_count() const { return outputs_.size(); }
  bool wants(size_t i) const { return i < output_names_.size() && !output_names_[i].empty(); }
  void outputs_at_most(size_t count);  // more of them wanted is unsupported

  // --- attributes; asking marks them as understood, and one that nobody asked for is an error
  bool has_attribute(std::string_view name) const { return find(name) != nullptr; }
  int64_t integer(std::string_view name, int64_t otherwise);
  bool flag(std::string_view name, bool otherwise) { return integer(name, otherwise ? 1 : 0) != 0; }
  float number(std::string_view name, float otherwise);
  std::string string(std::string_view name, std::string_view otherwise);
  std::optional<std::vector<int64_t>> integers(std::string_view name);
  std::optional<std::vector<float>> numbers(std::string_view name);
  std::optional<std::vector<std::string>> strings(std::string_view name);
  Tensor tensor(std::string_view name);                       // absent if missing
  const GraphProto* subgraph(std::string_view name);          // an error if missing
  const TypeProto* type_proto(std::string_view name);         // an error if missing
  DType dtype(std::string_view name, DType otherwise);        // an ONNX type number
  void ignore(std::string_view name) { used_.insert(name); }  // has no meaning for the result
  const std::vector<NamedAttribute>& attributes() const { return attributes_; }
  void finish_attributes();  // the error for those nobody asked for

  // --- types
  const Type& type(ValueId id) const;
  DType dtype(ValueId id) const { return type(id).dtype; }
  int64_t rank(ValueId id);  // unsupported where unknown
  // [0, rank) from [-rank, rank); `what` for the error.
  int64_t axis(int64_t axis, int64_t rank, std::string_view what = "axis");
  std::vector<int64_t> axes(std::vector<int64_t> axes, int64_t rank);  // each once, ascending

  // --- building
  ValueId constant(Tensor tensor);
  ValueId named_constant(Tensor tensor);  // by the name of the first output
  ValueId scalar(double value, DType dtype);
  ValueId integers_constant(std::span<const int64_t> values) { return constant(Tensor::of_i64(values)); }
  // A node in between.
  ValueId emit(Op op, std::vector<ValueId> inputs);
  std::vector<ValueId> emit(Op op, std::vector<ValueId> inputs, int outputs);
  // The node whose results are this node's first `outputs` outputs; they get the model's names.
  void finish(Op op, std::vector<ValueId> inputs, int outputs = 1);
  // The same for a node that is built by hand: an `if`. Results that stand in between, by their number, are not outputs
  // of this node: what is made of them will be. Answers all results; none after an error.
  std::vector<ValueId> finish_typed(Node node, std::vector<ValueInfo> outputs, const std::set<size_t>& in_between = {});
  // The node whose results are those of this node's outputs that are wanted, in order; there must be one. Answers them.
  std::vector<ValueId> finish_wanted(Op op, std::vector<ValueId> inputs);
  // Output `i` is this value, under whatever name.
  void output(size_t i, ValueId id);
  // The operator `name`, its fields read from the attributes of the same names; `more` go on top.
  Op op(std::string_view name, std::initializer_list<NamedField> more = {});

  // --- errors
  bool failed() const { return error_.has_value(); }
  const std::optional<Error>& error() const { return error_; }
  template <class... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    fail(model_error(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void unsupported(fmt::format_string<Args...> format, Args&&... args) {
    fail(mj::error(ErrorCode::unsupported, format, std::forward<Args>(args)...));
  }
  void fail(Error error) {
    if (!error_) error_ = std::move(error);
  }
  // Leaves the node's outputs out: the reason is reported elsewhere already.
  void leave_out() { fail(Error{ErrorCode::unsupported, ""}); }
  template <class T>
  T take(Result<T> result, T otherwise = {}) {
    if (result.ok()) return std::move(result).value();
    fail(result.error());
    return otherwise;
  }

  const std::vector<ValueId>& results() const { return outputs_; }
  const std::string& label() const { return label_; }  // "conv_12 (Conv)", for messages and origins

 private:
  const AttributeProto* find(std::string_view name) const;
  const AttributeProto* get(std::string_view name, AttributeType type);
  std::vector<ValueId> add(Op op, std::vector<ValueId> inputs, int outputs, std::vector<std::string> names);

  std::vector<NamedAttribute> attributes_;
  std::set<std::string_view> used_;
  std::vector<ValueId> inputs_;
  std::vector<std::string> output_names_;
  std::vector<ValueId> outputs_;
  std::string label_;
  std::optional<Error> error_;
};

}  // namespace mj::onnx
