// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/estimate.h"
#include "kernels/quantized/form.h"
#include "ops/quantize.h"

namespace mj {
namespace {

bool one_number(const Operand& operand) {
  for (const Dim& dim : operand.shape)
    if (!(dim == Dim(1))) return false;
  return true;
}

Refusal refuses_mean(const Problem& problem, const Target&) {
  const QuantizedMean* op = problem.op.get_if<QuantizedMean>();
  if (!op) return "not a mean of bytes";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  if (!has_mean_form(*op, std::ssize(problem.inputs[0].shape))) return "its axes are not neighbours";
  return std::nullopt;
}

Refusal refuses_add(const Problem& problem, const Target&) {
  if (!problem.op.is(QuantizedAdd::kName)) return "not a sum of bytes";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  return std::nullopt;
}

// Both ways between f32 and bytes with one scale.
Refusal refuses_scaling(const Problem& problem, const Operand& bytes, const Operand& floats) {
  if (!problem.epilogue.empty()) return "there is an epilogue";
  if (!is_byte(bytes.dtype)) return "not u8 or i8";
  if (floats.dtype != DType::f32 || problem.inputs[1].dtype != DType::f32) return "not from or to f32";
  if (!one_number(problem.inputs[1])) return "it has several scales";
  return std::nullopt;
}

Refusal refuses_quantize(const Problem& problem, const Target&) {
  if (!problem.op.is(QuantizeLinear::kName)) return "it does not quantize";
  return refuses_scaling(problem, problem.outputs[0], problem.inputs[0]);
}

Refusal refuses_dequantize(const Problem& problem, const Target&) {
  if (!problem.op.is(DequantizeLinear::kName)) return "it does not dequantize";
  return refuses_scaling(problem, problem.inputs[0], problem.outputs[0]);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  return streaming_seconds(problem, target, bindings, 8);
}

}  // namespace

extern const SelectRow select_quantized_mean, select_quantized_add, select_quantize_bytes, select_dequantize_bytes;
const SelectRow select_quantized_mean = {"quantized", "quantized_mean", 1,           refuses_mean,
                                         one_config,  estimate,         pack_nothing};
const SelectRow select_quantized_add = {"quantized", "quantized_add", 1,           refuses_add,
                                        one_config,  estimate,        pack_nothing};
const SelectRow select_quantize_bytes = {"quantized", "quantize_bytes", 1,           refuses_quantize,
                                         one_config,  estimate,         pack_nothing};
const SelectRow select_dequantize_bytes = {"quantized", "dequantize_bytes", 1,           refuses_dequantize,
                                           one_config,  estimate,           pack_nothing};

}  // namespace mj
