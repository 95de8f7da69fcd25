// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "kernels/cpu/tile_program.h"
#include "kernels/pointwise/body.h"

namespace mj {

Body pointwise_body(const Problem& problem) {
  if (!problem.op) return problem.epilogue;
  Body body;
  for (const Operand& input : problem.inputs) body.params.push_back(input.dtype);
  std::vector<int> args;
  for (int i = 0; i < problem.op.info().arity; ++i) args.push_back(i);
  const int anchor = body.append(problem.op, std::move(args));
  if (problem.epilogue.empty()) {
    body.results = {anchor};
    return body;
  }
  // Values of the epilogue, by their numbers there.
  std::vector<int> numbers = {anchor};
  for (size_t i = 1; i < problem.epilogue.params.size(); ++i) {
    numbers.push_back(problem.anchor_inputs + static_cast<int>(i) - 1);
  }
  for (BodyInstruction instruction : problem.epilogue.instructions) {
    for (int& arg : instruction.args) arg = numbers[static_cast<size_t>(arg)];
    body.instructions.push_back(std::move(instruction));
    numbers.push_back(body.values() - 1);
  }
  for (int result : problem.epilogue.results) body.results.push_back(numbers[static_cast<size_t>(result)]);
  return body;
}

std::optional<std::string> pointwise_refusal(const Problem& problem) {
  for (const Operand& input : problem.inputs) {
    if (input.dtype == DType::none) return "an input is absent";
  }
  if (problem.outputs.empty()) return "there is no output";
  for (const Operand& output : problem.outputs) {
    if (output.shape != problem.outputs[0].shape) return "the outputs differ in shape";
  }
  const Body body = pointwise_body(problem);
  if (body.results.size() != problem.outputs.size()) return "an output is not computed";
  return cpu::TileProgram::refuses(body);
}

}  // namespace mj
