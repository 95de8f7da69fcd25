// SPDX-License-Identifier: Apache-2.0
#include "tools/trtexec.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

using Words = std::vector<std::string>;

TEST(Trtexec, OurOwnLinesStay) {
  for (const Words& words :
       {Words{}, Words{"compile", "m.onnx", "-o", "m.engine"}, Words{"--version"}, Words{"--help"}}) {
    EXPECT_EQ(translate_trtexec(words), words);
  }
}

TEST(Trtexec, ABuildingLineCompiles) {
  EXPECT_EQ(translate_trtexec({"--onnx=m.onnx", "--saveEngine=m.engine", "--fp16", "--verbose"}),
            (Words{"compile", "--onnx=m.onnx", "--saveEngine=m.engine", "--precision=fp16", "-v"}));
  EXPECT_EQ(translate_trtexec({"--onnx=m.onnx"}), (Words{"compile", "--onnx=m.onnx", "--saveEngine=model.engine"}));
}

TEST(Trtexec, ShapesOfABuildAreAProfile) {
  EXPECT_EQ(translate_trtexec({"--onnx=m.onnx", "--saveEngine=m.engine", "--minShapes=x:1x3", "--maxShapes=x:8x3"}),
            (Words{"compile", "--onnx=m.onnx", "--saveEngine=m.engine", "--minShapes=x:1x3", "--maxShapes=x:8x3"}));
  EXPECT_EQ(translate_trtexec({"--onnx=m.onnx", "--saveEngine=m.engine", "--shapes=x:1x3"}),
            (Words{"compile", "--onnx=m.onnx", "--saveEngine=m.engine", "--optShapes=x:1x3"}));
}

TEST(Trtexec, ALoadingLineBenches) {
  EXPECT_EQ(translate_trtexec({"--loadEngine=m.engine", "--warmUp=500", "--avgRuns=20", "--shapes=x:1x3"}),
            (Words{"bench", "--loadEngine=m.engine", "--warmup=0.500000", "--iterations=20", "--shapes=x:1x3"}));
}

}  // namespace
}  // namespace mj
