// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "compile/samples.h"
#include "compile/verify.h"
#include "engine/format/engine_file.h"
#include "import/onnx_builder_test_util.h"
#include "runtime/engine.h"

namespace mj {
namespace {

namespace onnx_test = onnx::test;

// y = relu(x * w) for x f32[N,2] and w = {1, 0, -1; 2, 1, 0}.
std::string dense_model() {
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 2}).initializer(onnx_test::floats("w", {2, 3}, {1, 0, -1, 2, 1, 0}));
  graph.node("MatMul", {"x", "w"}, {"h"}, {}, "dense").node("Relu", {"h"}, {"y"}, {}, "relu").output("y");
  return onnx_test::model(graph);
}

class CompileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("mj_compile_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    model_ = (folder_ / "dense.onnx").string();
    ASSERT_TRUE(write_file_atomically(model_, dense_model()).ok());
    options_.target.isa = detect_isa();
    options_.tune.seconds_a_candidate = 0.001;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string error_text() const {
    const Result<Compiled> compiled = compile(model_, options_);
    return compiled.ok() ? "no error" : compiled.error().message;
  }

  std::filesystem::path folder_;
  std::string model_;
  CompileOptions options_;
};

TEST_F(CompileTest, AModelBecomesAVerifiedEngineThatRuns) {
  const Result<Compiled> compiled = compile(model_, options_);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  const Manifest& manifest = compiled->manifest;
  ASSERT_EQ(manifest.targets.size(), 1u);
  EXPECT_TRUE(manifest.targets[0].verification.verified);
  EXPECT_EQ(manifest.targets[0].verification.samples, 1);
  EXPECT_LE(manifest.targets[0].verification.max_error, 1e-4);
  EXPECT_EQ(manifest.inputs[0].name, "x");
  EXPECT_EQ(to_string(manifest.outputs[0].type), "f32[N,3]");
  EXPECT_EQ(manifest.provenance.model_file, "dense.onnx");

  const std::string path = (folder_ / "dense.engine").string();
  ASSERT_TRUE(write_engine(path, manifest, compiled->measurements).ok());
  const auto engine = Engine::load(path);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  const Tensor x = Tensor::of<float>({2, 2}, std::vector<float>{1, 1, -1, 2});
  std::vector<Tensor> outputs;
  ASSERT_TRUE((*engine)->run({&x, 1}, outputs).ok());
  EXPECT_EQ(to_string(outputs[0]), "f32[2,3] {3, 1, 0, 3, 2, 1}");
}

TEST_F(CompileTest, AMissedToleranceIsAnErrorThatNamesTheOutput) {
  options_.tolerance = -1;
  const std::string text = error_text();
  EXPECT_NE(text.find("output 'y' differs from the reference"), std::string::npos) << text;
  EXPECT_NE(text.find("no engine was written"), std::string::npos);
}

TEST_F(CompileTest, ProductsAreRoundedWhereThatIsAskedFor) {
  options_.tune.forced = "gemm:gemm_bf16";
  EXPECT_EQ(compile(model_, options_).value().report.rounded, 0);
  options_.precision = "bf16";
  const Compiled compiled = compile(model_, options_).value();
  EXPECT_EQ(compiled.report.rounded, 1);
  const Step& step = compiled.manifest.targets[0].plan.steps[0];
  EXPECT_EQ(step.choice.row, "gemm_bf16");
  EXPECT_EQ(step.problem.products, DType::bf16);
  EXPECT_EQ(compiled.manifest.targets[0].precision, "bf16");
  ASSERT_TRUE(compiled.manifest.accuracy);
  EXPECT_TRUE(compiled.manifest.accuracy->passed);
  EXPECT_EQ(compiled.manifest.accuracy->gate, 0.02);

  const std::string path = (folder_ / "dense.engine").string();
  ASSERT_TRUE(write_engine(path, compiled.manifest, compiled.measurements).ok());
  EXPECT_EQ(read_engine(path).value().manifest.targets[0].plan.steps[0].problem.products, DType::bf16);
}

