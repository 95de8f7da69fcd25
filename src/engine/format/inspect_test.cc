// SPDX-License-Identifier: Apache-2.0
#include "engine/format/inspect.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/format/test_plan.h"
#include "engine/format/test_support.h"

namespace mj {
namespace {

LoadedEngine example() {
  const Image image(engine_bytes(example_manifest(), example_measurements()).value());
  return read_engine("x.engine", image.bytes(), image.owner()).value();
}

TEST(Inspect, TextSaysWhatMatters) {
  const std::string text = inspect_text(example(), {.steps = true});
  for (const char* part :
       {"format 1.0", "not signed", "example.onnx", "x: f32[N,4]", "N = 1..8 (best 2)",
        "cpu-avx2: fp32; needs avx2, fma", "verified on 16 samples", "cpu-portable: fp32\n", "UNVERIFIED",
        "dense_1 + relu_1", "gemm_packed {mr=6,nr=16}, 15.00 us measured", "x gemm_amx: the CPU has no AMX", "check",
        "taint", "weights cpu-avx2", "modelled 0.2100 mJ"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Inspect, JsonHoldsTheSame) {
  const nlohmann::ordered_json json = inspect_json(example());
  EXPECT_EQ(json["schema"], "millijoule.inspect/1");
  EXPECT_EQ(json["serves"], nlohmann::ordered_json({"cpu-avx2", "cpu-portable"}));
  const auto& step = json["targets"][0]["steps"][0];
  EXPECT_EQ(step["tactic"], "gemm_packed");
  EXPECT_EQ(step["candidates"][0]["seconds"], 1.5e-5);
  EXPECT_FALSE(step["candidates"][1].contains("seconds")) << "what was not measured is absent, not 0";
  EXPECT_FALSE(json["measurements"][0].contains("joules"));
  EXPECT_EQ(json["targets"][0]["steps"][1]["branches"][1][0]["family"], "pointwise");
  EXPECT_EQ(json["sections"][0]["name"], "manifest");
  EXPECT_EQ(json["sections"].back()["name"], "measurements");
}

TEST(Inspect, NamesCannotReachTheTerminal) {
  EXPECT_EQ(printable("plain"), "plain");
  EXPECT_EQ(printable("\x1b[31m\n"), "?[31m?");
  EXPECT_EQ(printable("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb1"), "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb1");
  EXPECT_EQ(printable("\xc0\xaf \xed\xa0\x80 \xff \xc2\x9b"), "?? ??? ? ??");
  EXPECT_EQ(printable("\xe2\x82"), "??");
}

}  // namespace
}  // namespace mj
