// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"
#include "kernels/pool/cases_test_util.h"
#include "ops/pool.h"

namespace mj {
namespace {

template <class Pool>
void expect_pools() {
  for (bool last : {false, true}) {
    expect_gpu_row_matches("pool_cuda", pool(with<Pool>({3, 3}, {2, 2}, {1, 1, 1, 1}, last), {2, 17, 9, 19}), 1e-6);
    expect_gpu_row_matches("pool_cuda", pool(with<Pool>({3}, {2}, {1, 0}, last), {2, 7, 33}), 1e-6);
    expect_gpu_row_matches("pool_cuda",
                           pool(with<Pool>({2, 2, 2}, {2, 1, 2}, {1, 1, 1, 1, 1, 1}, last), {1, 4, 5, 6, 7}), 1e-6);
    Pool ceil = with<Pool>({3, 3}, {2, 2}, {0, 1, 0, 1}, last);
    ceil.ceil_mode = true;
    ceil.dilations = {1, 2};
    expect_gpu_row_matches("pool_cuda", pool(ceil, {1, 8, 10, 12}), 1e-6);
  }
  expect_gpu_row_matches("pool_cuda", pool(with<Pool>({2, 3}, {}, {}, false), {1, 5, 7, 6}), 1e-6);
  expect_gpu_row_matches("pool_cuda", pool(with<Pool>({2, 2}, {}, {}, false), {0, 4, 5, 6}), 1e-6);
  expect_gpu_row_matches("pool_cuda", pool(with<Pool>({3, 2}, {3, 2}, {}, false), {1, 2, 2, 6}), 1e-6);
  // Channels that a thread takes four of, or two.
  expect_gpu_row_matches("pool_cuda", pool(with<Pool>({3, 3}, {2, 2}, {1, 1, 1, 1}, true), {2, 7, 9, 12}), 1e-6);
  expect_gpu_row_matches("pool_cuda", pool(with<Pool>({3, 3}, {2, 2}, {1, 1, 1, 1}, true), {2, 7, 8, 6}), 1e-6);
  // Global: one window of everything.
  expect_gpu_row_matches("pool_cuda", pool(with<Pool>({14, 15}, {}, {}, true), {2, 14, 15, 30}), 1e-5);
}

TEST(PoolCuda, Maxima) { expect_pools<MaxPool>(); }
TEST(PoolCuda, Averages) { expect_pools<AveragePool>(); }

TEST(PoolCuda, PadsByItself) {
  for (const char* how : {"SAME_UPPER", "SAME_LOWER", "VALID"}) {
    AveragePool op = with<AveragePool>({3, 4}, {2, 1}, {}, true);
    op.auto_pad = how;
    expect_gpu_row_matches("pool_cuda", pool(op, {1, 8, 9, 3}), 1e-6);
  }
}

// Lengths of the result that follow from those of the image.
TEST(PoolCuda, ImagesOfAnySize) {
  for (const char* how : {"NOTSET", "SAME_LOWER"}) {
    AveragePool op = with<AveragePool>({3, 4}, {2, 1}, {1, 1, 1, 2}, false);
    op.auto_pad = how;
    op.count_include_pad = true;
    RowCase c = pool(op, {2, 3, 8, 11});
    complete(c);
    Problem symbolic = c.problem;
    symbolic.inputs[0].shape = {Dim::symbol("N"), 3, Dim::symbol("H"), Dim::symbol("W")};
    const ValueInfo info = ValueInfo::of(Type::tensor(DType::f32, symbolic.inputs[0].shape));
    const InferResult inferred = op.infer({.op = "average_pool", .inputs = {&info, 1}, .outputs = 1, .fresh = nullptr});
    ASSERT_TRUE(inferred.ok());
    symbolic.outputs[0].shape = *(*inferred)[0].type.shape;
    for (const SelectRow* row : all_select_rows()) {
      if (row->name != "pool_cuda") continue;
      const Bindings sizes = {{"N", 2}, {"H", 8}, {"W", 11}};
      EXPECT_FALSE(row->refuses(symbolic, {}));
      const Launch launch = row->generate(symbolic, {}, "").launches[0];
      EXPECT_EQ(launch.grid[0].evaluate(sizes).value(), row->generate(c.problem, {}, "").launches[0].grid[0]);
      for (const LaunchArg& arg : launch.args) EXPECT_TRUE(arg.value.evaluate(sizes).ok()) << arg.value.to_string();
    }
  }
}

TEST(PoolCuda, CountsPaddingIfAsked) {
  for (bool ceil : {false, true}) {
    AveragePool op = with<AveragePool>({3, 3}, {2, 2}, {1, 0, 1, 1}, false);
    op.count_include_pad = true;
    op.ceil_mode = ceil;
    expect_gpu_row_matches("pool_cuda", pool(op, {2, 3, 8, 10}), 1e-6);
  }
}

TEST(PoolCuda, KeepsNanAndInfinity) {
  RowCase c = pool(with<MaxPool>({2, 2}, {1, 1}, {}, false), {1, 6, 6, 20});
  const std::span<float> x = c.inputs[0].mutable_data<float>();
  x[7] = NAN;
  x[40] = INFINITY;
  for (size_t i = 120; i < 240; ++i) x[i] = -INFINITY;
  expect_gpu_row_matches("pool_cuda", c, 0);
}

TEST(PoolCuda, OtherTypes) {
  for (DType dtype : {DType::f16, DType::bf16, DType::f64, DType::i8, DType::u8, DType::i32}) {
    RowCase c = pool(with<MaxPool>({2, 3}, {1, 2}, {1, 1, 1, 1}, true), {1, 5, 7, 3});
    for (float& x : c.inputs[0].mutable_data<float>()) x *= 100;
    c.inputs[0] = (*evaluate(op("cast", {{0, "to", dtype}}), std::array{c.inputs[0]}))[0];
    expect_gpu_row_matches("pool_cuda", c, 0);
    c.problem.op = with<AveragePool>({2, 3}, {1, 2}, {1, 1, 1, 1}, true);
    if (is_float(dtype)) expect_gpu_row_matches("pool_cuda", c, 1e-3);
  }
}

TEST(PoolCuda, FusesABody) {
  for (bool last : {false, true}) {
    RowCase c = pool(with<AveragePool>({3, 3}, {2, 2}, {1, 1, 1, 1}, last), {2, 5, 9, 7});
    add_epilogue(c, {random_tensor(2, {last ? 7 : 4})}, op("sigmoid"));
    expect_gpu_row_matches("pool_cuda", c, 1e-6);
  }
}

TEST(PoolCuda, LowerPrecision) {
  for (bool last : {false, true}) {
    RowCase c = pool(with<AveragePool>({3, 3}, {2, 2}, {1, 1, 1, 1}, last), {2, 5, 9, 8});
    expect_narrow_gpu_row_matches("pool_cuda", c, 1e-6);
    add_epilogue(c, {random_tensor(2, {last ? 8 : 4})}, op("sigmoid"));
    expect_narrow_gpu_row_matches("pool_cuda", c, 1e-6);
  }
  expect_narrow_gpu_row_matches("pool_cuda", pool(with<MaxPool>({2, 2}, {2, 2}, {}, true), {1, 6, 6, 16}), 0);
}

TEST(PoolCuda, Refuses) {
  RowCase c = pool(with<AveragePool>({2}, {}, {}, false), {1, 2, 5});
  c.inputs[0] = Tensor::zeros(DType::i32, {1, 2, 5});
  EXPECT_EQ(gpu_refusal_of("pool_cuda", c), "an average of integers");
}

}  // namespace
}  // namespace mj