TEST_F(CompileTest, ProductsThatMissTheGateGoBackToF32) {
  options_.precision = "bf16";
  options_.tune.forced = "gemm:gemm_bf16";
  options_.tolerance = 1e-6;  // noise has more bits than that
  const Compiled compiled = compile(model_, options_).value();
  EXPECT_EQ(compiled.report.rounded, 0);
  EXPECT_EQ(compiled.report.kept_high, std::vector<std::string>{"dense (MatMul) + relu (Relu)"});
  EXPECT_EQ(compiled.manifest.accuracy->kept_high, compiled.report.kept_high);
  EXPECT_LE(compiled.manifest.targets[0].verification.max_error, 1e-6);
  options_.tolerance = -1;
  EXPECT_NE(error_text().find("no engine was written"), std::string::npos);
}

TEST_F(CompileTest, WithoutVerificationTheTargetSaysSo) {
  options_.verify = false;
  EXPECT_FALSE(compile(model_, options_).value().manifest.targets[0].verification.verified);
  options_.verify = true;
  options_.target_is_here = false;
  EXPECT_FALSE(compile(model_, options_).value().manifest.targets[0].verification.verified);
}

TEST_F(CompileTest, SamplesAreWhatItIsVerifiedOn) {
  const Tensor x = Tensor::of<float>({1, 2}, std::vector<float>{1, 2});
  const auto named = [](NamedTensors arrays) -> SampleInputs {
    return {"s.npz", [=](std::span<const Port> ports) mutable { return take_values(ports, arrays, "--samples"); }};
  };
  options_.samples = {named({{"x", x}}), named({{"x", x}, {"unused", x}})};
  EXPECT_EQ(compile(model_, options_).value().manifest.targets[0].verification.samples, 2);
  options_.samples = {named({{"z", x}})};
  EXPECT_EQ(error_text(), "--samples: no array for input 'x' (f32[N,2]); the inputs are: 'x' f32[N,2]");
  options_.samples = {named({{"x", Tensor::zeros(DType::i64, {1, 2})}})};
  EXPECT_EQ(error_text(), "--samples: 'x' is i64, expected f32[N,2]");
  options_.samples = {named({{"x", Tensor::zeros(DType::f32, {1, 3})}})};
  EXPECT_EQ(error_text(), "sample 's.npz': input 'x': got shape [1,3], expected [N,2]: dimension 1 must be 2");
}

TEST_F(CompileTest, AModelThatInsistsOnSizesIsVerifiedOnThose) {
  auto insist = [&](const std::vector<int64_t>& dims) {  // y = reshape(x, dims) for x f32[N,L]
    onnx_test::GraphBuilder graph;
    graph.input("x", {"N", "L"}).initializer(onnx_test::int64s("to", dims));
    graph.node("Reshape", {"x", "to"}, {"y"}).output("y");
    EXPECT_TRUE(write_file_atomically(model_, onnx_test::model(graph)).ok());
    return compile(model_, options_).value().manifest.targets[0].verification;
  };
  EXPECT_TRUE(insist({-1, 48}).verified);       // a length that the model does not name
  EXPECT_TRUE(insist({1, 2, 16}).verified);     // one request of it
  EXPECT_FALSE(insist({-1, 1009}).verified);    // nothing that is tried
  EXPECT_NE(insist({-1, 1009}).reference, "");  // and it says why
}

TEST_F(CompileTest, EmptyOutputsVerifyNothing) {
  auto from = [&](int64_t start) {  // y = x[start:] for x f32[L]
    onnx_test::GraphBuilder graph;
    graph.input("x", {"L"}).initializer(onnx_test::int64s("start", {start}));
    graph.initializer(onnx_test::int64s("end", {1 << 20}));
    graph.node("Slice", {"x", "start", "end"}, {"y"}).output("y");
    EXPECT_TRUE(write_file_atomically(model_, onnx_test::model(graph)).ok());
    return compile(model_, options_).value().manifest.targets[0].verification;
  };
  EXPECT_TRUE(from(100).verified);  // on the first length that leaves something
  EXPECT_FALSE(from(5000).verified);
  EXPECT_EQ(from(5000).reference, "on small inputs the model has no output to compare");
}

