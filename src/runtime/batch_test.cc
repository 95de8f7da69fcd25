// SPDX-License-Identifier: Apache-2.0
#include "runtime/batch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "runtime/test_plans.h"

namespace mj {
namespace {

constexpr int64_t kSide = 32;

Tensor numbers(std::vector<int64_t> dims) {
  Tensor out = Tensor::zeros(DType::f32, std::move(dims));
  int state = 1;
  for (float& x : out.mutable_data<float>()) x = static_cast<float>((state = (state * 37 + 11) % 101)) / 50.0f - 1.0f;
  return out;
}

// Enough work a row that threads take rows: y = relu(conv(x, w)) + shift, and means of it.
struct Network {
  PlanBuilder b;
  int x, shift, y, mean;
  Network() {
    x = b.input("x", {kN, Dim(8), Dim(kSide), Dim(kSide)});
    shift = b.input("shift", {Dim(kSide)});
    const int conv = b.temporary(Shape{kN, Dim(8), Dim(kSide - 2), Dim(kSide - 2)});
    b.kernel(op("conv"), {x, b.constant(numbers({8, 8, 3, 3}))}, {conv});
    const int cut = b.temporary(Shape{kN, Dim(8), Dim(kSide - 2), Dim(1)});
    b.kernel(op("reduce_mean", {{0, "axes", std::vector<int64_t>{3}}}), {b.map("relu", {conv})}, {cut});
    y = b.temporary(Shape{kN, Dim(8), Dim(kSide - 2), Dim(kSide)});
    b.kernel(op("add"), {cut, shift}, {y});
    mean = b.alias(cut, {kN, Dim(8 * (kSide - 2))});
  }
  Plan finish() { return b.finish({y, mean}); }
  std::vector<Tensor> inputs(int64_t rows) { return {numbers({rows, 8, kSide, kSide}), numbers({kSide})}; }
};

bool same(const Tensor& a, const Tensor& b) {
  return a.dims() == b.dims() && std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

TEST(Batch, RowsByThemselvesAndTogetherGiveTheSameBits) {
  Network network;
  const auto program = program_of(network.finish());
  ASSERT_TRUE(program->batch());
  EXPECT_EQ(program->batch()->symbol, "N");
  EXPECT_EQ(program->batch()->inputs, (std::vector<bool>{true, false}));
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Session session(program, pool, {});
    for (const int64_t rows : {1, 2, 5, 8}) {
      const std::vector<Tensor> inputs = network.inputs(rows);
      const std::vector<std::vector<int64_t>> dims = {inputs[0].dims(), inputs[1].dims()};
      const int64_t alone = rows < 2 || rows < threads ? 0 : rows / threads * threads;
      EXPECT_EQ(session.schedule_for(dims, {}).value()->alone, alone);
      std::vector<Tensor> by_rows, together;
      ASSERT_TRUE(session.run(inputs, by_rows).ok());
      RunOptions observed;
      observed.observer = [](size_t, double, std::span<const TensorRef>) {};
      ASSERT_TRUE(session.run(inputs, together, observed).ok());
      for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(same(by_rows[i], together[i])) << rows << " rows, output " << i;
    }
  }
}

TEST(Batch, RowsAreWrittenWhereTheCallerWants) {
  Network network;
  ThreadPool pool(2);
  Session session(program_of(network.finish()), pool, {});
  const std::vector<Tensor> inputs = network.inputs(5);
  std::vector<Tensor> plain, placed;
  ASSERT_TRUE(session.run(inputs, plain).ok());
  std::vector<std::vector<std::byte>> memory;
  for (const Tensor& output : plain) memory.emplace_back(static_cast<size_t>(output.bytes()));
  std::vector<Destination> to;
  for (std::vector<std::byte>& bytes : memory) to.push_back({bytes.data(), static_cast<int64_t>(bytes.size())});
  RunOptions options;
  options.destinations = to;
  ASSERT_TRUE(session.run(inputs, placed, options).ok());
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(placed[i].raw(), memory[i].data());
    EXPECT_TRUE(same(placed[i], plain[i]));
  }
  to[0].bytes -= 1;
  const Result<void> small = session.run(inputs, placed, options);
  ASSERT_FALSE(small.ok());
  EXPECT_NE(small.error().message.find("bytes, the memory given has"), std::string::npos) << small.error().message;
}

TEST(Batch, ErrorsAndLimitsAreThoseOfOneRun) {
  Network network;
  const auto program = program_of(network.finish());
  ThreadPool pool(2);
  std::vector<Tensor> outputs;
  {
    Session session(program, pool, {});
    const std::atomic<bool> cancelled = true;
    RunOptions options;
    options.cancelled = &cancelled;
    const Result<void> run = session.run(network.inputs(4), outputs, options);
    ASSERT_FALSE(run.ok());
    EXPECT_NE(run.error().message.find("cancelled"), std::string::npos);
    const std::vector<Tensor> wrong = {numbers({4, 7, kSide, kSide}), numbers({kSide})};
    const Result<void> refused = session.run(wrong, outputs);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().message.find("input 'x': got shape [4,7,32,32], expected [N,8,32,32]"), 0u)
        << refused.error().message;
  }
  const std::vector<Tensor> inputs = network.inputs(4);
  const std::vector<std::vector<int64_t>> dims = {inputs[0].dims(), inputs[1].dims()};
  const Schedule free =
      make_schedule(*program, dims, {}, {.reuse_memory = true, .threads = 2, .memory_limit = 0}).value();
  EXPECT_EQ(free.alone, 4);
  const Schedule all =
      make_schedule(*program, dims, {}, {.reuse_memory = true, .threads = 2, .memory_limit = 0}, false).value();
  EXPECT_LT(free.arena_bytes, all.arena_bytes);  // two rows at a time, not four
  EXPECT_FALSE(
      make_schedule(*program, dims, {}, {.reuse_memory = true, .threads = 2, .memory_limit = free.arena_bytes - 64})
          .ok());
}

