// SPDX-License-Identifier: Apache-2.0
// einsum{equation}(x...): the sum of products that the equation names, "bij,bjk->bik". A label that the result lacks is
// summed over, one that stands twice in a term is its diagonal; "..." are the axes in front that broadcast. Without
// "->" the result has "..." and every label that stands once, in the order of the alphabet.
#pragma once

#include "ops/op.h"

namespace mj {

struct Einsum {
  std::string equation;

  static constexpr std::string_view kName = "einsum";
  static constexpr auto kFields = std::tuple{field(1, "equation", &Einsum::equation)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// An equation for operands of these ranks: a label for each axis. Letters stand for themselves; the axes of "..." are
// negative, -1 the innermost.
struct EinsumTerms {
  std::vector<std::vector<int>> inputs;
  std::vector<int> output;
};
Result<EinsumTerms> einsum_terms(std::string_view equation, std::span<const int64_t> ranks);

}  // namespace mj
