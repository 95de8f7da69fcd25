// SPDX-License-Identifier: Apache-2.0
// Plans with steps that a GPU runs, as they stand in a file and as they are checked.
#include <gtest/gtest.h>

#include <functional>

#include "engine/format/engine_file.h"
#include "engine/format/plan_verify.h"

namespace mj {
namespace {

// y = relu(x) for x f32[N,3]: to the device, the kernel, back.
Plan device_plan() {
  const Shape shape = {Dim::symbol("N"), Dim(3)};
  Plan plan;
  plan.tensors = {{"x", PlanTensor::Kind::input, DType::f32, shape, kNoTensor, {}},
                  {"x there", PlanTensor::Kind::temporary, DType::f32, shape, kNoTensor, {}},
                  {"y there", PlanTensor::Kind::temporary, DType::f32, shape, kNoTensor, {}},
                  {"y", PlanTensor::Kind::temporary, DType::f32, shape, kNoTensor, {}}};
  plan.tensors[1].on_device = plan.tensors[2].on_device = true;
  Step kernel;
  kernel.inputs = {1};
  kernel.outputs = {2};
  kernel.problem.op = op("relu");
  kernel.problem.anchor_inputs = 1;
  kernel.problem.inputs = kernel.problem.outputs = {{DType::f32, shape, false}};
  kernel.choice.row = "pointwise_cuda";
  kernel.packed = {Tensor::zeros(DType::f32, {4})};
  using Kind = LaunchArg::Kind;
  const Dim count = Dim::symbol("N") * 3;
  const Launch launch{"relu",
                      {ceil_div(count, 256), 1, 1},
                      {256, 1, 1},
                      64,
                      {{Kind::input, 0, 0},
                       {Kind::output, 0, 0},
                       {Kind::packed, 0, 0},
                       {Kind::workspace, 0, 16},
                       {Kind::size, 0, count}},
                      true};
  kernel.device = DeviceCode{Tensor::zeros(DType::u8, {100}), {launch}, count * 4, {{0, 0}}};
  Step in, out;
  in.kind = out.kind = Step::Kind::copy;
  in.inputs = {0}, in.outputs = {1};
  out.inputs = {2}, out.outputs = {3};
  plan.steps = {in, kernel, out};
  plan.inputs = {0};
  plan.outputs = {3};
  return plan;
}

Manifest device_manifest() {
  Manifest manifest;
  const Type type = Type::tensor(DType::f32, {Dim::symbol("N"), Dim(3)});
  manifest.inputs = {{"x", type, 0}};
  manifest.outputs = {{"y", type, 0}};
  EngineTarget target;
  target.name = "cuda-sm90";
  target.plan = device_plan();
  manifest.targets = {target};
  return manifest;
}

Result<LoadedEngine> load_bytes(std::vector<std::byte> bytes) {
  auto owner = std::make_shared<Tensor>(Tensor::zeros(DType::u8, {static_cast<int64_t>(bytes.size())}));
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(owner->mutable_raw()));
  return read_engine("test", {static_cast<const std::byte*>(owner->raw()), bytes.size()}, owner);
}

TEST(DevicePlan, ComesBackAsItWasWritten) {
  const Manifest manifest = device_manifest();
  const Result<LoadedEngine> engine = load_bytes(engine_bytes(manifest, {}).value());
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  EXPECT_EQ(engine->manifest, manifest);
}

TEST(DevicePlan, MistakesAreRefused) {
  struct Case {
    const char* says;
    std::function<void(Plan&)> make;
  };
  const auto launch = [](Plan& plan) -> Launch& { return plan.steps[1].device->launches[0]; };
  const Case cases[] = {
      {"is not in the memory where it runs", [](Plan& p) { p.steps[1].inputs = {0}; }},
      {"is not in the memory where it runs", [](Plan& p) { p.steps[1].device.reset(); }},
      {"output list: tensor 2 is on the device", [](Plan& p) { p.outputs = {2}; }},
      {"cannot be on the device", [](Plan& p) { p.tensors[0].on_device = true; }},
      {"it has no code", [](Plan& p) { p.steps[1].device->code = Tensor::zeros(DType::u8, {0}); }},
      {"cannot share memory",
       [](Plan& p) {
         p.steps[1].device->in_place = {{1, 0}};
       }},
      {"nothing binds symbol 'M'", [](Plan& p) { p.steps[1].device->workspace_bytes = Dim::symbol("M"); }},
      {"it has no operand 1", [&](Plan& p) { launch(p).args[0].index = 1; }},
      {"it has no operand -1", [&](Plan& p) { launch(p).args[2].index = -1; }},
      {"nothing binds symbol 'M'", [&](Plan& p) { launch(p).args[4].value = Dim::symbol("M"); }},
      {"nothing binds symbol 'M'", [&](Plan& p) { launch(p).grid[1] = Dim::symbol("M"); }},
      {"0 threads", [&](Plan& p) { launch(p).block[1] = 0; }},
      {"2048 threads in a block",
       [&](Plan& p) {
         launch(p).block = {256, 8, 1};
       }},
      {"-1 bytes of shared memory", [&](Plan& p) { launch(p).shared_bytes = -1; }},
      {"a device runs kernels alone", [](Plan& p) { p.steps[1].alternative.emplace(); }},
  };
  ASSERT_TRUE(verify(device_plan()).ok());
  for (const Case& mistake : cases) {
    Plan plan = device_plan();
    mistake.make(plan);
    const Result<void> result = verify(plan);
    ASSERT_FALSE(result.ok()) << mistake.says;
    EXPECT_NE(result.error().message.find(mistake.says), std::string::npos) << result.error().message;
  }
}

// Whoever loads a file hashes its sections side by side, so large ones are followed by others.
TEST(DevicePlan, ManyConstantsFillSeveralSections) {
  Manifest manifest = device_manifest();
  std::vector<Tensor>& packed = manifest.targets[0].plan.steps[1].packed;
  for (int i = 0; i < 5; ++i) {
    packed.push_back(Tensor::zeros(DType::u8, {9 << 20}));
    packed.back().mutable_data<uint8_t>()[0] = static_cast<uint8_t>(i % 4);  // the last is the first again
  }
  const Result<LoadedEngine> engine = load_bytes(engine_bytes(manifest, {}).value());
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  EXPECT_EQ(engine->manifest, manifest);
  const auto sections = [&](SectionKind kind) {
    return std::count_if(engine->sections.begin(), engine->sections.end(),
                         [&](const Section& section) { return section.kind == kind; });
  };
  EXPECT_EQ(sections(SectionKind::weights), 2);
  EXPECT_EQ(sections(SectionKind::cubin), 1);
  const std::vector<Tensor>& loaded = engine->manifest.targets[0].plan.steps[1].packed;
  EXPECT_EQ(loaded[5].raw(), loaded[1].raw());
}

}  // namespace
}  // namespace mj