TEST(Batch, LittleWorkARowRunsTogether) {
  PlanBuilder b;
  const int y = b.temporary(Shape{kN, Dim(3)});
  b.kernel(op("matmul"), {b.input("x", {kN, Dim(4)}), b.constant(numbers({4, 3}))}, {y});
  const Plan plan = b.finish({y});
  const std::optional<Batch> batch = find_batch(plan);
  ASSERT_TRUE(batch);
  EXPECT_EQ(rows_alone(plan, *batch, {{"N", 1}}, 1000, 2), 0);
}

// A plan of one step from x f32[N,4] to y f32[N,4], and what find_batch() says.
bool row_wise_plan(const std::function<int(PlanBuilder&, int)>& make) {
  PlanBuilder b;
  const int x = b.input("x", {kN, Dim(4)});
  return find_batch(b.finish({make(b, x)})).has_value();
}

TEST(Batch, PlansWhoseRowsMeetHaveNone) {
  EXPECT_TRUE(row_wise_plan([](PlanBuilder& b, int x) { return b.map("relu", {x}); }));
  const auto softmax = [](int64_t axis) {
    return row_wise_plan([&](PlanBuilder& b, int x) {
      const int y = b.temporary(Shape{kN, Dim(4)});
      b.kernel(op("softmax", {{0, "axis", axis}}), {x}, {y});
      return y;
    });
  };
  EXPECT_TRUE(softmax(1));
  EXPECT_FALSE(softmax(0));
  // All rows in one dim, and back: which row an element is of is lost on the way.
  EXPECT_FALSE(row_wise_plan([](PlanBuilder& b, int x) {
    const int flat = b.alias(b.map("relu", {x}), {kN * Dim(4)});
    return b.alias(b.map("neg", {flat}), {kN, Dim(4)});
  }));
  // An output without rows, or a number of rows that a step knows of.
  EXPECT_FALSE(row_wise_plan([](PlanBuilder& b, int) { return b.map("neg", {b.constant(numbers({4}))}); }));
  EXPECT_FALSE(row_wise_plan([](PlanBuilder& b, int x) {
    const int count = b.temporary(Shape{Dim(1)});
    b.kernel(op("dims", {{0, "values", std::vector<std::string>{"N"}}}), {}, {count});
    const int y = b.temporary(Shape{kN, Dim(4)});
    b.kernel(op("add"), {x, count}, {y});
    return y;
  }));
  EXPECT_FALSE(row_wise_plan([](PlanBuilder& b, int x) {
    b.check(kN, Dim(3), "three rows");
    return b.map("neg", {x});
  }));
  // Rows that stand elsewhere.
  PlanBuilder b;
  b.input("x", {kN, Dim(4)});
  const int steps = b.input("steps", {Dim(4), kN});
  EXPECT_FALSE(find_batch(b.finish({b.map("neg", {steps})})));
  EXPECT_FALSE(find_batch(Plan()));
}

}  // namespace
}  // namespace mj
