// SPDX-License-Identifier: Apache-2.0
// What a shape rule sees and says.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "base/type.h"

namespace mj {

// All that is known of a value without running.
struct ValueInfo {
  Type type;
  // Row-major elements of a small (rank 0 or 1) integer tensor that describes shapes, known or symbolic. Of a sequence:
  // none, where it is known to have no items.
  std::optional<std::vector<Dim>> contents;
  Tensor constant;  // absent unless the value is known now

  bool present() const { return type.dtype != DType::none; }
  // The elements as numbers or symbols: from `contents`, or from an integer `constant` of rank 0 or 1.
  std::optional<std::vector<Dim>> elements() const;
  // The elements when all are known now.
  std::optional<std::vector<int64_t>> known_elements() const;

  static ValueInfo of(Type type) { return {std::move(type), std::nullopt, {}}; }
  static ValueInfo of(Tensor constant);
  // An i64 tensor of rank 1 with these elements; of rank 0 for of_contents(Dim).
  static ValueInfo of_contents(std::vector<Dim> elements, DType dtype = DType::i64);
  static ValueInfo of_contents(Dim element, DType dtype = DType::i64);
};

struct InferContext {
  std::string_view op;                // the operator's name, for messages
  std::span<const ValueInfo> inputs;  // absent optional inputs have dtype none; trailing ones may be missing
  int outputs = 1;                    // how many the node has
  // A new symbol for a dimension that only running can tell; `hint` becomes part of its name. Null while evaluating
  // concrete tensors: a rule that needs it then must look at the constants instead.
  std::function<Dim(std::string_view hint)> fresh;

  // Are these concrete tensors, so that nobody asks for symbolic contents?
  bool concrete() const { return !fresh; }
  bool has(size_t i) const { return i < inputs.size() && inputs[i].present(); }
  const ValueInfo& operator[](size_t i) const { return inputs[i]; }
  DType dtype(size_t i) const { return inputs[i].type.dtype; }
  const Shape& shape(size_t i) const { return *inputs[i].type.shape; }  // require ranked(i) first

  // Errors that read "conv: input 0 must ...". `at_least`/`at_most` count inputs;
  // the first `at_least` must be present.
  Result<void> inputs_between(size_t at_least, size_t at_most) const;
  Result<void> rank(size_t i, int64_t want) const;           // ranked with exactly this rank
  Result<void> rank_at_least(size_t i, int64_t want) const;  // ranked with at least this rank
  Result<void> ranked(size_t i) const;
  Result<void> same_dtype(size_t a, size_t b) const;
  Result<void> sequence(size_t i) const;  // a sequence
  Error fail(std::string message) const;  // "<op>: message"
};

// Contents longer than this describe no shape; they are left unknown.
inline constexpr int64_t kMaxContents = 1024;

using InferResult = Result<std::vector<ValueInfo>>;

// One output.
inline InferResult one(ValueInfo info) { return std::vector<ValueInfo>{std::move(info)}; }
inline InferResult one(DType dtype, Shape shape) { return one(ValueInfo::of(Type::tensor(dtype, std::move(shape)))); }

// An axis in [-rank, rank) as [0, rank), or an error.
Result<int64_t> normalize_axis(const InferContext& context, int64_t axis, int64_t rank);
// Several, each at most once; sorted.
Result<std::vector<int64_t>> normalize_axes(const InferContext& context, std::span<const int64_t> axes, int64_t rank);
// Dims for which the answer is no are an error that names both; unknown ones pass and are checked when it runs.
Result<void> require_equal(const InferContext& context, std::string_view what, const Dim& a, const Dim& b);

}  // namespace mj
