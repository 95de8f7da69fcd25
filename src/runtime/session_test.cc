// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <gtest/gtest.h>

#include "engine/format/plan_verify.h"
#include "runtime/test_plans.h"

namespace mj {
namespace {

class SessionTest : public testing::Test {
 protected:
  Result<std::vector<Tensor>> run(Plan plan, std::vector<Tensor> inputs, const RunOptions& options = {}) {
    Session session(program_of(std::move(plan)), pool_, {});
    std::vector<Tensor> outputs;
    MJ_TRY(session.run(inputs, outputs, options));
    return outputs;
  }
  std::string error_of(Plan plan, std::vector<Tensor> inputs, const RunOptions& options = {}) {
    const auto result = run(std::move(plan), std::move(inputs), options);
    return result.ok() ? "no error" : result.error().message;
  }
  ThreadPool pool_{2};
};

Plan one_op(const std::string& name, const Shape& shape) {
  PlanBuilder b;
  return b.finish({b.map(name, {b.input("x", shape)})});
}

TEST_F(SessionTest, KernelsRunInOrder) {
  PlanBuilder b;
  const int x = b.input("x", {kN});
  const auto out = run(b.finish({b.map("add", {b.map("relu", {b.map("neg", {x})}), x})}), {floats({3}, {1, -2, 3})});
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ(to_string((*out)[0]), "f32[3] {1, 0, 3}");
}

TEST_F(SessionTest, OneSessionTakesManyShapes) {
  Session session(program_of(one_op("neg", {kN})), pool_, {});
  for (int64_t n : {1, 0, 100, 7, 100, 1}) {
    std::vector<Tensor> outputs;
    const Tensor x = Tensor::zeros(DType::f32, {n});
    ASSERT_TRUE(session.run({&x, 1}, outputs).ok());
    EXPECT_EQ(outputs[0].dims(), (std::vector<int64_t>{n}));
  }
}

TEST_F(SessionTest, ShapesThatDoNotFitAreNamed) {
  EXPECT_EQ(error_of(one_op("neg", {kN, Dim(3)}), {floats({1, 2}, {1, 2})}),
            "input 'x': got shape [1,2], expected [N,3]: dimension 1 must be 3");
}

TEST_F(SessionTest, BranchesTakeTheSideOfTheCondition) {
  PlanBuilder b;
  const int condition = b.input("c", {}, DType::boolean), x = b.input("x", {kN});
  const int y = b.temporary(Shape{kN});
  b.branch({condition, x}, {y}, one_op("neg", {kN}), one_op("exp", {kN}));
  const Plan plan = b.finish({b.map("abs", {y}), y});
  const auto yes = run(plan, {Tensor::scalar(true), floats({2}, {1, 2})});
  ASSERT_TRUE(yes.ok()) << yes.error().message;
  EXPECT_EQ(to_string((*yes)[0]), "f32[2] {1, 2}");
  EXPECT_EQ(to_string((*yes)[1]), "f32[2] {-1, -2}");
  const auto no = run(plan, {Tensor::scalar(false), floats({1}, {0})});
  ASSERT_TRUE(no.ok()) << no.error().message;
  EXPECT_EQ(to_string((*no)[1]), "f32[1] {1}");
}

TEST_F(SessionTest, BranchesMayDifferInSize) {
  PlanBuilder b, first;
  const int condition = b.input("c", {}, DType::boolean), x = b.input("x", {Dim(2)});
  const int y = b.temporary(Shape{Dim::symbol("if")});
  const int in = first.input("x", {Dim(2)}), doubled = first.temporary(Shape{Dim(4)});
  first.kernel(op("concat", {{0, "axis", int64_t{0}}}), {in, in}, {doubled});
  b.branch({condition, x}, {y}, first.finish({doubled}), one_op("neg", {Dim(2)}));
  const Plan plan = b.finish({b.map("neg", {y})});
  EXPECT_EQ(to_string(run(plan, {Tensor::scalar(true), floats({2}, {1, 2})}).value()[0]), "f32[4] {-1, -2, -1, -2}");
  EXPECT_EQ(to_string(run(plan, {Tensor::scalar(false), floats({2}, {1, 2})}).value()[0]), "f32[2] {1, 2}");
}

TEST_F(SessionTest, ChecksCompareDims) {
  PlanBuilder b;
  const int x = b.input("x", {kN});
  b.input("y", {Dim::symbol("M")});
  b.check(kN, Dim::symbol("M"), "add: both sides must be of one size");
  const Plan plan = b.finish({b.map("neg", {x})});
  EXPECT_TRUE(run(plan, {floats({1}, {1}), floats({1}, {2})}).ok());
  EXPECT_EQ(error_of(plan, {floats({1}, {1}), floats({2}, {1, 2})}),
            "add: both sides must be of one size: N is 1, M is 2");
}

TEST_F(SessionTest, CopiesMakeMemoryOfTheirOwn) {
  PlanBuilder b;
  const int x = b.input("x", {kN}), y = b.temporary(Shape{kN});
  b.copy(x, y);
  const Plan plan = b.finish({y});
  const Tensor in = floats({2}, {1, 2});
  const auto out = run(plan, {in}).value();
  EXPECT_TRUE(identical(out[0], in));
  EXPECT_NE(out[0].raw(), in.raw());
  EXPECT_TRUE(run(plan, {Tensor::zeros(DType::f32, {0})}).ok());
}

TEST_F(SessionTest, SizesFromDataReachLaterSteps) {
  PlanBuilder b;
  const Dim count = Dim::symbol("nonzero");
  const int x = b.input("x", {kN}), at = b.temporary(Shape{Dim(1), count}, DType::i64);
  b.kernel(op("non_zero"), {x}, {at});
  const int flat = b.alias(at, {count});
  const Plan plan = b.finish({at, b.map("neg", {flat}), flat});
  for (int round = 0; round < 2; ++round) {
    const auto out = run(plan, {floats({4}, {0, 5, 0, 7})});
    ASSERT_TRUE(out.ok()) << out.error().message;
    EXPECT_EQ(to_string((*out)[0]), "i64[1,2] {1, 3}");
    EXPECT_EQ(to_string((*out)[1]), "i64[2] {-1, -3}");
    EXPECT_EQ(to_string((*out)[2]), "i64[2] {1, 3}");
  }
  EXPECT_EQ(to_string(run(plan, {floats({1}, {0})}).value()[1]), "i64[0] {}");
}

// The dims of `at` are not known before it is made; what reads it says that it writes less than it will.
TEST_F(SessionTest, StepsWithLateInputsAreCheckedBeforeTheyWrite) {
  PlanBuilder b;
  const Dim count = Dim::symbol("nonzero"), small = Dim::symbol("K");
  const int x = b.input("x", {kN}), at = b.temporary(Shape{Dim(1), count}, DType::i64);
  b.input("y", {small});
  b.kernel(op("non_zero"), {x}, {at});
  const int made = b.temporary(Shape{Dim(1), small}, DType::i64);
  b.kernel(op("neg"), {at}, {made});
  const Plan plan = b.finish({made});
  ASSERT_TRUE(verify(plan).ok());
  const Tensor three = floats({3}, {1, 2, 3});
  EXPECT_EQ(error_of(plan, {three, floats({1}, {0})}), "neg_2: output 0 is i64[1,1], and the operator gives i64[1,3]");
  EXPECT_EQ(to_string(run(plan, {three, three}).value()[0]), "i64[1,3] {0, -1, -2}");
}

TEST_F(SessionTest, AnOperatorThatCountsIsHeldToItsPlan) {
  PlanBuilder b;
  const int x = b.input("x", {kN}), at = b.temporary(Shape{Dim(1), Dim(2)}, DType::i64);
  b.kernel(op("non_zero"), {x}, {at});
  const Plan plan = b.finish({at});
  EXPECT_TRUE(run(plan, {floats({3}, {1, 0, 3})}).ok());
  EXPECT_EQ(error_of(plan, {floats({3}, {1, 2, 3})}), "non_zero_1: non_zero: output 0 has 3 elements, the plan has 2");
}

const Type kSequence = Type::sequence(Type::tensor(DType::f32, {any_dim()}));

TEST_F(SessionTest, SequencesComeAndGo) {
  PlanBuilder b;
  const int s = b.input("s", kSequence), x = b.input("x", {kN});
  const int longer = b.temporary(kSequence), last = b.temporary(Shape{Dim::symbol("item")});
  b.kernel(op("sequence_insert"), {s, x}, {longer});
  b.kernel(op("sequence_at"), {longer, b.constant(Tensor::scalar<int64_t>(-2))}, {last});
  const Plan plan = b.finish({longer, b.map("neg", {last}), s});
  ASSERT_TRUE(verify(plan).ok()) << verify(plan).error().message;
  const Tensor two = Tensor::sequence(DType::f32, {floats({1}, {1}), floats({2}, {2, 3})});
  for (int round = 0; round < 2; ++round) {
    const auto out = run(plan, {two, floats({1}, {4})});
    ASSERT_TRUE(out.ok()) << out.error().message;
    EXPECT_EQ(to_string((*out)[0]), "seq(f32) {f32[1] {1}, f32[2] {2, 3}, f32[1] {4}}");
    EXPECT_EQ(to_string((*out)[1]), "f32[2] {-2, -3}");
    EXPECT_TRUE(identical((*out)[2], two));
  }
  EXPECT_EQ(error_of(plan, {Tensor::sequence(DType::f32, {}), floats({1}, {4})}),
            "sequence_at_2: sequence_at: position -2 is outside a sequence of length 1");
}

TEST_F(SessionTest, OptionalsMayBeAbsent) {
  const Type type = Type::tensor(DType::f32, {any_dim()}).as_optional();
  PlanBuilder b, present, absent;
  const int x = b.input("x", type), there = b.temporary(Shape{}, DType::boolean);
  b.kernel(op("optional_has_element"), {x}, {there});
  const int taken = present.temporary(Shape{Dim::symbol("item")});
  present.kernel(op("optional_get_element"), {present.input("x", type)}, {taken});
  absent.input("x", type);
  const int result = b.temporary(Shape{Dim::symbol("if")});
  b.branch({there, x}, {result}, present.finish({taken}), absent.finish({absent.constant(floats({1}, {7}))}));
  const Plan plan = b.finish({result, x});
  ASSERT_TRUE(verify(plan).ok()) << verify(plan).error().message;
  const auto with = run(plan, {floats({2}, {1, 2})}), without = run(plan, {Tensor()});
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_EQ(to_string((*with)[0]), "f32[2] {1, 2}");
  EXPECT_EQ(to_string((*without)[0]), "f32[1] {7}");
  EXPECT_FALSE((*without)[1].present());
}

TEST_F(SessionTest, StringsAreGathered) {
  PlanBuilder b;
  const int x = b.input("x", {kN}, DType::string), y = b.temporary(Shape{kN}, DType::string);
  const int both = b.temporary(Shape{kN * 2}, DType::string);
  b.kernel(op("concat"), {x, x}, {both});
  b.copy(x, y);
  const Plan plan = b.finish({both, b.alias(both, {Dim(2), kN}), y});
  const auto out = run(plan, {Tensor::strings({1}, {"a"})});
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ(to_string((*out)[0]), "string[2] {\"a\", \"a\"}");
  EXPECT_EQ(to_string((*out)[1]), "string[2,1] {\"a\", \"a\"}");
  EXPECT_EQ(to_string((*out)[2]), "string[1] {\"a\"}");
}

TEST_F(SessionTest, OnlyTheReferenceTakesSequences) {
  PlanBuilder b;
  const int s = b.input("s", kSequence), n = b.temporary(Shape{}, DType::i64);
  b.kernel(op("sequence_length"), {s}, {n});
  b.plan.steps[0].choice.row = "transpose";
  const auto program = Program::make(std::make_shared<const Plan>(b.finish({n})), Isa::portable);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().message, "sequence_length_1: kernel 'transpose' takes no strings, sequences or optionals");
}

TEST_F(SessionTest, TensorsOfUnknownRankLiveOnTheHeap) {
  PlanBuilder b;
  const int x = b.input("x", {kN}), y = b.temporary(std::nullopt);
  b.kernel(op("neg"), {x}, {y});
  EXPECT_EQ(to_string(run(b.finish({y}), {floats({2}, {1, 2})}).value()[0]), "f32[2] {-1, -2}");
}

TEST_F(SessionTest, OutputsMayRepeatOrBeInputsOrConstants) {
  PlanBuilder b;
  const int x = b.input("x", {kN}), y = b.map("neg", {x}), c = b.constant(floats({1}, {9}));
  const int words = b.constant(Tensor::strings({2}, {"cat", "dog"}));
  const int text = b.input("text", {Dim(1)}, DType::string);
  const auto out = run(b.finish({y, y, x, c, words, text}), {floats({1}, {4}), Tensor::strings({1}, {"owl"})});
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ(to_string((*out)[1]), "f32[1] {-4}");
  EXPECT_NE((*out)[0].raw(), (*out)[1].raw());
  EXPECT_EQ(to_string((*out)[2]), "f32[1] {4}");
  EXPECT_EQ(to_string((*out)[3]), "f32[1] {9}");
  EXPECT_EQ(to_string((*out)[4]), "string[2] {\"cat\", \"dog\"}");
  EXPECT_EQ(to_string((*out)[5]), "string[1] {\"owl\"}");
}

TEST_F(SessionTest, OutputsThatFitAreWrittenInPlace) {
  Session session(program_of(one_op("neg", {kN})), pool_, {});
  const Tensor x = floats({2}, {1, 2});
  std::vector<Tensor> outputs = {Tensor::zeros(DType::f32, {2})};
  const void* before = outputs[0].raw();
  ASSERT_TRUE(session.run({&x, 1}, outputs).ok());
  EXPECT_EQ(outputs[0].raw(), before);
  EXPECT_EQ(to_string(outputs[0]), "f32[2] {-1, -2}");
  outputs = {Tensor::zeros(DType::f32, {3})};
  ASSERT_TRUE(session.run({&x, 1}, outputs).ok());
  EXPECT_EQ(outputs[0].dims(), std::vector<int64_t>{2});
}

TEST_F(SessionTest, DestinationsAreWrittenWithoutACopy) {
  PlanBuilder b;
  const int x = b.input("x", {kN}), at = b.temporary(Shape{Dim(1), Dim::symbol("nonzero")}, DType::i64);
  b.kernel(op("non_zero"), {x}, {at});
  const Plan plan = b.finish({b.map("neg", {x}), at});
  std::array<float, 3> first = {};
  std::array<int64_t, 3> second = {};
  const std::array<Destination, 2> to = {Destination{first.data(), sizeof first}, {second.data(), sizeof second}};
  RunOptions options;
  options.destinations = to;
  const auto out = run(plan, {floats({2}, {0, 2})}, options);
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ((*out)[0].raw(), first.data());
  EXPECT_EQ(first[1], -2);
  EXPECT_EQ((*out)[1].dims(), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(second[0], 1);
  EXPECT_NE(error_of(plan, {floats({4}, {0, 0, 0, 0})}, options).find("16 bytes, the memory given has 12"),
            std::string::npos);
}

TEST_F(SessionTest, ACancelledRunStops) {
  const std::atomic<bool> cancelled = true;
  RunOptions options;
  options.cancelled = &cancelled;
  EXPECT_EQ(error_of(one_op("neg", {kN}), {floats({1}, {1})}, options), "the run was cancelled after 0 of 1 steps");
}

TEST_F(SessionTest, AnObserverSeesEveryStep) {
  PlanBuilder b;
  const Plan plan = b.finish({b.map("exp", {b.map("neg", {b.input("x", {kN})})})});
  std::vector<std::string> seen;
  RunOptions options;
  options.observer = [&](size_t step, double seconds, std::span<const TensorRef> outputs) {
    EXPECT_GE(seconds, 0);
    seen.push_back(fmt::format("{}: {}", step, outputs[0].as<float>()[0]));
  };
  ASSERT_TRUE(run(plan, {floats({1}, {0})}, options).ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"0: -0", "1: 1"}));
}

