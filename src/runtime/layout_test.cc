// SPDX-License-Identifier: Apache-2.0
#include "runtime/layout.h"

#include <gtest/gtest.h>

#include <random>

#include "runtime/test_plans.h"

namespace mj {
namespace {

using Dims = std::vector<std::vector<int64_t>>;

// A chain with side arms: each step reads one or two earlier tensors, of many sizes. Some results are reshaped.
Plan random_plan(std::minstd_rand& random) {
  PlanBuilder b;
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  std::vector<std::vector<int>> by_size(4);
  const std::array<int64_t, 4> sizes = {3, 64, 100, 1000};
  for (size_t s = 0; s < sizes.size(); ++s) by_size[s].push_back(b.input("x" + std::to_string(s), {Dim(sizes[s])}));
  const size_t steps = 2 + below(30);
  for (size_t i = 0; i < steps; ++i) {
    const size_t s = below(sizes.size());
    std::vector<int>& same = by_size[s];
    auto recent = [&] { return same[same.size() - 1 - below(std::min<size_t>(3, same.size()))]; };
    const int made = below(2) ? b.map("add", {recent(), recent()}) : b.map("neg", {recent()});
    same.push_back(below(4) ? made : b.alias(made, {Dim(sizes[s])}));
  }
  std::vector<int> outputs;
  for (const std::vector<int>& same : by_size) outputs.push_back(same.back());
  return b.finish(outputs);
}

// The same plan by rows that write in place.
Plan by_tiles(Plan plan) {
  for (Step& step : plan.steps) {
    step.choice.row = "pointwise_f32";
    step.choice.version = 1;
  }
  return plan;
}

struct Live {
  size_t first, last;  // steps
  int64_t begin, end;  // bytes
};

// Worked out anew from the plan: what stands in the arena, when and where.
std::vector<Live> lives(const Program& program, const Layout& layout) {
  const Plan& plan = program.plan();
  std::vector<Live> out;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    if (plan.tensors[i].kind != PlanTensor::Kind::temporary || layout.offset[i] < 0) continue;
    std::optional<Live> live;
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      auto touches = [&](const std::vector<int>& ids) {
        return std::any_of(ids.begin(), ids.end(), [&](int id) { return program.root(id) == static_cast<int>(i); });
      };
      if (!touches(plan.steps[s].inputs) && !touches(plan.steps[s].outputs)) continue;
      if (!live) live = Live{s, s, layout.offset[i], layout.offset[i] + layout.dims[i][0] * 4};
      live->last = s;
    }
    if (live) out.push_back(*live);
  }
  return out;
}

TEST(Layout, NoTwoLiveBlocksOverlapAndTheArenaIsNearTheLargestLiveSet) {
  std::minstd_rand random(1);
  int64_t arenas = 0, bounds = 0;
  for (int round = 0; round < 300; ++round) {
    const auto program = program_of(random_plan(random));
    const auto layout = make_layout(*program, Dims{{3}, {64}, {100}, {1000}}, {}, {});
    ASSERT_TRUE(layout.ok()) << layout.error().message;
    const std::vector<Live> all = lives(*program, *layout);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].begin % 64, 0);
      EXPECT_LE(all[i].end, layout->arena_bytes);
      for (size_t k = 0; k < i; ++k) {
        const bool same_time = all[i].first <= all[k].last && all[k].first <= all[i].last;
        EXPECT_FALSE(same_time && all[i].begin < all[k].end && all[k].begin < all[i].end) << "round " << round;
      }
    }
    EXPECT_GE(layout->arena_bytes, layout->largest_live_bytes);
    arenas += layout->arena_bytes;
    bounds += layout->largest_live_bytes;
  }
  EXPECT_LE(static_cast<double>(arenas), 1.1 * static_cast<double>(bounds));
}

