// SPDX-License-Identifier: Apache-2.0
#include "runtime/loop.h"

#include <gtest/gtest.h>

#include "engine/format/plan_verify.h"
#include "runtime/test_plans.h"

namespace mj {
namespace {

class LoopTest : public ::testing::Test {
 protected:
  Result<std::vector<Tensor>> run(const Plan& plan, const std::vector<Tensor>& inputs, const RunOptions& options = {}) {
    const Result<void> sound = verify(plan);
    EXPECT_TRUE(sound.ok()) << sound.error().message;
    Session session(program_of(plan), pool_, {});
    std::vector<Tensor> outputs;
    MJ_TRY(session.run(inputs, outputs, options));
    return outputs;
  }
  std::string text(const Plan& plan, const std::vector<Tensor>& inputs) {
    const auto out = run(plan, inputs);
    if (!out.ok()) return out.error().message;
    std::string all;
    for (const Tensor& tensor : *out) all += (all.empty() ? "" : "; ") + to_string(tensor);
    return all;
  }
  ThreadPool pool_{1};
};

Tensor number(int64_t value) { return Tensor::scalar(value); }

// y, s = loop(most, condition, x): each run doubles x and stacks what it was; stops once limit < x[0].
Plan doubling(bool with_limit) {
  PlanBuilder body;
  body.input("i", {}, DType::i64);
  const int x = body.input("x", {kN}), limit = body.input("limit", Shape{});
  const int doubled = body.map("add", {x, x});
  int go_on = body.constant(Tensor::scalar(true));
  if (with_limit) {
    const int most = body.temporary(Shape{}), first = body.constant(number(0)), head = body.temporary(Shape{});
    body.kernel(op("gather"), {doubled, first}, {head});
    body.kernel(op("identity"), {limit}, {most});
    go_on = body.temporary(Shape{}, DType::boolean);
    body.kernel(op("less"), {head, most}, {go_on});
  }
  PlanBuilder b;
  const int most = b.input("most", {}, DType::i64), condition = b.input("c", {}, DType::boolean);
  const int outer = b.input("x", {kN}), bound = b.input("limit", Shape{});
  const int last = b.temporary(Shape{kN}), all = b.temporary(Shape{Dim::symbol("loop"), kN});
  b.loop(1, {most, condition, outer, bound}, {last, all}, body.finish({go_on, doubled, x}));
  return b.finish({last, all, b.map("neg", {all})});
}

TEST_F(LoopTest, EndsWhereBodiesMayRunNoMore) {
  const std::vector<Tensor> inputs = {number(6), Tensor::scalar(true), floats({2}, {1, 3}), floats({}, {0})};
  RunOptions options;
  LoopBudget loops{6};
  options.loops = &loops;
  EXPECT_TRUE(run(doubling(false), inputs, options).ok());
  EXPECT_EQ(loops.left, 0);
  loops = LoopBudget{5};
  const auto stopped = run(doubling(false), inputs, options);
  ASSERT_FALSE(stopped.ok());
  EXPECT_NE(stopped.error().message.find("its body ran 5 times and would go on"), std::string::npos)
      << stopped.error().message;
}

TEST_F(LoopTest, CarriesAndStacks) {
  const Plan plan = doubling(false);
  const Tensor x = floats({2}, {1, 3}), limit = floats({}, {0});
  EXPECT_EQ(text(plan, {number(3), Tensor::scalar(true), x, limit}),
            "f32[2] {8, 24}; f32[3,2] {1, 3, 2, 6, 4, 12}; f32[3,2] {-1, -3, -2, -6, -4, -12}");
}

TEST_F(LoopTest, MayNotRunAtAll) {
  const Plan plan = doubling(false);
  const Tensor x = floats({2}, {1, 3}), limit = floats({}, {0});
  const std::string nothing = "f32[2] {1, 3}; f32[0,2] {}; f32[0,2] {}";
  EXPECT_EQ(text(plan, {number(0), Tensor::scalar(true), x, limit}), nothing);
  EXPECT_EQ(text(plan, {number(-5), Tensor::scalar(true), x, limit}), nothing);
  EXPECT_EQ(text(plan, {number(5), Tensor::scalar(false), x, limit}), nothing);
  const auto out = run(plan, {number(0), Tensor::scalar(true), x, limit});
  ASSERT_TRUE(out.ok());
  EXPECT_NE((*out)[0].raw(), x.raw()) << "memory of its own";
}

TEST_F(LoopTest, EndsEarly) {
  const Plan plan = doubling(true);
  const Tensor x = floats({1}, {1}), limit = floats({}, {5});
  EXPECT_EQ(text(plan, {number(INT64_MAX), Tensor::scalar(true), x, limit}),
            "f32[1] {8}; f32[3,1] {1, 2, 4}; "
            "f32[3,1] {-1, -2, -4}");
  EXPECT_EQ(text(plan, {number(2), Tensor::scalar(true), x, limit}), "f32[1] {4}; f32[2,1] {1, 2}; f32[2,1] {-1, -2}");
}

TEST_F(LoopTest, CanBeCancelled) {
  const std::atomic<bool> cancelled = true;
  RunOptions options;
  options.cancelled = &cancelled;
  const auto out =
      run(doubling(false), {number(INT64_MAX), Tensor::scalar(true), floats({1}, {1}), floats({}, {0})}, options);
  ASSERT_FALSE(out.ok());
  EXPECT_NE(out.error().message.find("cancelled"), std::string::npos) << out.error().message;
}

// What is carried may grow; what is stacked may not.
Plan growing(bool stacked) {
  PlanBuilder body;
  body.input("i", {}, DType::i64);
  const Dim n = Dim::symbol("c");
  const int x = body.input("x", {n}), longer = body.temporary(Shape{n * 2});
  body.kernel(op("concat"), {x, x}, {longer});
  std::vector<int> made = {body.constant(Tensor::scalar(true)), longer};
  if (stacked) made.push_back(longer);
  PlanBuilder b;
  const int most = b.input("most", {}, DType::i64), outer = b.input("x", {kN});
  std::vector<int> outputs = {b.temporary(Shape{Dim::symbol("end")})};
  if (stacked) outputs.push_back(b.temporary(Shape{Dim::symbol("runs"), Dim::symbol("wide")}));
  b.loop(1, {most, kNoTensor, outer}, outputs, body.finish(made));
  return b.finish(outputs);
}

TEST_F(LoopTest, SizesMayChangeFromRunToRun) {
  EXPECT_EQ(text(growing(false), {number(3), floats({1}, {7})}), "f32[8] {7, 7, 7, 7, 7, 7, 7, 7}");
  EXPECT_EQ(text(growing(true), {number(1), floats({1}, {7})}), "f32[2] {7, 7}; f32[1,2] {7, 7}");
  EXPECT_EQ(text(growing(true), {number(0), floats({1}, {7})}), "f32[1] {7}; f32[0,0] {}");
  const std::string message = text(growing(true), {number(2), floats({1}, {7})});
  EXPECT_NE(message.find("is [4] in run 1 and [2] in those before"), std::string::npos) << message;
}

TEST_F(LoopTest, CarriesSequencesAndStacksStrings) {
  const Type sequence{Type::Kind::sequence, DType::i64, Shape{}};
  PlanBuilder body;
  const int i = body.input("i", {}, DType::i64), s = body.input("s", sequence);
  const int name = body.input("name", {}, DType::string), longer = body.temporary(sequence);
  body.kernel(op("sequence_insert"), {s, i}, {longer});
  PlanBuilder b;
  const int most = b.input("most", {}, DType::i64), first = b.input("s", sequence);
  const int word = b.input("name", {}, DType::string);
  const int last = b.temporary(sequence), names = b.temporary(Shape{Dim::symbol("runs")}, DType::string);
  b.loop(1, {most, kNoTensor, first, word}, {last, names},
         body.finish({body.constant(Tensor::scalar(true)), longer, name}));
  const Tensor empty = Tensor::sequence(DType::i64, {}), a = Tensor::strings({}, {"a"});
  EXPECT_EQ(text(b.finish({last, names}), {number(2), empty, a}),
            "seq(i64) {i64[] {0}, i64[] {1}}; string[2] {\"a\", \"a\"}");
  EXPECT_EQ(text(b.finish({last, names}), {number(0), empty, a}), "seq(i64) {}; string[0] {}");
}

TEST_F(LoopTest, TakesOneNumberAndOneBool) {
  PlanBuilder body;
  body.input("i", {}, DType::i64);
  const int x = body.input("x", {kN});
  PlanBuilder b;
  const int most = b.input("most", {kN}, DType::i64), outer = b.input("x", {Dim::symbol("M")});
  const int out = b.temporary(Shape{Dim::symbol("M")});
  b.loop(1, {most, kNoTensor, outer}, {out}, body.finish({body.constant(Tensor::scalar(true)), x}));
  const Plan plan = b.finish({out});
  EXPECT_EQ(text(plan, {Tensor::of_i64(std::vector<int64_t>{4}), floats({1}, {2})}), "f32[1] {2}");
  EXPECT_NE(text(plan, {Tensor::of_i64(std::vector<int64_t>{4, 5}), floats({1}, {2})}).find("they have 2 and"),
            std::string::npos);
}

}  // namespace
}  // namespace mj
