// SPDX-License-Identifier: Apache-2.0
// Cases for the tests of the softmax rows.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/row_test_util.h"

namespace mj {

inline RowCase along(std::string_view name, int64_t axis, Tensor x) {
  Problem problem;
  problem.op = op(name, {{0, "axis", axis}});
  return {problem, {std::move(x)}, {}};
}

inline Tensor stretched(uint32_t seed, std::vector<int64_t> dims) {
  Tensor x = random_tensor(seed, std::move(dims));
  for (float& v : x.mutable_data<float>()) v *= 30;
  return x;
}

// Lines with some or all of their elements masked, far below 0, and with a NaN or an infinity.
inline Tensor masks_and_nans() {
  Tensor x = stretched(1, {6, 37});
  for (size_t i = 0; i < 37; ++i) {
    x.mutable_data<float>()[i] = -INFINITY;                  // all hidden
    if (i % 3) x.mutable_data<float>()[37 + i] = -INFINITY;  // some hidden
    x.mutable_data<float>()[74 + i] -= 1e9f;
  }
  x.mutable_data<float>()[37 * 3 + 5] = NAN;
  x.mutable_data<float>()[37 * 4 + 36] = INFINITY;
  return x;
}

}  // namespace mj
