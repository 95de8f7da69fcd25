// SPDX-License-Identifier: Apache-2.0
// The rows of the oneDNN module. Without the module only what is true of its absence is tested.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "kernels/onednn/run_module.h"
#include "kernels/onednn/run_sliced.h"
#include "kernels/onednn/select_cut.h"
#include "kernels/row_test_util.h"
#include "ops/clip.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

class OnednnRows : public testing::Test {
 protected:
  void SetUp() override {
    if (!onednn::module().table) GTEST_SKIP() << onednn::module().why_not;
  }
};

RowCase conv(std::vector<int64_t> x, std::vector<int64_t> w, Conv op, bool bias = false) {
  RowCase c;
  op.channels_last = true;
  c.problem.op = std::move(op);
  const int64_t outputs = w[0];
  c.inputs = {random_tensor(1, std::move(x)), random_tensor(2, std::move(w))};
  if (bias) c.inputs.push_back(random_tensor(3, {outputs}));
  c.constant = {false, true, true};
  return c;
}

Conv with(std::vector<int64_t> strides, std::vector<int64_t> pads, int64_t group = 1) {
  Conv op;
  op.strides = std::move(strides);
  op.pads = std::move(pads);
  op.group = group;
  return op;
}

RowCase matmul(std::vector<int64_t> a, std::vector<int64_t> b) {
  RowCase c;
  c.problem.op = op("matmul");
  c.inputs = {random_tensor(1, std::move(a)), random_tensor(2, std::move(b))};
  c.constant = {false, true};
  return c;
}

TEST_F(OnednnRows, ConvolveImagesOfEverySort) {
  for (bool bias : {false, true}) {
    expect_row_matches("conv_onednn_f32", conv({2, 9, 8, 5}, {7, 5, 3, 3}, with({}, {1, 1, 1, 1}), bias), 1e-5);
    expect_row_matches("conv_onednn_f32", conv({1, 20, 21, 3}, {18, 3, 7, 7}, with({2, 2}, {3, 3, 3, 3}), bias), 1e-4);
    expect_row_matches("conv_onednn_f32", conv({3, 7, 6, 40}, {33, 40, 1, 1}, with({2, 1}, {0, 0, 0, 0}), bias), 1e-5);
    expect_row_matches("conv_onednn_f32", conv({2, 7, 7, 64}, {64, 64, 1, 1}, with({}, {0, 0, 0, 0}), bias), 1e-5);
    expect_row_matches("conv_onednn_f32", conv({2, 7, 7, 32}, {64, 32, 3, 3}, with({}, {1, 1, 1, 1}), bias), 1e-5);
    expect_row_matches("conv_onednn_f32", conv({1, 7, 9, 20}, {8, 5, 3, 2}, with({}, {1, 0, 2, 1}, 4), bias), 1e-5);
    expect_row_matches("conv_onednn_f32", conv({2, 7, 9, 20}, {20, 1, 3, 3}, with({2, 2}, {1, 1, 1, 1}, 20), bias),
                       1e-5);
    expect_row_matches("conv_onednn_f32", conv({1, 14, 13, 32}, {32, 1, 5, 5}, with({}, {2, 2, 2, 2}, 32), bias), 1e-5);
    expect_row_matches("conv_onednn_f32", conv({2, 31, 24}, {9, 24, 5}, with({2}, {1, 2}), bias), 1e-5);
  }
}

TEST_F(OnednnRows, ConvolveRandomShapes) {
  std::mt19937 random(7);
  const auto draw = [&](std::initializer_list<int64_t> values) {
    return *(values.begin() + static_cast<int64_t>(random() % values.size()));
  };
  for (int i = 0; i < 60; ++i) {
    const int64_t kh = draw({1, 1, 2, 3, 5}), kw = draw({1, 1, 3, 4}), groups = draw({1, 1, 1, 2, 0});
    const int64_t channels = draw({1, 2, 8, 13, 16, 48}), outputs = draw({1, 3, 8, 17, 32, 64});
    const int64_t group = groups == 0 ? channels : groups;
    Conv op = with({draw({1, 1, 2, 3}), draw({1, 1, 2})},
                   {draw({0, 1, 2}), draw({0, 1}), draw({0, 1, 2}), draw({0, 1})}, group);
    op.dilations = {draw({1, 1, 2}), draw({1, 1, 3})};
    const int64_t k = groups == 0 ? channels : outputs * group;
    const RowCase c =
        conv({draw({0, 1, 2, 3}), draw({11, 17, 23}), draw({11, 12, 31}), channels * (groups ? group : 1)},
             {k, groups ? channels : 1, kh, kw}, op, i % 2 == 0);
    expect_row_matches("conv_onednn_f32", c, 1e-4);
  }
}

