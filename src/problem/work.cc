// SPDX-License-Identifier: Apache-2.0
#include "problem/work.h"

#include "ops/attention.h"
#include "ops/conv.h"
#include "ops/conv_depthwise.h"
#include "ops/conv_transpose.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/planar_conv.h"
#include "ops/quantized.h"
#include "ops/recurrent.h"
#include "ops/scaled_conv.h"

namespace mj {
namespace {

using Sizes = std::vector<double>;

std::optional<Sizes> sizes(const Operand& operand, const Bindings& symbols) {
  Sizes out;
  for (const Dim& dim : operand.shape) {
    const Result<int64_t> value = dim.evaluate(symbols);
    if (!value.ok()) return std::nullopt;
    out.push_back(static_cast<double>(*value));
  }
  return out;
}

double product(const Sizes& sizes, size_t from = 0) {
  double n = 1;
  for (size_t i = from; i < sizes.size(); ++i) n *= sizes[i];
  return n;
}

// Heads of q times the sizes that the products run over.
double of_attention(const Attention& op, const Sizes& q, const Sizes& k, const Sizes& y) {
  if (op.layout == "bhsd") return product(q) * k[2] + product(y) * k[2];
  return (op.layout == "qkv" ? product(y) : product(q)) * k[1] + product(y) * k[1];
}

}  // namespace

std::optional<double> multiply_adds(const Problem& problem, const Bindings& symbols) {
  const Op& op = problem.op;
  const auto* attention = op ? op.get_if<Attention>() : nullptr;
  const bool recurrent = op && (op.get_if<Lstm>() || op.get_if<Gru>() || op.get_if<Rnn>());
  const bool product_of_two = op && (op.get_if<MatMul>() || op.get_if<Gemm>() || op.get_if<QuantizedMatMul>());
  const bool window =
      op && (op.get_if<Conv>() || op.get_if<PlanarConv>() || op.get_if<ScaledConv>() || op.get_if<QuantizedConv>());
  const bool convolution = window || (op && (op.get_if<ConvTranspose>() || op.get_if<ConvDepthwise>()));
  if (!attention && !recurrent && !product_of_two && !convolution) return 0;
  const bool one_input = attention && attention->layout == "qkv";
  // The output of a recurrence that nobody reads has no shape; its weights tell the rest.
  const std::optional<Sizes> a = sizes(problem.inputs[0], symbols);
  const std::optional<Sizes> b = one_input ? a : sizes(problem.inputs[op.get_if<ScaledConv>() ? 2 : 1], symbols);
  const std::optional<Sizes> y = recurrent ? Sizes{} : sizes(problem.outputs[0], symbols);
  if (!a || !b || !y || a->empty() || b->empty()) return std::nullopt;
  if (attention) return of_attention(*attention, *a, *b, *y);
  if (window) return product(*y) * product(*b, 1);
  if (op.get_if<ConvTranspose>()) return product(*a) * product(*b, 1);
  if (const auto* gemm = op.get_if<Gemm>()) return product(*y) * (*a)[gemm->transA ? 0 : 1];
  if (product_of_two) return product(*y) * a->back();
  // The second weights.
  const std::optional<Sizes> r = sizes(problem.inputs[op.get_if<ConvDepthwise>() ? 3 : 2], symbols);
  if (!r) return std::nullopt;
  if (op.get_if<ConvDepthwise>()) return product(*a) * (*b)[0] + product(*y) * product(*r, 1);
  return (*a)[0] * (*a)[1] * (product(*b) + product(*r));
}

bool multiplies_integers(const Problem& problem) {
  return !problem.inputs.empty() && is_integer(problem.inputs[0].dtype);
}

}  // namespace mj