TEST_F(CompileTest, OptionsThatDoNotFitTheModelAreUsageErrors) {
  options_.profile = {{"M", 1, 2, 4}};
  EXPECT_EQ(error_text(), "--profile: the model has no dimension 'M'; it has: N");
  options_.profile = {{"N", 1, 2, 4}, {"N", 1, 1, 1}};
  EXPECT_EQ(error_text(), "the profile gives dimension 'N' twice");
  options_.profile = {{"N", 1, 2, 4}};
  EXPECT_EQ(compile(model_, options_).value().manifest.profiles[0].symbols, options_.profile);
  options_.precision = "int8";
  EXPECT_EQ(compile(model_, options_).error().code, ErrorCode::unsupported);
  options_.precision = "bf17";
  EXPECT_EQ(error_text(), "--precision: 'bf17' is not known; use fp32, fp16 or bf16");
  options_.precision = "fp16";
  EXPECT_EQ(error_text(), "--precision fp16: only GPUs have kernels of it; add --target cuda, or use bf16");
  EXPECT_EQ(compile(model_, options_).error().code, ErrorCode::usage);
}

TEST_F(CompileTest, WithAFullCacheTwoBuildsAreTheSameBytes) {
  options_.cache_path = (folder_ / "tactics.jsonl").string();
  ASSERT_TRUE(compile(model_, options_).ok());
  const Compiled second = compile(model_, options_).value(), third = compile(model_, options_).value();
  EXPECT_EQ(second.report.measured, 0);
  EXPECT_GT(second.report.cache_hits, 0);
  EXPECT_EQ(engine_bytes(second.manifest, {}).value(), engine_bytes(third.manifest, {}).value());
}

TEST(RandomInputs, AreTheSameForOneSeedAndStayInRange) {
  const std::vector<Port> ports = {{"x", Type::tensor(DType::f32, {Dim::symbol("N"), Dim(3)}), 0},
                                   {"ids", Type::tensor(DType::i64, {Dim::symbol("N")}), 7},
                                   {"flag", Type::tensor(DType::boolean, {Dim(8)}), 0}};
  const auto a = random_inputs(ports, {{"N", 50}}, 1, 3).value(), b = random_inputs(ports, {{"N", 50}}, 1, 3).value();
  for (size_t i = 0; i < ports.size(); ++i) EXPECT_TRUE(identical(a[i], b[i]));
  EXPECT_FALSE(identical(a[0], random_inputs(ports, {{"N", 50}}, 1, 4).value()[0]));
  for (int64_t id : a[1].to_i64()) EXPECT_TRUE(id >= 0 && id < 7);
  EXPECT_EQ(random_inputs(ports, {}, 19, 3).value()[1].dims(), std::vector<int64_t>{19});
  const std::vector<Port> unranked = {{"x", Type::unranked(DType::f32), 0}};
  EXPECT_EQ(random_inputs(unranked, {}, 4, 1).value()[0].dims(), std::vector<int64_t>{4});
}

TEST(RandomInputs, AreNotTriedAtSizesThatNoMemoryHolds) {
  Shape shape;
  for (const char* name : {"A", "B", "C", "D"}) shape.push_back(Dim::symbol(name));
  const std::vector<Port> four = {{"x", Type::tensor(DType::f32, shape), 0}};
  for (const TrialSizes& trial : trial_sizes(four, {2, 1})) EXPECT_LE(trial.length, 128);
  const std::vector<Port> one = {{"x", Type::tensor(DType::f32, {Dim::symbol("A"), Dim(3)}), 0}};
  EXPECT_EQ(trial_sizes(one, {2, 1}).back().length, 1024);
}

