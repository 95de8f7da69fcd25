// SPDX-License-Identifier: Apache-2.0
#include "engine/build/lower.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

Graph graph_of(std::string_view text) {
  Result<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().message);
  return std::move(graph).value();
}
Plan lower_text(std::string_view text, const Chooser& choose = choose_reference) {
  Result<Plan> plan = lower(graph_of(text), choose);
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message);
  return std::move(plan).value();
}

const PlanTensor& tensor(const Plan& plan, int id) { return plan.tensors[static_cast<size_t>(id)]; }

TEST(Lower, OneStepANodeInOrder) {
  const Plan plan = lower_text("graph \"g\" (%x: f32[N]) { %a = neg(%x) from \"Neg_1\"; %b = exp(%a); return %b }");
  EXPECT_EQ(plan.name, "g");
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[0].origin, std::vector<std::string>{"Neg_1"});
  EXPECT_TRUE(plan.steps[0].problem.op.is("neg"));
  EXPECT_EQ(plan.steps[0].choice.row, "reference");
  EXPECT_EQ(plan.steps[0].outputs, plan.steps[1].inputs);
  EXPECT_EQ(plan.outputs, plan.steps[1].outputs);
  EXPECT_EQ(to_string(*tensor(plan, plan.outputs[0]).shape), "[N]");
}

TEST(Lower, ReshapesCostNothing) {
  const Plan plan = lower_text(R"(graph (%x: f32[2,3]) {
    %a = neg(%x)
    %b = unsqueeze(%a) {axes=[0]}
    %c = exp(%b)
    return %c
  })");
  ASSERT_EQ(plan.steps.size(), 2u);
  const PlanTensor& alias = tensor(plan, plan.steps[1].inputs[0]);
  EXPECT_EQ(alias.kind, PlanTensor::Kind::alias);
  EXPECT_EQ(alias.alias_of, plan.steps[0].outputs[0]);
  EXPECT_EQ(to_string(*alias.shape), "[1,2,3]");
}

TEST(Lower, SequencesKeepTheirKind) {
  const Plan plan = lower_text(R"(graph (%s: seq(f32["?"]), %x: f32[N]) {
    %t = sequence_insert(%s, %x)
    %u = identity(%t)
    return %u
  })");
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_EQ(to_string(tensor(plan, plan.inputs[0]).type()), "seq(f32[\"?\"])");
  EXPECT_EQ(to_string(tensor(plan, plan.outputs[0]).type()), "seq(f32[\"?\"])");
  EXPECT_EQ(tensor(plan, plan.outputs[0]).kind, PlanTensor::Kind::alias);
  EXPECT_EQ(plan.steps[0].problem.outputs[0].kind, Type::Kind::sequence);
  EXPECT_EQ(to_string(plan.steps[0].problem), "sequence_insert (seq(f32[\"$0\"]), f32[\"$1\"]) -> (seq(f32[\"$0\"]))");
}

TEST(Lower, AReshapeWhoseSizeOnlyRunningTellsIsAStep) {
  const Plan plan = lower_text(R"(graph (%x: f32[N], %s: i64[2]) {
    %y = reshape(%x, %s)
    return %y
  })");
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_EQ(plan.steps[0].kind, Step::Kind::kernel);
}

TEST(Lower, AConstantIsStoredOnceHoweverOftenItIsRead) {
  const Plan plan = lower_text(R"(graph (%x: f32[2]) {
    %w = constant f32[2] {1, 2}
    %unused = constant f32[1] {3}
    %a = add(%x, %w)
    %b = mul(%a, %w)
    return %b, %w
  })");
  int constants = 0;
  for (const PlanTensor& t : plan.tensors) constants += t.kind == PlanTensor::Kind::constant;
  EXPECT_EQ(constants, 1);
  EXPECT_EQ(plan.steps[0].inputs[1], plan.steps[1].inputs[1]);
  EXPECT_EQ(plan.outputs[1], plan.steps[0].inputs[1]);
}

