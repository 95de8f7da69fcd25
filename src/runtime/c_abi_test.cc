// SPDX-License-Identifier: Apache-2.0
// Drives the shared library through its C interface and the C++ wrapper, as a user would.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <thread>

#include "engine/format/engine_file.h"
#include "engine/format/test_plan.h"
#include "millijoule/millijoule.hpp"

namespace {

// y = -x and z = |x| for x f32[N,3].
mj::Manifest manifest() {
  const mj::Shape shape = {mj::Dim::symbol("N"), mj::Dim(3)};
  mj::Manifest manifest;
  manifest.inputs = {{"x", mj::Type::tensor(mj::DType::f32, shape), 0}};
  manifest.outputs = {{"y", mj::Type::tensor(mj::DType::f32, shape), 0},
                      {"z", mj::Type::tensor(mj::DType::f32, {shape[0] * mj::Dim(3)}), 0}};
  mj::EngineTarget target;
  target.name = "cpu-portable";
  target.precision = "fp32";
  target.verification = {true, 1, "test machine", "by hand", 0, 1e-4};
  target.plan = mj::example_branch("neg");
  mj::Plan& plan = target.plan;
  plan.tensors.push_back(plan.tensors[1]);
  plan.tensors.back().name = "z";
  plan.steps.push_back(mj::example_branch("abs").steps[0]);
  plan.steps.back().outputs = {2};
  plan.tensors.push_back(
      {"flat", mj::PlanTensor::Kind::alias, mj::DType::f32, mj::Shape{shape[0] * mj::Dim(3)}, 2, {}});
  plan.outputs = {1, 3};
  manifest.targets = {target};
  manifest.provenance.producer = "millijoule";
  return manifest;
}

class CAbi : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() / ("mj_c_abi_" + std::to_string(::getpid()) + ".engine")).string();
    ASSERT_TRUE(mj::write_engine(path_, manifest(), {}).ok());
  }
  void TearDown() override { std::filesystem::remove(path_); }

  static mj_tensor input(std::vector<float>& values) {
    mj_tensor tensor = MJ_TENSOR_INIT;
    tensor.dtype = MJ_F32;
    tensor.rank = 2;
    tensor.dims[0] = static_cast<int64_t>(values.size()) / 3;
    tensor.dims[1] = 3;
    tensor.data = values.data();
    tensor.bytes = values.size() * sizeof(float);
    return tensor;
  }
  // "CODE: message" of a status, which is freed.
  static std::string text(mj_status* status) {
    const std::string text = std::to_string(mj_status_code(status)) + ": " + mj_status_message(status);
    mj_status_free(status);
    return text;
  }

  std::string path_;
};

TEST_F(CAbi, SequencesAreRefusedByName) {
  mj::Manifest with = manifest();
  mj::Plan& plan = with.targets[0].plan;
  with.outputs.push_back({"s", mj::Type::sequence(with.inputs[0].type), 0});
  plan.tensors.push_back(
      {"s", mj::PlanTensor::Kind::temporary, mj::DType::f32, plan.tensors[0].shape, -1, {}, mj::Type::Kind::sequence});
  plan.steps.push_back(mj::example_branch("abs").steps[0]);
  mj::Step& step = plan.steps.back();
  step.problem.op = mj::op("sequence_construct");
  step.problem.outputs[0].kind = mj::Type::Kind::sequence;
  step.outputs = {static_cast<int>(plan.tensors.size()) - 1};
  plan.outputs.push_back(step.outputs[0]);
  ASSERT_TRUE(mj::write_engine(path_, with, {}).ok());
  mj_engine* engine = nullptr;
  ASSERT_EQ(text(mj_engine_load(path_.c_str(), nullptr, &engine)), "0: ");
  mj_port port = MJ_PORT_INIT;
  EXPECT_EQ(text(mj_engine_output(engine, 2, &port)),
            "3: port 's' is seq(f32[N,3]): sequences and optionals do not cross the C interface");
  std::vector<float> values(3, 1.0f);
  const mj_tensor in = input(values);
  mj_tensor out = MJ_TENSOR_INIT;
  out.index = 2;
  EXPECT_EQ(text(mj_engine_run(engine, &in, 1, &out, 1, nullptr)),
            "3: output 's': sequences and optionals do not cross the C interface");
  out.index = 0;
  EXPECT_EQ(text(mj_engine_run(engine, &in, 1, &out, 1, nullptr)), "0: ") << "the others still do";
  mj_tensor_release(&out);
  mj_engine_free(engine);
}

