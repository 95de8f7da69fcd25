// SPDX-License-Identifier: Apache-2.0
// Plans by hand, every kernel the reference. For tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/format/manifest.h"
#include "runtime/session.h"

namespace mj {

inline const Dim kN = Dim::symbol("N");

class PlanBuilder {
 public:
  int input(const std::string& name, const Shape& shape, DType dtype = DType::f32) {
    const int id = add(name, PlanTensor::Kind::input, dtype, shape);
    plan.inputs.push_back(id);
    return id;
  }
  int constant(Tensor value) {
    const int id = add("c", PlanTensor::Kind::constant, value.dtype(), Shape(value.dims().begin(), value.dims().end()));
    plan.tensors.back().constant = std::move(value);
    return id;
  }
  // Sequences, optionals.
  int input(const std::string& name, const Type& type) {
    const int id = add(name, PlanTensor::Kind::input, type.dtype, type.shape);
    plan.tensors.back().form = type.kind;
    plan.inputs.push_back(id);
    return id;
  }
  int temporary(const Type& type) {
    const int id = temporary(type.shape, type.dtype);
    plan.tensors.back().form = type.kind;
    return id;
  }
  int temporary(std::optional<Shape> shape, DType dtype = DType::f32) {
    return add("t" + std::to_string(plan.tensors.size()), PlanTensor::Kind::temporary, dtype, std::move(shape));
  }
  int alias(int of, const Shape& shape) {
    const DType dtype = plan.tensors[static_cast<size_t>(of)].dtype;
    const int id = add("a" + std::to_string(plan.tensors.size()), PlanTensor::Kind::alias, dtype, shape);
    plan.tensors.back().alias_of = of;
    return id;
  }

  void kernel(const Op& op, const std::vector<int>& inputs, const std::vector<int>& outputs) {
    Step& step = add(Step::Kind::kernel, inputs, outputs);
    step.origin = {std::string(op.name()) + "_" + std::to_string(plan.steps.size())};
    step.problem.op = op;
    step.problem.anchor_inputs = static_cast<int>(inputs.size());
    for (int id : inputs) step.problem.inputs.push_back(operand(id));
    for (int id : outputs) step.problem.outputs.push_back(operand(id));
    step.choice.row = "reference";
  }
  // f(x) or f(x, y) of x's type and shape, into a new temporary.
  int map(const std::string& op_name, const std::vector<int>& inputs) {
    const PlanTensor first = plan.tensors[static_cast<size_t>(inputs[0])];
    const int out = temporary(first.shape, first.dtype);
    kernel(op(op_name), inputs, {out});
    return out;
  }
  void branch(const std::vector<int>& inputs, const std::vector<int>& outputs, Plan then, Plan otherwise) {
    add(Step::Kind::branch, inputs, outputs).branches = {std::make_shared<const Plan>(std::move(then)),
                                                         std::make_shared<const Plan>(std::move(otherwise))};
  }
  // inputs: most, condition, carried, captured.
  void loop(int carried, const std::vector<int>& inputs, const std::vector<int>& outputs, Plan body) {
    Step& step = add(Step::Kind::loop, inputs, outputs);
    step.branches = {std::make_shared<const Plan>(std::move(body))};
    step.carried = carried;
  }
  void copy(int from, int to) { add(Step::Kind::copy, {from}, {to}); }
  void check(const Dim& left, const Dim& right, const std::string& message) {
    Step& step = add(Step::Kind::check, {}, {});
    step.left = left;
    step.right = right;
    step.message = message;
  }

  Plan finish(const std::vector<int>& outputs) {
    plan.outputs = outputs;
    return plan;
  }

  Plan plan;

 private:
  int add(std::string name, PlanTensor::Kind kind, DType dtype, std::optional<Shape> shape) {
    plan.tensors.push_back({std::move(name), kind, dtype, std::move(shape), kNoTensor, {}});
    return static_cast<int>(plan.tensors.size()) - 1;
  }
  Step& add(Step::Kind kind, const std::vector<int>& inputs, const std::vector<int>& outputs) {
    Step& step = plan.steps.emplace_back();
    step.kind = kind;
    step.inputs = inputs;
    step.outputs = outputs;
    return step;
  }
  Operand operand(int id) const {
    if (id == kNoTensor) return {};
    const PlanTensor& tensor = plan.tensors[static_cast<size_t>(id)];
    return {tensor.dtype, tensor.shape.value_or(Shape{any_dim()}), tensor.kind == PlanTensor::Kind::constant,
            tensor.form};
  }
};

inline std::shared_ptr<const Program> program_of(Plan plan) {
  return Program::make(std::make_shared<const Plan>(std::move(plan)), Isa::portable).value();
}

inline Tensor floats(std::vector<int64_t> dims, const std::vector<float>& values) {
  return Tensor::of<float>(std::move(dims), values);
}

// y = op(x) for x f32[N,3], as an engine for any machine that claims to be verified.
inline Manifest small_manifest(const std::string& op_name = "relu") {
  const Shape shape = {Dim::symbol("N"), Dim(3)};
  PlanBuilder builder;
  const int y = builder.map(op_name, {builder.input("x", shape)});
  Manifest manifest;
  manifest.inputs = {{"x", Type::tensor(DType::f32, shape), 0}};
  manifest.outputs = {{"y", Type::tensor(DType::f32, shape), 0}};
  EngineTarget target;
  target.name = "cpu-portable";
  target.precision = "fp32";
  target.verification = {true, 1, "test machine", "by hand", 0, 1e-4};
  target.plan = builder.finish({y});
  manifest.targets = {target};
  manifest.provenance.producer = "millijoule";
  return manifest;
}

}  // namespace mj
