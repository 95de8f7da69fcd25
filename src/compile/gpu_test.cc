// SPDX-License-Identifier: Apache-2.0
// From a model to an engine for a GPU and its answers, on a GPU that is emulated.
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

// y = hardmax(relu(x * w)) + 1 for x f32[N,2]: that in the middle has no kernel for GPUs.
std::string mixed_model() {
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 2}).initializer(onnx_test::floats("w", {2, 3}, {1, 0, -1, 2, 1, 0}));
  graph.initializer(onnx_test::floats("one", {1}, {1}));
  graph.node("MatMul", {"x", "w"}, {"h"}, {}, "dense").node("Relu", {"h"}, {"r"}, {}, "relu");
  graph.node("Hardmax", {"r"}, {"s"}, {}, "hardmax").node("Add", {"s", "one"}, {"y"}, {}, "add").output("y");
  return onnx_test::model(graph);
}

class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_emulate()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
    folder_ = std::filesystem::temp_directory_path() / ("mj_gpu_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    model_ = (folder_ / "mixed.onnx").string();
    engine_ = (folder_ / "mixed.engine").string();
    ASSERT_TRUE(write_file_atomically(model_, mixed_model()).ok());
    Target here;
    here.isa = detect_isa();
    options_.target = *parse_target("cuda-sm90", here);
    options_.tune.compile_code = EmulatedGpu::compile;
    options_.tune.seconds_a_candidate = 0.001;
    options_.tune.gpu.replay_seconds = 1e-6;
    options_.tune.most_on_gpu = 2;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<std::vector<Tensor>> run(EmulatedGpu& gpu, const Tensor& x) {
    EngineOptions options;
    options.device = gpu.device();
    MJ_ASSIGN(const std::shared_ptr<Engine> engine, Engine::load(engine_, options));
    std::vector<Tensor> outputs;
    MJ_TRY(engine->run(std::vector<Tensor>{x}, outputs));
    return outputs;
  }
  const Tensor x_ = Tensor::of<float>({2, 2}, std::array{1.0f, 2.0f, -3.0f, 0.5f});
  const Tensor y_ = Tensor::of<float>({2, 3}, std::array{2.0f, 1.0f, 1.0f, 1.0f, 1.0f, 2.0f});

  std::filesystem::path folder_;
  std::string model_, engine_;
  CompileOptions options_;
};

TEST_F(GpuTest, AnEngineIsVerifiedOnItsDevice) {
  EmulatedGpu gpu;
  options_.device = gpu.device();
  const Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  const EngineTarget& target = compiled->manifest.targets[0];
  EXPECT_EQ(target.name, "cuda-sm90");
  EXPECT_TRUE(target.verification.verified);
  EXPECT_EQ(compiled->report.on_device, 2);
  EXPECT_EQ(target.plan.steps.size(), 7u);  // in, product, out, hardmax, in, addition, out
  EXPECT_TRUE(compiled->manifest.samples.empty());
  EXPECT_EQ(gpu.fault(), "");
  ASSERT_TRUE(write_engine(engine_, compiled->manifest, compiled->measurements).ok());
  const Result<std::vector<Tensor>> outputs = run(gpu, x_);
  ASSERT_TRUE(outputs.ok()) << outputs.error().message;
  EXPECT_TRUE(identical((*outputs)[0], y_));
  options_.device.reset();
  gpu.release();
  EXPECT_EQ(gpu.driver().left(), "");
}

TEST_F(GpuTest, CandidatesAreTimedOnItsDevice) {
  EmulatedGpu gpu;
  options_.device = gpu.device();
  options_.cache_path = (folder_ / "tactics.jsonl").string();
  const Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  int timed = 0;
  for (const Step& step : compiled->manifest.targets[0].plan.steps) {
    if (!step.device || step.choice.candidates.size() < 3) continue;  // without the reference
    EXPECT_TRUE(step.choice.candidates[0].seconds) << step.choice.row;
    ++timed;
  }
  EXPECT_GT(timed, 0);
  EXPECT_GE(compiled->report.measured, 2 * timed);
  const Result<Compiled> again = compile(model_, options_);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->report.measured, 0);
  EXPECT_EQ(gpu.fault(), "");
  options_.device.reset();
  gpu.release();
  EXPECT_EQ(gpu.driver().left(), "");
}

TEST_F(GpuTest, BuiltWithoutItsDeviceItIsVerifiedAtFirstLoad) {
  options_.target_is_here = false;
  Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  EXPECT_FALSE(compiled->manifest.targets[0].verification.verified);
  ASSERT_EQ(compiled->manifest.samples.size(), 1u);
  ASSERT_TRUE(write_engine(engine_, compiled->manifest, compiled->measurements).ok());
  EmulatedGpu gpu;
  const Result<std::vector<Tensor>> outputs = run(gpu, x_);
  ASSERT_TRUE(outputs.ok()) << outputs.error().message;
  EXPECT_TRUE(identical((*outputs)[0], y_));

  // What the file expects and the device does not give is refused.
  compiled->manifest.samples[0].outputs[0] = Tensor::zeros(DType::f32, compiled->manifest.samples[0].outputs[0].dims());
  ASSERT_TRUE(write_engine(engine_, compiled->manifest, compiled->measurements).ok());
  const Result<std::vector<Tensor>> refused = run(gpu, x_);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("differs from the reference"), std::string::npos) << refused.error().message;
}

