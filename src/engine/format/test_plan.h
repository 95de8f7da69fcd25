// SPDX-License-Identifier: Apache-2.0
// A small manifest that holds one of everything. For tests and as the fuzz target's seed.
#pragma once

#include "engine/format/manifest.h"

namespace mj {

// y = op(x) for x f32[N,3].
inline Plan example_branch(const std::string& op_name) {
  const Shape shape = {Dim::symbol("N"), Dim(3)};
  Plan plan;
  plan.name = op_name;
  plan.tensors = {{"x", PlanTensor::Kind::input, DType::f32, shape, kNoTensor, {}},
                  {"y", PlanTensor::Kind::temporary, DType::f32, shape, kNoTensor, {}}};
  Step step;
  step.inputs = {0};
  step.outputs = {1};
  step.origin = {op_name + "_1"};
  step.problem.op = op(op_name);
  step.problem.anchor_inputs = 1;
  step.problem.inputs = step.problem.outputs = {{DType::f32, shape, false}};
  step.choice.row = "reference";
  plan.steps = {step};
  plan.inputs = {0};
  plan.outputs = {1};
  return plan;
}

// y = leaky_relu(relu(x * w)).
inline Step example_matmul(const Shape& x, const Shape& y) {
  Step step;
  step.inputs = {0, 1};
  step.outputs = {2};
  step.origin = {"dense_1", "relu_1"};
  step.problem.op = op("matmul");
  step.problem.anchor_inputs = 2;
  step.problem.inputs = {{DType::f32, x, false}, {DType::f32, {Dim(4), Dim(3)}, true}};
  step.problem.outputs = {{DType::f32, y, false}};
  step.problem.products = DType::bf16;
  step.problem.epilogue.params = {DType::f32};
  step.problem.epilogue.instructions = {{op("relu"), {0}, DType::f32},
                                        {op("leaky_relu", {{0, "alpha", 0.25f}}), {1}, DType::f32}};
  step.problem.epilogue.results = {2};
  step.choice.row = "gemm_packed";
  step.choice.version = 3;
  step.choice.config = "mr=6,nr=16";
  step.choice.candidates = {{"gemm_packed", "mr=6,nr=16", 1.5e-5, 1e-5, Joules{2e-4}, Joules{3e-4}},
                            {"reference", "", std::nullopt, 3e-3, std::nullopt}};
  step.choice.refused = {{"gemm_amx", "the CPU has no AMX"}};
  step.packed = {Tensor::of<uint8_t>({5}, std::vector<uint8_t>{1, 2, 3, 4, 5})};
  step.alternative = Alternative{"gemm_f32", 2, "mr=6", step.packed};
  return step;
}

// Of a loop: carries -x on, stacks x.
inline Plan example_body() {
  Plan plan = example_branch("neg");
  plan.tensors.insert(plan.tensors.begin(), {"i", PlanTensor::Kind::input, DType::i64, Shape{}, kNoTensor, {}});
  plan.tensors.push_back({"go_on", PlanTensor::Kind::constant, DType::boolean, Shape{}, kNoTensor, {}});
  plan.tensors.back().constant = Tensor::scalar<bool>(true);
  plan.steps[0].inputs = {1};
  plan.steps[0].outputs = {2};
  plan.inputs = {0, 1};
  plan.outputs = {3, 2, 1};
  return plan;
}

inline Plan example_plan() {
  const Dim n = Dim::symbol("N");
  const Shape x = {n, Dim(4)}, y = {n, Dim(3)};
  Plan plan;
  plan.name = "example";
  const auto tensor = [&](std::string name, PlanTensor::Kind kind, DType dtype, std::optional<Shape> shape) {
    plan.tensors.push_back({std::move(name), kind, dtype, std::move(shape), kNoTensor, {}});
  };
  tensor("x", PlanTensor::Kind::input, DType::f32, x);                                            // 0
  tensor("w", PlanTensor::Kind::constant, DType::f32, Shape{Dim(4), Dim(3)});                     // 1
  tensor("y", PlanTensor::Kind::temporary, DType::f32, y);                                        // 2
  tensor("flat", PlanTensor::Kind::alias, DType::f32, Shape{n * Dim(3)});                         // 3
  tensor("which", PlanTensor::Kind::constant, DType::boolean, Shape{});                           // 4
  tensor("z", PlanTensor::Kind::temporary, DType::f32, y);                                        // 5
  tensor("copy", PlanTensor::Kind::temporary, DType::f32, y);                                     // 6
  tensor("labels", PlanTensor::Kind::constant, DType::string, Shape{Dim(2)});                     // 7
  tensor("parts", PlanTensor::Kind::temporary, DType::f32, y);                                    // 8
  tensor("most", PlanTensor::Kind::constant, DType::i64, Shape{});                                // 9
  tensor("last", PlanTensor::Kind::temporary, DType::f32, y);                                     // 10
  tensor("all", PlanTensor::Kind::temporary, DType::f32, Shape{Dim::symbol("loop"), n, Dim(3)});  // 11
  plan.tensors[8].form = Type::Kind::sequence;
  plan.tensors[9].constant = Tensor::scalar<int64_t>(3);
  plan.tensors[1].constant = Tensor::of<float>({4, 3}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  plan.tensors[3].alias_of = 2;
  plan.tensors[4].constant = Tensor::scalar<bool>(true);
  plan.tensors[7].constant = Tensor::strings({2}, {"cat", "dog"});

  Step branch;
  branch.kind = Step::Kind::branch;
  branch.inputs = {4, 2};
  branch.outputs = {5};
  branch.branches = {std::make_shared<const Plan>(example_branch("neg")),
                     std::make_shared<const Plan>(example_branch("abs"))};
  Step copy;
  copy.kind = Step::Kind::copy;
  copy.inputs = {5};
  copy.outputs = {6};
  Step check;
  check.kind = Step::Kind::check;
  check.left = n * Dim(3);
  check.right = Dim(6);
  check.message = "N must be 2";
  Step sequence;
  sequence.inputs = {6};
  sequence.outputs = {8};
  sequence.problem.op = op("sequence_construct");
  sequence.problem.anchor_inputs = 1;
  sequence.problem.inputs = {{DType::f32, y, false}};
  sequence.problem.outputs = {{DType::f32, y, false, Type::Kind::sequence}};
  sequence.choice.row = "reference";
  Step loop;
  loop.kind = Step::Kind::loop;
  loop.inputs = {9, kNoTensor, 5};
  loop.outputs = {10, 11};
  loop.branches = {std::make_shared<const Plan>(example_body())};
  loop.carried = 1;
  plan.steps = {example_matmul(x, y), branch, copy, check, sequence, loop};
  plan.inputs = {0};
  plan.outputs = {6, 3, 7};
  return plan;
}

inline Manifest example_manifest() {
  const Dim n = Dim::symbol("N");
  Manifest manifest;
  manifest.inputs = {{"x", Type::tensor(DType::f32, {n, Dim(4)}), 0}};
  manifest.outputs = {{"copy", Type::tensor(DType::f32, {n, Dim(3)}), 0},
                      {"flat", Type::tensor(DType::f32, {n * Dim(3)}), 0},
                      {"labels", Type::tensor(DType::string, {Dim(2)}), 0}};
  manifest.profiles = {{"default", {{"N", 1, 2, 8}}}};
  manifest.targets = {
      {"cpu-avx2", {"avx2", "fma"}, "fp32", {true, 16, "test machine", "O0", 1e-6, 1e-4}, 4096, example_plan()},
      {"cpu-portable", {}, "fp32", {}, std::nullopt, example_plan()}};
  manifest.provenance = {sha256({}), "example.onnx", "millijoule", "0.1.0", "--precision fp32", 7};
  manifest.accuracy = AccuracyCard{"top-1", 100, 0.75, 0.74, 0.01, true, {"dense_1"}, {"synthetic calibration"}};
  manifest.samples = {{{Tensor::of<float>({2, 4}, std::vector<float>(8, 1.0f))},
                       {Tensor::of<float>({2, 3}, std::vector<float>(6, 2.0f)),
                        Tensor::of<float>({6}, std::vector<float>(6, 2.0f)), Tensor::strings({2}, {"cat", "dog"})}}};
  return manifest;
}

inline Measurements example_measurements() {
  return {{{"cpu-avx2", "x: f32[2,4]", 2, 1.7e-5, std::nullopt, "", Joules{2.1e-4}, "200 runs after 20 to warm up",
            "test machine", "2026-01-02T03:04:05Z"}}};
}

}  // namespace mj
