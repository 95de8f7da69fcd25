// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "ops/cast.h"
#include "ops/conv.h"

namespace mj {
namespace {

TEST(Op, PrintsFieldsThatAreNotAtTheirDefault) {
  Conv conv;
  conv.strides = {2, 2};
  conv.auto_pad = "VALID";
  EXPECT_EQ(to_string(Op(conv)), "conv {strides=[2, 2], auto_pad=\"VALID\"}");
  EXPECT_EQ(to_string(op("elu", {{0, "alpha", 2.0f}})), "elu {alpha=2.0}");
  EXPECT_EQ(to_string(op("cast", {{0, "to", DType::i64}})), "cast {to=i64}");
  EXPECT_EQ(to_string(op("elu")), "elu");
}

TEST(Op, IsEqualByFields) {
  EXPECT_EQ(op("elu"), op("elu", {{0, "alpha", 1.0f}}));
  EXPECT_NE(op("elu"), op("elu", {{0, "alpha", 2.0f}}));
  EXPECT_NE(op("elu"), op("relu"));
  const Tensor one = Tensor::scalar(1.0f), two = Tensor::scalar(2.0f);
  EXPECT_EQ(op("constant", {{0, "value", one}}), op("constant", {{0, "value", Tensor::scalar(1.0f)}}));
  EXPECT_NE(op("constant", {{0, "value", one}}), op("constant", {{0, "value", two}}));
}

TEST(Op, MakeNamesWhatIsWrong) {
  EXPECT_EQ(make_op("no_such").error().message, "no_such: no such operator");
  const NamedField unknown[] = {{0, "slope", 1.0f}};
  EXPECT_EQ(make_op("elu", unknown).error().message, "elu: unknown attribute 'slope'");
  const NamedField typed[] = {{0, "alpha", int64_t{1}}};
  EXPECT_EQ(make_op("elu", typed).error().message, "elu: attribute 'alpha' has the wrong type");
  const NamedField numbered[] = {{1, "", 3.0f}};  // as engine files name them
  EXPECT_EQ(*make_op("elu", numbered), op("elu", {{0, "alpha", 3.0f}}));
}

TEST(Op, FieldNumbersAreUniqueAndStartAtOne) {
  for (const OpInfo* info : all_ops()) {
    std::set<int> numbers;
    for (const FieldInfo& field : info->fields) {
      EXPECT_GE(field.number, 1) << info->name;
      EXPECT_TRUE(numbers.insert(field.number).second) << info->name << " " << field.name;
    }
    EXPECT_EQ(info->pointwise, info->arity > 0) << info->name;
    EXPECT_EQ(find_op(info->name), info);
  }
}

TEST(Op, EveryOneHasAGoldenFile) {
  for (const OpInfo* info : all_ops()) {
    if (info->name == "if") continue;  // a step of a plan, not a kernel
    const std::string path = std::string(MJ_SOURCE_DIR "/test/ops/") + std::string(info->name) + ".txt";
    EXPECT_TRUE(std::filesystem::exists(path)) << path;
  }
}

TEST(Op, PointwiseMathsInF32HoldsBooleansAsZeroAndOne) {
  const float x[] = {1, 0, 0.5f, -2}, y[] = {1, 1, 0, 0};
  const float* in[] = {x, y, x};
  float out[4];
  const auto mapped = [&](const Op& op) {
    op.info().map_f32(op.raw(), in, 4, out);
    return std::vector<float>(out, out + 4);
  };
  EXPECT_EQ(mapped(op("less")), (std::vector<float>{0, 1, 0, 1}));
  EXPECT_EQ(mapped(op("and")), (std::vector<float>{1, 0, 0, 0}));
  EXPECT_EQ(mapped(op("not")), (std::vector<float>{0, 1, 0, 0}));
  EXPECT_EQ(mapped(op("where")), (std::vector<float>{1, 0, 0, 0}));
  EXPECT_EQ(mapped(op("cast", {{0, "to", DType::boolean}})), (std::vector<float>{1, 0, 1, 1}));
  EXPECT_EQ(mapped(op("cast", {{0, "to", DType::i32}})), (std::vector<float>{1, 0, 0, -2}));
  EXPECT_EQ(op("bitwise_and").info().map_f32, nullptr);
}

}  // namespace
}  // namespace mj
