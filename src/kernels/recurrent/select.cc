// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/cpu/lstm.h"
#include "kernels/estimate.h"
#include "ops/recurrent.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  const Lstm* op = problem.op.get_if<Lstm>();
  if (!op) return "not an LSTM";
  if (!problem.epilogue.empty()) return "a body is fused after it";
  if (problem.inputs[0].dtype != DType::f32) return "x is not f32";
  if (op->clip > 0) return "it clips its gates";
  if (op->input_forget) return "its input and forget gates are coupled";
  if (!op->usual_activations()) return "its activations are not sigmoid, tanh, tanh";
  for (size_t i : {1, 2, 3, 7})
    if (i < problem.inputs.size() && problem.inputs[i].dtype != DType::none && !problem.inputs[i].constant)
      return "its weights are not constant";
  return std::nullopt;
}

Result<Packed> pack(const Problem& problem, const Target& target, std::string_view, std::span<const Tensor> constants) {
  const int64_t directions = problem.op.get_if<Lstm>()->directions();
  const int64_t inputs = constants[1].dims()[2], hidden = constants[2].dims()[2];
  const int64_t floats = cpu::lstm_packed(target.isa, inputs, hidden).total();
  Tensor packed = Tensor::zeros(DType::f32, {directions, floats});
  const auto direction = [&](size_t i, int64_t d, int64_t size) -> const float* {
    if (i >= constants.size() || !constants[i].present()) return nullptr;
    return constants[i].data<float>().data() + d * size;
  };
  for (int64_t d = 0; d < directions; ++d)
    cpu::pack_lstm(target.isa, inputs, hidden, direction(1, d, 4 * hidden * inputs),
                   direction(2, d, 4 * hidden * hidden), direction(3, d, 8 * hidden), direction(7, d, 3 * hidden),
                   packed.mutable_data<float>().data() + d * floats);
  Packed result;
  result.tensors = {packed, Tensor::of_i64(std::vector<int64_t>{static_cast<int64_t>(target.isa), inputs, hidden})};
  for (size_t i : {1, 2, 3, 7})
    if (i < constants.size() && constants[i].present()) result.consumed.push_back(static_cast<int>(i));
  return result;
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const std::optional<double> inputs = elements_of({problem.inputs[1].shape[2]}, bindings);
  const std::optional<double> hidden = elements_of({problem.inputs[2].shape[2]}, bindings);
  if (!inputs || !hidden) return std::nullopt;
  // Four gates of (inputs + hidden) terms, those with R at the speed of cache rather than of registers.
  return streaming_seconds(problem, target, bindings, 4 * (0.55 * *inputs + 2 * *hidden));
}

}  // namespace

extern const SelectRow select_lstm_f32;
const SelectRow select_lstm_f32 = {"recurrent", "lstm_f32", 1, refuses, one_config, estimate, pack};

}  // namespace mj
