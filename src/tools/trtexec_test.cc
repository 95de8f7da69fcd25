// SPDX-License-Identifier: Apache-2.0
#include "tools/trtexec.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

using Words = std::vector<std::string>;

Words words_of(const Words& line) { return translate_trtexec(line)->words; }

TEST(Trtexec, OurOwnLinesStay) {
  for (const Words& words :
       {Words{}, Words{"compile", "m.onnx", "-o", "m.engine"}, Words{"--version"}, Words{"--help"}}) {
    EXPECT_EQ(words_of(words), words);
  }
}

TEST(Trtexec, ABuildingLineCompiles) {
  EXPECT_EQ(words_of({"--onnx=m.onnx", "--saveEngine=m.engine", "--fp16", "--verbose"}),
            (Words{"compile", "--onnx=m.onnx", "--saveEngine=m.engine", "--precision=fp16", "-v"}));
  EXPECT_TRUE(translate_trtexec({"--onnx=m.onnx", "-o", "m.engine"})->keeps);
}

TEST(Trtexec, WithoutAPlaceForTheEngineItIsTimedAndNotKept) {
  const TrtexecLine line = *translate_trtexec({"--onnx=m.onnx", "--iterations=5", "--warmUp=500", "--exportTimes=t"});
  EXPECT_EQ(line.words, (Words{"compile", "--onnx=m.onnx"}));
  EXPECT_EQ(line.then, (Words{"bench", "--iterations=5", "--warmup=0.500000", "--samples", "--json=t"}));
  EXPECT_FALSE(line.keeps);
  EXPECT_EQ(line.notices, Words{"without --saveEngine=FILE the engine is not kept"});
  const TrtexecLine skips = *translate_trtexec({"--onnx=m.onnx", "--skipInference"});
  EXPECT_TRUE(skips.then.empty() && !skips.keeps);
}

TEST(Trtexec, ShapesOfABuildAreAProfile) {
  EXPECT_EQ(words_of({"--onnx=m.onnx", "--saveEngine=m.engine", "--minShapes=x:1x3", "--maxShapes=x:8x3"}),
            (Words{"compile", "--onnx=m.onnx", "--saveEngine=m.engine", "--minShapes=x:1x3", "--maxShapes=x:8x3"}));
  EXPECT_EQ(words_of({"--onnx=m.onnx", "--saveEngine=m.engine", "--shapes=x:1x3"}),
            (Words{"compile", "--onnx=m.onnx", "--saveEngine=m.engine", "--optShapes=x:1x3"}));
}

TEST(Trtexec, ALoadingLineBenches) {
  EXPECT_EQ(words_of({"--loadEngine=m.engine", "--warmUp=500", "--iterations=20", "--shapes=x:1x3"}),
            (Words{"bench", "--loadEngine=m.engine", "--warmup=0.500000", "--iterations=20", "--shapes=x:1x3"}));
  EXPECT_EQ(words_of({"--loadEngine=m.engine", "--exportTimes=t.json", "--warmUp=soon"}),
            (Words{"bench", "--loadEngine=m.engine", "--samples", "--json=t.json", "--warmup=soon"}));
}

TEST(Trtexec, WhatHasNoMeaningHereIsLeftOutAndSaid) {
  const TrtexecLine build = *translate_trtexec(
      {"--skipInference", "--onnx=m.onnx", "--saveEngine=m", "--memPoolSize=workspace:9", "--duration=3"});
  EXPECT_EQ(build.words, (Words{"compile", "--onnx=m.onnx", "--saveEngine=m"}));
  EXPECT_EQ(build.notices, (Words{"--skipInference has nothing to do here", "--memPoolSize has nothing to do here",
                                  "--duration is for `millijoule bench ENGINE`, which this line does not run"}));
  EXPECT_EQ(words_of({"--loadEngine=m", "--device=0", "--avgRuns=10", "--percentile=99"}),
            (Words{"bench", "--loadEngine=m"}));
}

TEST(Trtexec, WhatAnotherVerbServesIsNamed) {
  const auto profile = translate_trtexec({"--loadEngine=m", "--dumpProfile"});
  EXPECT_EQ(profile.error().message, "--dumpProfile: use `millijoule profile ENGINE`");
  EXPECT_EQ(profile.error().code, ErrorCode::usage);
  EXPECT_EQ(translate_trtexec({"--loadEngine=m", "--loadInputs=x:x.bin"}).error().message,
            "--loadInputs: 'x:x.bin' is NAME:FILE; give one .npz with all inputs by name");
}

// Each that TensorRT 8 to 11 has is taken, or answered by one line that says what there is instead.
TEST(Trtexec, WhatOnlyTrtexecHasIsAnsweredByALine) {
  for (const char* taken : {"--workspace=4096", "--explicitBatch", "--buildOnly", "--sleepTime=5", "--sparsity=disable",
                            "--threads", "--vc", "--maxAuxStreams=2", "--tacticSources=+CUBLAS", "--preview=+x"}) {
    const auto line = translate_trtexec({"--onnx=m", "--saveEngine=e", taken});
    ASSERT_TRUE(line.ok()) << line.error().message;
    EXPECT_EQ(line->words, (Words{"compile", "--onnx=m", "--saveEngine=e"}));
    EXPECT_EQ(line->notices.size(), 1u) << taken;
  }
  EXPECT_EQ(words_of({"--onnx=m", "--saveEngine=e", "--int4", "--threads=2"}),
            (Words{"compile", "--onnx=m", "--saveEngine=e", "--precision=int4", "--threads=2"}));
  for (const char* refused :
       {"--sparsity=enable", "--useDLACore=0", "--allowGPUFallback", "--inputIOFormats=fp16:chw",
        "--outputIOFormats=fp16:chw", "--layerPrecisions=*:fp16", "--precisionConstraints=obey", "--infStreams=2",
        "--refit", "--stripWeights", "--safe", "--plugins=x.so", "--maxBatch=8", "--loadRefOutputs=x:y",
        "--hardwareCompatibilityLevel=ampere+", "--errorOnTimingCacheMiss", "--tuningSearch=fast"}) {
    const auto line = translate_trtexec({"--onnx=m", "--saveEngine=e", refused});
    ASSERT_FALSE(line.ok()) << refused;
    EXPECT_EQ(line.error().code, ErrorCode::usage);
    EXPECT_NE(line.error().message.find(": "), std::string::npos);
  }
  EXPECT_EQ(translate_trtexec({"--onnx=m", "--useDLACore=0"}).error().message,
            "--useDLACore: there are no DLA cores; --target names the CPUs there are");
}

}  // namespace
}  // namespace mj