TEST(RandomInputs, FillSequencesAndOptionals) {
  const Type element = Type::tensor(DType::f32, {Dim::symbol("N"), any_dim()});
  const std::vector<Port> ports = {{"s", Type::sequence(element), 0},
                                   {"o", element.as_optional(), 0},
                                   {"u", Type::sequence(Type::unranked(DType::i64)), 0}};
  const auto inputs = random_inputs(ports, {{"N", 2}}, 5, 1);
  ASSERT_TRUE(inputs.ok()) << inputs.error().message;
  ASSERT_EQ((*inputs)[0].items().size(), 3u);
  EXPECT_EQ((*inputs)[0].items()[2].dims(), (std::vector<int64_t>{2, 5}));
  EXPECT_FALSE(identical((*inputs)[0].items()[0], (*inputs)[0].items()[1]));
  EXPECT_EQ((*inputs)[1].dims(), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ((*inputs)[2].items()[0].dims(), std::vector<int64_t>{5});
}

TEST(ProfileOf, GivesTheSymbolsOfTheShapes) {
  const std::vector<Port> ports = {{"x", Type::tensor(DType::f32, {Dim::symbol("N"), Dim(3), Dim::symbol("H")}), 0},
                                   {"s", Type::sequence(Type::unranked(DType::f32)), 0}};
  const auto text = [&](const ProfileShapes& shapes) {
    const auto ranges = profile_of(ports, shapes);
    if (!ranges.ok()) return ranges.error().message;
    std::string out;
    for (const SymbolRange& r : *ranges) out += fmt::format("{}={}:{}:{} ", r.symbol, r.min, r.opt, r.max);
    return out;
  };
  EXPECT_EQ(text({}), "");
  EXPECT_EQ(text({{{"x", {1, 3, 8}}}, {{"x", {2, 3, 8}}}, {{"x", {4, 3, 9}}}}), "H=8:8:9 N=1:2:4 ");
  EXPECT_EQ(text({{}, {{"x", {2, 3, 8}}}, {}}), "H=8:8:8 N=2:2:2 ");
  EXPECT_EQ(text({{{"x", {1, 3, 8}}}, {}, {{"x", {4, 3, 9}}}}), "H=8:9:9 N=1:4:4 ");
  EXPECT_EQ(text({{{"x", {3, 3, 8}}}, {{"x", {2, 3, 8}}}, {}}),
            "--minShapes, --optShapes, --maxShapes: 'N' is 3, 2 and 2, which does not rise");
  EXPECT_EQ(text({{{"z", {3}}}, {}, {}}), "--minShapes: the model has no input 'z'; there are: 'x', 's'");
  EXPECT_EQ(text({{}, {{"s", {3}}}, {}}), "--optShapes: input 's' is seq(f32[?]), which has no sizes to promise");
  EXPECT_EQ(text({{}, {}, {{"x", {3}}}}), "--maxShapes: input 'x': got shape [3], expected [N,3,H] of rank 3");
}

TEST(IndexLimits, ComeFromWhatAnInputIndexes) {
  const Graph graph = parse_graph(R"(graph (%ids: i64[N], %x: f32[N], %other: i64[N]) {
    %table = constant f32[3,1] {1, 2, 3}
    %wide = unsqueeze(%ids) {axes=[0]}
    %y = gather(%table, %wide)
    return %y, %x, %other
  })")
                          .value();
  EXPECT_EQ(index_limits(graph), (std::vector<int64_t>{3, 0, 0}));
}

// What index_limits() says of a graph of one line, at N = 7.
std::vector<int64_t> limits_of(std::string_view text, const Bindings& sizes = {{"N", 7}, {"M", 2}}) {
  return index_limits(parse_graph(fmt::format("graph {}", text)).value(), sizes);
}

TEST(IndexLimits, ComeFromEveryOperatorThatIndexes) {
  using Limits = std::vector<int64_t>;
  const std::string_view by_row = R"((%x: f32[N,4], %i: i64[M]) {
    %y = gather(%x, %i)
    return %y
  })";
  EXPECT_EQ(limits_of(by_row), (Limits{0, 7}));
  EXPECT_EQ(limits_of(by_row, {}), (Limits{0, 1})) << "index 0 is in all that is not empty";
  EXPECT_EQ(limits_of(R"((%x: f32[N,4], %i: i64[M,4]) {
    %y = gather_elements(%x, %i) {axis=-1}
    return %y
  })"),
            (Limits{0, 4}));
  EXPECT_EQ(limits_of(R"((%x: f32[9,N,4,2], %i: i64[9,M,2]) {
    %y = gather_nd(%x, %i) {batch_dims=1}
    return %y
  })"),
            (Limits{0, 4}));
  EXPECT_EQ(limits_of(R"((%x: f32[N,4], %i: i64[M,4], %u: f32[M,4]) {
    %y = scatter_elements(%x, %i, %u)
    return %y
  })"),
            (Limits{0, 7, 0}));
  EXPECT_EQ(limits_of(R"((%x: f32[N,4], %i: i64[M,2], %u: f32[M]) {
    %y = scatter_nd(%x, %i, %u)
    return %y
  })"),
            (Limits{0, 4, 0}));
  EXPECT_EQ(limits_of(R"((%x: f32[2,N,4], %u: f32[2,3,4], %i: i64[2]) {
    %y = tensor_scatter(%x, %u, %i)
    return %y
  })"),
            (Limits{0, 0, 5}));
}