TEST_F(CAbi, NamesItsVersionAndTypes) {
  EXPECT_STREQ(mj_version(), MJ_VERSION);
  EXPECT_EQ(mj_abi_version(), MJ_ABI_VERSION);
  EXPECT_STREQ(mj_dtype_name(MJ_BF16), "bf16");
  EXPECT_STREQ(mj_dtype_name(99), "none");
  EXPECT_EQ(mj_dtype_bytes(MJ_I64), 8u);
  EXPECT_EQ(mj_dtype_bytes(-1), 0u);
}

TEST_F(CAbi, SaysWhyAPluginIsNotLoaded) {
  EXPECT_EQ(text(mj_plugin_load(nullptr)), "2: path is NULL");
  EXPECT_TRUE(text(mj_plugin_load("/absent/plugin.so")).starts_with("4: ")) << "and which file it was";
  EXPECT_THROW(millijoule::load_plugin("/absent/plugin.so"), millijoule::Error);
}

TEST_F(CAbi, DescribesThePorts) {
  const millijoule::Engine engine(path_);
  EXPECT_EQ(engine.target(), "cpu-portable");
  const std::vector<millijoule::Port> inputs = engine.inputs(), outputs = engine.outputs();
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_EQ(inputs[0].name, "x");
  EXPECT_EQ(inputs[0].dims, (std::vector<int64_t>{-1, 3}));
  EXPECT_EQ(inputs[0].symbols, (std::vector<std::string>{"N", ""}));
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[1].symbols, (std::vector<std::string>{"3*N"}));
}

TEST_F(CAbi, RunsAndAllocatesOutputsThatOutliveTheEngine) {
  std::vector<millijoule::Output> outputs;
  {
    millijoule::Engine engine(path_);
    const std::vector<float> x = {1, -2, 3, 4, 5, 6};
    outputs = engine.run({millijoule::input<float>("x", {2, 3}, x)});
  }
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].dims()[0], 2);
  EXPECT_EQ(outputs[0].data<float>()[1], 2);
  EXPECT_EQ(outputs[1].dims().size(), 1u);
  EXPECT_EQ(outputs[1].data<float>()[1], 2);
  EXPECT_EQ(outputs[1].data<float>()[5], 6);
  EXPECT_THROW(outputs[0].data<int64_t>(), millijoule::Error);
}

TEST_F(CAbi, WritesIntoTheCallersMemoryAlignedOrNot) {
  millijoule::Engine engine(path_);
  std::vector<float> x = {1, 2, 3};
  std::array<std::byte, 64> memory = {};
  for (const size_t shift : {0u, 1u}) {
    const mj_tensor in = input(x);
    mj_tensor out = MJ_TENSOR_INIT;
    out.name = "z";
    auto* start = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(memory.data()) + 3) / 4 * 4);
    out.data = start + shift;
    out.bytes = 20;
    engine.run_into({&in, 1}, {&out, 1});
    EXPECT_EQ(out.data, start + shift);
    EXPECT_EQ(out.bytes, 12u);
    EXPECT_EQ(out.rank, 1);
    EXPECT_EQ(out.owner, nullptr);
    EXPECT_EQ(std::memcmp(out.data, x.data(), 12), 0);
  }
}

TEST_F(CAbi, TakesInputsAtAnyAddress) {
  millijoule::Engine engine(path_);
  std::array<std::byte, 32> memory = {};
  std::vector<float> x = {1, 2, 3};
  for (const size_t shift : {0u, 1u, 2u, 3u}) {
    std::memcpy(memory.data() + shift, x.data(), 12);
    mj_tensor in = input(x);
    in.data = memory.data() + shift;
    EXPECT_EQ(engine.run({in})[1].data<float>()[2], 3);
  }
}

