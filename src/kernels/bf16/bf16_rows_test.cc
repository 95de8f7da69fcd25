// SPDX-License-Identifier: Apache-2.0
// The rows of products in bf16. Operands are drawn from the numbers that bf16 has, so that the reference multiplies the
// same: then only the order of fp32 sums is left.
#include <array>

#include "base/half.h"
#include "kernels/bf16/unit.h"
#include "kernels/row_test_util.h"
#include "ops/clip.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

using cpu::Bf16Unit;
constexpr double kTolerance = 1e-4;

Tensor rounded(Tensor t) {
  for (float& x : t.mutable_data<float>()) x = Bf16(x);
  return t;
}

RowCase matmul(std::vector<int64_t> a, std::vector<int64_t> b) {
  RowCase c;
  c.problem.op = MatMul{};
  c.problem.products = DType::bf16;
  c.inputs = {rounded(random_tensor(1, std::move(a))), rounded(random_tensor(2, std::move(b)))};
  c.constant = {false, true};
  return c;
}

RowCase conv(std::vector<int64_t> x, std::vector<int64_t> w, Conv op, bool bias = false) {
  RowCase c;
  op.channels_last = true;
  c.problem.op = std::move(op);
  c.problem.products = DType::bf16;
  const int64_t outputs = w[0];
  c.inputs = {rounded(random_tensor(1, std::move(x))), rounded(random_tensor(2, std::move(w)))};
  if (bias) c.inputs.push_back(random_tensor(3, {outputs}));
  c.constant = {false, true, true};
  return c;
}

struct Rows {
  std::string gemm, conv;
  Bf16Unit unit;
};
void PrintTo(const Rows& rows, std::ostream* out) { *out << rows.gemm; }

class Bf16Rows : public testing::TestWithParam<Rows> {
 protected:
  void SetUp() override {
    if (const std::string why = cpu::missing(GetParam().unit); !why.empty()) GTEST_SKIP() << why;
  }
  const std::string& gemm() const { return GetParam().gemm; }
  const std::string& conv_row() const { return GetParam().conv; }
};

INSTANTIATE_TEST_SUITE_P(Every, Bf16Rows,
                         testing::Values(Rows{"gemm_bf16", "conv_bf16", Bf16Unit::none},
                                         Rows{"gemm_avx512_bf16", "conv_avx512_bf16", Bf16Unit::avx512_bf16},
                                         Rows{"gemm_amx_bf16", "conv_amx_bf16", Bf16Unit::amx_bf16}),
                         [](const auto& info) { return std::string(cpu::name(info.param.unit)); });

TEST_P(Bf16Rows, MultiplyMatricesOfEveryRank) {
  expect_row_matches(gemm(), matmul({5, 7}, {7, 9}), kTolerance);
  expect_row_matches(gemm(), matmul({1, 300}, {300, 70}), kTolerance);
  expect_row_matches(gemm(), matmul({2, 3, 50, 64}, {64, 33}), kTolerance);
  expect_row_matches(gemm(), matmul({7}, {7, 9}), kTolerance);
  expect_row_matches(gemm(), matmul({0, 7}, {7, 9}), kTolerance);
  expect_row_matches(gemm(), matmul({3, 0}, {0, 9}), kTolerance);
  expect_row_matches(gemm(), matmul({40, 1000}, {1000, 65}), kTolerance);
}

TEST_P(Bf16Rows, DoTheOnnxGemmWithConstantB) {
  for (bool b_t : {false, true})
    for (const std::vector<int64_t>& c_dims : {std::vector<int64_t>{}, {1}, {11}, {1, 11}, {6, 11}}) {
      Gemm op;
      op.transB = b_t;
      op.alpha = 0.5f;
      const bool columns = c_dims != std::vector<int64_t>{6, 11};
      if (columns) op.beta = 2;
      RowCase c = matmul({6, 8}, b_t ? std::vector<int64_t>{11, 8} : std::vector<int64_t>{8, 11});
      c.problem.op = op;
      c.inputs.push_back(random_tensor(3, c_dims));
      c.constant = {false, true, columns};
      expect_row_matches(gemm(), c, kTolerance);
    }
}