TEST(IndexLimits, PassWhatJoinsAndAdds) {
  EXPECT_EQ(limits_of(R"((%i: i64[N], %j: i64[M]) {
    %table = constant f32[6,1] {1, 2, 3, 4, 5, 6}
    %two = constant i64[] {2}
    %k = add(%i, %two)
    %both = concat(%k, %j) {axis=0}
    %y = gather(%table, %both)
    return %y
  })"),
            (std::vector<int64_t>{4, 6}));
}

TEST(IndexLimits, PassIntoBranches) {
  EXPECT_EQ(limits_of(R"((%c: bool[], %i: i64[N]) {
    %y = if(%c, %i) then (%j: i64[N]) {
      %table = constant f32[3,1] {1, 2, 3}
      %a = gather(%table, %j)
      return %a
    } else (%k: i64[N]) {
      %table2 = constant f32[2,1] {1, 2}
      %b = gather(%table2, %k)
      return %b
    } : f32[N,1]
    return %y
  })"),
            (std::vector<int64_t>{0, 2}));
}

TEST(IndexLimits, LetALoopRunSeveralTimes) {
  const Graph graph = parse_graph(R"(graph (%m: i64[], %x: f32[N]) {
    %y = loop(%m, _, %x) {carried=1} body (%i: i64[], %a: f32[N]) {
      %t = constant bool[] {1}
      %b = add(%a, %a)
      return %t, %b
    } : f32[N]
    return %y
  })")
                          .value();
  EXPECT_EQ(index_limits(graph), (std::vector<int64_t>{5, 0}));
}

TEST(RelativeL2, OfSequencesIsTheWorstOfTheirTensors) {
  const Tensor a = Tensor::scalar(1.0f), b = Tensor::scalar(1.5f);
  const auto sequence = [](std::vector<Tensor> items) { return Tensor::sequence(DType::f32, std::move(items)); };
  EXPECT_EQ(relative_l2(sequence({a, a}), sequence({a, a})), 0);
  EXPECT_DOUBLE_EQ(relative_l2(sequence({a, b}), sequence({a, a})), 0.5);
  EXPECT_TRUE(std::isinf(relative_l2(sequence({a}), sequence({a, a}))));
  EXPECT_TRUE(std::isinf(relative_l2(sequence({}), a)));
  EXPECT_TRUE(std::isinf(relative_l2(Tensor(), a)));
  EXPECT_EQ(relative_l2(Tensor(), Tensor()), 0) << "both are absent";
}

TEST(RelativeL2, ComparesInDoubleAndFailsClosed) {
  auto f = [](std::vector<float> values) {
    return Tensor::of<float>({static_cast<int64_t>(values.size())}, std::span<const float>(values));
  };
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(relative_l2(f({3, 4}), f({3, 4})), 0);
  EXPECT_DOUBLE_EQ(relative_l2(f({3, 5}), f({3, 4})), 0.2);
  EXPECT_EQ(relative_l2(f({nan, 1}), f({nan, 1})), 0);
  EXPECT_EQ(relative_l2(f({nan, 1}), f({1, 1})), kInfinity);
  EXPECT_EQ(relative_l2(f({inf}), f({inf})), 0);
  EXPECT_EQ(relative_l2(f({inf}), f({-inf})), kInfinity);
  EXPECT_EQ(relative_l2(f({1}), f({0})), kInfinity);
  EXPECT_EQ(relative_l2(f({1}), f({1, 1})), kInfinity);
  EXPECT_EQ(relative_l2(Tensor::scalar<int64_t>(1), Tensor::scalar<int64_t>(2)), kInfinity);
  EXPECT_EQ(relative_l2(Tensor::strings({1}, {"a"}), Tensor::strings({1}, {"a"})), 0);
}

}  // namespace
}  // namespace mj