TEST_F(OnednnRows, FollowPaddingThatDependsOnTheImage) {
  Conv op;
  op.auto_pad = "SAME_LOWER";
  op.dilations = {2, 1};
  expect_row_matches("conv_onednn_f32", conv({1, 10, 11, 6}, {4, 6, 2, 4}, op), 1e-5);
  op.auto_pad = "SAME_UPPER";
  op.strides = {2, 3};
  expect_row_matches("conv_onednn_f32", conv({1, 10, 11, 18}, {4, 18, 3, 3}, op), 1e-5);
}

TEST_F(OnednnRows, MultiplyMatrices) {
  for (const auto& [a, b] :
       std::vector<std::pair<std::vector<int64_t>, std::vector<int64_t>>>{{{5, 7}, {7, 9}},
                                                                          {{1, 300}, {300, 70}},
                                                                          {{2, 3, 50, 64}, {64, 33}},
                                                                          {{7}, {7, 9}},
                                                                          {{0, 7}, {7, 9}},
                                                                          {{3, 0}, {0, 9}},
                                                                          {{4, 17, 96}, {96, 256}},
                                                                          {{131, 13}, {13, 1}},
                                                                          {{3, 128, 48}, {48, 64}}}) {
    expect_row_matches("gemm_onednn_f32", matmul(a, b), 1e-4);
  }
  for (bool b_t : {false, true})
    for (std::vector<int64_t> c_dims : {std::vector<int64_t>{}, {1}, {11}, {1, 11}}) {
      Gemm gemm;
      gemm.transB = b_t;
      gemm.alpha = 0.5f;
      gemm.beta = 2;
      RowCase c;
      c.problem.op = gemm;
      c.inputs = {random_tensor(1, {6, 8}),
                  random_tensor(2, b_t ? std::vector<int64_t>{11, 8} : std::vector<int64_t>{8, 11}),
                  random_tensor(3, c_dims)};
      c.constant = {false, true, true};
      expect_row_matches("gemm_onednn_f32", c, 1e-5);
    }
}

TEST_F(OnednnRows, ApplyWhatIsFused) {
  RowCase c = conv({2, 7, 7, 32}, {64, 32, 1, 1}, with({}, {0, 0, 0, 0}));
  add_epilogue(c, {random_tensor(4, {64}), random_tensor(5, {2, 7, 7, 64})}, op("relu"));
  expect_row_matches("conv_onednn_f32", c, 1e-5);
  c = conv({2, 7, 7, 32}, {64, 32, 3, 3}, with({2, 2}, {1, 1, 1, 1}));
  add_epilogue(c, {random_tensor(4, {64})}, Clip{-0.25f, 0.5f});
  expect_row_matches("conv_onednn_f32", c, 1e-5);
  c = conv({2, 7, 7, 32}, {64, 32, 3, 3}, with({2, 2}, {1, 1, 1, 1}), true);
  add_epilogue(c, {random_tensor(4, {64})}, op("silu"));
  expect_row_matches("conv_onednn_f32", c, 1e-5);
  c = matmul({3, 20, 30}, {30, 64});
  add_epilogue(c, {random_tensor(5, {64}), random_tensor(6, {3, 20, 64})}, op("tanh"));
  expect_row_matches("gemm_onednn_f32", c, 1e-5);
  c = matmul({2, 20, 30}, {30, 21});
  add_epilogue(c, {random_tensor(5, {20, 1})}, Op());
  expect_row_matches("gemm_onednn_f32", c, 1e-5);
}

