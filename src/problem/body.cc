// SPDX-License-Identifier: Apache-2.0
#include "problem/body.h"

#include <fmt/format.h>

#include "base/shape.h"

namespace mj {

DType Body::dtype(int value) const {
  const auto index = static_cast<size_t>(value);
  return index < params.size() ? params[index] : instructions[index - params.size()].dtype;
}

int Body::append(Op op, std::vector<int> args) {
  std::vector<ValueInfo> infos;
  for (int arg : args) infos.push_back(ValueInfo::of(Type::tensor(dtype(arg), {})));
  InferContext context{op.name(), infos, 1, nullptr};
  InferResult inferred = op.infer(context);
  CHECK(inferred.ok(), "a body got a wrong instruction: {}", inferred.error().message);
  const DType result = (*inferred)[0].type.dtype;
  instructions.push_back({std::move(op), std::move(args), result});
  return values() - 1;
}

std::string to_string(const Body& body) {
  std::string out = "(";
  for (size_t i = 0; i < body.params.size(); ++i) {
    out += fmt::format("{}%{}: {}", i ? ", " : "", i, name(body.params[i]));
  }
  out += ") {";
  int value = static_cast<int>(body.params.size());
  for (const BodyInstruction& instruction : body.instructions) {
    std::string args;
    for (int arg : instruction.args) args += fmt::format("{}%{}", args.empty() ? "" : ", ", arg);
    const std::string op = to_string(instruction.op);  // "name {fields}" or "name"
    const size_t space = op.find(' ');
    out += fmt::format(" %{} = {}({}){};", value++, op.substr(0, space), args,
                       space == std::string::npos ? "" : op.substr(space));
  }
  std::string results;
  for (int result : body.results) results += fmt::format("{}%{}", results.empty() ? "" : ", ", result);
  return out + " return " + results + " }";
}

std::string verify(const Body& body) {
  int value = static_cast<int>(body.params.size());
  for (const BodyInstruction& instruction : body.instructions) {
    if (!instruction.op) return fmt::format("%{} has no operator", value);
    const bool is_constant = instruction.op.is("constant");
    if (!is_constant && !instruction.op.info().pointwise) {
      return fmt::format("%{}: {} is not pointwise", value, instruction.op.name());
    }
    const auto want = static_cast<size_t>(is_constant ? 0 : instruction.op.info().arity);
    if (instruction.args.size() != want) {
      return fmt::format("%{}: {} takes {} arguments, has {}", value, instruction.op.name(), want,
                         instruction.args.size());
    }
    for (int arg : instruction.args) {
      if (arg < 0 || arg >= value) return fmt::format("%{}: argument %{} is not earlier", value, arg);
    }
    ++value;
  }
  if (body.results.empty()) return "a body returns nothing";
  for (int result : body.results) {
    if (result < 0 || result >= value) return fmt::format("result %{} does not exist", result);
  }
  return "";
}

Result<std::vector<Tensor>> evaluate(const Body& body, std::span<const Tensor> params) {
  std::vector<Tensor> values(params.begin(), params.end());
  for (const BodyInstruction& instruction : body.instructions) {
    std::vector<Tensor> args;
    for (int arg : instruction.args) args.push_back(values[static_cast<size_t>(arg)]);
    MJ_ASSIGN(std::vector<Tensor> result, evaluate(instruction.op, args, 1));
    values.push_back(std::move(result[0]));
  }
  std::vector<Tensor> results;
  for (int result : body.results) results.push_back(values[static_cast<size_t>(result)]);
  return results;
}

}  // namespace mj
