// SPDX-License-Identifier: Apache-2.0
#include "compile/written.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace mj {
namespace {

constexpr std::string_view kModel = R"(graph (%x: i8[N,2]) {
  %s = constant f32[] {0.5}
  %wq = constant i8[2,2] {1, 2, 3, 4}
  %z = constant i8[] {0}
  %xf = dequantize_linear(%x, %s)
  %wf = dequantize_linear(%wq, %s)
  %c = matmul(%xf, %wf)
  %y = quantize_linear(%c, %s, %z)
  %f = dequantize_linear(%y, %s)
  return %f
})";

TEST(Written, KeepsWhatARegionWroteBesideItsIntegers) {
  const Result<Graph> model = parse_graph(kModel);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const Result<Written> written = with_written(*model);
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(written->regions, std::vector<std::string>{"y"});
  EXPECT_FALSE(written->rounds_maths);  // but for the copy
  const Graph& graph = written->graph;
  ASSERT_EQ(graph.outputs.size(), 4u);
  EXPECT_TRUE(graph.producer(graph.outputs[1])->is("quantized_matmul"));
  const Node& twin = *graph.producer(graph.outputs[2]);
  EXPECT_TRUE(twin.is("quantize_linear"));
  EXPECT_TRUE(graph.producer(twin.inputs[0])->is("matmul"));
  // The model's own result comes from the integers.
  EXPECT_EQ(graph.producer(graph.outputs[0])->inputs[0], graph.outputs[1]);
}

TEST(Written, LeavesMathsInFloatsAlone) {
  const Result<Graph> model = parse_graph("graph (%x: f32[2]) {\n  %y = exp(%x)\n  return %y\n}");
  const Result<Written> written = with_written(*model);
  ASSERT_TRUE(written.ok());
  EXPECT_TRUE(written->regions.empty());
  EXPECT_EQ(written->graph.outputs.size(), 1u);
}

TEST(Written, AllowsOneStepOfRounding) {
  const Written written{Graph(), {"y"}, false};
  const auto outputs = [](int64_t integers) {
    return std::vector{Tensor::of_i64(std::vector<int64_t>{1}), Tensor::of_i64(std::vector{integers}),
                       Tensor::of_i64(std::vector<int64_t>{5}), Tensor()};
  };
  std::vector<Tensor> near = outputs(6), far = outputs(7);
  EXPECT_TRUE(check_written(written, near).ok());
  EXPECT_EQ(near.size(), 1u);
  const Result<void> wrong = check_written(written, far);
  ASSERT_FALSE(wrong.ok());
  EXPECT_TRUE(wrong.error().message.starts_with("'y' is 7 in integers and 5 as the model wrote it"))
      << wrong.error().message;
}

}  // namespace
}  // namespace mj
