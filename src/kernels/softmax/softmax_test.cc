// SPDX-License-Identifier: Apache-2.0
#include "kernels/row_test_util.h"
#include "kernels/softmax/cases_test_util.h"

namespace mj {
namespace {

TEST(SoftmaxRow, AnyAxisOfAnyShape) {
  for (const char* name : {"softmax", "log_softmax"}) {
    for (const std::vector<int64_t>& dims : std::initializer_list<std::vector<int64_t>>{
             {1}, {5}, {2, 1}, {1, 1000}, {7, 33}, {3, 5, 17}, {2, 3, 19, 41}, {0, 4}, {130, 128}}) {
      for (int64_t axis = 0; axis < std::ssize(dims); ++axis) {
        expect_row_matches("softmax_f32", along(name, axis, stretched(1, dims)), 4e-6);
      }
    }
  }
}

TEST(SoftmaxRow, MasksAndNans) {
  const Tensor x = masks_and_nans();
  expect_row_matches("softmax_f32", along("softmax", -1, x), 1e-6);
  expect_row_matches("softmax_f32", along("softmax", 0, x), 1e-6);
}

TEST(SoftmaxRow, AppliesAnEpilogue) {
  for (int64_t axis : {0, 1}) {
    RowCase c = along("softmax", axis, stretched(1, {9, 21}));
    c.problem.anchor_inputs = 1;
    c.problem.epilogue.params = {DType::f32, DType::f32};
    c.problem.epilogue.results = {c.problem.epilogue.append(op("mul"), {0, 1})};
    c.inputs.push_back(random_tensor(2, {21}));
    expect_row_matches("softmax_f32", c, 1e-6);
  }
}

}  // namespace
}  // namespace mj
