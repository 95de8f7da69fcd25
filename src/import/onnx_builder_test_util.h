// SPDX-License-Identifier: Apache-2.0
// Writes tiny ONNX files for tests. Messages are strings; every function returns the serialized message it names.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mj::onnx::test {

using Bytes = std::string;
using Strings = std::vector<std::string>;
using Integers = std::vector<int64_t>;
using Floats = std::vector<float>;

enum : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kInt4 = 22,
  kUint2 = 25,
  kInt2 = 26
};

template <class Write>
Bytes message(Write write) {
  Bytes bytes;
  protozero::pbf_writer writer(bytes);
  write(writer);
  return bytes;
}

// --- tensors
inline Bytes tensor_head(std::string_view name, int32_t type, const Integers& dims) {
  return message([&](auto& w) {
    for (int64_t dim : dims) w.add_int64(1, dim);
    w.add_int32(2, type);
    w.add_string(8, name.data(), name.size());
  });
}
inline Bytes raw_tensor(std::string_view name, int32_t type, const Integers& dims, std::string_view raw) {
  return tensor_head(name, type, dims) + message([&](auto& w) { w.add_bytes(9, raw.data(), raw.size()); });
}
inline Bytes floats(std::string_view name, const Integers& dims, const Floats& values) {
  return tensor_head(name, kFloat, dims) +
         message([&](auto& w) { w.add_packed_float(4, values.begin(), values.end()); });
}
inline Bytes int64s(std::string_view name, const Integers& dims, const Integers& values) {
  return tensor_head(name, kInt64, dims) +
         message([&](auto& w) { w.add_packed_int64(7, values.begin(), values.end()); });
}
inline Bytes int64s(std::string_view name, const Integers& values) {
  return int64s(name, {static_cast<int64_t>(values.size())}, values);
}
inline Bytes int32_field(std::string_view name, int32_t type, const Integers& dims,
                         const std::vector<int32_t>& values) {
  return tensor_head(name, type, dims) + message([&](auto& w) { w.add_packed_int32(5, values.begin(), values.end()); });
}
using Entries = std::vector<std::pair<std::string, std::string>>;
inline Bytes external(std::string_view name, int32_t type, const Integers& dims, const Entries& entries) {
  return tensor_head(name, type, dims) + message([&](auto& w) {
           for (const auto& [key, value] : entries) {
             w.add_message(13, message([&, k = key, v = value](auto& entry) {
                             entry.add_string(1, k);
                             entry.add_string(2, v);
                           }));
           }
           w.add_enum(14, 1);
         });
}

// --- attributes
struct Attribute {
  Bytes bytes;
  Attribute(const std::string& name, int64_t value) : Attribute(name, 2, [&](auto& w) { w.add_int64(3, value); }) {}
  Attribute(const std::string& name, int value) : Attribute(name, static_cast<int64_t>(value)) {}
  Attribute(const std::string& name, float value) : Attribute(name, 1, [&](auto& w) { w.add_float(2, value); }) {}
  Attribute(const std::string& name, const char* value) : Attribute(name, 3, [&](auto& w) { w.add_bytes(4, value); }) {}
  Attribute(const std::string& name, const Integers& values)
      : Attribute(name, 7, [&](auto& w) {
          for (int64_t value : values) w.add_int64(8, value);
        }) {}
  Attribute(const std::string& name, const Floats& values)
      : Attribute(name, 6, [&](auto& w) { w.add_packed_float(7, values.begin(), values.end()); }) {}
  Attribute(const std::string& name, const Strings& values)
      : Attribute(name, 8, [&](auto& w) {
          for (const std::string& value : values) w.add_bytes(9, value);
        }) {}
  static Attribute tensor(const std::string& name, const Bytes& value) {
    return {name, 4, [&](auto& w) { w.add_message(5, value); }};
  }
  static Attribute graph(const std::string& name, const Bytes& value) {
    return {name, 5, [&](auto& w) { w.add_message(6, value); }};
  }
  static Attribute type(const std::string& name, const Bytes& value) {
    return {name, 13, [&](auto& w) { w.add_message(14, value); }};
  }
  // Inside a function: the caller's attribute.
  static Attribute reference(const std::string& name, const std::string& of, int type) {
    return {name, type, [&](auto& w) { w.add_string(21, of); }};
  }

 private:
  template <class Write>
  Attribute(const std::string& name, int type, Write write)
      : bytes(message([&](auto& w) {
          w.add_string(1, name);
          write(w);
          w.add_enum(20, type);
        })) {}
};
using Attributes = std::vector<Attribute>;

