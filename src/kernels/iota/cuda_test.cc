// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

RowCase counting(std::string start, std::string step, std::string count) {
  using Texts = std::vector<std::string>;
  RowCase c;
  c.problem.op = op("iota", {{0, "start", Texts{std::move(start)}},
                             {0, "step", Texts{std::move(step)}},
                             {0, "count", Texts{std::move(count)}}});
  return c;
}

TEST(IotaCuda, CountsUpAndDown) {
  expect_gpu_row_matches("iota_cuda", counting("7", "1", "300"), 0);
  expect_gpu_row_matches("iota_cuda", counting("-2", "-3", "5"), 0);
  expect_gpu_row_matches("iota_cuda", counting("9223372036854775807", "1", "3"), 0);
}

TEST(IotaCuda, Refuses) {
  RowCase c = counting("0", "1", "4");
  EXPECT_EQ(gpu_refusal_of("iota_cuda", c), "takes it");
  for (const SelectRow* row : all_select_rows()) {
    if (row->name != "iota_cuda") continue;
    c.problem.op = counting("N", "1", "4").problem.op;
    EXPECT_EQ(row->refuses(c.problem, {}), "its first number or step is computed");
  }
}

}  // namespace
}  // namespace mj
