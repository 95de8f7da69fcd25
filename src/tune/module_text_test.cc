// SPDX-License-Identifier: Apache-2.0
#include "tune/module_text.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

TEST(ModuleText, EachSourceStandsInANamespaceOfItsOwn) {
  const KernelSource sources[] = {{"void relu(int n) { helper(n); }\n", {"relu"}}, {"void sum(int n) { }\n", {"sum"}}};
  const std::vector<ModuleText> texts = module_texts(sources, 1);
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0].source,
            "namespace part_0 {\nvoid relu(int n) { helper(n); }\n}\nusing part_0::relu;\n"
            "namespace part_1 {\nvoid sum(int n) { }\n}\nusing part_1::sum;\n");
  EXPECT_EQ(texts[0].parts, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(texts[0].names[1].at("sum"), "sum");
}

TEST(ModuleText, AKernelOfTheSameNameGetsAnother) {
  const KernelSource sources[] = {{"void gemm() { }\n", {"gemm"}},
                                  {"void gemm_part() { }\nvoid gemm() { gemm_a(), a_gemm(), x.gemm; }", {"gemm"}},
                                  {"void gemm_2() { }\n", {"gemm_2"}},
                                  {"gemm", {"gemm", "gemm"}}};
  const std::vector<ModuleText> texts = module_texts(sources, 1);
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0].names[0].at("gemm"), "gemm");
  EXPECT_EQ(texts[0].names[1].at("gemm"), "gemm_3") << "gemm_2 is taken";
  EXPECT_EQ(texts[0].names[2].at("gemm_2"), "gemm_2");
  EXPECT_EQ(texts[0].names[3].at("gemm"), "gemm_4");
  EXPECT_NE(texts[0].source.find("{\nvoid gemm_part() { }\nvoid gemm_3() { gemm_a(), a_gemm(), x.gemm_3; }}"),
            std::string::npos)
      << texts[0].source;
}

TEST(ModuleText, WhatAPartDefinesIsGoneAfterIt) {
  const KernelSource source = {"#ifndef MJ_A\n#define MJ_A\n#define MJ_B(x) x\n#endif\nvoid f() { }", {"f"}};
  const std::string text = module_texts({&source, 1})[0].source;
  EXPECT_TRUE(text.ends_with("void f() { }}\n#undef MJ_A\n#undef MJ_B\nusing part_0::f;\n")) << text;
}

TEST(ModuleText, TextsAreAboutEquallyLong) {
  const std::string source(1000, ' ');
  std::vector<KernelSource> sources;
  for (const size_t length : {100, 900, 100, 100, 500, 100, 100, 400}) {
    sources.push_back({std::string_view(source).substr(0, length), {"k"}});
  }
  const std::vector<ModuleText> texts = module_texts(sources, 3);
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(texts[0].parts, (std::vector<size_t>{0, 3, 6, 7}));
  EXPECT_EQ(texts[1].parts, (std::vector<size_t>{1}));
  EXPECT_EQ(texts[2].parts, (std::vector<size_t>{2, 4, 5}));
  EXPECT_EQ(module_texts(sources).size(), kMostModules);
  EXPECT_EQ(module_texts(std::span(sources).first(2)).size(), 2u);
  EXPECT_TRUE(module_texts({}).empty());
}

}  // namespace
}  // namespace mj