TEST(Layout, RunsTheSameWithAndWithoutReuse) {
  std::minstd_rand random(2);
  ThreadPool pool(1);
  for (int round = 0; round < 50; ++round) {
    const Plan plan = random_plan(random);
    const auto program = program_of(round % 2 ? by_tiles(plan) : plan);
    std::vector<Tensor> inputs;
    for (int64_t size : {3, 64, 100, 1000}) {
      inputs.push_back(Tensor::zeros(DType::f32, {size}));
      for (float& x : inputs.back().mutable_data<float>()) x = static_cast<float>(random() % 1000);
    }
    std::array<std::vector<Tensor>, 2> outputs;
    for (const bool reuse : {false, true}) {
      Session::Options options;
      options.layout.reuse_memory = reuse;
      Session session(program, pool, options);
      ASSERT_TRUE(session.run(inputs, outputs[reuse]).ok());
    }
    for (size_t k = 0; k < outputs[0].size(); ++k) EXPECT_TRUE(identical(outputs[0][k], outputs[1][k]));
  }
}

TEST(Layout, AStepWritesWhereAnInputLiesThatNobodyReadsAnyMore) {
  PlanBuilder b;
  const int x = b.input("x", {Dim(8), Dim(64)}), row = b.input("row", {Dim(64)});
  const int a = b.map("neg", {x});
  const int twice = b.map("add", {a, a});                                   // where a lies
  const int kept = b.map("mul", {b.alias(twice, {Dim(8), Dim(64)}), row});  // where twice lies, under another name
  const int scale = b.map("neg", {row});
  const int other = b.map("add", {kept, scale});  // scale is smaller, kept is read once more
  const int last = b.map("sub", {kept, other});
  const Plan plan = b.finish({b.map("neg", {last})});
  const Dims dims = {{8, 64}, {64}};
  const auto program = program_of(by_tiles(plan));
  const Layout layout = make_layout(*program, dims, {}, {}).value();
  const auto offset = [&](int id) { return layout.offset[static_cast<size_t>(id)]; };
  EXPECT_EQ(offset(a), offset(twice));
  EXPECT_EQ(offset(twice), offset(kept));
  EXPECT_NE(offset(kept), offset(other));
  EXPECT_NE(offset(scale), offset(other));
  EXPECT_EQ(offset(last), offset(kept));
  EXPECT_EQ(layout.largest_live_bytes, 4 * (2 * 8 * 64 + 64));
  EXPECT_EQ(layout.arena_bytes, layout.largest_live_bytes);
  // The reference row promises nothing.
  EXPECT_GT(make_layout(*program_of(plan), dims, {}, {})->largest_live_bytes, layout.largest_live_bytes);
}

TEST(Layout, AnAliasKeepsItsRootAlive) {
  PlanBuilder b;
  const int x = b.input("x", {Dim(64)});
  const int a = b.map("neg", {x});
  const int view = b.alias(b.alias(a, {Dim(8), Dim(8)}), {Dim(64)});
  const int other = b.map("exp", {x});
  const int sum = b.map("add", {view, other});
  const auto program = program_of(b.finish({b.map("neg", {sum})}));
  const Layout layout = make_layout(*program, Dims{{64}}, {}, {}).value();
  EXPECT_EQ(program->root(view), a);
  EXPECT_NE(layout.offset[static_cast<size_t>(a)], layout.offset[static_cast<size_t>(other)]);
  EXPECT_EQ(layout.arena_bytes, 3 * 256);
}

TEST(Layout, OutputsAreNotInTheArena) {
  PlanBuilder b;
  const int x = b.input("x", {Dim(4)});
  const int y = b.map("neg", {x});
  const auto program = program_of(b.finish({b.alias(y, {Dim(2), Dim(2)})}));
  const Layout layout = make_layout(*program, Dims{{4}}, {}, {}).value();
  EXPECT_EQ(layout.offset[static_cast<size_t>(y)], Layout::kOutput);
  EXPECT_EQ(layout.arena_bytes, 0);
}

