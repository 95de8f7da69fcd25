// SPDX-License-Identifier: Apache-2.0
// MJ_REGISTER_OP(Struct): makes the OpInfo of an operator struct. Once, in the operator's own .cc; ops.inc lists it.
#pragma once

#include <array>
#include <utility>

#include "ops/op.h"
#include "ops/pointwise.h"

namespace mj::detail {

template <class T>
constexpr auto field_infos() {
  return std::apply(
      [](auto... f) {
        return std::array<FieldInfo, sizeof...(f)>{FieldInfo{f.number, f.name}...};
      },
      T::kFields);
}

template <class T>
constexpr auto onnx_names() {
  if constexpr (requires { T::kOnnx.size(); }) {
    return T::kOnnx;
  } else if constexpr (requires { T::kOnnx; }) {
    return std::array<OnnxName, 1>{T::kOnnx};
  } else {
    return std::array<OnnxName, 0>{};
  }
}

template <class T>
std::vector<FieldValue> get_fields(const void* op) {
  const T& value = *static_cast<const T*>(op);
  return std::apply([&](auto... f) { return std::vector<FieldValue>{FieldValue(value.*(f.member))...}; }, T::kFields);
}

template <class T>
Result<Op> make_from_fields(std::span<const NamedField> fields) {
  T value;
  for (const NamedField& named : fields) {
    bool known = false, typed = true;
    std::apply(
        [&](auto... f) {
          [[maybe_unused]] auto take = [&](auto field) {
            if (field.name != named.name && (named.number == 0 || field.number != named.number)) return;
            known = true;
            using V = typename decltype(field)::Value;
            if (const V* v = std::get_if<V>(&named.value)) {
              value.*(field.member) = *v;
            } else {
              typed = false;
            }
          };
          (take(f), ...);
        },
        T::kFields);
    if (!known) return model_error("{}: unknown attribute '{}'", T::kName, named.name);
    if (!typed) return model_error("{}: attribute '{}' has the wrong type", T::kName, named.name);
  }
  return Op(std::move(value));
}

template <class T>
OpInfo make_info() {
  static constexpr auto kInfos = field_infos<T>();
  static constexpr auto kNames = onnx_names<T>();
  OpInfo info;
  info.name = T::kName;
  info.fields = kInfos;
  info.onnx = kNames;
  info.get = get_fields<T>;
  info.make = make_from_fields<T>;
  if constexpr (requires { T::kBoxed; }) info.boxed = T::kBoxed;
  if constexpr (requires { T::kStrings; }) info.strings = T::kStrings;
  info.strings |= info.boxed;
  if constexpr (PointwiseOp<T>) {
    info.pointwise = true;
    info.arity = T::kArity;
    info.body = T::kBody;
    info.infer = pointwise_infer<T>;
    info.reference = pointwise_reference<T>;
    info.map_f32 = kPointwiseTable<T>.f32;
    info.strings |= kPointwiseTable<T>.strings != nullptr;
  } else {
    info.infer = [](const void* op, const InferContext& context) { return static_cast<const T*>(op)->infer(context); };
    if constexpr (requires(const T& op) { op.evaluate({}, 1); }) {
      info.evaluate = [](const void* op, std::span<const Tensor> in, int outputs) {
        return static_cast<const T*>(op)->evaluate(in, outputs);
      };
    } else {
      info.reference = [](const void* op, std::span<const Tensor> in, std::span<Tensor> out) {
        return static_cast<const T*>(op)->reference(in, out);
      };
    }
  }
  if constexpr (requires(const T& op) { op.pure(); }) {
    info.pure = [](const void* op) { return static_cast<const T*>(op)->pure(); };
  }
  if constexpr (requires(const T& op, const Bindings& symbols) { op.bind(symbols); }) {
    info.bind = [](const void* op, const Bindings& symbols) { return Op(static_cast<const T*>(op)->bind(symbols)); };
  }
  return info;
}

}  // namespace mj::detail

#define MJ_REGISTER_OP(Struct)                                    \
  template <>                                                     \
  const OpInfo& op_info<Struct>() {                               \
    static const OpInfo info = ::mj::detail::make_info<Struct>(); \
    return info;                                                  \
  }                                                               \
  const OpInfo& op_info_of_##Struct() { return op_info<Struct>(); }
