// SPDX-License-Identifier: Apache-2.0
#include "ir/text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace mj {
namespace {

Graph parsed(std::string_view text) {
  Result<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().message);
  return graph.ok() ? *graph : Graph();
}

std::string complaint(std::string_view text) {
  const Result<Graph> graph = parse_graph(text);
  return graph.ok() ? "none" : graph.error().message;
}

constexpr std::string_view kAll = R"(graph "net" (%x: f32[N,4], %"odd/name:0": i64[2] = [N, 4], %c: bool[]) {
  %w = constant f32[4] {1, -2.5, inf, 0.1}
  %s = constant string[1] {"a b"}
  %y = elu(%x) {alpha=0.5} : f32[N,4] from "Elu_1", "with \"quotes\""
  %r = add(%y, %w) epilogue(%x) (%0: f32, %1: f32) { %2 = add(%0, %1); %3 = elu(%2); return %3 } : f32[N,4]
  %p, %q = pointwise(%r, %w) (%0: f32, %1: f32) { %2 = add(%0, %1); return %2, %0 } : f32[N,4], f32[N,4]
  %o = if(%c, %p) then (%p.1: f32[N,4]) {
    %t = add(%p.1, %p.1) : f32[N,4]
    return %t
  } else (%p.2: f32[N,4]) {
    return %p.2
  } : f32[N,4]
  return %o, %q, %"odd/name:0", %s
}
)";

TEST(GraphText, PrintsWhatItParsed) { EXPECT_EQ(to_string(parsed(kAll)), kAll); }

TEST(GraphText, SequencesAndOptionalsReadBack) {
  constexpr std::string_view text =
      R"(graph "g" (%s: seq(f32[N,"?"]), %o: opt(f32[?]), %q: opt(seq(i64[2])), %c: bool[]) {
  %e = sequence_empty() : seq(f32[?]) = []
  %a = if(%c, %s) then (%p.1: seq(f32[N,"?"])) {
    return %p.1
  } else (%p.2: seq(f32[N,"?"])) {
    %l = sequence_erase(%p.2) : seq(f32[N,"?"])
    return %l
  } : seq(f32[N,"?"])
  return %a, %o, %q, %e
}
)";
  EXPECT_EQ(to_string(parsed(text)), text);
  EXPECT_EQ(verify(parsed(text)), "");
  EXPECT_EQ(to_string(parse_type("opt(seq(f32[\"?\",3]))").value()), "opt(seq(f32[\"?\",3]))");
  EXPECT_FALSE(parse_type("seq(seq(f32[2]))").ok());
  EXPECT_FALSE(parse_type("opt(opt(f32[2]))").ok());
}

TEST(GraphText, LoopsReadBack) {
  constexpr std::string_view text = R"(graph "g" (%n: i64[], %x: f32[2], %w: f32[2]) {
  %y, %s = loop(%n, _, %x, %w) {carried=1} body (%i: i64[], %a: f32[2], %v: f32[2]) {
    %t = constant bool[] {1}
    %b = add(%a, %v) : f32[2]
    return %t, %b, %a
  } : f32[2], f32[loop,2]
  return %y, %s
}
)";
  EXPECT_EQ(to_string(parsed(text)), text);
  EXPECT_EQ(verify(parsed(text)), "");
}

TEST(GraphText, LoopsThatAreNone) {
  const auto loop = [](std::string_view head, std::string_view body) {
    return complaint(fmt::format("graph (%n: i64[], %x: f32[2]) {{ %y = {} {} : f32[2]; return %y }}", head, body));
  };
  constexpr std::string_view good = "body (%i: i64[], %a: f32[2]) { %t = constant bool[] {1}; return %t, %a }";
  EXPECT_EQ(loop("loop(%n, _, %x) {carried=1}", good), "none");
  EXPECT_NE(loop("loop(%n, _, %x) {carried=2}", good).find("for what it carries"), std::string::npos);
  EXPECT_NE(loop("loop(%n, _, %x, %x) {carried=1}", good).find("inputs are the node's"), std::string::npos);
  EXPECT_NE(loop("loop(%n, _, %x) {carried=1}", "body (%i: i64[], %a: f32[2]) { return %a }").find("outputs are"),
            std::string::npos);
  EXPECT_NE(loop("loop(%n, _, %x) {carried=1}", "body (%i: i64[], %a: f32[2]) { return %i, %a }").find("condition"),
            std::string::npos);
  EXPECT_NE(
      loop("loop(%n, _, %x) {carried=1}", "body (%i: f32[], %a: f32[2]) { %t = constant bool[] {1}; return %t, %a }")
          .find("iteration"),
      std::string::npos);
  EXPECT_NE(loop("neg(%x)", good).find("another node none"), std::string::npos);
}

