// SPDX-License-Identifier: Apache-2.0
// Batch: whether a plan computes each row of its inputs (each index of their first axis) by itself, so that a thread
// may take a row from the first step to the last: what flows between the steps then stays in its cache, and no thread
// waits for another.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/format/plan.h"

namespace mj {

struct Batch {
  std::string symbol;        // how many rows there are
  std::vector<bool> inputs;  // of the plan: which have rows; every output has
  // What weighs against it: each row reads all weights.
  int64_t weight_bytes = 0;
  bool operator==(const Batch&) const = default;
};

// Nothing where a step mixes rows, or may: results are the same bit by bit either way.
std::optional<Batch> find_batch(const Plan& plan);

// Of `rows` rows (one of which gives the plan's symbols these values), those that `threads` take one each, round by
// round; all run the others together. 0 where a row is too little work, or little next to the weights that it
// reads.
int64_t rows_alone(const Plan& plan, const Batch& batch, const Bindings& one_row, int64_t rows, int threads);

}  // namespace mj
