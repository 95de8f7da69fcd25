// SPDX-License-Identifier: Apache-2.0
// Cases for the tests of the resize rows.
#pragma once

#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "kernels/row_test_util.h"
#include "ops/resize.h"

namespace mj {

inline RowCase resized(Resize op, std::vector<int64_t> dims, std::vector<float> scales) {
  Problem problem;
  problem.op = std::move(op);
  const std::vector<int64_t> count = {std::ssize(scales)};
  return {problem, {random_tensor(1, std::move(dims)), {}, Tensor::of<float>(count, scales)}, {}};
}

// To sizes instead of by scales.
inline RowCase resized_to(Resize op, std::vector<int64_t> dims, std::vector<int64_t> sizes) {
  RowCase c = resized(std::move(op), std::move(dims), {});
  c.inputs = {c.inputs[0], {}, {}, Tensor::of_i64(sizes)};
  return c;
}

}  // namespace mj
