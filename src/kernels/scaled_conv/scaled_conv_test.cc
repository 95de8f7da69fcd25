// SPDX-License-Identifier: Apache-2.0
#include "ops/scaled_conv.h"

#include "kernels/row_test_util.h"

namespace mj {
namespace {

RowCase scaled_conv(std::vector<int64_t> x, int64_t scales, int64_t outputs, bool bias, bool body) {
  RowCase c;
  c.problem.op = ScaledConv{};
  c.inputs = {random_tensor(1, x), random_tensor(2, {scales, 1, 1, x[3]}), random_tensor(3, {outputs, x[3], 1, 1})};
  if (bias) c.inputs.push_back(random_tensor(4, {outputs}));
  c.constant = {false, false, true, true};
  if (body) {  // a residual
    c.problem.anchor_inputs = static_cast<int>(c.inputs.size());
    Body& epilogue = c.problem.epilogue;
    epilogue.params = {DType::f32, DType::f32};
    epilogue.results = {epilogue.append(op("add"), {0, 1})};
    c.inputs.push_back(random_tensor(5, {x[0], x[1], x[2], outputs}));
  }
  return c;
}

TEST(scaled_conv_f32, matches_the_reference) {
  for (bool extras : {false, true}) {
    expect_row_matches("scaled_conv_f32", scaled_conv({2, 7, 9, 33}, 2, 17, extras, extras), 1e-5);
    expect_row_matches("scaled_conv_f32", scaled_conv({3, 20, 13, 600}, 3, 24, extras, extras), 1e-4);
    expect_row_matches("scaled_conv_f32", scaled_conv({3, 1, 1, 5}, 1, 40, extras, extras), 1e-5);
    expect_row_matches("scaled_conv_f32", scaled_conv({1, 3, 1, 1}, 1, 1, extras, extras), 1e-5);
    expect_row_matches("scaled_conv_f32", scaled_conv({0, 3, 2, 4}, 0, 8, extras, extras), 1e-5);
  }
}

TEST(scaled_conv_f32, says_why_not) {
  RowCase c = scaled_conv({2, 7, 9, 33}, 2, 17, true, false);
  c.constant[2] = false;
  EXPECT_EQ(refusal_of("scaled_conv_f32", c), "its weights are not constant");
}

}  // namespace
}  // namespace mj
