// SPDX-License-Identifier: Apache-2.0
// Problem: one step to be computed, as plain data. It is what a tactic refuses or takes, what the tuner times, the key
// of the tactic cache and what the engine stores.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "base/type.h"
#include "ops/op.h"
#include "problem/body.h"

namespace mj {

struct Operand {
  DType dtype = DType::none;  // none: an optional input that is absent
  Shape shape;
  bool constant = false;  // known at build time: may be packed
  Type::Kind kind = Type::Kind::tensor;

  Type type() const { return {kind, dtype, shape}; }
  bool operator==(const Operand&) const = default;
};

struct Problem {
  Op op;          // the anchor; pointwise nodes have op `pointwise`-like: see `epilogue`
  Body epilogue;  // empty: the anchor's result is the node's. A pointwise node has no anchor (`!op`) and only this.
  int anchor_inputs = 0;  // the first of `inputs` belong to the anchor, the rest to the epilogue
  std::vector<Operand> inputs, outputs;
  // What the operands of its products are rounded to before they are multiplied and added up in f32: allowed while a
  // tactic is sought, a fact once it is chosen. Absent: nothing is rounded.
  std::optional<DType> products;

  bool operator==(const Problem&) const = default;
};

// Has it operands without bytes of their own (Type::boxed)? Only the reference row takes them.
bool boxed(const Problem& problem);
// The family whose rows compute it: "conv", "gemm", "pointwise", ... (the anchor's operator decides).
std::string family(const Problem& problem);
// One line; the same text for the same problem. Symbols are renamed to $0, $1, ... in order of appearance, so that two
// layers that differ only in the names of their dimensions share a tactic.
std::string to_string(const Problem& problem);
uint64_t hash(const Problem& problem);

}  // namespace mj
