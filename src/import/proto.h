// SPDX-License-Identifier: Apache-2.0
// The ONNX messages as plain structs, read with protozero. Strings and raw tensor data are views into the bytes given
// to parse_model(), which must outlive the structs. Field numbers are those of onnx.proto; fields that carry no meaning
// for us (doc strings, value_info, training) are skipped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mj::onnx {

struct ParseLimits {
  int depth = 100;                  // messages within messages
  int64_t nodes = 1 << 18;          // in the file, functions and subgraphs included
  int64_t parsed_bytes = 64 << 20;  // of the structs themselves, besides 8 for each byte of the file
};

struct KeyValue {
  std::string_view key, value;
};

struct TensorProto {
  std::string_view name;
  std::vector<int64_t> dims;
  int32_t data_type = 0;
  bool has_raw_data = false;
  bool segmented = false;
  std::string_view raw_data;
  std::vector<float> float_data;
  std::vector<int32_t> int32_data;
  std::vector<int64_t> int64_data;
  std::vector<double> double_data;
  std::vector<uint64_t> uint64_data;
  std::vector<std::string_view> string_data;
  int32_t data_location = 0;  // 1: external
  std::vector<KeyValue> external_data;
};

struct Dimension {
  bool has_value = false;
  int64_t value = 0;
  std::string_view param;
};

struct TypeProto {
  enum class Kind : uint8_t { none, tensor, sequence, optional, optional_sequence, other };
  Kind kind = Kind::none;
  int32_t elem_type = 0;  // of the tensor; of the tensors in a sequence or optional
  bool has_shape = false;
  std::vector<Dimension> dims;
};

struct ValueInfoProto {
  std::string_view name;
  TypeProto type;
};

enum class AttributeType : int32_t {
  undefined = 0,
  floating = 1,
  integer = 2,
  string = 3,
  tensor = 4,
  graph = 5,
  floats = 6,
  integers = 7,
  strings = 8,
  tensors = 9,
  graphs = 10,
  sparse_tensor = 11,
  sparse_tensors = 12,
  type_proto = 13,
  type_protos = 14,
};
std::string_view name(AttributeType type);

struct GraphProto;

struct AttributeProto {
  std::string_view name;
  std::string_view ref_attr_name;  // inside a function: the caller's attribute of this name
  AttributeType type = AttributeType::undefined;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  std::unique_ptr<TensorProto> t;
  std::unique_ptr<GraphProto> g;
  std::unique_ptr<TypeProto> tp;
};

struct NodeProto {
  std::string_view name, op_type, domain, overload;
  std::string_view message;  // as it stands in the file
  std::vector<std::string_view> inputs, outputs;
  std::vector<AttributeProto> attributes;
};

struct GraphProto {
  std::string_view name;
  std::vector<NodeProto> nodes;
  std::vector<TensorProto> initializers;
  std::vector<std::string_view> sparse_initializers;  // names only
  std::vector<ValueInfoProto> inputs, outputs;
};

struct OperatorSet {
  std::string_view domain;
  int64_t version = 0;
};

struct FunctionProto {
  std::string_view name, domain, overload;
  std::string_view message;  // as it stands in the file
  std::vector<std::string_view> inputs, outputs, attributes;
  std::vector<AttributeProto> attribute_defaults;
  std::vector<NodeProto> nodes;
  std::vector<OperatorSet> opsets;
};

struct ModelProto {
  int64_t ir_version = 0;
  std::string_view producer_name, producer_version;
  bool has_graph = false;
  GraphProto graph;
  std::vector<OperatorSet> opsets;
  std::vector<KeyValue> metadata;
  std::vector<FunctionProto> functions;
};

Result<ModelProto> parse_model(std::string_view bytes, const ParseLimits& limits = {});

}  // namespace mj::onnx
