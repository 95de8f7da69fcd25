// SPDX-License-Identifier: Apache-2.0
#include "problem/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/hash64.h"

namespace mj {
namespace {

// Operators whose rows stand under another name than their own.
constexpr std::pair<std::string_view, std::string_view> kFamilies[] = {
    {"conv", "conv"},
    {"conv_transpose", "conv"},
    {"gemm", "gemm"},
    {"matmul", "gemm"},
    {"layer_norm", "norm"},
    {"rms_norm", "norm"},
    {"batch_norm", "norm"},
    {"instance_norm", "norm"},
    {"group_norm", "norm"},
    {"softmax", "softmax"},
    {"log_softmax", "softmax"},
    {"attention", "attention"},
    {"lstm", "recurrent"},
    {"gru", "recurrent"},
    {"rnn", "recurrent"},
    {"max_pool", "pool"},
    {"average_pool", "pool"},
    {"gather", "gather"},
    {"slice", "gather"},
    {"concat", "gather"},
    {"split", "gather"},
    {"pad", "gather"},
    {"transpose", "transpose"},
    {"expand", "gather"},
    {"resize", "resize"},
    {"slice_to", "gather"},
    {"expand_to", "gather"},
    {"gather_elements", "gather"},
    {"gather_nd", "gather"},
    {"tile", "gather"},
    {"depth_to_space", "gather"},
    {"space_to_depth", "gather"},
    {"trilu", "gather"},
    {"one_hot", "gather"},
    {"arg_max", "topk"},
    {"arg_min", "topk"},
    {"scatter_elements", "scatter"},
    {"scatter_nd", "scatter"},
    {"quantized_conv", "quantized"},
    {"quantized_matmul", "quantized"},
    {"quantized_mean", "quantized"},
    {"quantized_add", "quantized"},
    {"quantize_linear", "quantized"},
    {"dequantize_linear", "quantized"},
};

using Renames = std::map<std::string, Dim, std::less<>>;

std::string shape_text(const Shape& shape, Renames& renames) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    for (const std::string& symbol : shape[i].symbols()) {
      renames.try_emplace(symbol, Dim::symbol(fmt::format("${}", renames.size())));
    }
    out += (i ? "," : "") + shape[i].substitute(renames).to_string();
  }
  return out + "]";
}

std::string operand_text(const Operand& operand, Renames& renames) {
  if (operand.dtype == DType::none) return "_";
  const std::string_view open[] = {"", "seq(", "opt(", "opt(seq("}, close[] = {"", ")", ")", "))"};
  const auto kind = static_cast<size_t>(operand.kind);
  return fmt::format("{}{}{}{}{}", operand.constant ? "const " : "", open[kind], name(operand.dtype),
                     shape_text(operand.shape, renames), close[kind]);
}

}  // namespace

bool boxed(const Problem& problem) {
  const auto is_boxed = [](const Operand& operand) { return operand.type().boxed(); };
  return std::any_of(problem.inputs.begin(), problem.inputs.end(), is_boxed) ||
         std::any_of(problem.outputs.begin(), problem.outputs.end(), is_boxed);
}

std::string family(const Problem& problem) {
  if (!problem.op || problem.op.info().pointwise) return "pointwise";
  for (const auto& [op, family] : kFamilies) {
    if (problem.op.is(op)) return std::string(family);
  }
  if (problem.op.name().starts_with("reduce_")) return "reduce";
  return std::string(problem.op.name());
}

std::string to_string(const Problem& problem) {
  Renames renames;
  std::string out = problem.op ? to_string(problem.op) : "pointwise";
  out += " (";
  for (size_t i = 0; i < problem.inputs.size(); ++i) out += (i ? ", " : "") + operand_text(problem.inputs[i], renames);
  out += ") -> (";
  for (size_t i = 0; i < problem.outputs.size(); ++i)
    out += (i ? ", " : "") + operand_text(problem.outputs[i], renames);
  out += ")";
  if (!problem.epilogue.empty()) out += fmt::format(" after {} {}", problem.anchor_inputs, to_string(problem.epilogue));
  if (problem.products) out += fmt::format(" products in {}", name(*problem.products));
  return out;
}

uint64_t hash(const Problem& problem) { return hash64(to_string(problem)); }

}  // namespace mj
