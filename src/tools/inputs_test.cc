// SPDX-License-Identifier: Apache-2.0
#include "tools/inputs.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "compile/samples.h"

namespace mj {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

template <class T>
std::string error_of(const Result<T>& result) {
  return result.ok() ? "no error" : result.error().message;
}

TEST(ParseShapes, TakesOurSpellingAndTrtexecs) {
  EXPECT_EQ(parse_shapes("").value(), Shapes());
  EXPECT_EQ(parse_shapes("x=1x3x224,ids=7").value(), (Shapes{{"x", {1, 3, 224}}, {"ids", {7}}}));
  EXPECT_EQ(parse_shapes("x:1x3").value(), (Shapes{{"x", {1, 3}}}));
  EXPECT_EQ(parse_shapes("in:0=2x0").value(), (Shapes{{"in:0", {2, 0}}}));
  EXPECT_EQ(parse_shapes("sr=").value(), (Shapes{{"sr", {}}}));
  EXPECT_EQ(error_of(parse_shapes("x=1,x=2")), "--shapes: 'x' is named twice");
  for (const char* bad : {"x", "x=1y3", "x=-1", "x=1x", "x=x1", "x=1xx3", "x=99999999999999999999"}) {
    EXPECT_EQ(error_of(parse_shapes(bad)), fmt::format("--shapes: '{}' is not NAME=1x3x224x224", bad));
  }
}

TEST(ParseProfile, WantsOneOrThreeRisingSizes) {
  EXPECT_EQ(parse_profile("N=1:8:32,S=128").value(), (std::vector<SymbolRange>{{"N", 1, 8, 32}, {"S", 128, 128, 128}}));
  EXPECT_EQ(error_of(parse_profile("N=1:2")), "--profile: 'N=1:2' is not NAME=MIN:OPT:MAX or NAME=SIZE");
  EXPECT_EQ(error_of(parse_profile("N=")), "--profile: 'N=' is not NAME=MIN:OPT:MAX or NAME=SIZE");
  EXPECT_EQ(error_of(parse_profile("N=8:4:16")), "--profile: 'N=8:4:16' does not rise from MIN over OPT to MAX");
}

class ReadInputs : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  std::string path_ = testing::TempDir() + "mj_inputs_test.npz";
  std::vector<Port> ports_ = {{"x", Type::tensor(DType::f32, {Dim::symbol("N"), Dim(2)}), 0},
                              {"b", Type::tensor(DType::bf16, {Dim(1)}), 0}};
};

TEST_F(ReadInputs, ComeInTheOrderOfThePorts) {
  ASSERT_TRUE(
      write_npz(path_, {{"b", Tensor::zeros(DType::bf16, {1})}, {"x", Tensor::zeros(DType::f32, {1, 2})}}).ok());
  const auto inputs = read_inputs(path_, ports_);
  ASSERT_TRUE(inputs.ok()) << error_of(inputs);
  EXPECT_EQ((*inputs)[0].dtype(), DType::f32);
  EXPECT_EQ((*inputs)[1].dtype(), DType::bf16);
}

TEST_F(ReadInputs, MissingAndSuperfluousNamesListWhatThereIs) {
  ASSERT_TRUE(write_npz(path_, {{"x", Tensor::zeros(DType::f32, {1, 2})}}).ok());
  EXPECT_EQ(error_of(read_inputs(path_, ports_)),
            path_ + ": no array for input 'b' (bf16[1]); the inputs are: 'x' f32[N,2], 'b' bf16[1]");
  const Tensor b = Tensor::zeros(DType::bf16, {1});
  ASSERT_TRUE(write_npz(path_, {{"x", Tensor::zeros(DType::f32, {1, 2})}, {"b", b}, {"c", b}}).ok());
  EXPECT_NE(error_of(read_inputs(path_, ports_)).find("there is no input 'c'"), std::string::npos);
}