// Every pixel comes from the same primitive wherever it stands, so that a request alone equals itself in a batch.
TEST_F(OnednnRows, GiveARequestTheSameAnswerInABatch) {
  const auto parts_equal_whole = [](const std::string& row, const RowCase& batch, int64_t requests) {
    RowCase whole = batch;
    complete(whole);
    for (const std::string& config : configs_of(row, whole, detect_isa())) {
      const std::vector<Tensor> together = run_row(row, whole, detect_isa(), 2, config);
      ASSERT_EQ(together.size(), 1u);
      const int64_t out_bytes = together[0].bytes() / requests;
      for (int64_t i = 0; i < requests; ++i) {
        RowCase one = batch;
        std::vector<int64_t> dims = batch.inputs[0].dims();
        dims[0] /= requests;
        const int64_t bytes = batch.inputs[0].bytes() / requests;
        one.inputs[0] = Tensor::view(DType::f32, dims, static_cast<const std::byte*>(batch.inputs[0].raw()) + i * bytes,
                                     std::make_shared<Tensor>(batch.inputs[0]));
        complete(one);
        const std::vector<Tensor> alone = run_row(row, one, detect_isa(), 2, config);
        ASSERT_EQ(alone[0].bytes(), out_bytes);
        EXPECT_EQ(std::memcmp(alone[0].raw(), static_cast<const std::byte*>(together[0].raw()) + i * out_bytes,
                              static_cast<size_t>(out_bytes)),
                  0)
            << row << " " << config << ", request " << i << ": " << to_string(batch.problem.op);
      }
    }
  };
  for (int64_t k : {8, 24, 72, 130, 768, 3072})
    for (int64_t n : {16, 33, 200})
      for (int64_t s : {1, 3, 17, 40}) parts_equal_whole("gemm_onednn_f32", matmul({8, s, k}, {k, n}), 8);
  parts_equal_whole("gemm_onednn_f32", matmul({8, 1000}, {1000, 96}), 8);
  parts_equal_whole("conv_onednn_f32", conv({8, 7, 7, 512}, {96, 512, 1, 1}, with({}, {0, 0, 0, 0})), 8);
  parts_equal_whole("conv_onednn_f32", conv({8, 14, 14, 64}, {48, 64, 3, 3}, with({}, {1, 1, 1, 1})), 8);
  parts_equal_whole("conv_onednn_f32", conv({8, 13, 13, 40}, {40, 1, 3, 3}, with({2, 2}, {1, 1, 1, 1}, 40)), 8);
}

// The last pixel of each sort is ordinary: what one pixel holds must not reach its neighbours.
TEST_F(OnednnRows, KeepInfinitiesAndNaNsWhereTheyBelong) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
  for (float special : {0.0f, -0.0f, kInf, -kInf, kNaN, std::numeric_limits<float>::denorm_min()})
    for (int64_t channels : {13, 32})
      for (Op last : {Op(), op("relu"), Op(Clip{-1, 1})}) {
        RowCase c = conv({1, 5, 6, channels}, {24, channels, 1, 1}, with({}, {0, 0, 0, 0}));
        for (int64_t pixel = 0; pixel < 30; pixel += 7)
          c.inputs[0].mutable_data<float>()[static_cast<size_t>(pixel * channels)] = special;
        if (last) add_epilogue(c, {random_tensor(4, {24})}, last);
        const std::vector<Tensor> want = complete(c);
        const std::vector<Tensor> got = run_row("conv_onednn_f32", c, detect_isa(), 2);
        const std::span<const float> w = want[0].data<float>(), g = got[0].data<float>();
        for (size_t i = 0; i < w.size(); ++i) {
          ASSERT_EQ(std::isnan(w[i]), std::isnan(g[i])) << special << " at " << i;
          ASSERT_EQ(std::isinf(w[i]), std::isinf(g[i])) << special << " at " << i;
        }
        expect_close(want, got, 1e-5, "specials");
        RowCase padded = conv({1, 5, 6, channels}, {24, channels, 3, 3}, with({}, {1, 1, 1, 1}));
        padded.inputs[0].mutable_data<float>()[static_cast<size_t>(14 * channels)] = special;
        const std::vector<Tensor> padded_want = complete(padded);
        const std::vector<Tensor> padded_got = run_row("conv_onednn_f32", padded, detect_isa(), 1);
        for (size_t i = 0; i < padded_want[0].data<float>().size(); ++i) {
          ASSERT_EQ(std::isnan(padded_want[0].data<float>()[i]), std::isnan(padded_got[0].data<float>()[i])) << i;
        }
      }
}

