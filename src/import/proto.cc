// SPDX-License-Identifier: Apache-2.0
#include "import/proto.h"

#include <algorithm>
#include <protozero/pbf_reader.hpp>
#include <stdexcept>

namespace mj::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

// Leaves the reader only through parse_model().
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Reader {
  const ParseLimits& limits;
  int64_t bytes_left;
  int64_t nodes_left;
  int depth = 0;

  void charge(size_t bytes) {
    bytes_left -= static_cast<int64_t>(bytes);
    if (bytes_left < 0) throw Refused("its messages are too many and too small for the file's size");
  }

  // Elements are charged before a vector grows to hold them.
  template <class T>
  T& append(std::vector<T>& list) {
    charge(sizeof(T));
    return list.emplace_back();
  }

  template <class T>
  void read(std::string_view bytes, T& out) {
    if (++depth > limits.depth) throw Refused(fmt::format("messages nest deeper than {}", limits.depth));
    if constexpr (requires { out.message; }) out.message = bytes;
    pbf_reader message(bytes.data(), bytes.size());
    while (message.next()) field(message, out);
    --depth;
  }
  template <class T>
  void read(pbf_reader& in, T& out) {
    const protozero::data_view view = in.get_view();
    read(std::string_view(view.data(), view.size()), out);
  }

  static std::string_view text(pbf_reader& in) {
    const protozero::data_view view = in.get_view();
    return {view.data(), view.size()};
  }
  void add_text(pbf_reader& in, std::vector<std::string_view>& list) { append(list) = text(in); }

  // A packed list: count the values before memory is taken for them.
  template <class T, class Get>
  void varints(pbf_reader& in, std::vector<T>& list, Get get) {
    const std::string_view bytes = text(in);
    const auto count = static_cast<size_t>(
        std::count_if(bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0x80) == 0; }));
    charge(count * sizeof(T));
    list.reserve(list.size() + count);
    const char* at = bytes.data();
    const char* end = at + bytes.size();
    while (at != end) list.push_back(get(protozero::decode_varint(&at, end)));
  }
  template <class T>
  void fixed(pbf_reader& in, std::vector<T>& list) {
    const std::string_view bytes = text(in);
    if (bytes.size() % sizeof(T) != 0) throw Refused("a packed list of numbers has a broken length");
    size_t count = bytes.size() / sizeof(T);
    const size_t before = list.size();
    if (count == 0) return;
    charge(bytes.size());
#ifdef MJ_PLANT_BUG
    count -= 1;  // fuzz/ checks that its harness finds this
#endif
    list.resize(before + count);
    std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(list.data() + before));
  }

  void field(pbf_reader& in, KeyValue& out);
  void field(pbf_reader& in, OperatorSet& out);
  void field(pbf_reader& in, TensorProto& out);
  void field(pbf_reader& in, Dimension& out);
  void field(pbf_reader& in, TypeProto& out);
  void field(pbf_reader& in, ValueInfoProto& out);
  void field(pbf_reader& in, AttributeProto& out);
  void field(pbf_reader& in, NodeProto& out);
  void field(pbf_reader& in, GraphProto& out);
  void field(pbf_reader& in, FunctionProto& out);
  void field(pbf_reader& in, ModelProto& out);

  void add_node(pbf_reader& in, std::vector<NodeProto>& nodes) {
    if (--nodes_left < 0) throw Refused(fmt::format("it has more than {} nodes", limits.nodes));
    read(in, append(nodes));
  }
};

// The wire type is part of every case: protozero's typed getters check it only in debug builds.
constexpr uint32_t bytes_at(uint32_t tag) { return tag_and_type(tag, pbf_wire_type::length_delimited); }
constexpr uint32_t varint_at(uint32_t tag) { return tag_and_type(tag, pbf_wire_type::varint); }
constexpr uint32_t fixed32_at(uint32_t tag) { return tag_and_type(tag, pbf_wire_type::fixed32); }
constexpr uint32_t fixed64_at(uint32_t tag) { return tag_and_type(tag, pbf_wire_type::fixed64); }

constexpr auto as_i64 = [](uint64_t v) { return static_cast<int64_t>(v); };
constexpr auto as_i32 = [](uint64_t v) { return static_cast<int32_t>(v); };
constexpr auto as_u64 = [](uint64_t v) { return v; };

