// SPDX-License-Identifier: Apache-2.0
// Cases for the tests of the attention rows.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/row_test_util.h"
#include "ops/attention.h"

namespace mj {

inline RowCase attend(Attention op, std::vector<Tensor> inputs) {
  Problem problem;
  problem.op = std::move(op);
  return {problem, std::move(inputs), {}};
}

inline Attention layout(int64_t heads, std::string_view name) {
  Attention op;
  op.heads = heads;
  op.layout = name;
  return op;
}

inline Tensor loud(uint32_t seed, std::vector<int64_t> dims) {
  Tensor x = random_tensor(seed, std::move(dims));
  for (float& v : x.mutable_data<float>()) v *= 3;
  return x;
}

}  // namespace mj