TEST_F(SessionTest, MemoryComesFromTheAllocatorWithinTheLimit) {
  struct Ledger {
    int allocated = 0, released = 0;
    size_t bytes = 0;
  } ledger;
  PlanBuilder b;
  const auto program = program_of(b.finish({b.map("exp", {b.map("neg", {b.input("x", {kN})})})}));
  Session::Options options;
  options.allocator.context = &ledger;
  options.allocator.allocate = [](void* context, size_t bytes) {
    auto* l = static_cast<Ledger*>(context);
    ++l->allocated, l->bytes = bytes;
    return bytes > 1000 ? nullptr : ::operator new (bytes, std::align_val_t{64});
  };
  options.allocator.release = [](void* context, void* memory) {
    ++static_cast<Ledger*>(context)->released;
    ::operator delete (memory, std::align_val_t{64});
  };
  options.layout.memory_limit = 2000;
  {
    Session session(program, pool_, options);
    std::vector<Tensor> outputs;
    auto run_size = [&](int64_t n) {
      const Tensor x = Tensor::zeros(DType::f32, {n});
      const Result<void> done = session.run({&x, 1}, outputs);
      return done.ok() ? std::string("ok") : done.error().message;
    };
    EXPECT_EQ(run_size(10), "ok");
    EXPECT_EQ(ledger.bytes, 64u);
    EXPECT_EQ(run_size(1000), "these shapes need 4032 bytes of memory, the limit is 2000");
    EXPECT_EQ(run_size(400), "out of memory: 1600 bytes for activations");
    EXPECT_EQ(run_size(20), "ok");
  }
  EXPECT_EQ(ledger.released, 2);
}