TEST_F(OnednnRows, SayWhyNot) {
  RowCase c = conv({1, 6, 6, 8}, {4, 8, 1, 1}, with({}, {0, 0, 0, 0}));
  EXPECT_EQ(refusal_of("conv_onednn_f32", c), "takes it");
  c.constant = {false, false};
  EXPECT_EQ(refusal_of("conv_onednn_f32", c), "its weights are not constant");
  c = conv({1, 8, 6, 6}, {4, 8, 1, 1}, with({}, {0, 0, 0, 0}));
  Conv nchw = c.problem.op.as<Conv>();
  nchw.channels_last = false;
  c.problem.op = nchw;
  EXPECT_EQ(refusal_of("conv_onednn_f32", c), "it is not channels_last");
  RowCase product = matmul({4, 5, 6}, {4, 6, 7});
  EXPECT_EQ(refusal_of("gemm_onednn_f32", product), "its second operand is not a constant matrix");
}

TEST_F(OnednnRows, CountThePrimitivesTheyMake) {
  const onednn::Use before = onednn::use();
  RowCase c = matmul({64, 24}, {24, 40});
  complete(c);
  run_row("gemm_onednn_f32", c, detect_isa(), 2);
  const onednn::Use after = onednn::use();
  EXPECT_EQ(after.primitives, before.primitives + 1);
  EXPECT_GT(after.seconds, before.seconds);
}

TEST_F(OnednnRows, RefusePackedFormsThatDoNotFit) {
  RowCase c = matmul({64, 24}, {24, 40});
  complete(c);
  const RunRow* run = find_run_row("gemm_onednn_f32");
  const std::vector<Tensor> packed = {Tensor::zeros(DType::f32, {100}),
                                      Tensor::of_i64(std::vector<int64_t>{static_cast<int64_t>(detect_isa()), 24, 40})};
  EXPECT_FALSE(run->make({c.problem, "rows=16", packed, detect_isa()}).ok());
  EXPECT_FALSE(run->make({c.problem, "rows=16,columns=3", packed, detect_isa()}).ok());
  EXPECT_FALSE(run->make({c.problem, "", packed, detect_isa()}).ok());
}

TEST(Onednn, WithoutItsModuleTheRowsRefuse) {
  EXPECT_EQ(onednn::refuses_target({}), "there is no oneDNN module (millijoule doctor says why)");
  Target target;
  target.onednn = "2.6.3";
  EXPECT_EQ(onednn::refuses_target(target), std::nullopt);
}

TEST(Cuts, AreReadBack) {
  EXPECT_EQ(onednn::parse_cut("rows=32,columns=2")->columns, 2);
  EXPECT_EQ(onednn::parse_cut("rows=32")->columns, 1);
  for (const char* bad : {"", "rows=", "rows=0", "rows=-3", "columns=2", "rows=99999999999999999999"}) {
    EXPECT_FALSE(onednn::parse_cut(bad)) << bad;
  }
}

TEST(Cuts, GiveEveryThreadSomething) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(onednn::cuts(49, 2048, 2, true), (Texts{"rows=25", "rows=13", "rows=12", "rows=49,columns=2"}));
  EXPECT_EQ(onednn::cuts(7, 0, 2, false), (Texts{"rows=4", "rows=2", "rows=1"}));
  EXPECT_EQ(onednn::cuts(std::nullopt, 64, 2, true), (Texts{"rows=16", "rows=32", "rows=64"}));
  EXPECT_FALSE(onednn::cuts(1, 1, 1, true).empty());
}

}  // namespace
}  // namespace mj
