// SPDX-License-Identifier: Apache-2.0
// Chains of reshapes, transposes, slices and products by a number, read as one movement: the value's dims as products
// of factors, which stand in another order in the source. On request also through expansions, whose factors stand
// nowhere in the source.
//
//   [N,12,197,64] = reshape(transpose{1,0,2}(reshape{197,12*N,64}(x: f32[197,N,768])))
//   factors 197, N, 12, 64 in the source's order; the value's dims are those numbered {1}, {2}, {0}, {3}
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace mj {

using Factors = std::vector<int>;  // numbers of factors, outer to inner; a dim of 1 has none

struct Movement {
  ValueId source = kAbsent;
  double scale = 1;                           // value = scale * moved source
  std::vector<Dim> sizes;                     // of each factor
  std::vector<std::optional<int64_t>> fixed;  // the one index of a factor that a slice left; it is in no dim
  Factors order;                              // all factors as they stand in the source, row-major
  std::vector<Factors> dims;                  // of the value
};

enum class Expansions { stop, pass };

// As far up as the movement can be read; its source is the value itself where that is nowhere. The value's shape is
// known. With Expansions::pass a factor may be missing in `order`: the source repeats along it.
Movement movement_of(const Graph& graph, ValueId value, Expansions expansions = Expansions::stop);

// Does the source repeat along the factor?
bool is_repeated(const Movement& movement, int factor);

// Does the source hold `dims` in this order, without a transpose?
bool in_order(const Movement& movement, const std::vector<Factors>& dims);

// The source (without the scale) with other dims: every factor of `order` that is not fixed stands in one of them. Adds
// at most a slice and a transpose, and views of them.
ValueId place(Graph& graph, const Movement& movement, const std::vector<Factors>& dims);

// A product with a constant scalar that keeps the rank: the other operand and the factor.
std::optional<std::pair<ValueId, double>> scalar_product(const Graph& graph, const Node& node);

Factors joined(std::initializer_list<Factors> parts);

}  // namespace mj
