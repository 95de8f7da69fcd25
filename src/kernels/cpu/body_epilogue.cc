// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/body_epilogue.h"

#include <algorithm>
#include <limits>

#include "ops/clip.h"
#include "problem/anchor.h"

namespace mj::cpu {
namespace {

// One number for each index of the last axis, broadcast along all others.
bool is_per_column(const Shape& shape, const Shape& out) {
  if (shape.empty() || out.empty() || shape.size() > out.size() || equal(shape.back(), out.back()) != Tri::yes)
    return false;
  return std::all_of(shape.begin(), shape.end() - 1, [](const Dim& dim) { return dim.constant() == 1; });
}

// The only instruction that reads `value`, or -1; a result of the body is also read by its node.
int only_reader(const Body& body, int value) {
  if (std::find(body.results.begin(), body.results.end(), value) != body.results.end()) return -1;
  int reader = -1;
  for (size_t i = 0; i < body.instructions.size(); ++i) {
    for (int arg : body.instructions[i].args) {
      if (arg != value) continue;
      if (reader >= 0) return -1;
      reader = static_cast<int>(i);
    }
  }
  return reader;
}

// Makes the result of instruction `i` the body's parameter 0.
void replace_anchor(Body& body, int i) {
  const int params = static_cast<int>(body.params.size()), removed = params + i;
  const auto renumber = [&](int value) { return value == removed ? 0 : value > removed ? value - 1 : value; };
  body.instructions.erase(body.instructions.begin() + i);
  for (BodyInstruction& instruction : body.instructions)
    for (int& arg : instruction.args) arg = renumber(arg);
  for (int& result : body.results) result = renumber(result);
}

}  // namespace

std::optional<std::string> BodyEpilogue::refuses(const Problem& problem) {
  const Body& body = problem.epilogue;
  if (body.empty()) return std::nullopt;
  if (std::optional<std::string> reason = TileProgram::refuses(body)) return "epilogue: " + *reason;
  if (body.params[0] != DType::f32 || problem.outputs[0].dtype != DType::f32) {
    return "the epilogue's first result does not stand where the anchor's f32 result does";
  }
  const std::optional<Type> anchor = anchor_type(problem);
  const bool told = anchor && anchor->shape && anchor->dtype == DType::f32;
  for (const Operand& output : problem.outputs) {
    if (!told || !same_shape(*anchor->shape, output.shape)) return "the epilogue broadcasts the anchor's result";
  }
  return std::nullopt;
}

BodyEpilogue::BodyEpilogue(const Problem& problem, Isa isa, EpilogueFields fields)
    : anchor_inputs_(problem.anchor_inputs), empty_(problem.epilogue.empty()) {
  if (empty_) return;
  Body body = problem.epilogue;
  take_fields(problem, fields, body);
  if (!body.empty() || body.results.size() > 1) program_.emplace(body, isa);
}

void BodyEpilogue::take_fields(const Problem& problem, EpilogueFields fields, Body& body) {
  if (fields == EpilogueFields::none) return;
  const Shape& out = problem.outputs[0].shape;
  while (!clip_) {
    const int reader = only_reader(body, 0);
    if (reader < 0) return;
    const BodyInstruction& instruction = body.instructions[static_cast<size_t>(reader)];
    if (fields == EpilogueFields::bias && (bias_ >= 0 || !instruction.op.is("add"))) return;
    if (instruction.op.is("relu")) {
      lo_ = 0;
      hi_ = std::numeric_limits<float>::infinity();
      clip_ = true;
    } else if (const Clip* clip = instruction.op.get_if<Clip>(); clip && clip->min <= clip->max) {
      lo_ = clip->min;
      hi_ = clip->max;
      clip_ = true;
    } else if (instruction.op.is("add")) {
      // The kernels add the bias before the residual: another order would round differently.
      const int other = instruction.args[0] == 0 ? instruction.args[1] : instruction.args[0];
      if (other >= static_cast<int>(body.params.size()) || body.dtype(other) != DType::f32) return;
      const Shape& shape = problem.inputs[static_cast<size_t>(anchor_inputs_ + other - 1)].shape;
      if (fields != EpilogueFields::no_bias && bias_ < 0 && residual_ < 0 && is_per_column(shape, out)) {
        bias_ = other;
      } else if (fields != EpilogueFields::bias && residual_ < 0 && same_shape(shape, out)) {
        residual_ = other;
      } else {
        return;
      }
    } else {
      return;
    }
    replace_anchor(body, reader);
  }
}

Result<BodyEpilogue::Bound> BodyEpilogue::bind(std::span<const TensorRef> inputs,
                                               std::span<const TensorRef> outputs) const {
  Bound bound;
  if (empty_) return bound;
  const std::span<const int64_t> dims = outputs[0].dims;
  bound.columns_ = dims.empty() ? 1 : dims.back();
  const auto param = [&](int i) { return inputs[static_cast<size_t>(anchor_inputs_ + i - 1)]; };
  if (bias_ >= 0) bound.fields_.bias = param(bias_).as<const float>();
  if (residual_ >= 0) {
    bound.fields_.residual = param(residual_).as<const float>();
    bound.fields_.ld_residual = bound.columns_;
  }
  bound.fields_.clip = clip_;
  bound.fields_.lo = lo_;
  bound.fields_.hi = hi_;
  if (!program_) return bound;
  std::vector<TensorRef> params(1);
  for (int i = 1; i < program_->params(); ++i) params.push_back(param(i));
  MJ_ASSIGN(bound.binding_, TileBinding::bind(*program_, dims, params, outputs, true));
  return bound;
}

Epilogue BodyEpilogue::Bound::epilogue() const {
  Epilogue epilogue = fields_;
  if (!binding_) return epilogue;
  epilogue.callback = [](void* context, float* values, int64_t row, int64_t col, int64_t n) {
    const auto& self = *static_cast<const Bound*>(context);
    const int64_t begin = row * self.columns_ + col;
    self.binding_->run_on(values, begin, begin + n);
  };
  epilogue.context = const_cast<Bound*>(this);
  return epilogue;
}

}  // namespace mj::cpu
