// SPDX-License-Identifier: Apache-2.0
// Joining pointwise maths: what fuse_pointwise and fuse_epilogue share.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace mj {

// Instructions that pointwise nodes are joined to at most. A body of so many computes for much longer than its operands
// take to read, so that a longer one saves nothing; and each joining copies what was joined before, so that without an
// end a chain of n nodes takes n^2 steps. The longest that a known network has is of about thirty.
inline constexpr size_t kLongestBody = 128;

// A body under construction, with the graph's values that are its parameters.
class BodyBuilder {
 public:
  // The body value for a value of the graph: a parameter, new or seen before; constants of one element become
  // instructions, unless they have more dims than `rank`, that of what they are combined with: then the result has
  // them.
  int use(const Graph& graph, ValueId id, int64_t rank);
  // A parameter that is no value of the graph (an anchor's result). Call before any use().
  int anchor(DType dtype);
  // Says that `id` is computed in the body.
  void define(ValueId id, int body_value);
  // Appends what a pointwise node computes; defines its outputs.
  void append(const Graph& graph, const Node& node);

  // The body whose results are these values, and its parameters without the anchor's.
  Body finish(const std::vector<ValueId>& results);
  const std::vector<ValueId>& params() const { return params_; }

 private:
  int find(ValueId id) const;
  struct Pending {
    Op op;
    std::vector<int> args;
    DType dtype;
  };
  // Parameters must be numbered before instructions, but turn up while these are appended: both count from 0 until
  // finish(), parameters as p, instructions as ~i.
  int add(Op op, std::vector<int> args, DType dtype);

  bool has_anchor_ = false;
  std::vector<DType> dtypes_;
  std::vector<ValueId> params_;
  std::vector<Pending> pending_;
  std::vector<std::pair<ValueId, int>> defined_;
};

// Empty, or why the node's maths cannot stand in a fused body: f32 in and out, truth values only in between.
std::string why_not_in_body(const Graph& graph, const Node& node);

}  // namespace mj
