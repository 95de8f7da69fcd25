// SPDX-License-Identifier: Apache-2.0
// Cases for the tests of the rows that move elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/row_test_util.h"

namespace mj {

inline RowCase moved(Op op, std::vector<Tensor> inputs, size_t outputs = 1) {
  Problem problem;
  problem.op = std::move(op);
  problem.outputs.resize(outputs);
  return {problem, std::move(inputs), {}};
}

inline Tensor ints(std::vector<int64_t> values) { return Tensor::of_i64(values); }

}  // namespace mj