TEST_F(CAbi, SaysWhatIsWrong) {
  mj_engine* engine = nullptr;
  EXPECT_EQ(text(mj_engine_load(nullptr, nullptr, &engine)), "2: path or engine is NULL");
  EXPECT_EQ(text(mj_engine_load("/no/such.engine", nullptr, &engine)).substr(0, 2), "4:");
  EXPECT_EQ(engine, nullptr);
  mj_load_options options = MJ_LOAD_OPTIONS_INIT;
  options.struct_size = 4;
  EXPECT_NE(text(mj_engine_load(path_.c_str(), &options, &engine)).find("struct_size is 4"), std::string::npos);
  ASSERT_EQ(text(mj_engine_load(path_.c_str(), nullptr, &engine)), "0: ");

  std::vector<float> x = {1, 2, 3};
  mj_tensor out = MJ_TENSOR_INIT;
  auto run = [&](const mj_tensor& in) { return text(mj_engine_run(engine, &in, 1, &out, 1, nullptr)); };
  mj_tensor in = input(x);
  in.name = "w";
  EXPECT_EQ(run(in), "2: no input 'w'; there are: 'x'");
  in = input(x);
  in.index = 1;
  EXPECT_EQ(run(in), "2: input 1: the engine has 1");
  in = input(x);
  in.bytes = 8;
  EXPECT_EQ(run(in), "2: input 'x': 8 bytes given, f32[1,3] has 12");
  in = input(x);
  in.dims[0] = -1;
  EXPECT_EQ(run(in).substr(0, 2), "1:");
  in = input(x);
  in.rank = 99;
  EXPECT_EQ(run(in), "2: input 'x': rank 99 is not in [0, 16]");
  in = input(x);
  in.dtype = 77;
  EXPECT_EQ(run(in), "2: input 'x': 77 is no element type");
  in = input(x);
  in.dtype = MJ_I32;
  EXPECT_EQ(run(in), "1: input 'x': got i32, expected f32[N,3]");
  in = input(x);
  in.dims[0] = 3;
  in.dims[1] = 1;
  EXPECT_EQ(run(in), "1: input 'x': got shape [3,1], expected [N,3]: dimension 1 must be 3");
  EXPECT_EQ(text(mj_engine_run(engine, nullptr, 0, &out, 1, nullptr)), "2: input 'x' is missing");
  EXPECT_EQ(out.data, nullptr);
  in = input(x);
  out.data = x.data();
  out.bytes = 4;
  EXPECT_EQ(run(in), "2: output 'y': 12 bytes, the memory given has 4");
  const std::array<mj_tensor, 2> twice = {input(x), input(x)};
  EXPECT_EQ(text(mj_engine_run(engine, twice.data(), 2, nullptr, 0, nullptr)), "2: input 'x' is given twice");
  mj_engine_free(engine);
}

TEST_F(CAbi, CancelsARun) {
  millijoule::Engine engine(path_);
  millijoule::Cancel cancel;
  cancel.request();
  const std::vector<float> x = {1, 2, 3};
  EXPECT_THROW(engine.run({millijoule::input<float>("x", {1, 3}, x)}, &cancel), millijoule::Error);
  cancel.reset();
  EXPECT_EQ(engine.run({millijoule::input<float>("x", {1, 3}, x)}, &cancel).size(), 2u);
}

TEST_F(CAbi, WarmsAndReportsMemory) {
  millijoule::Engine engine(path_);
  mj_tensor shape = MJ_TENSOR_INIT;
  shape.name = "x";
  shape.rank = 2;
  shape.dims[0] = 8;
  shape.dims[1] = 3;
  const mj_memory memory = engine.warm({&shape, 1});
  EXPECT_EQ(memory.file_bytes, static_cast<int64_t>(std::filesystem::file_size(path_)));
  EXPECT_EQ(memory.arena_bytes, 0);  // both temporaries are outputs
}

TEST_F(CAbi, OneEngineServesManyThreads) {
  millijoule::Engine engine(path_);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::vector<float> x(3, static_cast<float>(t));
      for (int i = 0; i < 20; ++i) {
        wrong += engine.run({millijoule::input<float>("x", {1, 3}, x)})[0].data<float>()[2] != -static_cast<float>(t);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
