// SPDX-License-Identifier: Apache-2.0
// Body: straight-line maths on one element, fused before or after an anchor, or on its own as a pointwise node.
//
// Values are numbered: parameters first, then one for each instruction. Parameter i of a pointwise body is the node's
// input i; parameter 0 of an epilogue is the anchor's result and the others are the node's inputs after the anchor's
// own. A parameter's tensor is broadcast onto the result's shape as NumPy does it (aligned at the right).
#pragma once

#include <string>
#include <vector>

#include "base/dtype.h"
#include "ops/op.h"

namespace mj {

struct BodyInstruction {
  Op op;                      // pointwise, or constant{value} with no arguments (a scalar)
  std::vector<int> args;      // numbers of earlier values
  DType dtype = DType::none;  // of the result

  bool operator==(const BodyInstruction&) const = default;
};

struct Body {
  std::vector<DType> params;
  std::vector<BodyInstruction> instructions;
  std::vector<int> results;  // values that leave the body, one for each output of the node

  int values() const { return static_cast<int>(params.size() + instructions.size()); }
  DType dtype(int value) const;
  bool empty() const { return instructions.empty(); }
  // Appends an instruction and returns the number of its value. `dtype` is worked out by the operator's own rule.
  int append(Op op, std::vector<int> args);

  bool operator==(const Body&) const = default;
};

// "(%0: f32, %1: f32) { %2 = add(%0, %1); %3 = relu(%2); return %3 }"
std::string to_string(const Body& body);
// Empty, or what is wrong: an argument that is not earlier, an operator that is not pointwise, a wrong arity.
std::string verify(const Body& body);

// The maths itself, slowly: the reference for every fused row. Inputs broadcast onto `dims`.
Result<std::vector<Tensor>> evaluate(const Body& body, std::span<const Tensor> params);

}  // namespace mj
