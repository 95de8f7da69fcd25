// SPDX-License-Identifier: Apache-2.0
// Operators that map elements to elements with NumPy broadcasting. The struct says
//   static constexpr int kArity;             1 to 3
//   static constexpr Types kTypes;           element types of the operands, which all have the same one
//   static constexpr std::string_view kBody; the same maths as an expression of x, y, z (for generated code)
//   T operator()(T x, ...) const             for T = float and double and, as kTypes says, int64_t and uint64_t
// and, where wanted,
//   static constexpr DType kResult;          boolean for comparisons
//   static constexpr bool kCondition = true; x is boolean whatever the others are (where)
//   static std::optional<Dim> symbolic(std::span<const Dim>);  for shape elements; integers may be negative
//   static Result<void> check(std::span<const Tensor>);        what the maths cannot take (division by zero)
//   static void strings(std::span<const Tensor>, Tensor& out); the same for strings, operands as large as the result
// infer() and reference() of its own replace the general ones (cast).
//
// Maths is done in few types: f16, bf16, smaller floats and f32 in float (rounded once on the way out), f64 in double,
// signed integers in int64_t and unsigned ones in uint64_t (cut to the narrow type, which is wrapping). Booleans are 0
// or 1 in any of them, so that f32 bodies can hold them as 0.0f and 1.0f; not 0 means true.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <optional>
#include <string_view>
#include <type_traits>

#include "ops/op.h"

namespace mj {

enum class Types : uint8_t { floats, signed_numbers, numbers, integers, booleans, all };
bool allows(Types types, DType dtype);
std::string_view name(Types types);

template <class T>
concept PointwiseOp = OpStruct<T> && requires {
  { T::kArity } -> std::convertible_to<int>;
  { T::kTypes } -> std::convertible_to<Types>;
};

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::isnan(x);
  } else {
    return false;
  }
}

// Integers wrap as in ONNX; floats are just added.
template <class T>
T wrapping_add(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(x) + static_cast<uint64_t>(y));
  } else {
    return x + y;
  }
}
template <class T>
T wrapping_sub(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(x) - static_cast<uint64_t>(y));
  } else {
    return x - y;
  }
}
template <class T>
T wrapping_mul(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
  } else {
    return x * y;
  }
}

namespace detail {

// out[i] = op(in[0][i], ...).
template <class C>
using PointwiseMap = void (*)(const void* op, const C* const* in, int64_t n, C* out);

struct PointwiseTable {
  int arity = 1;
  Types types = Types::floats;
  bool condition = false;
  std::optional<DType> result;
  PointwiseMap<float> f32 = nullptr;  // null where the operator is not defined
  PointwiseMap<double> f64 = nullptr;
  PointwiseMap<int64_t> i64 = nullptr;  // also booleans
  PointwiseMap<uint64_t> u64 = nullptr;
  std::optional<Dim> (*symbolic)(std::span<const Dim> in) = nullptr;
  void (*strings)(std::span<const Tensor> in, Tensor& out) = nullptr;
};

InferResult infer_pointwise(const PointwiseTable& table, const InferContext& context);
Result<void> run_pointwise(const PointwiseTable& table, const void* op, std::span<const Tensor> in, Tensor& out);

template <class T, class C>
void map_elements(const void* op, const C* const* in, int64_t n, C* out) {
  const T& value = *static_cast<const T*>(op);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (T::kArity == 1) {
      out[i] = static_cast<C>(value(in[0][i]));
    } else if constexpr (T::kArity == 2) {
      out[i] = static_cast<C>(value(in[0][i], in[1][i]));
    } else {
      out[i] = static_cast<C>(value(in[0][i], in[1][i], in[2][i]));
    }
  }
}

template <class T>
constexpr PointwiseTable make_pointwise_table() {
  constexpr Types types = T::kTypes;
  PointwiseTable table;
  table.arity = T::kArity;
  table.types = types;
  if constexpr (requires { T::kResult; }) table.result = T::kResult;
  if constexpr (requires { T::kCondition; }) table.condition = T::kCondition;
  if constexpr (requires { &T::symbolic; }) table.symbolic = T::symbolic;
  if constexpr (requires { &T::strings; }) table.strings = T::strings;
  // Boolean maths works on any number, so bodies in f32 get it as well.
  if constexpr (types != Types::integers) table.f32 = map_elements<T, float>;
  if constexpr (!requires { &T::reference; }) {
    if constexpr (types != Types::integers && types != Types::booleans) table.f64 = map_elements<T, double>;
    if constexpr (types != Types::floats) table.i64 = map_elements<T, int64_t>;
    if constexpr (types == Types::numbers || types == Types::integers || types == Types::all) {
      table.u64 = map_elements<T, uint64_t>;
    }
  }
  return table;
}

template <class T>
inline constexpr PointwiseTable kPointwiseTable = make_pointwise_table<T>();

template <class T>
InferResult pointwise_infer(const void* op, const InferContext& context) {
  if constexpr (requires { &T::infer; }) {
    return static_cast<const T*>(op)->infer(context);
  } else {
    return infer_pointwise(kPointwiseTable<T>, context);
  }
}

template <class T>
Result<void> pointwise_reference(const void* op, std::span<const Tensor> in, std::span<Tensor> out) {
  if constexpr (requires { &T::reference; }) {
    return static_cast<const T*>(op)->reference(in, out);
  } else {
    if constexpr (requires { &T::check; }) MJ_TRY(T::check(in));
    return run_pointwise(kPointwiseTable<T>, op, in, out[0]);
  }
}

}  // namespace detail
}  // namespace mj
