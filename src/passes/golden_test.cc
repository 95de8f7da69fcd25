// SPDX-License-Identifier: Apache-2.0
// Runs test/passes/*.txt. A file is a list of cases:
//
//   pass fold_constants                      or `stage canonicalize`, or `pass narrow f16`, or `pass x cuda-sm90`
//   graph (%x: f32[2]) { ... return %y }
//   ----
//   graph (%x: f32[2]) { ... }               what becomes of it; names of values do not matter
//   or   unchanged: a part of the reason     in the log; the reason may be left out
//   or   same as                             followed by a second graph: both become the same
//
// Whatever the pass does, the graph before and after must give the same answers on random inputs.
// MJ_UPDATE_GOLDEN=1 rewrites what is expected (but for `same as`).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ir/text.h"
#include "passes/pipeline.h"
#include "passes/testing/interpret.h"

namespace mj {
namespace {

struct Case {
  std::string head;  // comments and the line "pass NAME"
  std::string pass;
  std::string before, expected;
  int line = 0;
};

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  const size_t start = text.find_first_not_of(" \n");
  return start == std::string::npos ? "" : text.substr(start);
}

std::vector<Case> read(const std::string& path) {
  std::vector<Case> cases;
  std::ifstream file(path);
  std::string line, comments;
  bool expected = false;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.starts_with("pass ") || line.starts_with("stage ")) {
      cases.push_back({comments + line + "\n", line, "", "", number});
      comments.clear();
      expected = false;
    } else if (line == "----") {
      expected = true;
    } else if (line.starts_with("#") && (cases.empty() || expected)) {
      comments += line + "\n";
    } else if (!cases.empty()) {
      (expected ? cases.back().expected : cases.back().before) += line + "\n";
    }
  }
  return cases;
}

bool run(const std::string& line, Graph& graph, PassLog& log) {
  PassContext context;
  context.log = &log;
  const size_t begin = line.find(' ') + 1, end = std::min(line.find(' ', begin), line.size());
  const std::string name = line.substr(begin, end - begin);
  if (end < line.size()) {
    const std::string word = line.substr(end + 1);
    if (word.starts_with("cuda-")) {
      context.target = parse_target(word, {}).value();
    } else {
      context.narrow = parse_dtype(word);
    }
  }
  if (line.starts_with("stage ")) {
    for (const Stage& stage : pipeline()) {
      if (stage.name != name) continue;
      const Result<void> done = run_stage(graph, stage, context);
      EXPECT_TRUE(done.ok()) << done.error().message;
      return true;
    }
    ADD_FAILURE() << "no stage " << name;
    return false;
  }
  const Pass* pass = find_pass(name);
  if (!pass) {
    ADD_FAILURE() << "no pass " << name;
    return false;
  }
  const Result<bool> changed = run_pass(graph, *pass, context);
  EXPECT_TRUE(changed.ok()) << changed.error().message;
  return changed.ok() && *changed;
}

// What the file should say; `expected` itself if that is right.
std::string judge(const Case& test) {
  const Result<Graph> parsed = parse_graph(test.before);
  if (!parsed.ok()) {
    ADD_FAILURE() << parsed.error().message;
    return test.expected;
  }
  Graph graph = *parsed;
  PassLog log;
  const bool changed = run(test.pass, graph, log);
  EXPECT_EQ(verify(graph), "");
  const bool rounds = test.pass.ends_with("f16");
  EXPECT_EQ(testing::difference(*parsed, graph, rounds ? 2e-2 : 1e-4), "");
  const std::string expected = trimmed(test.expected);

  if (expected.starts_with("same as")) {
    Result<Graph> twin = parse_graph(expected.substr(7));
    if (!twin.ok()) {
      ADD_FAILURE() << twin.error().message;
      return test.expected;
    }
    PassLog other;
    run(test.pass, *twin, other);
    EXPECT_EQ(canonical_text(graph), canonical_text(*twin));
    return test.expected;
  }
  if (!changed || canonical_text(graph) == canonical_text(*parsed)) {
    const size_t colon = expected.find(':');
    const std::string want = colon == std::string::npos ? "" : trimmed(expected.substr(colon + 1));
    std::string all;
    for (const WhyNot& why : log.why_not) all += (all.empty() ? "" : "; ") + why.reason;
    if (expected.starts_with("unchanged") && all.find(want) != std::string::npos) return test.expected;
    return "unchanged" + (all.empty() ? "" : ": " + all) + "\n";
  }
  const Result<Graph> wanted = parse_graph(expected);
  if (wanted.ok() && canonical_text(*wanted) == canonical_text(graph)) return test.expected;
  if (!wanted.ok() && expected.starts_with("graph")) ADD_FAILURE() << wanted.error().message;
  graph.name.clear();
  std::string text = to_string(graph);
  if (text.starts_with("graph \"\" ")) text.erase(6, 3);
  return text;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, Passes) {
  const bool update = std::getenv("MJ_UPDATE_GOLDEN") != nullptr;
  std::string text;
  bool differs = false;
  const std::vector<Case> cases = read(GetParam());
  EXPECT_FALSE(cases.empty());
  for (const Case& test : cases) {
    SCOPED_TRACE(fmt::format("{}:{}", GetParam(), test.line));
    const std::string says = judge(test);
    if (!update) {
      EXPECT_EQ(trimmed(says), trimmed(test.expected));
    }
    differs |= trimmed(says) != trimmed(test.expected);
    text += fmt::format("{}{}{}\n----\n{}\n", text.empty() ? "" : "\n", test.head, trimmed(test.before), trimmed(says));
  }
  if (update && differs) std::ofstream(GetParam()) << text;
}

std::vector<std::string> files() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(MJ_SOURCE_DIR "/test/passes")) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// What no golden text shows firing and declining is not known to do either. Why it declines stands in a comment above
// the case, or behind `unchanged`.
TEST(GoldenFiles, EveryPassFiresAndDeclinesForAReason) {
  for (const Stage& stage : pipeline()) {
    for (const Pass& pass : stage.passes) {
      bool fires = false, declines = false;
      for (const Case& test : read(MJ_SOURCE_DIR "/test/passes/" + pass.name + ".txt")) {
        const std::string expected = trimmed(test.expected);
        const bool stays = expected.starts_with("unchanged");
        fires |= !stays;
        declines |= stays && (test.head.starts_with("#") || expected.starts_with("unchanged: "));
      }
      EXPECT_TRUE(fires && declines) << pass.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, ::testing::ValuesIn(files()),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

}  // namespace
}  // namespace mj