TEST(Program, RefusesWhatItCannotRun) {
  Plan plan = one_op("neg", {kN});
  plan.steps[0].choice.row = "no_such_row";
  auto program = Program::make(std::make_shared<const Plan>(plan), Isa::portable);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, ErrorCode::environment);
  EXPECT_NE(program.error().message.find("'no_such_row' version 1, this build has none"), std::string::npos);

  plan.steps[0].choice = {"reference", 99, "", {}, {}};
  program = Program::make(std::make_shared<const Plan>(plan), Isa::portable);
  ASSERT_FALSE(program.ok());
  EXPECT_NE(program.error().message.find("version 99, this build has version 1"), std::string::npos);
}

TEST(Program, RefusesAStepThatSaysItRoundsAndDoesNot) {
  Plan plan = one_op("neg", {kN});
  plan.steps[0].problem.products = DType::bf16;
  const auto program = Program::make(std::make_shared<const Plan>(plan), Isa::portable);
  ASSERT_FALSE(program.ok());
  EXPECT_NE(program.error().message.find("kernel 'reference' multiplies in f32, the step says bf16"), std::string::npos)
      << program.error().message;
}

TEST(Program, TakesTheAlternativeWhereTheChosenRowIsMissing) {
  Plan plan = one_op("neg", {kN});
  plan.steps[0].choice.row = "of_a_library";
  plan.steps[0].alternative = Alternative{"reference", 1, "", {}};
  auto program = Program::make(std::make_shared<const Plan>(plan), Isa::portable);
  ASSERT_TRUE(program.ok()) << program.error().message;
  EXPECT_EQ((*program)->step(0).row, "reference");
  ASSERT_EQ((*program)->fallbacks().size(), 1u);
  EXPECT_EQ(to_string((*program)->fallbacks()[0]),
            "1 step runs by reference in place of of_a_library: this build does not have it");

  plan.steps[0].choice.row = "reference";
  program = Program::make(std::make_shared<const Plan>(plan), Isa::portable);
  ASSERT_TRUE(program.ok());
  EXPECT_TRUE((*program)->fallbacks().empty());

  plan.steps[0].alternative->row = "nor_this_one";
  EXPECT_FALSE(Program::make(std::make_shared<const Plan>(plan), Isa::portable, nullptr, {.libraries = false}).ok());
  EXPECT_TRUE(Program::make(std::make_shared<const Plan>(plan), Isa::portable).ok());
}

}  // namespace
}  // namespace mj