TEST_P(Bf16Rows, ConvolveImagesOfEverySort) {
  for (bool bias : {false, true}) {
    Conv op;
    op.pads = {1, 1, 1, 1};
    expect_row_matches(conv_row(), conv({2, 9, 8, 5}, {7, 5, 3, 3}, op, bias), kTolerance);
    expect_row_matches(conv_row(), conv({2, 7, 7, 64}, {64, 64, 3, 3}, op, bias), kTolerance);
    op.pads = {3, 3, 3, 3};
    op.strides = {2, 2};
    expect_row_matches(conv_row(), conv({1, 20, 21, 3}, {18, 3, 7, 7}, op, bias), kTolerance);
    op.pads = {};
    expect_row_matches(conv_row(), conv({3, 7, 6, 40}, {33, 40, 1, 1}, op, bias), kTolerance);
    op.strides = {};
    expect_row_matches(conv_row(), conv({3, 7, 6, 40}, {33, 40, 1, 1}, op, bias), kTolerance);
    op.dilations = {2, 3};
    expect_row_matches(conv_row(), conv({1, 15, 16, 6}, {9, 6, 3, 3}, op, bias), kTolerance);
    Conv line;
    line.strides = {2};
    line.pads = {1, 2};
    expect_row_matches(conv_row(), conv({2, 31, 24}, {9, 24, 5}, line, bias), kTolerance);
  }
  Conv op;
  op.auto_pad = "SAME_UPPER";
  op.strides = {2, 3};
  expect_row_matches(conv_row(), conv({1, 10, 11, 18}, {4, 18, 3, 3}, op), kTolerance);
}

TEST_P(Bf16Rows, ApplyWhatIsFused) {
  RowCase c = matmul({3, 20, 30}, {30, 21});
  add_epilogue(c, {random_tensor(5, {21}), random_tensor(6, {3, 20, 21})}, op("relu"));
  expect_row_matches(gemm(), c, kTolerance);
  c = matmul({2, 20, 30}, {30, 21});
  add_epilogue(c, {random_tensor(5, {20, 1})}, op("tanh"));
  expect_row_matches(gemm(), c, kTolerance);
  c = conv({2, 7, 7, 32}, {64, 32, 1, 1}, {});
  add_epilogue(c, {random_tensor(4, {64}), random_tensor(5, {2, 7, 7, 64})}, Clip{-0.25f, 0.5f});
  expect_row_matches(conv_row(), c, kTolerance);
  c = conv({2, 7, 7, 32}, {64, 32, 3, 3}, {}, true);
  add_epilogue(c, {}, op("silu"));
  expect_row_matches(conv_row(), c, kTolerance);
}

TEST(bf16_rows, round_to_nearest_even_and_no_further) {
  RowCase c = matmul({1, 2}, {2, 1});
  const float a = 1 + 0x1p-8f, b = 1 + 3 * 0x1p-8f;  // half way between two numbers of bf16
  c.inputs = {Tensor::of<float>({1, 2}, std::array{a, b}), Tensor::of<float>({2, 1}, std::array{b, 1.0f})};
  complete(c);
  const float down = 1, up = 1 + 0x1p-6f;
  EXPECT_EQ(run_row("gemm_bf16", c, Isa::portable, 1)[0].to_f64()[0], double{down * up + up});
}

TEST(bf16_rows, are_offered_only_where_rounding_is_allowed) {
  RowCase c = matmul({5, 7}, {7, 9});
  complete(c);
  const auto offered = [&] {
    std::string names;
    for (const SelectRow* row : rows_for(c.problem, {})) names += std::string(row->name) + " ";
    return names;
  };
  EXPECT_NE(offered().find("gemm_bf16 "), std::string::npos);
  c.problem.products.reset();
  EXPECT_EQ(offered().find("bf16"), std::string::npos);
}

TEST(bf16_rows, say_in_both_halves_what_they_round_to) {
  for (const SelectRow* row : all_select_rows()) {
    if (row->generate) continue;  // no code of ours runs it
    EXPECT_EQ(row->products, find_run_row(row->name)->products) << row->name;
    EXPECT_EQ(row->products.has_value(), row->name.find("bf16") != std::string_view::npos) << row->name;
  }
}

TEST(bf16_rows, say_why_not) {
  RowCase c = matmul({5, 7}, {7, 9});
  c.constant = {false, false};
  EXPECT_EQ(refusal_of("gemm_bf16", c), "its second operand is not a constant matrix");
  Conv grouped;
  grouped.group = 2;
  EXPECT_EQ(refusal_of("conv_bf16", conv({1, 5, 5, 4}, {4, 2, 3, 3}, grouped)), "it has groups");
  c = conv({1, 5, 5, 4}, {4, 4, 3, 3}, {});
  c.constant = {};
  EXPECT_EQ(refusal_of("conv_bf16", c), "its weights are not constant");
  c = matmul({5, 7}, {7, 9});
  complete(c);
  Target target;
  target.isa = Isa::avx512;
  for (const SelectRow* row : rows_for(c.problem, {})) {
    if (row->name == "gemm_amx_bf16") {
      EXPECT_EQ(row->refuses(c.problem, target), "the target has no amx_bf16");
    }
  }
}

}  // namespace
}  // namespace mj