// y = relu(x * w), nothing of it on the host, and then reshaped.
TEST_F(GpuTest, AWholeNetworkIsOneGraph) {
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 2}).initializer(onnx_test::floats("w", {2, 3}, {1, 0, -1, 2, 1, 0}));
  graph.initializer(onnx_test::int64s("flat", {1}, {-1}));
  graph.node("MatMul", {"x", "w"}, {"h"}, {}, "dense").node("Relu", {"h"}, {"r"}, {}, "relu");
  graph.node("Reshape", {"r", "flat"}, {"y"}, {}, "flatten").output("y");
  ASSERT_TRUE(write_file_atomically(model_, onnx_test::model(graph)).ok());
  EmulatedGpu gpu;
  options_.device = gpu.device();
  options_.tune.measure = false;
  const Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  ASSERT_TRUE(write_engine(engine_, compiled->manifest, compiled->measurements).ok());
  options_.device.reset();
  {
    EngineOptions options;
    options.device = gpu.device();
    const std::shared_ptr<Engine> engine = *Engine::load(engine_, options);
    std::vector<Tensor> outputs;
    for (int64_t rows : {2, 5, 2, 300, 2}) {  // 300: a larger arena, so the others are captured again
      std::vector<float> x(static_cast<size_t>(2 * rows)), y;
      for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
      for (size_t i = 0; i < x.size(); i += 2) {
        for (float value : {x[i] + 2 * x[i + 1], x[i + 1], -x[i]}) y.push_back(std::max(0.0f, value));
      }
      ASSERT_TRUE(engine->run(std::vector{Tensor::of<float>({rows, 2}, std::span<const float>(x))}, outputs).ok());
      EXPECT_TRUE(std::ranges::equal(outputs[0].data<float>(), y)) << rows;
    }
    const std::vector<std::string> calls = gpu.driver().call_names();
    EXPECT_EQ(std::count(calls.begin(), calls.end(), "graph_launch"), 6);  // with the one that verified
  }
  EXPECT_EQ(gpu.fault(), "");
  gpu.release();
  EXPECT_EQ(gpu.driver().left(), "");
}

// y = what a Q/DQ region makes of x: in bytes from end to end, and verified against the integers of the definition.
TEST_F(GpuTest, AQuantizedNetworkStaysThere) {
  constexpr int32_t kInt8 = 3;
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 5}).initializer(onnx_test::int32_field("zero", kInt8, {}, {3}));
  graph.initializer(onnx_test::floats("scale", {}, {0.05f})).initializer(onnx_test::floats("fine", {}, {0.01f}));
  graph.initializer(onnx_test::int32_field("none", kInt8, {}, {0}));
  graph.initializer(
      onnx_test::int32_field("wq", kInt8, {5, 3}, {1, 2, -3, 4, 5, 6, 7, -128, 9, 10, 127, 12, 13, 14, 15}));
  graph.node("QuantizeLinear", {"x", "scale", "zero"}, {"xq"}, {}, "q");
  graph.node("DequantizeLinear", {"xq", "scale", "zero"}, {"xf"}, {}, "dq");
  graph.node("DequantizeLinear", {"wq", "fine", "none"}, {"wf"}, {}, "dq_w");
  graph.node("MatMul", {"xf", "wf"}, {"h"}, {}, "dense").node("Relu", {"h"}, {"r"}, {}, "relu");
  graph.node("QuantizeLinear", {"r", "scale", "zero"}, {"rq"}, {}, "q_r");
  graph.node("DequantizeLinear", {"rq", "scale", "zero"}, {"y"}, {}, "dq_r").output("y");
  ASSERT_TRUE(write_file_atomically(model_, onnx_test::model(graph)).ok());
  EmulatedGpu gpu;
  options_.device = gpu.device();
  options_.tune.measure = false;
  const Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  EXPECT_TRUE(compiled->manifest.targets[0].verification.verified);
  EXPECT_EQ(compiled->report.on_device, 3);                        // to bytes, their product, back
  EXPECT_EQ(compiled->manifest.targets[0].plan.steps.size(), 5u);  // and copies in and out
  EXPECT_EQ(gpu.fault(), "");
  options_.device.reset();
  gpu.release();
}

// Every call that the driver gets while an engine loads and runs may fail: an error, and nothing is kept.
TEST_F(GpuTest, EveryFailingCallIsAnError) {
  options_.target_is_here = false;
  const Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  ASSERT_TRUE(write_engine(engine_, compiled->manifest, compiled->measurements).ok());
  EmulatedGpu gpu;
  const int64_t before = gpu.driver().calls();
  ASSERT_TRUE(run(gpu, x_).ok());
  const int64_t calls = gpu.driver().calls() - before;
  EXPECT_GT(calls, 20);
  int64_t errors = 0;
  for (int64_t n = 1; n <= calls; ++n) {
    gpu.driver().fail_nth(n);
    const Result<std::vector<Tensor>> outputs = run(gpu, x_);
    if (!outputs.ok()) {
      ++errors;
      EXPECT_EQ(outputs.error().code, ErrorCode::environment) << n << ": " << outputs.error().message;
    }
  }
  EXPECT_GT(errors, calls / 2);  // the others give things back
  ASSERT_TRUE(run(gpu, x_).ok());
  gpu.release();
  EXPECT_EQ(gpu.driver().left(), "");
}

TEST_F(GpuTest, WithoutAGpuItSaysWhatTheFileServes) {
  options_.target_is_here = false;
  const Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  ASSERT_TRUE(write_engine(engine_, compiled->manifest, compiled->measurements).ok());
  EngineOptions options;
  options.gpu = false;
  const auto loaded = Engine::load(engine_, options);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find("it serves cuda-sm90"), std::string::npos) << loaded.error().message;
}

}  // namespace
}  // namespace mj
