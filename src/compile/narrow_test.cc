// SPDX-License-Identifier: Apache-2.0
// Engines whose tensors between steps have 16 bits, on a GPU that is emulated.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "compile/compile.h"
#include "engine/format/engine_file.h"
#include "import/onnx_builder_test_util.h"
#include "kernels/cuda/testing/emulated_gpu.h"
#include "runtime/compare_outputs.h"
#include "runtime/engine.h"

namespace mj {
namespace {

namespace onnx_test = onnx::test;

std::vector<float> wave(size_t count, float size) {
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) values.push_back(size * static_cast<float>((i * 37 + 11) % 64) / 32 - size);
  return values;
}

// y = softmax(layer_norm(mean(relu(conv(x, w)))) * v)
std::string network() {
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 3, 6, 5});
  graph.initializer(onnx_test::floats("w", {8, 3, 3, 3}, wave(216, 0.5f)));
  graph.initializer(onnx_test::floats("scale", {8}, wave(8, 1)));
  graph.initializer(onnx_test::floats("bias", {8}, wave(8, 0.5f)));
  graph.initializer(onnx_test::floats("v", {8, 4}, wave(32, 1)));
  graph.node("Conv", {"x", "w"}, {"c"}, {}, "conv").node("Relu", {"c"}, {"r"}, {}, "relu");
  graph.node("GlobalAveragePool", {"r"}, {"p"}, {}, "pool").node("Flatten", {"p"}, {"f"}, {}, "flat");
  graph.node("LayerNormalization", {"f", "scale", "bias"}, {"n"}, {}, "norm");
  graph.node("MatMul", {"n", "v"}, {"m"}, {}, "dense").node("Softmax", {"m"}, {"y"}, {}, "softmax").output("y");
  return onnx_test::model(graph);
}

// y = tanh(x * a) * b
std::string two_products(float a, float b, bool with_tanh) {
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 2}).initializer(onnx_test::floats("a", {2, 2}, {a, 0, -a, a}));
  graph.initializer(onnx_test::floats("b", {2, 2}, {b, 0, -b, b}));
  graph.node("MatMul", {"x", "a"}, {"h"}, {}, "first");
  if (with_tanh) graph.node("Tanh", {"h"}, {"t"}, {}, "tanh");
  graph.node("MatMul", {with_tanh ? "t" : "h", "b"}, {"y"}, {}, "second").output("y");
  return onnx_test::model(graph);
}

class NarrowTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_emulate()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
    folder_ = std::filesystem::temp_directory_path() / ("mj_narrow_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    Target here;
    here.isa = detect_isa();
    options_.target = *parse_target("cuda-sm90", here);
    options_.tune.compile_code = EmulatedGpu::compile;
    options_.tune.measure = false;
  }
  void TearDown() override {
    std::filesystem::remove_all(folder_);
    options_.device.reset();
    gpu_.release();
  }

  Result<Compiled> compiled(const std::string& model, const std::string& precision) {
    const std::string path = (folder_ / "m.onnx").string();
    EXPECT_TRUE(write_file_atomically(path, model).ok());
    options_.precision = precision;
    return compile(path, options_);
  }

  EmulatedGpu gpu_;
  std::filesystem::path folder_;
  CompileOptions options_;
};

TEST_F(NarrowTest, WhatLiesBetweenStepsHas16BitsAndTheAnswersAreNear) {
  options_.device = gpu_.device();
  for (const auto& [precision, dtype] : {std::pair("fp16", DType::f16), std::pair("bf16", DType::bf16)}) {
    SCOPED_TRACE(precision);
    const Result<Compiled> done = compiled(network(), precision);
    ASSERT_TRUE(done.ok()) << done.error().message;
    const EngineTarget& target = done->manifest.targets[0];
    EXPECT_EQ(target.precision, precision);
    EXPECT_TRUE(target.verification.verified);
    EXPECT_GT(target.verification.max_error, 1e-5);
    EXPECT_EQ(target.verification.tolerance, default_tolerance(precision, true));
    EXPECT_EQ(to_string(done->manifest.outputs[0].type), "f32[N,4]");
    EXPECT_EQ(done->report.kept_high, std::vector<std::string>{});
    EXPECT_GE(done->report.rounded, 4);  // the image, conv, pool, norm; the last ones give the output
    ASSERT_TRUE(done->manifest.accuracy);
    EXPECT_TRUE(done->manifest.accuracy->passed);
    for (const Step& step : target.plan.steps) {  // maths or not, images are stored in 16 bits
      const PlanTensor& tensor = target.plan.tensors[static_cast<size_t>(step.outputs[0])];
      const bool inside = step.kind == Step::Kind::kernel && tensor.shape->size() > 2;
      EXPECT_TRUE(!inside || tensor.dtype == dtype) << tensor.name;
    }
    const std::string engine = (folder_ / "m.engine").string();
    ASSERT_TRUE(write_engine(engine, done->manifest, done->measurements).ok());
    EXPECT_EQ(read_engine(engine)->manifest.targets[0].precision, precision);
    EXPECT_EQ(gpu_.fault(), "");
  }
}

TEST_F(NarrowTest, WeightsBeyondItsRangeKeepTheirStepInF32) {
  options_.device = gpu_.device();
  const Result<Compiled> done = compiled(two_products(1e5f, 1, true), "fp16");
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->report.kept_high, std::vector<std::string>{"first (MatMul)"});
  EXPECT_EQ(done->manifest.accuracy->kept_high, done->report.kept_high);
  EXPECT_EQ(compiled(two_products(1e5f, 1, true), "bf16")->report.kept_high, std::vector<std::string>{});
}

TEST_F(NarrowTest, StepsWhoseNumbersOutgrowItGoBackToF32) {
  options_.device = gpu_.device();
  const Result<Compiled> done = compiled(two_products(6e4f, 1e-3f, false), "fp16");
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->report.kept_high, (std::vector<std::string>{"first (MatMul)", "second (MatMul)"}));
  EXPECT_EQ(done->report.rounded, 0);
  EXPECT_EQ(compiled(two_products(6e4f, 1e-3f, false), "bf16")->report.kept_high, std::vector<std::string>{});
}

TEST_F(NarrowTest, InputsBeyondItsRangeAreAnErrorThatSaysSo) {
  options_.device = gpu_.device();
  const auto large = [](std::span<const Port>) -> Result<std::vector<Tensor>> {
    return std::vector{Tensor::of<float>({1, 2}, std::array{1e5f, 1.0f})};
  };
  options_.samples = {{"large", large}};
  const Result<Compiled> done = compiled(two_products(0.1f, 1, false), "fp16");
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::model);
  EXPECT_NE(done.error().message.find("output 'y' is infinite or NaN"), std::string::npos) << done.error().message;
  EXPECT_NE(done.error().message.find("--precision bf16 holds them"), std::string::npos);
  EXPECT_TRUE(compiled(two_products(0.1f, 1, false), "bf16").ok());
}

}  // namespace
}  // namespace mj
