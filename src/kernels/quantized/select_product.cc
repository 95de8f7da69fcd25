// SPDX-License-Identifier: Apache-2.0
#include "kernels/estimate.h"
#include "kernels/quantized/product.h"
#include "ops/quantized.h"

namespace mj {

std::optional<std::string> byte_product_refusal(const Problem& problem) {
  if (!problem.op.is(QuantizedConv::kName) && !problem.op.is(QuantizedMatMul::kName)) return "not a product of bytes";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  for (size_t i = 1; i < problem.inputs.size(); ++i) {
    if (problem.inputs[i].dtype != DType::none && !problem.inputs[i].constant) return "its weights are not constant";
  }
  if (problem.inputs.size() > 4 && problem.inputs[4].dtype != DType::none) return "its weights have a zero point";
  if (problem.inputs[1].dtype != DType::i8) return "its weights are not i8";
  return std::nullopt;
}

namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (Refusal reason = byte_product_refusal(problem)) return reason;
  const QuantizedConv* conv = problem.op.get_if<QuantizedConv>();
  if (!conv) return std::nullopt;
  const size_t rank = problem.inputs[0].shape.size();
  if (rank != 3 && rank != 4) return "not 1-d or 2-d";
  if (!conv->channels_last) return "it is not channels_last";
  return std::nullopt;
}

Result<Packed> pack(const Problem& problem, const Target& target, std::string_view, std::span<const Tensor> constants) {
  const std::vector<int64_t> dims = product_weight_dims(problem, constants[1].dims());
  const std::vector<int64_t> ones(dims.size(), 1);
  const cpu::ByteConv p = product_of(problem, ones, dims, ones);
  std::vector<int8_t> weights(constants[1].data<int8_t>().begin(), constants[1].data<int8_t>().end());
  if (problem.op.is(QuantizedMatMul::kName)) {
    const int64_t depth = dims[1], outputs = dims[0];
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t k = 0; k < depth; ++k)
        weights[static_cast<size_t>(o * depth + k)] = constants[1].data<int8_t>()[static_cast<size_t>(k * outputs + o)];
  }
  Tensor panels = Tensor::zeros(DType::i8, {cpu::packed_byte_conv(target.isa, p.shape)});
  cpu::pack_byte_conv(target.isa, p.shape, weights.data(), panels.mutable_data<int8_t>().data());

  const cpu::ByteColumns columns = cpu::byte_columns(target.isa, p.shape);
  Tensor bias = Tensor::zeros(DType::i32, {columns.count}), scale = Tensor::zeros(DType::f32, {columns.count});
  const size_t depth = dims[0] ? weights.size() / static_cast<size_t>(dims[0]) : 0;
  for (int64_t o = 0; o < dims[0]; ++o) {
    int32_t sum = 0;
    for (size_t k = 0; k < depth; ++k) sum += weights[static_cast<size_t>(o) * depth + k];
    const auto at = static_cast<size_t>(columns.of(o)), from = static_cast<size_t>(o);
    const std::span<const float> scales = constants[2].data<float>();
    const bool biased = constants.size() > 3 && constants[3].present();
    // Sums may run over i32 on their way; that they end within it is what counts.
    bias.mutable_data<int32_t>()[at] =
        static_cast<int32_t>(static_cast<uint32_t>(biased ? constants[3].data<int32_t>()[from] : 0) +
                             static_cast<uint32_t>(cpu::byte_correction(target.isa, p, sum)));
    scale.mutable_data<float>()[at] = scales[scales.size() == 1 ? 0 : from];
  }
  std::vector<int64_t> form = {static_cast<int64_t>(target.isa)};
  form.insert(form.end(), dims.begin(), dims.end());
  std::vector<int> consumed = {1, 2};
  if (problem.inputs.size() > 3) consumed.push_back(3);
  return Packed{{panels, Tensor::of_i64(form), bias, scale}, consumed};
}

// Half of what a term in f32 costs.
constexpr double kCyclesPerTerm = 0.27;

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Shape& w = problem.inputs[1].shape;
  const bool matrix = problem.op.is(QuantizedMatMul::kName);
  const std::optional<double> terms =
      matrix ? elements_of({w[0]}, bindings) : elements_of({w.begin() + 1, w.end()}, bindings);
  return terms ? streaming_seconds(problem, target, bindings, *terms * kCyclesPerTerm) : std::nullopt;
}

}  // namespace

extern const SelectRow select_quantized_product;
const SelectRow select_quantized_product = {"quantized", "quantized_product", 1, refuses, one_config, estimate, pack};

}  // namespace mj
