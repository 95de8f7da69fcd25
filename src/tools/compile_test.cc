// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "import/onnx_builder_test_util.h"
#include "tools/npz.h"
#include "tools/verbs.h"

namespace mj {
namespace {

namespace onnx_test = onnx::test;

class CompileVerb : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("mj_compile_verb_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    onnx_test::GraphBuilder graph;
    graph.input("x", {"N", 2}).node("Softmax", {"x"}, {"y"}, {}, "s").output("y");
    args_.model = (folder_ / "m.onnx").string();
    args_.output = (folder_ / "m.engine").string();
    args_.common.quiet = true;
    args_.common.progress = "none";
    ASSERT_TRUE(write_file_atomically(args_.model, onnx_test::model(graph)).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  size_t files() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {})); }
  std::filesystem::path folder_;
  CompileArgs args_;
};

TEST_F(CompileVerb, WritesAnEngineThatRunAnswersWith) {
  ASSERT_EQ(run_compile(args_).value(), 0);
  RunVerbArgs run;
  run.common = args_.common;
  run.engine = args_.output;
  run.inputs = (folder_ / "in.npz").string();
  run.outputs = (folder_ / "out.npz").string();
  run.repeat = 3;
  run.check_equal = true;
  ASSERT_TRUE(write_npz(run.inputs, {{"x", Tensor::zeros(DType::f32, {1, 2})}}).ok());
  const Result<int> done = run_run(run);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(to_string(read_numpy(run.outputs).value().at("y").tensor), "f32[1,2] {0.5, 0.5}");
  run.random_inputs = true;
  EXPECT_EQ(run_run(run).error().code, ErrorCode::usage);
}

TEST_F(CompileVerb, WritesNothingWhenTheToleranceIsMissed) {
  args_.tolerance = -1;
  const Result<int> done = run_compile(args_);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::model);
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace mj
