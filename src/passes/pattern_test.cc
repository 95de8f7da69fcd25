// SPDX-License-Identifier: Apache-2.0
#include "passes/pattern.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

std::optional<Match> matched(const Graph& graph, const Pattern& pattern, std::string* near_miss = nullptr) {
  return match(graph, pattern, graph.outputs[0], near_miss);
}

TEST(Pattern, TriesBothOrdersAndBacktracks) {
  // Only the second way round of the outer add lets the inner one match.
  const Graph graph = *parse_graph(R"(graph (%x: f32[2], %y: f32[2]) {
    %a = add(%x, %y)  %e = exp(%y)  %b = add(%e, %x)  %r = add(%a, %b)  return %r })");
  const Pattern pattern = node("add", {node("add", {node("exp", {any("y")}), any("x")}), any("rest")});
  const std::optional<Match> found = matched(graph, pattern);
  ASSERT_TRUE(found);
  EXPECT_EQ(graph.value((*found)["x"]).name, "x");
  EXPECT_EQ(graph.value((*found)["rest"]).name, "a");
  EXPECT_EQ(found->nodes().size(), 3u);
}

TEST(Pattern, OneNameIsOneValue) {
  const Graph same = *parse_graph("graph (%x: f32[2], %y: f32[2]) { %r = mul(%x, %x) return %r }");
  const Graph other = *parse_graph("graph (%x: f32[2], %y: f32[2]) { %r = mul(%x, %y) return %r }");
  const Pattern square = node("mul", {any("x"), any("x")});
  EXPECT_TRUE(matched(same, square));
  EXPECT_FALSE(matched(other, square));
}

TEST(Pattern, ScalarsOfAnyRankAndSlightlyRounded) {
  const Graph graph =
      *parse_graph("graph (%x: f32[2]) { %c = constant f32[1,1] {1.4142135} %r = div(%x, %c) return %r }");
  EXPECT_TRUE(matched(graph, node("div", {any(), scalar(1.41421356237)})));
  EXPECT_FALSE(matched(graph, node("div", {any(), scalar(1.4142)})));
  EXPECT_FALSE(matched(graph, node("div", {scalar("c"), any()})));  // division does not commute
}

TEST(Pattern, OptionalInputsMayBeLeftOut) {
  const Graph graph = *parse_graph(R"(graph (%x: f32[1,1,2,2], %w: f32[1,1,1,1]) { %r = conv(%x, %w, _) return %r })");
  EXPECT_TRUE(matched(graph, node("conv", {any("x"), any("w")})));
  EXPECT_TRUE(matched(graph, node("conv", {any("x"), any("w"), any()})));
  EXPECT_FALSE(matched(graph, node("conv", {any("x"), any("w"), any("bias")})));
}

TEST(Pattern, Alternatives) {
  const Graph graph = *parse_graph("graph (%x: f32[2]) { %e = exp(%x) %r = relu(%e) return %r }");
  const Pattern pattern = either({node("tanh", {any("x")}), node("relu", {node("exp", {any("x")})})});
  EXPECT_TRUE(matched(graph, pattern));
  EXPECT_EQ(root_ops(pattern), (std::vector<std::string_view>{"tanh", "relu"}));
}

TEST(Pattern, SaysWhyItNearlyMatched) {
  const Graph shared = *parse_graph("graph (%x: f32[2]) { %e = exp(%x) %r = relu(%e) return %r, %e }");
  const Pattern once = node("relu", {node("exp", {any("x")}).once()});
  std::string why;
  EXPECT_FALSE(matched(shared, once, &why));
  EXPECT_EQ(why, "'e' is used elsewhere too");

  const Graph variable = *parse_graph("graph (%x: f32[2], %y: f32[2]) { %e = exp(%x) %r = mul(%e, %y) return %r }");
  why.clear();
  EXPECT_FALSE(matched(variable, node("mul", {node("exp", {any("x")}), constant("c")}), &why));
  EXPECT_EQ(why, "'y' is not a constant");

  why.clear();
  const auto never = [](const Match&, ValueId) { return std::string("never"); };
  EXPECT_FALSE(matched(shared, node("relu", {node("exp", {any("x")}).where(never)}), &why));
  EXPECT_EQ(why, "never");

  why.clear();
  EXPECT_FALSE(matched(shared, node("relu", {node("log", {any("x")}).once()}), &why));
  EXPECT_EQ(why, "");
}

}  // namespace
}  // namespace mj
