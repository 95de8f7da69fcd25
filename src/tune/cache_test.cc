// SPDX-License-Identifier: Apache-2.0
#include "tune/cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/file.h"

namespace mj {
namespace {

class CacheTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  std::string text() const {
    std::ostringstream out;
    out << std::ifstream(path_).rdbuf();
    return out.str();
  }
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("mj_cache_" + std::to_string(::getpid()) + ".jsonl")).string();
};

Choice example() {
  Choice choice;
  choice.row = "gemm_f32";
  choice.version = 3;
  choice.config = "mr=6,nr=16";
  choice.candidates = {{"gemm_f32", "mr=6,nr=16", 1.25e-5, 1e-5, Joules{2e-4}, Joules{3e-4}},
                       {"reference", "", std::nullopt, std::nullopt, std::nullopt}};
  choice.refused = {{"gemm_amx", "the CPU has no \"AMX\""}};
  return choice;
}

TEST_F(CacheTest, AFileThatIsNotThereIsEmpty) { EXPECT_EQ(TacticCache::read(path_).value().size(), 0u); }

TEST_F(CacheTest, GivesBackWhatWasPut) {
  TacticCache cache;
  cache.put("gemm (f32[2,3])", example());
  cache.put("a", {});
  ASSERT_TRUE(cache.write(path_).ok());
  const TacticCache read = TacticCache::read(path_).value();
  EXPECT_EQ(read.size(), 2u);
  EXPECT_EQ(read.find("gemm (f32[2,3])"), example());
  EXPECT_EQ(read.find("gemm"), std::nullopt);
  const std::string before = text();
  ASSERT_TRUE(read.write(path_).ok());
  EXPECT_EQ(text(), before);
  EXPECT_LT(before.find("\"a\""), before.find("gemm"));  // sorted, one a line
}

TEST_F(CacheTest, MergesByConcatenation) {
  TacticCache one, two;
  one.put("a", example());
  two.put("b", example());
  ASSERT_TRUE(one.write(path_).ok());
  const std::string first = text();
  ASSERT_TRUE(two.write(path_).ok());
  Choice newer = example();
  newer.config = "newer";
  TacticCache three;
  three.put("a", newer);
  const std::string second = text();
  ASSERT_TRUE(three.write(path_).ok());
  write(first + second + text());
  const TacticCache merged = TacticCache::read(path_).value();
  EXPECT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged.find("a")->config, "newer");  // the later line wins
}

TEST_F(CacheTest, AFileOfAnotherKindIsRefused) {
  write("\n");
  EXPECT_TRUE(TacticCache::read(path_).ok());
  write("\x08\x07 an ONNX model, say\n{}\n");
  const Result<TacticCache> read = TacticCache::read(path_);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("is not a tactic cache"), std::string::npos);
}

TEST_F(CacheTest, LinesItDoesNotUnderstandAreMisses) {
  TacticCache cache;
  cache.put("good", example());
  ASSERT_TRUE(cache.write(path_).ok());
  write("\n[]\n{}\nnot json\n{\"key\": 1}\n{\"key\": \"k\", \"row\": 5}\n\xff\xfe\n" + text() + "{\"key\": \"cut of");
  const TacticCache read = TacticCache::read(path_).value();
  EXPECT_EQ(read.size(), 1u);
  EXPECT_TRUE(read.find("good").has_value());
}

}  // namespace
}  // namespace mj
