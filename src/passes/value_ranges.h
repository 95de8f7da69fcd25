// SPDX-License-Identifier: Apache-2.0
// What numbers the values of a graph hold, as far as constants tell: masks of -1e9, positions that are counted.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace mj {

// Of finite numbers; infinities and NaN are none. What nothing is known of is taken to be of ordinary size, so that a
// bound far from that comes from a constant of the model.
struct Range {
  double low = -1, high = 1;
  bool known = false;   // nothing lies outside
  bool counts = false;  // whole numbers or what is computed from them alone: rounding them is no small error later on
};

// Empty, or why such numbers may not be rounded to `dtype`, f16 or bf16.
std::string why_unfit(const Range& range, DType dtype);
inline bool fits(const Range& range, DType dtype) { return why_unfit(range, dtype).empty(); }

// Of every value, regions apart. `dtype` is what they may be rounded to.
class ValueRanges {
 public:
  ValueRanges(const Graph& graph, DType dtype);
  const Range& operator[](ValueId id) const { return ranges_[static_cast<size_t>(id)]; }

 private:
  void infer(const Node& node);
  Range of_anchor(const Node& node, std::span<const Range> inputs) const;
  Range of_pointwise(const Op& op, std::span<const Range> args, DType from, DType to) const;
  std::vector<Range> of_body(const Body& body, std::vector<Range> values) const;

  const Graph& graph_;
  const DType dtype_;
  std::vector<Range> ranges_;
};

}  // namespace mj
