// SPDX-License-Identifier: Apache-2.0
// Engines of every version that was ever released, in test/engines, still load and answer as they did (made by
// test/engines/make.py; the arrays are named CASE/PORT).
#include <gtest/gtest.h>

#include <filesystem>

#include "compile/verify.h"
#include "runtime/engine.h"
#include "tools/npz.h"

namespace mj {
namespace {

void check(const std::string& path) {
  SCOPED_TRACE(path);
  const auto engine = Engine::load(path + ".engine");
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  const Result<Npz> arrays = read_numpy(path + ".npz");
  ASSERT_TRUE(arrays.ok()) << arrays.error().message;
  auto tensors = [&](int index, const std::vector<Port>& ports) {
    std::vector<Tensor> found;
    for (const Port& port : ports) {
      const auto at = arrays->find(fmt::format("{}/{}", index, port.name));
      if (at != arrays->end()) found.push_back(as_dtype(at->second, port.type.dtype, port.name).value());
    }
    return found;
  };
  int cases = 0;
  for (;; ++cases) {
    const std::vector<Tensor> inputs = tensors(cases, (*engine)->inputs()), want = tensors(cases, (*engine)->outputs());
    if (inputs.empty()) break;
    std::vector<Tensor> outputs;
    const Result<void> done = (*engine)->run(inputs, outputs);
    ASSERT_TRUE(done.ok()) << done.error().message;
    ASSERT_EQ(outputs.size(), want.size());
    EXPECT_LE(compare_outputs(outputs, want).worst, 1e-5);
  }
  EXPECT_GT(cases, 0);
}

TEST(GoldenEngines, LoadAndAnswerTheSame) {
  int engines = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MJ_SOURCE_DIR "/test/engines")) {
    if (entry.path().extension() != ".engine") continue;
    check((entry.path().parent_path() / entry.path().stem()).string());
    ++engines;
  }
  EXPECT_GE(engines, 1);
}

}  // namespace
}  // namespace mj