TEST_F(ReadInputs, SequencesAreNumberedAndOptionalsMayBeMissing) {
  const Type element = Type::tensor(DType::f32, {any_dim()});
  const std::vector<Port> ports = {{"s", Type::sequence(element), 0},
                                   {"o", element.as_optional(), 0},
                                   {"q", Type::sequence(element).as_optional(), 0}};
  const Tensor one = Tensor::zeros(DType::f32, {1}), two = Tensor::zeros(DType::f32, {2});
  const auto read = [&](const std::vector<std::pair<std::string, Tensor>>& arrays) {
    EXPECT_TRUE(write_npz(path_, arrays).ok());
    return read_inputs(path_, ports);
  };
  auto inputs = read({{"s.1", two}, {"s.0", one}, {"o", two}, {"q.0", one}});
  ASSERT_TRUE(inputs.ok()) << error_of(inputs);
  EXPECT_EQ(to_string((*inputs)[0]), "seq(f32) {f32[1] {0}, f32[2] {0, 0}}");
  EXPECT_EQ((*inputs)[1].dims(), two.dims());
  EXPECT_EQ((*inputs)[2].items().size(), 1u);
  // Written and read again they are the same.
  std::vector<std::pair<std::string, Tensor>> arrays;
  for (size_t i = 0; i < ports.size(); ++i) {
    for (auto& array : to_arrays(ports[i], (*inputs)[i])) arrays.push_back(array);
  }
  EXPECT_EQ(arrays.size(), 4u);
  EXPECT_TRUE(identical(read(arrays).value()[0], (*inputs)[0]));

  inputs = read({});
  ASSERT_TRUE(inputs.ok()) << error_of(inputs);
  EXPECT_TRUE((*inputs)[0].is_sequence() && (*inputs)[0].items().empty());
  EXPECT_FALSE((*inputs)[1].present() || (*inputs)[2].present());
  const Tensor empty = Tensor::zeros(DType::f32, {0});
  EXPECT_TRUE(read({{"q", empty}}).value()[2].is_sequence()) << "there, and empty";
  EXPECT_EQ(to_arrays(ports[2], Tensor::sequence(DType::f32, {})).at(0).first, "q");

  EXPECT_EQ(error_of(read({{"s.1", one}})), path_ + ": 's.1' follows no array of the number before");
  EXPECT_EQ(error_of(read({{"s", one}})),
            path_ + ": 's' is seq(f32[\"?\"]): its tensors are the arrays 's.0', 's.1', ...");
  EXPECT_NE(error_of(read({{"o.0", one}})).find("there is no input 'o.0'"), std::string::npos);
  EXPECT_NE(error_of(read({{"s.x", one}})).find("there is no input 's.x'"), std::string::npos);
}

TEST(RandomInputs, SizesComeFromShapesThenBatchThenProfile) {
  const Dim n = Dim::symbol("N"), s = Dim::symbol("S");
  Manifest manifest;
  manifest.inputs = {{"x", Type::tensor(DType::f32, {n, s}), 0}, {"y", Type::tensor(DType::i64, {n, s}), 5}};
  auto dims = [&](const std::string& shapes, int64_t batch) {
    return inputs_of(manifest, {"", shapes, batch}, 1).value()[1].dims();
  };
  EXPECT_EQ(dims("", 0), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(dims("", 4), (std::vector<int64_t>{4, 1}));
  EXPECT_EQ(dims("x=3x7", 4), (std::vector<int64_t>{3, 7}));
  manifest.profiles = {{"default", {{"N", 1, 2, 8}, {"S", 1, 9, 16}}}};
  EXPECT_EQ(dims("", 4), (std::vector<int64_t>{4, 9}));
  EXPECT_EQ(dims("", 0), (std::vector<int64_t>{2, 9}));
  for (int64_t index : inputs_of(manifest, {"", "x=50x7"}, 1).value()[1].to_i64()) EXPECT_LT(index, 5);
  EXPECT_EQ(error_of(inputs_of(manifest, {"", "z=1"}, 1)),
            "--shapes: no input 'z'; there are: 'x' f32[N,S], 'y' i64[N,S]");
  EXPECT_EQ(error_of(inputs_of(manifest, {"", "x=1x2,y=1x3"}, 1)),
            "--shapes: input 'y': got shape [1,3], expected [N,S] with S = 2 elsewhere");
}

TEST(WithInputs, TriesLargerSizesWhereNoneAreGiven) {
  Manifest manifest;
  manifest.inputs = {{"x", Type::tensor(DType::f32, {Dim::symbol("N"), Dim::symbol("L")}), 0}};
  std::vector<std::string> tried;
  const auto at_least = [&](int64_t least) {
    tried.clear();
    return [&tried, least](const std::vector<Tensor>& inputs) -> Result<void> {
      tried.push_back(fmt::format("{}x{}", inputs[0].dims()[0], inputs[0].dims()[1]));
      return inputs[0].dims()[1] >= least ? Result<void>() : model_error("too short");
    };
  };
  using Sizes = std::vector<std::string>;
  EXPECT_TRUE(with_inputs(manifest, {}, 1, at_least(1)).ok());
  EXPECT_EQ(tried, Sizes{"1x1"});
  EXPECT_TRUE(with_inputs(manifest, {}, 1, at_least(30)).ok());
  EXPECT_EQ(tried, (Sizes{"1x1", "1x19", "2x19", "19x19", "1x32"}));
  EXPECT_TRUE(with_inputs(manifest, {"", "", 5}, 1, at_least(19)).ok());
  EXPECT_EQ(tried, (Sizes{"5x1", "5x19"}));
  EXPECT_EQ(error_of(with_inputs(manifest, {}, 1, at_least(2000))),
            "too short; no sizes are given for L, N: name some that the network takes by --shapes or --inputs");
  EXPECT_EQ(error_of(with_inputs(manifest, {"", "x=3x4"}, 1, at_least(30))), "too short");
  EXPECT_EQ(tried, Sizes{"3x4"});
}

}  // namespace
}  // namespace mj