void Reader::field(pbf_reader& in, KeyValue& out) {
  switch (in.tag_and_type()) {
    case bytes_at(1):
      out.key = text(in);
      break;
    case bytes_at(2):
      out.value = text(in);
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, OperatorSet& out) {
  switch (in.tag_and_type()) {
    case bytes_at(1):
      out.domain = text(in);
      break;
    case varint_at(2):
      out.version = in.get_int64();
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, TensorProto& out) {
  switch (in.tag_and_type()) {
    case varint_at(1):
      append(out.dims) = in.get_int64();
      break;
    case bytes_at(1):
      varints(in, out.dims, as_i64);
      break;
    case varint_at(2):
      out.data_type = in.get_int32();
      break;
    case bytes_at(3):
      out.segmented = true;
      in.skip();
      break;
    case fixed32_at(4):
      append(out.float_data) = in.get_float();
      break;
    case bytes_at(4):
      fixed(in, out.float_data);
      break;
    case varint_at(5):
      append(out.int32_data) = in.get_int32();
      break;
    case bytes_at(5):
      varints(in, out.int32_data, as_i32);
      break;
    case bytes_at(6):
      add_text(in, out.string_data);
      break;
    case varint_at(7):
      append(out.int64_data) = in.get_int64();
      break;
    case bytes_at(7):
      varints(in, out.int64_data, as_i64);
      break;
    case bytes_at(8):
      out.name = text(in);
      break;
    case bytes_at(9):
      out.raw_data = text(in);
      out.has_raw_data = true;
      break;
    case fixed64_at(10):
      append(out.double_data) = in.get_double();
      break;
    case bytes_at(10):
      fixed(in, out.double_data);
      break;
    case varint_at(11):
      append(out.uint64_data) = in.get_uint64();
      break;
    case bytes_at(11):
      varints(in, out.uint64_data, as_u64);
      break;
    case bytes_at(13):
      read(in, append(out.external_data));
      break;
    case varint_at(14):
      out.data_location = in.get_enum();
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, Dimension& out) {
  switch (in.tag_and_type()) {
    case varint_at(1):
      out.value = in.get_int64();
      out.has_value = true;
      break;
    case bytes_at(2):
      out.param = text(in);
      break;
    default:
      in.skip();
  }
}

// TypeProto.Tensor, and the inner message that a sequence or optional has instead.
struct TensorTypeProto {
  TypeProto& type;
};
struct ShapeProto {
  TypeProto& type;
};

void field(Reader& reader, pbf_reader& in, ShapeProto out) {
  if (in.tag_and_type() != bytes_at(1)) return in.skip();
  reader.read(in, reader.append(out.type.dims));
}

void field(Reader& reader, pbf_reader& in, TensorTypeProto out) {
  switch (in.tag_and_type()) {
    case varint_at(1):
      out.type.elem_type = in.get_int32();
      break;
    case bytes_at(2): {
      out.type.has_shape = true;
      pbf_reader shape = in.get_message();
      while (shape.next()) field(reader, shape, ShapeProto{out.type});
      break;
    }
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, TypeProto& out) {
  const auto wrapped = [&](TypeProto::Kind kind) {  // both hold one field: the TypeProto of what is inside
    pbf_reader wrapper = in.get_message();
    while (wrapper.next()) {
      if (wrapper.tag_and_type() == bytes_at(1)) {
        read(wrapper, out);
        if (kind == TypeProto::Kind::optional && out.kind == TypeProto::Kind::sequence) {
          kind = TypeProto::Kind::optional_sequence;
        } else if (out.kind != TypeProto::Kind::tensor) {
          kind = TypeProto::Kind::other;
        }
      } else {
        wrapper.skip();
      }
    }
    out.kind = kind;
  };
  switch (in.tag_and_type()) {
    case bytes_at(1): {
      out.kind = TypeProto::Kind::tensor;
      pbf_reader tensor = in.get_message();
      while (tensor.next()) onnx::field(*this, tensor, TensorTypeProto{out});
      break;
    }
    case bytes_at(4):
      wrapped(TypeProto::Kind::sequence);
      break;
    case bytes_at(9):
      wrapped(TypeProto::Kind::optional);
      break;
    case bytes_at(5):
    case bytes_at(7):
    case bytes_at(8):
      out.kind = TypeProto::Kind::other;
      in.skip();
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, ValueInfoProto& out) {
  switch (in.tag_and_type()) {
    case bytes_at(1):
      out.name = text(in);
      break;
    case bytes_at(2):
      read(in, out.type);
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, AttributeProto& out) {
  // Files of IR version 1 leave `type` out: the field that is there says it.
  const auto imply = [&](AttributeType type) {
    if (out.type == AttributeType::undefined) out.type = type;
  };
  switch (in.tag_and_type()) {
    case bytes_at(1):
      out.name = text(in);
      break;
    case fixed32_at(2):
      out.f = in.get_float();
      imply(AttributeType::floating);
      break;
    case varint_at(3):
      out.i = in.get_int64();
      imply(AttributeType::integer);
      break;
    case bytes_at(4):
      out.s = text(in);
      imply(AttributeType::string);
      break;
    case bytes_at(5):
      if (!out.t) {
        charge(sizeof(TensorProto));
        out.t = std::make_unique<TensorProto>();
      }
      read(in, *out.t);
      imply(AttributeType::tensor);
      break;
    case bytes_at(6):
      if (!out.g) {
        charge(sizeof(GraphProto));
        out.g = std::make_unique<GraphProto>();
      }
      read(in, *out.g);
      imply(AttributeType::graph);
      break;
    case fixed32_at(7):
      append(out.floats) = in.get_float();
      imply(AttributeType::floats);
      break;
    case bytes_at(7):
      fixed(in, out.floats);
      imply(AttributeType::floats);
      break;
    case varint_at(8):
      append(out.ints) = in.get_int64();
      imply(AttributeType::integers);
      break;
    case bytes_at(8):
      varints(in, out.ints, as_i64);
      imply(AttributeType::integers);
      break;
    case bytes_at(9):
      add_text(in, out.strings);
      imply(AttributeType::strings);
      break;
    case bytes_at(14):
      if (!out.tp) {
        charge(sizeof(TypeProto));
        out.tp = std::make_unique<TypeProto>();
      }
      read(in, *out.tp);
      imply(AttributeType::type_proto);
      break;
    case varint_at(20):
      out.type = static_cast<AttributeType>(in.get_enum());
      break;
    case bytes_at(21):
      out.ref_attr_name = text(in);
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, NodeProto& out) {
  switch (in.tag_and_type()) {
    case bytes_at(1):
      add_text(in, out.inputs);
      break;
    case bytes_at(2):
      add_text(in, out.outputs);
      break;
    case bytes_at(3):
      out.name = text(in);
      break;
    case bytes_at(4):
      out.op_type = text(in);
      break;
    case bytes_at(5):
      read(in, append(out.attributes));
      break;
    case bytes_at(7):
      out.domain = text(in);
      break;
    case bytes_at(8):
      out.overload = text(in);
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, GraphProto& out) {
  switch (in.tag_and_type()) {
    case bytes_at(1):
      add_node(in, out.nodes);
      break;
    case bytes_at(2):
      out.name = text(in);
      break;
    case bytes_at(5):
      read(in, append(out.initializers));
      break;
    case bytes_at(11):
      read(in, append(out.inputs));
      break;
    case bytes_at(12):
      read(in, append(out.outputs));
      break;
    case bytes_at(15): {  // SparseTensorProto: its name is that of `values`
      TensorProto values;
      pbf_reader sparse = in.get_message();
      while (sparse.next()) {
        if (sparse.tag_and_type() == bytes_at(1)) {
          read(sparse, values);
        } else {
          sparse.skip();
        }
      }
      append(out.sparse_initializers) = values.name;
      break;
    }
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, FunctionProto& out) {
  switch (in.tag_and_type()) {
    case bytes_at(1):
      out.name = text(in);
      break;
    case bytes_at(4):
      add_text(in, out.inputs);
      break;
    case bytes_at(5):
      add_text(in, out.outputs);
      break;
    case bytes_at(6):
      add_text(in, out.attributes);
      break;
    case bytes_at(7):
      add_node(in, out.nodes);
      break;
    case bytes_at(9):
      read(in, append(out.opsets));
      break;
    case bytes_at(10):
      out.domain = text(in);
      break;
    case bytes_at(11):
      read(in, append(out.attribute_defaults));
      break;
    case bytes_at(13):
      out.overload = text(in);
      break;
    default:
      in.skip();
  }
}

void Reader::field(pbf_reader& in, ModelProto& out) {
  switch (in.tag_and_type()) {
    case varint_at(1):
      out.ir_version = in.get_int64();
      break;
    case bytes_at(2):
      out.producer_name = text(in);
      break;
    case bytes_at(3):
      out.producer_version = text(in);
      break;
    case bytes_at(7):
      out.has_graph = true;
      read(in, out.graph);
      break;
    case bytes_at(8):
      read(in, append(out.opsets));
      break;
    case bytes_at(14):
      read(in, append(out.metadata));
      break;
    case bytes_at(25):
      read(in, append(out.functions));
      break;
    default:
      in.skip();
  }
}

}  // namespace

std::string_view name(AttributeType type) {
  static constexpr std::string_view kNames[] = {
      "undefined", "float",   "int",    "string",        "tensor",         "graph", "floats", "ints",
      "strings",   "tensors", "graphs", "sparse tensor", "sparse tensors", "type",  "types"};
  const auto index = static_cast<size_t>(type);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

Result<ModelProto> parse_model(std::string_view bytes, const ParseLimits& limits) {
  ModelProto model;
  Reader reader{limits, limits.parsed_bytes + 8 * static_cast<int64_t>(bytes.size()), limits.nodes};
  try {
    reader.read(bytes, model);
  } catch (const Refused& refused) {
    return model_error("the file is refused: {}", refused.what());
  } catch (const protozero::exception& broken) {
    return model_error("the file is not ONNX, or was cut short ({})", broken.what());
  }
  if (!model.has_graph) return model_error("the file is not ONNX: it holds no graph");
  return model;
}

}  // namespace mj::onnx
