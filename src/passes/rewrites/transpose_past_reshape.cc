// SPDX-License-Identifier: Apache-2.0
// reshape_to(transpose{p}(x))  =>  transpose{q}(reshape_to(x))     where no dims are merged that the transpose brought
// together: those stand side by side, and in this order, in x already
//
// The transposes of several heads of a detector then meet in a concat and move on as one. It comes with the layout:
// before, reshapes are where attention is recognized by.
#include <algorithm>

#include "base/shape.h"
#include "ops/dim_texts.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// Dims of the transposed value (those that are not 1) and dims of the result with the same product.
struct Block {
  std::vector<size_t> from, to;
};

bool divides(const Dim& a, const Dim& b) {
  const Dim q = floor_div(b, a);
  return q.valid() && equal(q * a, b) == Tri::yes;
}

// Both shapes cut into blocks, as small as can be; nothing where they do not fit for certain.
std::optional<std::vector<Block>> blocks_of(const Shape& from, const Shape& to) {
  std::vector<Block> blocks;
  size_t i = 0, j = 0;
  const auto skip_ones = [&] {
    while (i < from.size() && from[i] == Dim(1)) ++i;
  };
  for (skip_ones(); i < from.size(); skip_ones()) {
    Block block;
    Dim a = from[i], b = 1;
    block.from.push_back(i++);
    while (equal(a, b) != Tri::yes) {
      if (divides(b, a) && j < to.size()) {
        block.to.push_back(j);
        b *= to[j++];
      } else {
        skip_ones();
        if (i == from.size()) return std::nullopt;
        block.from.push_back(i);
        a *= from[i++];
      }
    }
    blocks.push_back(std::move(block));
  }
  if (blocks.empty()) return std::nullopt;
  for (; j < to.size(); ++j) {
    if (!(to[j] == Dim(1))) return std::nullopt;
    blocks.back().to.push_back(j);
  }
  return blocks;
}

Outcome transpose_past(Graph& graph, const Match& m, const PassContext&) {
  const ValueId turned = m["transpose"];
  if (!graph.type(m["x"]).shape || !graph.type(m.root()).shape) return Outcome::no();
  const Shape x = m.shape("x"), from = graph.shape(turned), to = graph.shape(m.root());
  const std::vector<int64_t> perm = m.node("transpose").op.get_if<Transpose>()->order(std::ssize(x));
  std::optional<std::vector<Block>> blocks = blocks_of(from, to);
  if (!blocks) return "the dims before and after are no products of each other";
  // The next dim of x behind `d` that is not 1.
  const auto next = [&](int64_t d) {
    for (++d; d < std::ssize(x) && x[static_cast<size_t>(d)] == Dim(1);) ++d;
    return d;
  };
  for (const Block& block : *blocks) {
    for (size_t i = 0; i + 1 < block.from.size(); ++i) {
      if (next(perm[block.from[i]]) != perm[block.from[i + 1]]) return "it merges dims that lie apart";
    }
  }
  std::sort(blocks->begin(), blocks->end(),
            [&](const Block& a, const Block& b) { return perm[a.from[0]] < perm[b.from[0]]; });
  Shape below;
  std::vector<int64_t> order(to.size());
  for (const Block& block : *blocks) {
    for (size_t j : block.to) {
      order[j] = std::ssize(below);
      below.push_back(to[j]);
    }
  }
  return graph.add1(Transpose{order}, {graph.add1(op("reshape_to", {{1, "shape", dim_texts(below)}}), {m["x"]})});
}

}  // namespace

Pass transpose_past_reshape() {
  const Pattern transpose = node("transpose", {any("x")}).as("transpose").once();
  return rewrite_pass("transpose_past_reshape", {{"past", node("reshape_to", {transpose}), transpose_past}});
}

}  // namespace mj
