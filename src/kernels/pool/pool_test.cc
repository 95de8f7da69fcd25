// SPDX-License-Identifier: Apache-2.0
#include "ops/pool.h"

#include <cmath>

#include "kernels/pool/cases_test_util.h"
#include "kernels/row_test_util.h"

namespace mj {
namespace {

template <class Pool>
void expect_pools() {
  for (bool last : {false, true}) {
    expect_row_matches("pool_f32", pool(with<Pool>({3, 3}, {2, 2}, {1, 1, 1, 1}, last), {2, 17, 9, 19}), 1e-6);
    expect_row_matches("pool_f32", pool(with<Pool>({2, 3}, {}, {}, last), {1, 5, 7, 6}), 1e-6);
    expect_row_matches("pool_f32", pool(with<Pool>({3}, {2}, {1, 0}, last), {2, 7, 33}), 1e-6);
    expect_row_matches("pool_f32", pool(with<Pool>({2, 2, 2}, {2, 1, 2}, {1, 1, 1, 1, 1, 1}, last), {1, 4, 5, 6, 7}),
                       1e-6);
    expect_row_matches("pool_f32", pool(with<Pool>({2, 2}, {}, {}, last), {0, 4, 5, 6}), 1e-6);
    expect_row_matches("pool_f32", pool(with<Pool>({3, 2}, {3, 2}, {}, last), {1, 2, 2, 6}), 1e-6);
    Pool ceil = with<Pool>({3, 3}, {2, 2}, {0, 1, 0, 1}, last);
    ceil.ceil_mode = true;
    ceil.dilations = {1, 2};
    expect_row_matches("pool_f32", pool(ceil, {1, 8, 10, 12}), 1e-6);
  }
  // Global: one window of everything.
  expect_row_matches("pool_f32", pool(with<Pool>({14, 15}, {}, {}, true), {2, 14, 15, 300}), 1e-5);
  expect_row_matches("pool_f32", pool(with<Pool>({14, 15}, {}, {}, false), {2, 70, 14, 15}), 1e-5);
}

TEST(pool_f32, takes_maxima) { expect_pools<MaxPool>(); }
TEST(pool_f32, takes_averages) { expect_pools<AveragePool>(); }

TEST(pool_f32, counts_padding_if_asked) {
  for (bool last : {false, true}) {
    AveragePool op = with<AveragePool>({3, 3}, {2, 2}, {1, 1, 1, 1}, last);
    op.count_include_pad = true;
    expect_row_matches("pool_f32", pool(op, {2, 9, 9, 9}), 1e-6);
  }
}

TEST(pool_f32, keeps_nan_and_infinity) {
  for (bool last : {false, true}) {
    RowCase c = pool(with<MaxPool>({2, 2}, {1, 1}, {}, last), {1, 6, 6, 20});
    const std::span<float> x = c.inputs[0].mutable_data<float>();
    x[7] = std::nanf("");
    x[40] = INFINITY;
    x[90] = -INFINITY;
    expect_row_matches("pool_f32", c, 0);
  }
}

TEST(pool_f32, fuses_a_body) {
  for (bool last : {false, true}) {
    RowCase c = pool(with<AveragePool>({3, 3}, {2, 2}, {1, 1, 1, 1}, last), {2, 17, 9, 19});
    c.problem.anchor_inputs = 1;
    c.problem.epilogue.params = {DType::f32};
    c.problem.epilogue.results = {c.problem.epilogue.append(op("sigmoid"), {0})};
    expect_row_matches("pool_f32", c, 1e-6);
  }
}

}  // namespace
}  // namespace mj
