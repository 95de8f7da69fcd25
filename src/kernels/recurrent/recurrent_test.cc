// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent.h"

#include "kernels/row_test_util.h"

namespace mj {
namespace {

constexpr int64_t kSteps = 6, kBatch = 3, kInputs = 5, kHidden = 19;

RowCase lstm(const std::string& direction, int64_t layout, bool optional) {
  Lstm op;
  op.direction = direction;
  op.layout = layout;
  op.hidden_size = kHidden;
  const int64_t d = op.directions();
  const std::vector<int64_t> state =
      layout == 0 ? std::vector<int64_t>{d, kBatch, kHidden} : std::vector<int64_t>{kBatch, d, kHidden};
  RowCase c;
  c.inputs = {random_tensor(1, layout == 0 ? std::vector<int64_t>{kSteps, kBatch, kInputs}
                                           : std::vector<int64_t>{kBatch, kSteps, kInputs}),
              random_tensor(2, {d, 4 * kHidden, kInputs}), random_tensor(3, {d, 4 * kHidden, kHidden})};
  c.constant = {false, true, true, true, false, false, false, true};
  if (optional) {
    const int32_t lengths[] = {6, 2, 0};
    c.inputs.push_back(random_tensor(4, {d, 8 * kHidden}));
    c.inputs.push_back(Tensor::of<int32_t>({kBatch}, lengths));
    c.inputs.push_back(random_tensor(5, state));
    c.inputs.push_back(random_tensor(6, state));
    c.inputs.push_back(random_tensor(7, {d, 3 * kHidden}));
  }
  c.problem.op = op;
  c.problem.outputs.resize(3);
  return c;
}

TEST(lstm_f32, runs_every_direction_and_layout) {
  for (const char* direction : {"forward", "reverse", "bidirectional"})
    for (int64_t layout : {0, 1})
      for (bool optional : {false, true}) expect_row_matches("lstm_f32", lstm(direction, layout, optional), 1e-5);
}

TEST(lstm_f32, says_why_not) {
  RowCase c = lstm("forward", 0, false);
  c.constant = {};
  EXPECT_EQ(refusal_of("lstm_f32", c), "its weights are not constant");
  Lstm clipped;
  clipped.clip = 3;
  c.problem.op = clipped;
  EXPECT_EQ(refusal_of("lstm_f32", c), "it clips its gates");
}

TEST(lstm_f32, reports_a_length_beyond_the_sequence) {
  RowCase c = lstm("forward", 0, true);
  complete(c);
  const int32_t lengths[] = {6, 7, 0};
  c.inputs[4] = Tensor::of<int32_t>({kBatch}, lengths);
  EXPECT_NE(run_row_error("lstm_f32", c, detect_isa()).find("sequence length 7 is not in [0, 6]"), std::string::npos);
}

}  // namespace
}  // namespace mj
