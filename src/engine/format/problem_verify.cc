// SPDX-License-Identifier: Apache-2.0
#include "engine/format/problem_verify.h"

#include <algorithm>
#include <string>

namespace mj {
namespace {

constexpr std::string_view kUnknown = "?";  // begins the names of dims that only running can tell

Result<std::vector<ValueInfo>> infer(const Op& op, std::span<const ValueInfo> inputs, size_t outputs) {
  int symbols = 0;
  InferContext context{.op = op.name(), .inputs = inputs, .outputs = static_cast<int>(outputs), .fresh = {}};
  context.fresh = [&](std::string_view) { return Dim::symbol(fmt::format("{}{}", kUnknown, symbols++)); };
  MJ_ASSIGN(std::vector<ValueInfo> result, op.infer(context));
  if (result.size() < outputs) return model_error("{} has {} outputs, not {}", op.name(), result.size(), outputs);
  return result;
}

size_t result_count(const Problem& problem) { return problem.epilogue.results.empty() ? problem.outputs.size() : 1; }

Result<void> check_split(const Problem& problem) {
  const Body& body = problem.epilogue;
  const auto inputs = static_cast<int>(problem.inputs.size());
  const bool has_anchor = static_cast<bool>(problem.op), has_body = !body.results.empty();
  if (problem.anchor_inputs < 0 || problem.anchor_inputs > inputs || (!has_anchor && problem.anchor_inputs != 0) ||
      (!has_body && (!has_anchor || problem.anchor_inputs != inputs || !body.instructions.empty()))) {
    return model_error("{} of its {} inputs belong to operator '{}', and its body has {} results",
                       problem.anchor_inputs, inputs, problem.op.name(), body.results.size());
  }
  return {};
}

Result<void> check_body(const Body& body) {
  const std::string wrong = verify(body);
  if (!wrong.empty()) return model_error("body: {}", wrong);
  for (size_t i = 0; i < body.instructions.size(); ++i) {
    const BodyInstruction& instruction = body.instructions[i];
    std::vector<ValueInfo> args;
    for (int arg : instruction.args) args.push_back(ValueInfo::of(Type::tensor(body.dtype(arg), {})));
    MJ_ASSIGN(const std::vector<ValueInfo> result, infer(instruction.op, args, 1));
    if (result[0].type.dtype != instruction.dtype || element_count(result[0].type.shape.value_or(Shape())) != Dim(1)) {
      return model_error("body: instruction {} ({}) does not give one {}", i, instruction.op.name(),
                         name(instruction.dtype));
    }
  }
  return {};
}

// The dims that the body computes on, which are those of all its results.
Result<std::optional<Shape>> body_shape(const Problem& problem, std::span<const ValueInfo> extra,
                                        const std::optional<Type>& anchor) {
  const Body& body = problem.epilogue;
  const size_t first = anchor ? 1 : 0;
  if (body.params.size() != first + extra.size() || body.results.size() != problem.outputs.size()) {
    return model_error("a body of {} parameters and {} results for {} inputs and {} outputs", body.params.size(),
                       body.results.size(), first + extra.size(), problem.outputs.size());
  }
  if (anchor && anchor->dtype != body.params[0])
    return model_error("the body's parameter 0 is not what the anchor gives");
  std::optional<Shape> shape = anchor ? anchor->shape : Shape();
  for (size_t i = 0; i < extra.size(); ++i) {
    const Type& type = extra[i].type;
    if (type.dtype != body.params[first + i]) return model_error("the body's parameter {} is not its input", first + i);
    if (!shape || !type.shape) {
      shape.reset();
      continue;
    }
    MJ_ASSIGN(Shape both, broadcast_shapes(*shape, *type.shape));
    if (anchor && both.size() != shape->size())
      return model_error("input {} has more dims than the anchor's result", i);
    if (!anchor) shape = std::move(both);
  }
  return shape;
}

bool knowable(const Dim& dim) {
  for (const std::string& symbol : dim.symbols()) {
    if (symbol.starts_with(kUnknown)) return false;
  }
  return dim.valid();
}

Result<void> check_result(const Type& given, const Type& wanted, size_t output) {
  bool fits = given.dtype == wanted.dtype && given.kind == wanted.kind;
  if (given.shape && wanted.shape) {
    fits &= given.shape->size() == wanted.shape->size();
    for (size_t i = 0; fits && i < given.shape->size(); ++i) {
      const Dim &a = (*given.shape)[i], &b = (*wanted.shape)[i];
      fits = !knowable(a) || equal(a, b) != Tri::no;
    }
  }
  if (fits) return {};
  return model_error("output {} is {}, and the operator gives {}", output, to_string(wanted), to_string(given));
}

}  // namespace

Result<void> verify(const Problem& problem) {
  MJ_TRY(check_split(problem));
  return problem.epilogue.results.empty() ? Result<void>() : check_body(problem.epilogue);
}

Result<void> verify_types(const Problem& problem, std::span<const ValueInfo> inputs, std::span<const Type> outputs) {
  const auto anchor_inputs = static_cast<size_t>(problem.anchor_inputs);
  const bool has_body = !problem.epilogue.results.empty();
  std::vector<Type> results;
  std::optional<Type> anchor;
  if (problem.op) {
    MJ_ASSIGN(const auto inferred, infer(problem.op, inputs.first(anchor_inputs), result_count(problem)));
    for (const ValueInfo& info : inferred) results.push_back(info.type);
    if (has_body) anchor = results[0];
  }
  if (has_body) {
    MJ_ASSIGN(const std::optional<Shape> shape, body_shape(problem, inputs.subspan(anchor_inputs), anchor));
    results.clear();
    for (int value : problem.epilogue.results) {
      results.push_back({Type::Kind::tensor, problem.epilogue.dtype(value), shape});
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].dtype != DType::none) MJ_TRY(check_result(results[i], outputs[i], i));
  }
  return {};
}

bool dims_decide(const Problem& problem) {
  if (!problem.op) return true;
  std::vector<ValueInfo> inputs;
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    inputs.push_back(ValueInfo::of(problem.inputs[static_cast<size_t>(i)].type()));
  }
  const Result<std::vector<ValueInfo>> results = infer(problem.op, inputs, result_count(problem));
  return results.ok() && std::all_of(results->begin(), results->end(), [](const ValueInfo& info) {
           const std::optional<Shape>& shape = info.type.shape;
           return shape && std::all_of(shape->begin(), shape->end(), knowable);
         });
}

}  // namespace mj