// --- nodes
inline Bytes node(const std::string& op, const Strings& inputs, const Strings& outputs,
                  const Attributes& attributes = {}, const std::string& name = "", const std::string& domain = "") {
  return message([&](auto& w) {
    for (const std::string& input : inputs) w.add_string(1, input);
    for (const std::string& output : outputs) w.add_string(2, output);
    if (!name.empty()) w.add_string(3, name);
    w.add_string(4, op);
    for (const Attribute& attribute : attributes) w.add_message(5, attribute.bytes);
    if (!domain.empty()) w.add_string(7, domain);
  });
}

// --- graphs
// One dimension: a number, a name, or "" for neither.
using AxisDim = std::variant<int, std::string>;
inline Bytes tensor_type(int32_t type, const std::vector<AxisDim>& dims) {
  const Bytes shape = message([&](auto& w) {
    for (const AxisDim& dim : dims) {
      w.add_message(1, message([&](auto& d) {
                      if (const int* number = std::get_if<int>(&dim)) {
                        d.add_int64(1, *number);
                      } else if (const std::string& param = std::get<std::string>(dim); !param.empty()) {
                        d.add_string(2, param);
                      }
                    }));
    }
  });
  const Bytes tensor = message([&](auto& w) {
    w.add_int32(1, type);
    w.add_message(2, shape);
  });
  return message([&](auto& w) { w.add_message(1, tensor); });
}
// A sequence (4) or optional (9) of a type.
inline Bytes wrapped_type(uint32_t field, const Bytes& inner) {
  return message([&](auto& w) { w.add_message(field, message([&](auto& t) { t.add_message(1, inner); })); });
}
inline Bytes typed_value(const std::string& name, const Bytes& type) {
  return message([&](auto& w) {
    w.add_string(1, name);
    w.add_message(2, type);
  });
}
inline Bytes value_info(const std::string& name, int32_t type, const std::vector<AxisDim>& dims) {
  return typed_value(name, tensor_type(type, dims));
}

struct GraphBuilder {
  Bytes bytes;
  GraphBuilder& add(uint32_t field, const Bytes& part) {
    protozero::pbf_writer(bytes).add_message(field, part);
    return *this;
  }
  GraphBuilder& node(const std::string& op, const Strings& inputs, const Strings& outputs,
                     const Attributes& attributes = {}, const std::string& name = "", const std::string& domain = "") {
    return add(1, test::node(op, inputs, outputs, attributes, name, domain));
  }
  GraphBuilder& initializer(const Bytes& tensor) { return add(5, tensor); }
  GraphBuilder& input(const std::string& name, const std::vector<AxisDim>& dims, int32_t type = kFloat) {
    return add(11, value_info(name, type, dims));
  }
  GraphBuilder& input_without_shape(const std::string& name, int32_t type = kFloat) {
    const Bytes tensor = message([&](auto& w) { w.add_int32(1, type); });
    return add(11, message([&](auto& w) {
                 w.add_string(1, name);
                 w.add_message(2, message([&](auto& t) { t.add_message(1, tensor); }));
               }));
  }
  GraphBuilder& output(const std::string& name) {
    return add(12, message([&](auto& w) { w.add_string(1, name); }));
  }
  GraphBuilder& output(const std::string& name, const std::vector<AxisDim>& dims, int32_t type = kFloat) {
    return add(12, value_info(name, type, dims));
  }
};

// --- models
inline Bytes operator_set(const std::string& domain, int64_t version) {
  return message([&](auto& w) {
    if (!domain.empty()) w.add_string(1, domain);
    w.add_int64(2, version);
  });
}

inline Bytes function(const std::string& domain, const std::string& name, const Strings& inputs, const Strings& outputs,
                      const Strings& attributes, const std::vector<Bytes>& nodes, const Attributes& defaults = {},
                      int64_t opset = 17) {
  return message([&](auto& w) {
    w.add_string(1, name);
    for (const std::string& input : inputs) w.add_string(4, input);
    for (const std::string& output : outputs) w.add_string(5, output);
    for (const std::string& attribute : attributes) w.add_string(6, attribute);
    for (const Bytes& one : nodes) w.add_message(7, one);
    w.add_message(9, operator_set("", opset));
    w.add_message(9, operator_set(domain, 1));
    w.add_string(10, domain);
    for (const Attribute& attribute : defaults) w.add_message(11, attribute.bytes);
  });
}

inline Bytes model(const GraphBuilder& graph, int64_t opset = 17, const std::vector<Bytes>& functions = {}) {
  return message([&](auto& w) {
    w.add_int64(1, 8);
    w.add_string(2, "test");
    w.add_message(7, graph.bytes);
    w.add_message(8, operator_set("", opset));
    w.add_message(8, operator_set("custom", 1));
    for (const Bytes& one : functions) w.add_message(25, one);
  });
}

}  // namespace mj::onnx::test
