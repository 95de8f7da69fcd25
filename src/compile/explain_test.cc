// SPDX-License-Identifier: Apache-2.0
#include "compile/explain.h"

#include <gtest/gtest.h>

#include <map>

#include "ir/graph.h"

namespace mj {
namespace {

Graph parsed(std::string_view text) {
  Result<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().message);
  return std::move(graph).value();
}

// Names every node of the graph after the value it makes.
Model model_of(std::string_view text) {
  Model model;
  model.graph = parsed(text);
  for (const NodeId id : model.graph.order())
    model.graph.node(id).origin = {model.graph.value(model.graph.node(id).outputs[0]).name};
  return model;
}

TEST(Explain, NamesTheStepAndWhatItSharesItWith) {
  const Model model = model_of(R"(graph (%x: f32[N,8]) {
    %w = constant f32[8,8] {)" +
                               [] {
                                 std::string values;
                                 for (int i = 0; i < 64; ++i) values += (i ? ", " : "") + std::to_string(i);
                                 return values;
                               }() +
                               R"(}
    %two = constant f32[] {2}
    %three = add(%two, %two)
    %m = matmul(%x, %w)
    %r = relu(%m)
    %s = softmax(%r) {axis=1}
    return %s
  })");
  const auto all = explain(model, Target());
  ASSERT_TRUE(all.ok()) << all.error().message;
  std::map<std::string, Explanation> by_name;
  for (const Explanation& e : *all) by_name[e.node] = e;
  EXPECT_TRUE(by_name.at("three").parts.empty());
  EXPECT_EQ(by_name.at("m").parts, (std::vector<PartOf>{{"matmul+1 -> f32[N,8]", {"r"}}}));
  EXPECT_EQ(by_name.at("r").parts, (std::vector<PartOf>{{"matmul+1 -> f32[N,8]", {"m"}}}));
  EXPECT_EQ(by_name.at("s").parts, (std::vector<PartOf>{{"softmax -> f32[N,8]", {}}}));
}

TEST(Explain, SaysWhyNot) {
  const Model model = model_of(R"(graph (%q: f32[B,2,S,4], %k: f32[B,2,4,S], %v: f32[B,2,S,4]) {
    %scores = matmul(%q, %k)
    %p = softmax(%scores) {axis=-1}
    %y = matmul(%p, %v)
    return %y, %p
  })");
  const auto all = explain(model, Target());
  ASSERT_TRUE(all.ok()) << all.error().message;
  std::vector<WhyNot> reasons;
  for (const Explanation& e : *all)
    if (e.node == "y") reasons = e.why_not;
  ASSERT_FALSE(reasons.empty());
  EXPECT_EQ(reasons[0], (WhyNot{"recognize_attention", "y", "the probabilities are used elsewhere too"}));
}

}  // namespace
}  // namespace mj
