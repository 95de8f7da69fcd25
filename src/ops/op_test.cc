// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
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

// Whatever a model says, an operator answers or complains; it never crashes, reads elsewhere or runs out of memory.
class Nonsense {
 public:
  explicit Nonsense(uint32_t seed) : random_(seed) {}

  int64_t number(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  template <class T>
  T pick(std::initializer_list<T> all) {
    return *(all.begin() + number(0, std::ssize(all) - 1));
  }

  Tensor tensor() {
    if (number(0, 15) == 0) return Tensor();
    const DType dtype = pick({DType::f32, DType::f32, DType::f32, DType::i64, DType::i64, DType::i32, DType::boolean,
                              DType::f16, DType::u8, DType::f64, DType::i8});
    std::vector<int64_t> dims(static_cast<size_t>(pick({0, 1, 1, 2, 2, 3, 4, 5})));
    for (int64_t& dim : dims) dim = pick({0, 1, 1, 2, 2, 2, 3, 4});
    Tensor out = Tensor::zeros(dtype, dims);
    dispatch(dtype, [&]<class T>() {
      for (T& x : out.mutable_data<T>()) x = static_cast<T>(static_cast<float>(number(-3, 5)));
    });
    if (dtype == DType::i64 && out.size() > 0 && number(0, 7) == 0) {
      out.mutable_data<int64_t>()[0] = pick({INT64_MAX, INT64_MIN, int64_t{1} << 40});
    }
    return out;
  }

  FieldValue field(const FieldValue& standard) {
    if (number(0, 2) == 0) return standard;
    if (std::holds_alternative<int64_t>(standard)) return pick({int64_t{0}, int64_t{1}, int64_t{2}, int64_t{-1}, int64_t{3}, INT64_MAX, INT64_MIN});
    if (std::holds_alternative<float>(standard)) return pick({0.0f, 1.0f, -1.0f, 1e30f});
    if (std::holds_alternative<bool>(standard)) return number(0, 1) == 1;
    if (std::holds_alternative<std::vector<int64_t>>(standard)) {
      std::vector<int64_t> list(static_cast<size_t>(number(0, 4)));
      for (int64_t& x : list) x = number(0, 20) == 0 ? pick({INT64_MAX, INT64_MIN, int64_t{-5}}) : number(-1, 3);
      return list;
    }
    if (std::holds_alternative<std::string>(standard)) {
      return pick<std::string>({"SAME_UPPER", "linear", "cubic", "reflect", "wrap", "bidirectional", "reverse", "qkv", "bhsd", "add",
                                "align_corners", "tf_crop_and_resize", "not_larger", "tanh", "?"});
    }
    return standard;
  }

 private:
  std::mt19937 random_;
};

TEST(Op, SurvivesNonsense) {
  Nonsense nonsense(3);
  int answered = 0;
  for (const OpInfo* info : all_ops()) {
    const std::vector<NamedField> standard = info->make({})->fields();
    for (int round = 0; round < 400; ++round) {
      std::vector<NamedField> fields = standard;
      for (NamedField& field : fields) field.value = nonsense.field(field.value);
      std::vector<Tensor> inputs(static_cast<size_t>(info->arity > 0 ? info->arity : nonsense.number(0, 5)));
      for (Tensor& input : inputs) input = nonsense.tensor();
      // The same again and again makes shapes fit more often.
      if (inputs.size() > 1 && nonsense.number(0, 1) == 0) inputs[1] = inputs[0];
      const Op op = *info->make(fields);
      const Result<std::vector<Tensor>> result = evaluate(op, inputs, static_cast<int>(nonsense.number(1, 3)));
      answered += result.ok();
      if (!result.ok()) EXPECT_FALSE(result.error().message.empty());
    }
  }
  EXPECT_GT(answered, 2000);
}

}  // namespace
}  // namespace mj
