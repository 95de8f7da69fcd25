// SPDX-License-Identifier: Apache-2.0
// Runs on memory of a GPU that is emulated: its addresses are this process's.
#include "runtime/device_run.h"

#include <gtest/gtest.h>

#include <cstring>

#include "compile/emulated_engine_test_util.h"
#include "import/onnx_builder_test_util.h"

namespace mj {
namespace {

namespace onnx_test = onnx::test;

// y = relu(x * w), z = y + 1 for x f32[N,2]; `on_host` puts a step without a kernel for GPUs behind it.
std::string model(bool on_host) {
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 2}).initializer(onnx_test::floats("w", {2, 3}, {1, 0, -1, 2, 1, 0}));
  graph.initializer(onnx_test::floats("one", {1}, {1}));
  graph.node("MatMul", {"x", "w"}, {"h"}, {}, "dense").node("Relu", {"h"}, {"y"}, {}, "relu");
  graph.node("Add", {"y", "one"}, {"z"}, {}, "add").output("y").output("z");
  if (on_host) graph.node("Hardmax", {"z"}, {"s"}, {}, "hardmax").output("s");
  return onnx_test::model(graph);
}

class DeviceRunTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_emulate()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  }

  Result<std::shared_ptr<Engine>> engine(bool on_host) { return engine_on(gpu_, model(on_host), "device_run"); }

  EmulatedGpu gpu_;
  const Tensor x_ = Tensor::of<float>({2, 2}, std::array{1.0f, 2.0f, -3.0f, 0.5f});
};

TEST_F(DeviceRunTest, AnswersLieInTheCallersMemory) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(false);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  std::vector<Tensor> want;
  ASSERT_TRUE((*engine)->run(std::vector{x_}, want).ok());
  Result<DeviceRun> run = DeviceRun::make(*engine);
  ASSERT_TRUE(run.ok()) << run.error().message;
  for (int repeat = 0; repeat < 10; ++repeat) {  // more sets of addresses than graphs are kept
    const Result<DeviceRun::Memory> memory = run->upload(std::vector{x_});
    ASSERT_TRUE(memory.ok()) << memory.error().message;
    for (int again = 0; again < 2; ++again) {
      for (const Destination& output : memory->outputs)
        std::memset(output.data, 0xff, static_cast<size_t>(output.bytes));
      const Result<void> done = run->enqueue(memory->inputs, memory->outputs);
      ASSERT_TRUE(done.ok()) << done.error().message;
      ASSERT_TRUE(run->synchronize().ok());
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(memory->outputs[i].bytes, want[i].bytes());
        EXPECT_EQ(std::memcmp(memory->outputs[i].data, want[i].raw(), static_cast<size_t>(want[i].bytes())), 0);
      }
    }
  }
  EXPECT_EQ(gpu_.fault(), "");
}

TEST_F(DeviceRunTest, RefusesMemoryThatIsNotAligned) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(false);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  Result<DeviceRun> run = DeviceRun::make(*engine);
  ASSERT_TRUE(run.ok());
  Result<DeviceRun::Memory> memory = run->upload(std::vector{x_});
  ASSERT_TRUE(memory.ok());
  memory->outputs[0].data = static_cast<std::byte*>(memory->outputs[0].data) + 4;
  const Result<void> done = run->enqueue(memory->inputs, memory->outputs);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find("not aligned to 16 bytes"), std::string::npos);
}

TEST_F(DeviceRunTest, RefusesEnginesWithStepsOnTheHost) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(true);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  const Result<DeviceRun> run = DeviceRun::make(*engine);
  ASSERT_FALSE(run.ok());
  EXPECT_NE(run.error().message.find("steps of this engine run on the host"), std::string::npos);
}

}  // namespace
}  // namespace mj
