// SPDX-License-Identifier: Apache-2.0
#include "passes/movement.h"

#include <gtest/gtest.h>

#include "passes/testing/interpret.h"

namespace mj {
namespace {

// The graph with its output placed anew from the movement's source.
std::string replaced(const Graph& graph) {
  Graph other = graph;
  const Movement movement = movement_of(other, other.outputs[0]);
  other.replace_uses(other.outputs[0], place(other, movement, movement.dims));
  other.normalize();
  return testing::difference(graph, other);
}

TEST(Movement, ReadsAChain) {
  const Graph graph = *parse_graph(R"(graph (%x: f32[7,N,24]) {
    %c = constant f32[] {1}
    %a = reshape_to(%x) {shape=["1", "7", "N", "3", "8"]}
    %b = transpose(%a) {perm=[3, 1, 2, 0, 4]}
    %d = slice_to(%b) {axes=[0], starts=["2"], ends=["3"], steps=[1]}
    %e = mul(%d, %c)
    %f = reshape_to(%e) {shape=["7", "2*N", "4"]}
    %g = transpose(%f) {perm=[1, 2, 0]}
    %y = reshape_to(%g) {shape=["N", "2", "4", "7"]}
    return %y
  })");
  const Movement m = movement_of(graph, graph.outputs[0]);
  EXPECT_EQ(m.source, graph.inputs[0]);
  ASSERT_EQ(m.order.size(), 5u);  // 7, N, 3, 2, 4
  EXPECT_EQ(m.fixed[static_cast<size_t>(m.order[2])], 2);
  EXPECT_EQ(m.dims, (std::vector<Factors>{{m.order[1]}, {m.order[3]}, {m.order[4]}, {m.order[0]}}));
  EXPECT_EQ(m.sizes[static_cast<size_t>(m.order[1])], Dim::symbol("N"));
  EXPECT_EQ(replaced(graph), "");
}

// A part of a part, both of the same axis.
TEST(Movement, ReadsNestedParts) {
  const Graph graph = *parse_graph(R"(graph (%x: f32[N,24]) {
    %a, %b = split(%x) {axis=1, num_outputs=2}
    %d = slice_to(%b) {axes=[1], starts=["8"], ends=["12"], steps=[1]}
    %y = transpose(%d) {perm=[1, 0]}
    return %y
  })");
  const Movement m = movement_of(graph, graph.outputs[0]);
  EXPECT_EQ(m.source, graph.inputs[0]);
  EXPECT_EQ(replaced(graph), "");
}

// Where dims are no products of factors, the movement ends.
TEST(Movement, StopsAtWhatItCannotRead) {
  const Graph graph = *parse_graph(R"(graph (%x: f32[6,4], %z: f32[10,2]) {
    %a = reshape_to(%x) {shape=["8", "3"]}
    %y = transpose(%a) {perm=[1, 0]}
    %b = slice_to(%z) {axes=[0], starts=["1"], ends=["6"], steps=[1]}
    return %y, %b
  })");
  const Movement m = movement_of(graph, graph.outputs[0]);
  EXPECT_EQ(graph.value(m.source).name, "a");
  EXPECT_EQ(movement_of(graph, graph.outputs[1]).source, graph.outputs[1]);
  EXPECT_EQ(replaced(graph), "");
}

}  // namespace
}  // namespace mj
