// SPDX-License-Identifier: Apache-2.0
// Cases for the tests of the norm rows.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/row_test_util.h"

namespace mj {

inline RowCase problem_of(Op op, std::vector<Tensor> inputs) {
  Problem problem;
  problem.op = std::move(op);
  return {problem, std::move(inputs), {}};
}

// Far from 0, where a variance as a difference of squares would be lost.
inline Tensor shifted(uint32_t seed, std::vector<int64_t> dims) {
  Tensor x = random_tensor(seed, std::move(dims));
  for (float& v : x.mutable_data<float>()) v += 3;
  return x;
}

}  // namespace mj