TEST(Layout, SizesThatOnlyRunningTellsAreLate) {
  PlanBuilder b;
  const int x = b.input("x", {Dim::symbol("N")});
  const int late = b.temporary(Shape{Dim(1), Dim::symbol("nonzero")}, DType::i64);
  b.kernel(op("non_zero"), {x}, {late});
  const auto program = program_of(b.finish({late}));
  const Layout layout = make_layout(*program, Dims{{5}}, {}, {}).value();
  EXPECT_TRUE(layout.late[static_cast<size_t>(late)]);
  EXPECT_EQ(layout.offset[static_cast<size_t>(late)], Layout::kLate);
  EXPECT_EQ(layout.symbols.at("N"), 5);
}

TEST(Layout, HeapTensorsAreReleasedAfterTheirLastUse) {
  PlanBuilder b;
  const int x = b.input("x", {Dim(4)});
  const int a = b.map("neg", {x});
  const int c = b.map("exp", {a});
  const auto program = program_of(b.finish({b.map("neg", {c})}));
  LayoutOptions oracle;
  oracle.reuse_memory = false;
  const Layout layout = make_layout(*program, Dims{{4}}, {}, oracle).value();
  EXPECT_EQ(layout.release[1], std::vector<int>{a});
  EXPECT_EQ(layout.release[2], std::vector<int>{c});
}

TEST(Layout, RefusesSizesThatCannotBe) {
  PlanBuilder b;
  const Dim n = Dim::symbol("N");
  const int column = b.input("column", {n, Dim(1)}), row = b.input("row", {Dim(1), n});
  const int y = b.temporary(Shape{n, n});
  b.kernel(op("add"), {column, row}, {y});
  const auto program = program_of(b.finish({b.map("neg", {y})}));
  const int64_t huge = int64_t{1} << 30;
  const auto layout = make_layout(*program, Dims{{huge, 1}, {1, huge}}, {}, {});
  ASSERT_FALSE(layout.ok());
  EXPECT_EQ(layout.error().code, ErrorCode::model);

  LayoutOptions limited;
  limited.memory_limit = 100;
  const auto too_large = make_layout(*program, Dims{{8, 1}, {1, 8}}, {}, limited);
  ASSERT_FALSE(too_large.ok());
  EXPECT_EQ(too_large.error().message, "these shapes need 256 bytes of memory, the limit is 100");
}

TEST(Layout, RefusesAPlanWhoseTensorsAreNotWhatTheirOperatorsGive) {
  PlanBuilder b;
  const Dim n = Dim::symbol("N");
  const int x = b.input("x", {n});
  const int y = b.temporary(Shape{n, n});
  b.kernel(op("add"), {x, x}, {y});
  const auto program = program_of(b.finish({b.map("neg", {y})}));
  const auto layout = make_layout(*program, Dims{{8}}, {}, {});
  ASSERT_FALSE(layout.ok());
  EXPECT_NE(layout.error().message.find("the operator gives f32[8]"), std::string::npos) << layout.error().message;
}

TEST(BindShape, BindsAndChecks) {
  const Dim n = Dim::symbol("N");
  const std::vector<int64_t> good = {4, 8, 3}, bad = {4, 9, 3}, rank = {4, 8};
  Bindings symbols;
  ASSERT_TRUE(bind_shape({n, n * Dim(2), Dim(3)}, good, "input 'x'", symbols).ok());
  EXPECT_EQ(symbols.at("N"), 4);
  EXPECT_EQ(bind_shape({n, n * Dim(2), Dim(3)}, bad, "input 'x'", symbols).error().message,
            "input 'x': got shape [4,9,3], expected [N,2*N,3]: dimension 1 must be 8");
  EXPECT_EQ(bind_shape({n, n, Dim(3)}, rank, "input 'x'", symbols).error().message,
            "input 'x': got shape [4,8], expected [N,N,3] of rank 3");
  EXPECT_EQ(bind_shape({n}, std::vector<int64_t>{5}, "input 'z'", symbols).error().message,
            "input 'z': got shape [5], expected [N] with N = 4 elsewhere");
}

}  // namespace
}  // namespace mj
