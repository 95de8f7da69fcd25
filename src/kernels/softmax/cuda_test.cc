// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"
#include "kernels/softmax/cases_test_util.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

TEST(SoftmaxCuda, AnyAxisOfAnyShape) {
  for (const Dims& dims : {Dims{1}, Dims{2, 1}, Dims{7, 33}, Dims{3, 17, 5}, Dims{0, 4}, Dims{13, 128}}) {
    for (int64_t axis = 0; axis < std::ssize(dims); ++axis) {
      expect_gpu_row_matches("softmax_cuda", along("softmax", axis, stretched(1, dims)), 4e-6);
    }
  }
  for (int64_t axis : {0, -1}) {
    expect_gpu_row_matches("softmax_cuda", along("log_softmax", axis, stretched(1, {19, 41})), 4e-6);
  }
}

// In registers or not, by a warp, a block, a column or several rows of columns.
TEST(SoftmaxCuda, LongLines) {
  for (int64_t length : {257, 2049, 4099, 17001}) {
    expect_gpu_row_matches("softmax_cuda", along("softmax", 1, stretched(1, {2, length})), 4e-6);
  }
  for (int64_t length : {97, 521}) {
    expect_gpu_row_matches("softmax_cuda", along("log_softmax", 1, stretched(1, {2, length, 19})), 4e-6);
  }
}

TEST(SoftmaxCuda, MasksAndNans) {
  const Tensor x = masks_and_nans();
  expect_gpu_row_matches("softmax_cuda", along("softmax", -1, x), 1e-6);
  expect_gpu_row_matches("softmax_cuda", along("softmax", 0, x), 1e-6);
}

TEST(SoftmaxCuda, OtherFloats) {
  for (DType dtype : {DType::f16, DType::bf16, DType::f64}) {
    const Tensor x = (*evaluate(op("cast", {{0, "to", dtype}}), std::array{random_tensor(1, {5, 71})}))[0];
    expect_gpu_row_matches("softmax_cuda", along("softmax", 1, x), dtype == DType::f64 ? 1e-14 : 1e-3);
    expect_gpu_row_matches("softmax_cuda", along("log_softmax", 0, x), dtype == DType::f64 ? 1e-14 : 1e-2);
  }
}

TEST(SoftmaxCuda, NeighboursAtOnce) {
  for (int64_t length : {8, 36, 1024, 9000}) {
    RowCase c = along("softmax", 1, stretched(1, {3, length}));
    expect_gpu_row_matches("softmax_cuda", c, 4e-6);
    add_epilogue(c, {random_tensor(2, {length}), random_tensor(3, {3, 1})}, op("relu"));
    expect_narrow_gpu_row_matches("softmax_cuda", c, 4e-6);
  }
  expect_narrow_gpu_row_matches("softmax_cuda", along("log_softmax", 1, stretched(1, {2, 40, 3})), 4e-6);
}

TEST(SoftmaxCuda, AppliesAnEpilogueOfSeveralResults) {
  for (int64_t axis : {0, 1}) {
    RowCase c = along("softmax", axis, stretched(1, {9, 21}));
    c.problem.anchor_inputs = 1;
    c.problem.epilogue.params = {DType::f32, DType::f32};
    c.problem.epilogue.results = {c.problem.epilogue.append(op("mul"), {0, 1}), 0};
    c.problem.outputs.resize(2);
    c.inputs.push_back(random_tensor(2, {21}));
    expect_gpu_row_matches("softmax_cuda", c, 1e-6);
  }
}

TEST(SoftmaxCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of("softmax_cuda", along("softmax", 0, Tensor::zeros(DType::f8e5m2, {3}))),
            "elements of f8e5m2");
}

}  // namespace
}  // namespace mj