TEST(Lower, WhatAKernelPackedIsNotStoredAgain) {
  const Plan plan = lower_text("graph (%x: f32[2]) { %w = constant f32[2] {1, 2}; %a = add(%x, %w); return %a }",
                               [](const Problem& problem, std::span<const Tensor> constants) -> Result<Chosen> {
                                 EXPECT_TRUE(problem.inputs[1].constant);
                                 EXPECT_FALSE(constants[0].present());
                                 Chosen chosen;
                                 chosen.choice.row = "packing";
                                 chosen.packed = {{constants[1]}, {1}};
                                 return chosen;
                               });
  EXPECT_EQ(plan.steps[0].inputs[1], kNoTensor);
  EXPECT_EQ(plan.steps[0].packed[0].data<float>()[1], 2);
  EXPECT_EQ(plan.tensors.size(), 2u);
}

TEST(Lower, IfBecomesABranch) {
  const Plan plan = lower_text(R"(graph (%c: bool[], %x: f32[N]) {
    %y = if(%c, %x) then (%a: f32[N]) {
      %b = relu(%a)
      %d = exp(%b)
      return %d
    } else (%e: f32[N]) {
      return %e
    } : f32[N]
    return %y
  })");
  ASSERT_EQ(plan.steps.size(), 1u);
  const Step& step = plan.steps[0];
  EXPECT_EQ(step.kind, Step::Kind::branch);
  EXPECT_EQ(step.inputs, plan.inputs);
  ASSERT_EQ(step.branches.size(), 2u);
  EXPECT_EQ(step.branches[0]->steps.size(), 2u);
  EXPECT_EQ(step.branches[1]->steps.size(), 0u);
  EXPECT_EQ(step.branches[1]->outputs, step.branches[1]->inputs);
}

TEST(Lower, LoopKeepsItsBody) {
  const Plan plan = lower_text(R"(graph (%n: i64[], %x: f32[N]) {
    %y, %s = loop(%n, _, %x, %x) {carried=1} body (%i: i64[], %a: f32[N], %w: f32[N]) {
      %t = constant bool[] {1}
      %b = add(%a, %w)
      return %t, %b, %b
    } : f32[N], f32[k,N]
    return %y, %s
  })");
  ASSERT_EQ(plan.steps.size(), 1u);
  const Step& step = plan.steps[0];
  EXPECT_EQ(step.kind, Step::Kind::loop);
  EXPECT_EQ(step.carried, 1);
  EXPECT_EQ(step.inputs, (std::vector<int>{0, kNoTensor, 1, 1}));
  ASSERT_EQ(step.branches.size(), 1u);
  EXPECT_EQ(step.branches[0]->inputs.size(), 3u);
  EXPECT_EQ(step.branches[0]->steps.size(), 1u) << "the condition is a constant";
}

TEST(Lower, OnlyTheReferenceFindsOutItsOwnSizes) {
  const Chooser fast = [](const Problem&, std::span<const Tensor>) -> Result<Chosen> {
    Chosen chosen;
    chosen.choice.row = "fast";
    return chosen;
  };
  const Plan plan = lower_text(R"(graph (%x: f32[N], %s: i64[2]) {
    %y = expand(%x, %s)
    %z = neg(%y)
    return %z
  })",
                               fast);
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[0].choice.row, "reference");
  EXPECT_EQ(plan.steps[1].choice.row, "fast");
}

TEST(Lower, ErrorsOfTheChooserNameTheNode) {
  const auto plan = lower(graph_of("graph (%x: f32[N]) { %a = neg(%x) from \"Neg_1\"; return %a }"),
                          [](const Problem&, std::span<const Tensor>) -> Result<Chosen> { return model_error("no"); });
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().message, "Neg_1: no");
}

TEST(ProblemOf, SaysWhereTheEpilogueBegins) {
  const Graph graph = graph_of(R"(graph (%x: f32[2,2], %y: f32[2,2], %z: f32[2,2]) {
    %r = matmul(%x, %y) epilogue(%z) (%0: f32, %1: f32) { %2 = add(%0, %1); return %2 } : f32[2,2]
    %p = pointwise(%r) (%0: f32) { %1 = relu(%0); return %1 } : f32[2,2]
    return %p
  })");
  const std::vector<NodeId> order = graph.order();
  const Problem fused = problem_of(graph, graph.node(order[0])), pointwise = problem_of(graph, graph.node(order[1]));
  EXPECT_EQ(fused.anchor_inputs, 2);
  EXPECT_EQ(fused.inputs.size(), 3u);
  EXPECT_EQ(pointwise.anchor_inputs, 0);
  EXPECT_EQ(pointwise.inputs.size(), 1u);
}

}  // namespace
}  // namespace mj
