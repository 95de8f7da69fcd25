// SPDX-License-Identifier: Apache-2.0
#include "compile/shaken.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace mj {
namespace {

bool rounds(std::string_view body) {
  const Result<Graph> graph = parse_graph("graph (%x: f32[2], %q: i8[2]) {\n  %s = constant f32[] {0.5}\n" +
                                          std::string(body) + "  return %y\n}");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return graph.ok() && rounds_maths(*graph);
}

TEST(Shaken, KnowsWhatIsRounded) {
  EXPECT_FALSE(rounds("  %y = quantize_linear(%x, %s)\n"));
  EXPECT_FALSE(rounds("  %f = dequantize_linear(%q, %s)\n  %y = quantize_linear(%f, %s)\n"));
  EXPECT_FALSE(rounds("  %y = exp(%x)\n"));
  EXPECT_TRUE(rounds("  %e = exp(%x)\n  %y = quantize_linear(%e, %s)\n"));
  EXPECT_TRUE(rounds("  %f = dequantize_linear(%q, %s)\n  %e = exp(%f)\n  %y = quantize_linear(%e, %s)\n"));
}

TEST(Shaken, ChangesTheLastPlacesOfConstants) {
  Plan plan;
  PlanTensor tensor;
  tensor.kind = PlanTensor::Kind::constant;
  tensor.dtype = DType::f32;
  tensor.constant = Tensor::zeros(DType::f32, {1000});
  std::fill_n(tensor.constant.mutable_data<float>().begin(), 1000, 3.0f);
  plan.tensors = {tensor};
  const Plan result = shaken(plan, 1);
  int changed = 0;
  for (float x : result.tensors[0].constant.data<float>()) {
    EXPECT_NEAR(x, 3.0f, 4e-6f);
    changed += x != 3.0f;
  }
  EXPECT_GT(changed, 500);
  EXPECT_EQ(plan.tensors[0].constant.data<float>()[0], 3.0f);
}

}  // namespace
}  // namespace mj
