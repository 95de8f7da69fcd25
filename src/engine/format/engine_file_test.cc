// SPDX-License-Identifier: Apache-2.0
#include "engine/format/engine_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "engine/format/plan_verify.h"
#include "engine/format/test_plan.h"
#include "engine/format/test_support.h"

namespace mj {
namespace {

Result<LoadedEngine> load(const std::vector<std::byte>& bytes) {
  const Image image(bytes);
  return read_engine("x.engine", image.bytes(), image.owner());
}

std::vector<std::byte> example_bytes() { return engine_bytes(example_manifest(), example_measurements()).value(); }

TEST(EngineFile, GivesBackWhatWasWritten) {
  const auto engine = load(example_bytes());
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  EXPECT_EQ(engine->manifest, example_manifest());
  EXPECT_EQ(engine->measurements, example_measurements());
}

TEST(EngineFile, IsWrittenToAndReadFromAFile) {
  const std::string path = (std::filesystem::temp_directory_path() / "mj_engine_file_test.engine").string();
  const SigningKey key = SigningKey::generate();
  ASSERT_TRUE(write_engine(path, example_manifest(), example_measurements(), {&key}).ok());
  const auto engine = read_engine(path, {{key.public_key()}});
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  EXPECT_EQ(engine->manifest, example_manifest());
  EXPECT_EQ(engine->signed_by, key.public_key());
  std::filesystem::remove(path);
}

TEST(EngineFile, TensorsKeepTheMappingAlive) {
  Tensor weights;
  {
    auto engine = load(example_bytes());
    ASSERT_TRUE(engine.ok());
    weights = engine->manifest.targets[0].plan.tensors[1].constant;
  }
  EXPECT_EQ(weights.data<float>()[11], 12.0f);
}

TEST(EngineFile, SharedConstantsAreStoredOnce) {
  const auto engine = load(example_bytes());
  ASSERT_TRUE(engine.ok());
  const auto& targets = engine->manifest.targets;
  EXPECT_EQ(targets[0].plan.tensors[1].constant.raw(), targets[1].plan.tensors[1].constant.raw());
  // Packed weights are each target's own section; those sections, being equal, share their bytes too.
  EXPECT_EQ(targets[0].plan.steps[0].packed[0].raw(), targets[1].plan.steps[0].packed[0].raw());
}

// Times differ from build to build; nothing but their section and the digests may.
TEST(EngineFile, TimesTouchOnlyTheMeasurementsSection) {
  Manifest other = example_manifest();
  other.targets[0].plan.steps[0].choice.candidates[0].seconds = 7.0;
  const auto a = load(example_bytes()), b = load(engine_bytes(other, {}).value());
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(b->manifest, other);
  ASSERT_EQ(a->sections.size(), b->sections.size());
  for (size_t i = 0; i < a->sections.size(); ++i) {
    EXPECT_EQ(a->sections[i].digest == b->sections[i].digest, a->sections[i].kind != SectionKind::measurements) << i;
  }
}

// Each breaks the example in one place and names the mistake it is refused for.
struct Mistake {
  const char* says;
  void (*make)(Manifest&);
};

Plan& plan(Manifest& m) { return m.targets[0].plan; }
// Of the loop, as a copy that may be changed.
Plan& body(Manifest& m) {
  const auto copy = std::make_shared<Plan>(*plan(m).steps[5].branches[0]);
  plan(m).steps[5].branches[0] = copy;
  return *copy;
}

const Mistake kMistakes[] = {
    {"is no input or stands there twice",
     [](Manifest& m) {
       plan(m).inputs = {0, 0};
     }},
    {"is no input or stands there twice", [](Manifest& m) { plan(m).inputs = {9}; }},
    {"output list: tensor 99 of 12", [](Manifest& m) { plan(m).outputs[0] = 99; }},
    {"output list: tensor -1 of 12", [](Manifest& m) { plan(m).outputs[0] = -1; }},
    {"input: tensor -2 of 12", [](Manifest& m) { plan(m).steps[0].inputs[0] = -2; }},
    {"is used before it is made", [](Manifest& m) { std::swap(plan(m).steps[1], plan(m).steps[2]); }},
    {"cannot be written or is written twice", [](Manifest& m) { plan(m).steps[2].outputs = {2}; }},
    {"cannot be written or is written twice", [](Manifest& m) { plan(m).steps[0].outputs = {0}; }},
    {"does not stand before it", [](Manifest& m) { plan(m).tensors[3].alias_of = 3; }},
    {"does not stand before it", [](Manifest& m) { plan(m).tensors[3].alias_of = -1; }},
    {"cannot be an alias of", [](Manifest& m) { plan(m).tensors[3].dtype = DType::i32; }},
    {"has not the size of", [](Manifest& m) { plan(m).tensors[3].shape = Shape{Dim::symbol("N") * Dim(3) + Dim(1)}; }},
    {"nothing binds symbol 'M'", [](Manifest& m) { plan(m).steps[3].left = Dim::symbol("M"); }},
    {"its value has not the type", [](Manifest& m) { plan(m).tensors[1].shape = Shape{Dim(12)}; }},
    {"its value has not the type", [](Manifest& m) { plan(m).tensors[1].dtype = DType::i32; }},
    {"has a value and is no constant", [](Manifest& m) { plan(m).tensors[2].constant = Tensor::scalar(1.0f); }},
    {"its problem has", [](Manifest& m) { plan(m).steps[0].problem.inputs[1].shape[0] = Dim(40); }},
    {"its problem has", [](Manifest& m) { plan(m).steps[0].problem.outputs[0].dtype = DType::f16; }},
    {"and the operator gives",
     [](Manifest& m) {
       plan(m).tensors[2].shape = plan(m).steps[0].problem.outputs[0].shape = Shape{Dim::symbol("N"), Dim(2)};
       plan(m).tensors[3].shape = Shape{Dim::symbol("N") * Dim(2)};
     }},
    {"input 0 is missing", [](Manifest& m) { plan(m).steps[0].inputs[0] = kNoTensor; }},
    {"inputs and 1 outputs for a problem", [](Manifest& m) { plan(m).steps[0].problem.inputs.pop_back(); }},
    {"inputs belong to operator", [](Manifest& m) { plan(m).steps[0].problem.anchor_inputs = 3; }},
    {"argument", [](Manifest& m) { plan(m).steps[0].problem.epilogue.instructions[0].args = {1}; }},
    {"does not exist", [](Manifest& m) { plan(m).steps[0].problem.epilogue.results = {7}; }},
    {"does not give one f16",
     [](Manifest& m) { plan(m).steps[0].problem.epilogue.instructions[0].dtype = DType::f16; }},
    {"a body of 2 parameters",
     [](Manifest& m) {
       Body& body = plan(m).steps[0].problem.epilogue;
       body = {{DType::f32, DType::f32}, {{op("relu"), {0}, DType::f32}}, {2}};
     }},
    {"its problem has seq(f32[N,3]) where tensor 8 ('parts') is f32[N,3]",
     [](Manifest& m) { plan(m).tensors[8].form = Type::Kind::tensor; }},
    {"output 0 is opt(f32[N,3]), and the operator gives seq(f32[N,3])",
     [](Manifest& m) { plan(m).tensors[8].form = plan(m).steps[4].problem.outputs[0].kind = Type::Kind::optional; }},
    {"cannot be an alias of", [](Manifest& m) { plan(m).tensors[3].form = Type::Kind::sequence; }},
    {"a constant cannot be seq(string[2])", [](Manifest& m) { plan(m).tensors[7].form = Type::Kind::sequence; }},
    {"nothing binds symbol 'M'",
     [](Manifest& m) {
       plan(m).tensors[8].shape = plan(m).steps[4].problem.outputs[0].shape = Shape{Dim::symbol("M"), Dim(3)};
     }},
    {"it names no kernel", [](Manifest& m) { plan(m).steps[0].choice.row.clear(); }},
    {"it copies", [](Manifest& m) { plan(m).steps[2].inputs = {3}; }},
    {"must be a bool", [](Manifest& m) { plan(m).steps[1].inputs[0] = 0; }},
    {"then: 1 inputs and 1 outputs where", [](Manifest& m) { plan(m).steps[1].inputs.push_back(2); }},
    {"what another kind of step should", [](Manifest& m) { plan(m).steps[1].branches.pop_back(); }},
    {"what another kind of step should", [](Manifest& m) { plan(m).steps[1].carried = 1; }},
    {"what another kind of step should", [](Manifest& m) { plan(m).steps[5].branches.clear(); }},
    {"are too few to carry 2", [](Manifest& m) { plan(m).steps[5].carried = 2; }},
    {"are too few to carry -1", [](Manifest& m) { plan(m).steps[5].carried = -1; }},
    {"must be i64, the most runs", [](Manifest& m) { plan(m).steps[5].inputs[0] = 4; }},
    {"must be a bool, the condition", [](Manifest& m) { plan(m).steps[5].inputs[1] = 9; }},
    {"input: tensor -1 of 12", [](Manifest& m) { plan(m).steps[5].inputs[2] = kNoTensor; }},
    {"body: 2 inputs and 3 outputs where 3 and 3", [](Manifest& m) { plan(m).steps[5].inputs.push_back(5); }},
    {"body: 2 inputs and 3 outputs where 2 and 2", [](Manifest& m) { plan(m).steps[5].outputs.pop_back(); }},
    {"body: input 1 is of another type", [](Manifest& m) { plan(m).steps[5].inputs[2] = 9; }},
    {"body: output 2 is of another type", [](Manifest& m) { plan(m).tensors[11].dtype = DType::i32; }},
    {"body: its first input must be an i64 scalar", [](Manifest& m) { body(m).tensors[0].shape = Shape{Dim(2)}; }},
    {"body: its first output must be a bool", [](Manifest& m) { body(m).outputs[0] = 1; }},
    {"body: output 1 is of another type", [](Manifest& m) { body(m).outputs[1] = 0; }},
    {"body: output list: tensor 9 of 4", [](Manifest& m) { body(m).outputs[1] = 9; }},
    {"nothing binds symbol 'loop'", [](Manifest& m) { plan(m).tensors[11].shape = Shape{Dim::symbol("loop") * 2}; }},
    {"what another kind of step should", [](Manifest& m) { plan(m).steps[2].packed = {Tensor::scalar(1.0f)}; }},
    {"its rank 65 is above 64", [](Manifest& m) { plan(m).tensors[2].shape = Shape(65, Dim(1)); }},
    {"dim '-1' is not one", [](Manifest& m) { plan(m).tensors[2].shape = Shape{Dim(-1)}; }},
    {"target 'cpu-avx2' has no name or stands there twice", [](Manifest& m) { m.targets[1].name = "cpu-avx2"; }},
    {"it serves no target", [](Manifest& m) { m.targets.clear(); }},
    {"is a path", [](Manifest& m) { m.provenance.model_file = "/home/me/x.onnx"; }},
    {"its input 'x' is", [](Manifest& m) { m.inputs[0].type.dtype = DType::f16; }},
    {"its plan has 1 inputs and 3 outputs", [](Manifest& m) { m.outputs.pop_back(); }},
    {"is no range", [](Manifest& m) { m.profiles[0].symbols[0].max = 1; }},
    {"sample 0: 2 tensors for 3 ports", [](Manifest& m) { m.samples[0].outputs.pop_back(); }},
};

TEST(EngineFile, UnsoundManifestsAreRefused) {
  for (const Mistake& mistake : kMistakes) {
    Manifest manifest = example_manifest();
    mistake.make(manifest);
    const auto result = verify(manifest);
    ASSERT_FALSE(result.ok()) << mistake.says;
    EXPECT_NE(result.error().message.find(mistake.says), std::string::npos)
        << result.error().message << "\n    should say: " << mistake.says;
    EXPECT_FALSE(engine_bytes(manifest, {}).ok());
  }
  EXPECT_TRUE(verify(example_manifest()).ok()) << verify(example_manifest()).error().message;
}

TEST(EngineFile, DimsOfARunAreChecked) {
  const Plan plan = example_plan();
  const std::vector<bool> known(plan.tensors.size(), false);
  std::vector<std::vector<int64_t>> dims = {{2, 4}, {4, 3}, {2, 3}, {6}, {}, {2, 3}, {2, 3}, {2}};
  EXPECT_TRUE(verify_dims(plan, dims, known).ok()) << verify_dims(plan, dims, known).error().message;
  dims[3] = {7};
  EXPECT_FALSE(verify_dims(plan, dims, known).ok());
  dims[3] = {9};
  dims[2] = {3, 3};  // the alias fits, but two rows give two rows
  EXPECT_FALSE(verify_dims(plan, dims, known).ok());
  std::vector<bool> late = known;
  late[2] = late[3] = true;
  EXPECT_TRUE(verify_dims(plan, dims, late).ok());
}

TEST(EngineFile, StepsThatComputeTheSameAreVerifiedOnce) {
  const Shape shape = {Dim::symbol("N"), Dim(3)};
  Plan plan;
  for (const char* name : {"a", "b", "c", "d"}) {
    plan.tensors.push_back({name, PlanTensor::Kind::temporary, DType::f32, shape, kNoTensor, {}});
  }
  plan.tensors[0].kind = PlanTensor::Kind::input;
  plan.inputs = {0};
  const auto step = [&](const char* op_name, int in, int out) {
    Step made;
    made.inputs = {in};
    made.outputs = {out};
    made.problem.op = op(op_name);
    made.problem.anchor_inputs = 1;
    made.problem.inputs = made.problem.outputs = {{DType::f32, shape, false, Type::Kind::tensor}};
    return made;
  };
  plan.steps = {step("neg", 0, 1), step("exp", 1, 2), step("neg", 2, 3)};
  const std::vector<int> alike = alike_steps(plan);
  EXPECT_EQ(alike, (std::vector<int>{0, 1, 0}));
  std::vector<std::vector<int64_t>> dims(4, {2, 3});
  const std::vector<bool> known(4, false);
  EXPECT_TRUE(verify_dims(plan, dims, known, alike).ok());
  dims[3] = {3, 3};  // a step that is like another is looked at all the same where its dims are others
  EXPECT_FALSE(verify_dims(plan, dims, known, alike).ok());
  plan.tensors[0].kind = plan.tensors[2].kind = PlanTensor::Kind::constant;
  EXPECT_EQ(alike_steps(plan), (std::vector<int>{0, 1, 0}));
  // What a constant holds decides on the dims of some.
  for (const size_t s : {0, 2}) {
    Problem& problem = plan.steps[s].problem;
    problem.op = op("expand");
    problem.anchor_inputs = 2;
    problem.inputs.push_back({DType::i64, {Dim(2)}, true, Type::Kind::tensor});
    plan.steps[s].inputs.push_back(0);
  }
  EXPECT_EQ(alike_steps(plan), (std::vector<int>{0, 1, 2}));
}

TEST(EngineFile, BranchesNestedTooDeepAreRefused) {
  Plan plan;
  plan.tensors = {{"c", PlanTensor::Kind::input, DType::boolean, Shape{}, kNoTensor, {}}};
  plan.inputs = {0};
  for (int i = 0; i <= kMaxPlanDepth; ++i) {
    Step branch;
    branch.kind = Step::Kind::branch;
    branch.inputs = {0, 0};
    branch.branches = {2, std::make_shared<const Plan>(plan)};
    plan.steps = {branch};
  }
  const auto result = verify(plan);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message.find("nested deeper than 16"), std::string::npos) << result.error().message;
}

// What a fuzzer does, in small: damage anywhere, digests made to fit. Accepted files must also survive being written.
TEST(EngineFile, DamageWithFittingDigestsIsRefusedOrHarmless) {
  const std::vector<std::byte> good = example_bytes();
  std::mt19937 random(1);
  int accepted = 0;
  for (int round = 0; round < 10'000; ++round) {
    std::vector<std::byte> bytes = good;
    // Mostly in the manifest, which is where the structure is.
    const size_t from = random() % 4 ? kSectionAlign : 0, to = random() % 4 ? 2 * kSectionAlign : bytes.size();
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      std::byte& b = bytes[from + random() % (to - from)];
      b = random() % 2 ? static_cast<std::byte>(random()) : b ^ std::byte(1 << random() % 8);
    }
    rehash(bytes);
    const auto engine = load(bytes);
    if (!engine.ok()) continue;
    ++accepted;
    const auto again = engine_bytes(engine->manifest, engine->measurements);
    ASSERT_TRUE(again.ok()) << again.error().message;
  }
  EXPECT_GT(accepted, 10);
}

}  // namespace
}  // namespace mj
