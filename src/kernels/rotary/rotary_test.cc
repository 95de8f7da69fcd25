// SPDX-License-Identifier: Apache-2.0
#include "ops/rotary.h"

#include "kernels/row_test_util.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

RowCase problem_of(bool interleaved, Dims x, Dims cos, Dims sin) {
  Problem problem;
  problem.op = Rotary{interleaved};
  return {problem,
          {random_tensor(1, std::move(x)), random_tensor(2, std::move(cos)), random_tensor(3, std::move(sin))},
          {}};
}

TEST(RotaryRow, HalvesAndNeighbours) {
  for (bool interleaved : {false, true}) {
    expect_row_matches("rotary_f32", problem_of(interleaved, {2, 3, 5, 64}, {1, 1, 5, 64}, {5, 64}), 1e-6);
    expect_row_matches("rotary_f32", problem_of(interleaved, {2, 5, 3, 22}, {2, 5, 1, 11}, {2, 1, 1, 22}), 1e-6);
    expect_row_matches("rotary_f32", problem_of(interleaved, {7, 2}, {1}, {7, 2}), 1e-6);
    expect_row_matches("rotary_f32", problem_of(interleaved, {4, 700, 34}, {700, 17}, {700, 17}), 1e-6);
    expect_row_matches("rotary_f32", problem_of(interleaved, {0, 5, 8}, {5, 8}, {5, 4}), 1e-6);
  }
}

}  // namespace
}  // namespace mj
