// SPDX-License-Identifier: Apache-2.0
// The maths of a Body as CUDA C++, for pointwise kernels and for the epilogues of all others.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cuda/kernel_text.h"
#include "problem/body.h"

namespace mj {

// Why a body cannot be written down, or nothing: an operator or a type that CUDA rows do not know.
std::optional<std::string> body_refusal(const Body& body);

struct BodyText {
  std::string lines;                 // declarations, one a line
  std::vector<std::string> results;  // expressions of c_maths(dtype of the result)
  std::vector<std::string> stored;  // the same before they are rounded to their dtype, for what c_store() rounds anyway
};

// `params[i]` is an expression of c_maths(body.params[i]). Names that it declares begin with `prefix`.
BodyText body_text(const Body& body, std::span<const std::string> params, std::string_view prefix = "v");

// Where the tensor of shape `from`, which broadcasts (aligned at the right) onto `to`, has its element for the linear
// index `index` of `to`: "0", `index` itself, or an expression of it. `index` is a name or in parentheses.
std::string broadcast_index(KernelText& kernel, const Shape& from, const Shape& to, const std::string& index);

// Why the epilogue of a problem, and its operands and results, cannot be written down, or nothing.
std::optional<std::string> epilogue_refusal(const Problem& problem);

// Lines that take `value`, an expression of the anchor's result (c_maths of output 0's type where there is no epilogue)
// for the element `index` of outputs[0], through the epilogue and store all outputs. Each name they declare begins with
// `prefix`.
std::string epilogue_text(KernelText& kernel, const std::string& value, const std::string& index,
                          std::string_view prefix = "v");

}  // namespace mj
