// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "runtime/test_plans.h"

namespace mj {
namespace {

// A file that is gone when the test is over.
class TemporaryEngine {
 public:
  explicit TemporaryEngine(const Manifest& manifest, const WriteOptions& options = {}) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ =
        (std::filesystem::temp_directory_path() / fmt::format("mj_{}_{}.engine", test->name(), ::getpid())).string();
    EXPECT_TRUE(write_engine(path_, manifest, {}, options).ok());
  }
  ~TemporaryEngine() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string error_of(const Result<void>& result) { return result.ok() ? "no error" : result.error().message; }

TEST(Engine, AnswersTheSameFromEightThreads) {
  const TemporaryEngine file(small_manifest("neg"));
  const auto engine = Engine::load(file.path()).value();
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const int64_t n = 1 + (t + i) % 5;
        Tensor x = Tensor::zeros(DType::f32, {n, 3});
        for (float& value : x.mutable_data<float>()) value = static_cast<float>(t * 100 + i);
        std::vector<Tensor> outputs;
        if (!engine->run({&x, 1}, outputs).ok() || outputs[0].dims() != x.dims()) ++wrong;
        for (float value : outputs[0].data<float>()) wrong += value != -static_cast<float>(t * 100 + i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Engine, SaysWhichInputIsWrong) {
  const TemporaryEngine file(small_manifest());
  const auto engine = Engine::load(file.path()).value();
  std::vector<Tensor> outputs;
  EXPECT_EQ(error_of(engine->run({}, outputs)), "0 inputs given, the engine has 1");
  const Tensor integers = Tensor::zeros(DType::i64, {1, 3}), wide = Tensor::zeros(DType::f32, {1, 4});
  EXPECT_EQ(error_of(engine->run({&integers, 1}, outputs)), "input 'x': got i64, expected f32[N,3]");
  EXPECT_EQ(error_of(engine->run({&wide, 1}, outputs)),
            "input 'x': got shape [1,4], expected [N,3]: dimension 1 must be 3");
}

TEST(Engine, SequencesAreHeldToTheirPort) {
  Manifest manifest = small_manifest();
  const Type type = Type::sequence(Type::tensor(DType::f32, {any_dim(), Dim(3)}));
  manifest.inputs = {{"s", type, 0}};
  manifest.outputs = {{"n", Type::tensor(DType::i64, {}), 0}};
  PlanBuilder b;
  const int s = b.input("s", type), n = b.temporary(Shape{}, DType::i64);
  b.kernel(op("sequence_length"), {s}, {n});
  manifest.targets[0].plan = b.finish({n});
  const TemporaryEngine file(manifest);
  const auto engine = Engine::load(file.path()).value();
  const auto run = [&](const Tensor& input) {
    std::vector<Tensor> outputs;
    const Result<void> done = engine->run({&input, 1}, outputs);
    return done.ok() ? to_string(outputs[0]) : done.error().message;
  };
  const Tensor fits = Tensor::zeros(DType::f32, {2, 3});
  EXPECT_EQ(run(Tensor::sequence(DType::f32, {fits, fits})), "i64[] {2}");
  EXPECT_EQ(run(Tensor::sequence(DType::f32, {})), "i64[] {0}");
  EXPECT_EQ(run(Tensor::sequence(DType::f32, {fits, Tensor::zeros(DType::f32, {3, 2})})),
            "input 's': got [3,2] at 1, expected seq(f32[\"?\",3])");
  EXPECT_EQ(run(fits), "input 's': got one tensor, expected seq(f32[\"?\",3])");
  EXPECT_EQ(run(Tensor::sequence(DType::f64, {})), "input 's': got f64, expected seq(f32[\"?\",3])");
  EXPECT_EQ(run(Tensor()), "input 's': got none, expected seq(f32[\"?\",3])");
}

TEST(Engine, ShapesOutsideEveryProfilePrintTheProfiles) {
  Manifest manifest = small_manifest();
  manifest.profiles = {{"small", {{"N", 1, 2, 4}}}, {"large", {{"N", 16, 16, 16}}}};
  const TemporaryEngine file(manifest);
  const auto engine = Engine::load(file.path()).value();
  std::vector<Tensor> outputs;
  for (int64_t n : {1, 4, 16}) {
    const Tensor x = Tensor::zeros(DType::f32, {n, 3});
    EXPECT_TRUE(engine->run({&x, 1}, outputs).ok());
  }
  const Tensor x = Tensor::zeros(DType::f32, {5, 3});
  EXPECT_EQ(error_of(engine->run({&x, 1}, outputs)),
            "the shapes (N=5) lie outside every profile of this engine:\n  small: N=1..4\n  large: N=16..16");
}

TEST(Engine, AnUnverifiedTargetIsRefusedUnlessAllowed) {
  Manifest manifest = small_manifest();
  manifest.targets[0].verification = {};
  manifest.targets[0].verification.reference = "built elsewhere";
  const TemporaryEngine file(manifest);
  const auto refused = Engine::load(file.path());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("cpu-portable is unverified (built elsewhere)"), std::string::npos);
  EngineOptions options;
  options.allow_unverified = true;
  EXPECT_TRUE(Engine::load(file.path(), options).ok());
}

TEST(Engine, AnUntrustedSignatureIsRefused) {
  const SigningKey key = SigningKey::generate(), other = SigningKey::generate();
  const TemporaryEngine file(small_manifest(), {&key});
  EngineOptions options;
  options.read.trusted_keys = {key.public_key()};
  EXPECT_TRUE(Engine::load(file.path(), options).ok());
  options.read.trusted_keys = {other.public_key()};
  EXPECT_FALSE(Engine::load(file.path(), options).ok());
}

TEST(Engine, WarmPlansAndReports) {
  Manifest manifest = small_manifest();
  PlanBuilder b;
  const Shape shape = {Dim::symbol("N"), Dim(3)};
  manifest.targets[0].plan = b.finish({b.map("exp", {b.map("neg", {b.input("x", shape)})})});
  const TemporaryEngine file(manifest);
  const auto engine = Engine::load(file.path()).value();
  const std::vector<std::vector<int64_t>> dims = {{64, 3}}, none, wrong = {{64, 4}};
  const auto memory = engine->warm(dims);
  ASSERT_TRUE(memory.ok()) << memory.error().message;
  EXPECT_EQ(memory->arena_bytes, 64 * 3 * 4);
  EXPECT_EQ(memory->largest_live_bytes, 64 * 3 * 4);
  EXPECT_FALSE(engine->warm(none).ok());
  EXPECT_FALSE(engine->warm(wrong).ok());
}

TEST(PickTarget, TakesTheMostCapableThatRuns) {
  Manifest manifest;
  for (const char* name : {"cpu-avx2", "cuda-sm90", "cpu-portable", "cpu-avx512"}) {
    manifest.targets.emplace_back();
    manifest.targets.back().name = name;
  }
  EXPECT_EQ(pick_target(manifest, Isa::portable).value(), 2u);
  EXPECT_EQ(pick_target(manifest, Isa::avx2).value(), 0u);
  EXPECT_EQ(pick_target(manifest, Isa::avx512).value(), 3u);
  manifest.targets.erase(manifest.targets.begin() + 2);
  EXPECT_EQ(
      pick_target(manifest, Isa::portable).error().message,
      "no target of this engine runs here: it serves cpu-avx2, cuda-sm90, cpu-avx512, this machine is cpu-portable");
}

}  // namespace
}  // namespace mj
