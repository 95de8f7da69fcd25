// SPDX-License-Identifier: Apache-2.0
// Op: an operator with its attributes, as a value. Any plain struct that names its kName, kFields, shape rule and
// reference kernel is one (see OpStruct); Op holds it by type erasure, immutable and cheap to copy.
//
// A struct with maths on one element (ops/pointwise.h) gets shape rule and reference from there. Every other has
//   InferResult infer(const InferContext&) const;                                  shapes; also symbolic contents
//   Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;  slow, obvious, in double or wider
// `out` comes allocated to the shapes that infer() gives for `in` as constants.
//
// An operator whose fields hold symbolic sizes (texts of Dims) also has
//   T bind(const Bindings&) const;   itself with every symbol replaced by its value
// and the executor calls it before the reference kernel runs.
//
// Inputs are tensors of numbers or bools. An operator that takes more says so:
//   static constexpr bool kStrings = true;  tensors of strings
//   static constexpr bool kBoxed = true;    strings, sequences and optionals
// One whose results' sizes only its own work can tell has in place of reference()
//   Result<std::vector<Tensor>> evaluate(std::span<const Tensor> in, int outputs) const;
// and one that does not always give the same for the same inputs has
//   bool pure() const;
// A reference must not let a tensor that it was given live on in a sequence: it may view memory that is used again.
//
// Operators whose fields other folders need stand in a header of their own (ops/conv.h); the rest live in their .cc.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "base/tensor.h"
#include "ops/field.h"
#include "ops/infer.h"

namespace mj {

// How ONNX spells a regular operator (attributes have the fields' names, inputs the same order). `since` is the first
// opset with this meaning. Irregular ones have a file in import/ instead.
struct OnnxName {
  std::string_view name;
  int since = 1;
};

struct FieldInfo {
  int number;
  std::string_view name;
};

class Op;

// One per operator type; static. Function pointers take the struct as const void*.
struct OpInfo {
  std::string_view name;
  std::span<const FieldInfo> fields;
  std::span<const OnnxName> onnx;
  bool pointwise = false;
  int arity = -1;         // of a pointwise operator
  std::string_view body;  // of a pointwise operator: its maths as an expression of x, y, z and its fields
  bool strings = false;   // inputs may be tensors of strings,
  bool boxed = false;     // sequences or optionals

  std::vector<FieldValue> (*get)(const void* op) = nullptr;  // in the order of `fields`
  // Defaults for what is missing; an error for an unknown name or a wrong type.
  Result<Op> (*make)(std::span<const NamedField> fields) = nullptr;
  InferResult (*infer)(const void* op, const InferContext& context) = nullptr;
  Result<void> (*reference)(const void* op, std::span<const Tensor> in, std::span<Tensor> out) = nullptr;
  // In place of reference, which is null then.
  Result<std::vector<Tensor>> (*evaluate)(const void* op, std::span<const Tensor> in, int outputs) = nullptr;
  bool (*pure)(const void* op) = nullptr;  // null: it is
  // Null unless the struct has bind().
  Op (*bind)(const void* op, const Bindings& symbols) = nullptr;
  // Pointwise maths on f32 with booleans held as 0.0f and 1.0f (not 0 means true): out[i] = f(in[0][i], ...). Null for
  // operators on integers only.
  void (*map_f32)(const void* op, const float* const* in, int64_t n, float* out) = nullptr;
};

template <class T>
concept OpStruct = requires {
  { T::kName } -> std::convertible_to<std::string_view>;
  T::kFields;
};

template <OpStruct T>
const OpInfo& op_info();  // defined for registered operators by MJ_REGISTER_OP in their .cc

class Op {
 public:
  Op() = default;  // no operator; only for containers
  template <OpStruct T>
  Op(T value) : info_(&op_info<T>()), value_(std::make_shared<const T>(std::move(value))) {}

  explicit operator bool() const { return info_ != nullptr; }
  const OpInfo& info() const { return *info_; }
  std::string_view name() const { return info_ ? info_->name : std::string_view("none"); }
  bool is(std::string_view name) const { return this->name() == name; }
  template <OpStruct T>
  const T* get_if() const {
    return info_ && info_->name == T::kName ? static_cast<const T*>(value_.get()) : nullptr;
  }
  // The operator that it is known to be.
  template <OpStruct T>
  const T& as() const {
    const T* found = get_if<T>();
    CHECK(found, "'{}' is not a '{}'", name(), T::kName);
    return *found;
  }
  const void* raw() const { return value_.get(); }
  // May it be computed once for many, and while compiling?
  bool pure() const { return !info_ || !info_->pure || info_->pure(value_.get()); }

  std::vector<NamedField> fields() const;
  friend bool operator==(const Op& a, const Op& b);

  // The operator's own rule, for inputs of the kinds that it takes; results with an impossible dim (negative,
  // overflowing) are errors.
  InferResult infer(const InferContext& context) const;

 private:
  const OpInfo* info_ = nullptr;
  std::shared_ptr<const void> value_;
};

// "conv {strides=[2, 2], group=1}"; fields at their default are left out.
std::string to_string(const Op& op);

// Every operator of ops.inc, in its order.
std::span<const OpInfo* const> all_ops();
const OpInfo* find_op(std::string_view name);
// By name and fields; errors name the operator and the field.
Result<Op> make_op(std::string_view name, std::span<const NamedField> fields = {});
// make_op for names and fields that we know to be right: mul = op("mul"), op("leaky_relu", {{0, "alpha", 0.1f}}).
Op op(std::string_view name, std::initializer_list<NamedField> fields = {});

// A result larger than this is taken for a mistake in the model (a dimension read from data), not allocated.
inline constexpr int64_t kMaxEvaluateBytes = int64_t{1} << 36;

// Runs the reference kernel: infers the output shapes from the tensors themselves, allocates, computes.
// The one evaluator behind constant folding, the oracle and the last row of every family.
Result<std::vector<Tensor>> evaluate(const Op& op, std::span<const Tensor> inputs, int outputs = 1);

}  // namespace mj
