// SPDX-License-Identifier: Apache-2.0
#include "passes/driver.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "passes/bodies.h"
#include "passes/pipeline.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

constexpr std::string_view kText = "graph (%x: f32[2]) { %y = identity(%x) from \"n\" %z = relu(%y) return %z }";

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST(Driver, ReportsWhatEachPassDid) {
  Graph graph = *parse_graph(kText);
  PassLog log;
  PassContext context;
  context.log = &log;
  ASSERT_TRUE(run_stage(graph, simplify(), context).ok());
  EXPECT_EQ(graph.order().size(), 1u);
  EXPECT_EQ(log.passes[1].name, "eliminate_identity");
  EXPECT_TRUE(log.passes[1].changed);
  EXPECT_EQ(log.passes[1].nodes, 1u);
  EXPECT_FALSE(log.passes[2].changed);
}

TEST(Driver, LeavesOutAPassByName) {
  const Variable off("MJ_PASSES", "-fold_constants,-eliminate_identity");
  Graph graph = *parse_graph(kText);
  const Result<bool> changed = run_pass(graph, *find_pass("eliminate_identity"), {});
  EXPECT_TRUE(changed.ok() && !*changed);
  EXPECT_EQ(graph.order().size(), 2u);
}

TEST(Driver, ANameThatNoPassHasIsAnError) {
  Graph graph = *parse_graph(kText);
  for (const std::string word : {"fold_constants", "-no_such_pass", "-"}) {
    const Variable off("MJ_PASSES", "-fold_constants," + word);
    const Result<void> done = optimize(graph, {});
    ASSERT_FALSE(done.ok()) << word;
    EXPECT_NE(done.error().message.find("'" + word + "'"), std::string::npos) << done.error().message;
  }
}

TEST(Driver, ADumpMakesItsFolder) {
  const std::string folder = ::testing::TempDir() + "mj_driver_dump/below";
  const Variable dump("MJ_DUMP", folder);
  Graph graph = *parse_graph(kText);
  ASSERT_TRUE(run_pass(graph, *find_pass("eliminate_identity"), {}).ok());
  EXPECT_FALSE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

TEST(Driver, AFailureLeavesAReproducer) {
  const std::string folder = ::testing::TempDir() + "mj_driver_test";
  std::filesystem::create_directories(folder);
  const Variable dump("MJ_DUMP", folder);
  Graph graph = *parse_graph(kText);
  const Pass fails{"fails", [](Graph&, const PassContext&) -> Result<bool> { return model_error("no luck"); }};
  const Result<bool> changed = run_pass(graph, fails, {});
  ASSERT_FALSE(changed.ok());
  const std::string message = changed.error().message;
  EXPECT_TRUE(message.starts_with("pass fails: no luck (reproducer: ")) << message;
  const std::string path = message.substr(message.find(": /") + 2, message.size() - message.find(": /") - 3);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_TRUE(text.str().starts_with("pass fails\ngraph")) << text.str();
  EXPECT_TRUE(parse_graph(text.str().substr(11)).ok());
  std::filesystem::remove_all(folder);
}

TEST(Rewriter, NewNodesKnowWhereTheyComeFrom) {
  Graph graph = *parse_graph(R"(graph (%x: f32[2]) {
    %e = exp(%x) from "a"  %l = log(%e) from "b"  %r = relu(%l) return %r })");
  const Rewrite rewrite{"log", node("log", {node("exp", {any("x")})}),
                        [](Graph& g, const Match& m, const PassContext&) { return g.add1(op("abs"), {m["x"]}); }};
  const Result<bool> changed = run_pass(graph, rewrite_pass("test", {rewrite}), {});
  ASSERT_TRUE(changed.ok() && *changed);
  const Node& made = graph.node(graph.order()[0]);
  EXPECT_TRUE(made.is("abs"));
  EXPECT_EQ(made.origin, (std::vector<std::string>{"b", "a"}));
}

TEST(Rewriter, StopsRewritesThatUndoEachOther) {
  Graph graph = *parse_graph("graph (%x: f32[2]) { %y = exp(%x) return %y }");
  const auto turn = [](const char* to) {
    return [to](Graph& g, const Match& m, const PassContext&) -> Outcome { return g.add1(op(to), {m["x"]}); };
  };
  const Pass pass = rewrite_pass(
      "test", {{"there", node("exp", {any("x")}), turn("log")}, {"back", node("log", {any("x")}), turn("exp")}});
  EXPECT_DEATH((void)run_pass(graph, pass, {}), "do not settle");
}

TEST(Names, AreTheFirstThatAreFree) {
  Graph graph;
  const Type type = Type::tensor(DType::f32, {Dim(2)});
  const auto added = [&](const std::string& name) { return graph.value(graph.add_input(name, type)).name; };
  EXPECT_EQ(added("x"), "x");
  EXPECT_EQ(added("x.2"), "x.2");
  EXPECT_EQ(added("x"), "x.1");
  EXPECT_EQ(added("x"), "x.3");
  const ValueId dead = graph.add_constant("x.1", Tensor::scalar(1.0f));
  EXPECT_EQ(graph.value(dead).name, "x.1.1");
  graph.normalize();
  EXPECT_EQ(added("x.1"), "x.1.1") << "it is free again";
}

TEST(FusePointwise, LongChainsAreCutIntoPieces) {
  Graph graph;
  ValueId value = graph.add_input("x", Type::tensor(DType::f32, {Dim::symbol("N")}));
  for (int i = 0; i < 1000; ++i) value = graph.add1(op("neg"), {value}, {"n" + std::to_string(i)});
  graph.outputs = {value};
  ASSERT_TRUE(run_stage(graph, fuse(), {}).ok());
  size_t joined = 0;
  const std::vector<NodeId> order = graph.order();
  for (NodeId id : order) {
    EXPECT_LE(graph.node(id).epilogue.instructions.size(), kLongestBody);
    joined += graph.node(id).epilogue.instructions.size();
  }
  EXPECT_EQ(joined, 1000u);
  EXPECT_EQ(order.size(), (1000 + kLongestBody - 1) / kLongestBody);
}

}  // namespace
}  // namespace mj