// What the body's dims mean inside alone becomes a symbol outside; a number of runs that is known is a dim.
TEST(GraphText, LoopsTypesAreInferredAgain) {
  Graph graph = parsed(R"(graph (%x: f32[N,2], %m: i64[] = [N]) {
  %y, %s = loop(%m, _, %x, %x) {carried=1} body (%i: i64[], %a: f32[c,2], %w: f32[N,2]) {
    %t = constant bool[] {1}
    %b = concat(%a, %w) {axis=0}
    return %t, %b, %w
  } : f32[?], f32[?]
  return %y, %s
})");
  ASSERT_TRUE(graph.infer_all().ok());
  EXPECT_EQ(to_string(graph.type(graph.outputs[0])), "f32[loop,2]");
  EXPECT_EQ(to_string(graph.type(graph.outputs[1])), "f32[N,N,2]");
}

TEST(GraphText, ConstantsAreTensors) {
  Graph graph;
  graph.outputs = {graph.add_constant("s", Tensor::sequence(DType::f32, {}))};
  EXPECT_EQ(verify(graph), "constant 's' is seq(f32[?])");
}

TEST(GraphText, LeavesTypesToTheShapeRules) {
  const Graph graph = parsed("graph (%x: f32[N,1], %y: f32[4]) { %z = add(%x, %y); return %z }");
  EXPECT_EQ(to_string(graph.type(graph.outputs[0])), "f32[N,4]");
}

TEST(GraphText, HashesLargeConstants) {
  Graph graph;
  graph.outputs = {graph.add_constant("w", Tensor::zeros(DType::f32, {17}))};
  const std::string text = to_string(graph);
  EXPECT_NE(text.find("%w = constant f32[17] hash:"), std::string::npos) << text;
  EXPECT_NE(complaint(text).find("printed without its elements"), std::string::npos) << complaint(text);
  EXPECT_EQ(to_string(parsed(to_string(graph, {.inline_elements = 17, .types = true}))), text);
}

TEST(GraphText, CanonicalTextForgetsNamesAndOrder) {
  const Graph a = parsed("graph (%x: f32[2]) { %a = abs(%x); %b = elu(%x); %c = add(%a, %b); return %c }");
  const Graph b = parsed("graph (%x: f32[2]) { %q = elu(%x); %p = abs(%x); %r = add(%p, %q); return %r }");
  const Graph c = parsed("graph (%x: f32[2]) { %a = abs(%x); %b = elu(%x); %c = add(%b, %a); return %c }");
  EXPECT_EQ(canonical_text(a), canonical_text(b));
  EXPECT_NE(canonical_text(a), canonical_text(c));
  EXPECT_EQ(canonical_text(parsed(canonical_text(a))), canonical_text(a));
}

TEST(GraphText, ErrorsSayWhere) {
  EXPECT_EQ(complaint("graph (%x: f32[2]) {\n  %y = foo(%x)\n  return %y }"),
            "line 2, column 8: there is no operator 'foo', got 'foo(%x)'");
  EXPECT_EQ(complaint("graph (%x: f32[2]) { return %z }"),
            "line 1, column 29: this value is not defined yet, got '%z }'");
  EXPECT_NE(complaint("graph (%x: f32[2], %x: f32[2]) { return %x }").find("defined twice"), std::string::npos);
  EXPECT_NE(complaint("graph (%x: f32[2]) { %y = elu(%x) {beta=1}; return %y }").find("no field 'beta'"),
            std::string::npos);
  EXPECT_NE(complaint("graph (%x: f32[2]) { %y = constant f32[3] {1, 2}; return %y }").find("expected 3 elements"),
            std::string::npos);
  EXPECT_NE(complaint("graph (%x: f32[2]) { %y = elu(%x) : f32[2").find("expected"), std::string::npos);
}

TEST(BodyText, PrintsWhatItParsed) {
  constexpr std::string_view kText = "(%0: f32, %1: f32) { %2 = add(%0, %1); %3 = elu(%2) {alpha=2.0}; return %3, %2 }";
  const Result<Body> body = parse_body(kText);
  ASSERT_TRUE(body.ok()) << body.error().message;
  EXPECT_EQ(to_string(*body), kText);
}

TEST(BodyText, RefusesWhatIsNoBody) {
  for (std::string_view text : {"(%0: f32) { %2 = elu(%0); return %2 }", "(%0: f32) { %1 = elu(%1); return %1 }",
                                "(%0: f32) { %1 = add(%0); return %1 }", "(%0: bool) { %1 = elu(%0); return %1 }",
                                "(%0: f32) { return %1 }", "(%0: f32) { return %0 } x", "(%0: f32) {"}) {
    EXPECT_FALSE(parse_body(text).ok()) << text;
  }
}

TEST(TypeText, PrintsWhatItParsed) {
  for (std::string_view text : {"f32[N,3,224,224]", "i64[]", "f32[?]", "seq(f32[2])", "bool[floor_div(H + 1, 2)]"}) {
    const Result<Type> type = parse_type(text);
    ASSERT_TRUE(type.ok()) << type.error().message;
    EXPECT_EQ(to_string(*type), text);
  }
}

}  // namespace
}  // namespace mj
