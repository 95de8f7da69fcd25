// SPDX-License-Identifier: Apache-2.0
// mel_weight_matrix{output_datatype}(bins, length, rate, lowest, highest): [length / 2 + 1, bins], by which a spectrum
// of that DFT length becomes bins whose triangles stand equally far apart on the mel scale, 2595 log10(1 + hertz / 700)
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct MelWeightMatrix {
  DType output_datatype = DType::f32;

  static constexpr std::string_view kName = "mel_weight_matrix";
  static constexpr OnnxName kOnnx = {.name = "MelWeightMatrix", .since = 17};
  static constexpr auto kFields = std::tuple{field(1, "output_datatype", &MelWeightMatrix::output_datatype)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult MelWeightMatrix::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(5, 5));
  for (size_t i = 0; i < 5; ++i) {
    MJ_TRY(context.rank_at_least(i, 0));
    if (equal(element_count(context.shape(i)), 1) == Tri::no) {
      return context.fail(fmt::format("input {} must be one number, got {}", i, to_string(context[i].type)));
    }
    if (i < 3 ? !is_integer(context.dtype(i)) : !is_float(context.dtype(i))) {
      return context.fail(fmt::format("input {} must be {}", i, i < 3 ? "an integer" : "floating point"));
    }
  }
  if (!allows(Types::all, output_datatype)) return context.fail(fmt::format("{} has no 1", name(output_datatype)));
  const auto bins = context[0].elements(), length = context[1].elements();
  if ((!bins || !length) && context.concrete()) return context.fail("inputs must be numbers");
  const auto positive = [](const auto& list) { return !list || !(*list)[0].constant() || *(*list)[0].constant() > 0; };
  if (!positive(bins) || !positive(length)) return context.fail("the bins and the length must be positive");
  return one(output_datatype, {length ? floor_div((*length)[0], 2) + 1 : context.fresh("spectrum"),
                               bins ? (*bins)[0] : context.fresh("bins")});
}

Result<void> MelWeightMatrix::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t rows = out[0].dims()[0], bins = out[0].dims()[1];
  const double length = in[1].to_f64()[0], rate = in[2].to_f64()[0];
  const auto mel = [](double hertz) { return 2595 * std::log1p(hertz / 700) / std::log(10.0); };
  const double low = mel(in[3].to_f64()[0]), high = mel(in[4].to_f64()[0]);
  const double step = (high - low) / static_cast<double>(bins + 2);
  if (!(rate > 0)) return model_error("mel_weight_matrix: the rate is {}", rate);
  const auto corner = [&](int64_t i) {  // of the triangles, as a row
    const double hertz = 700 * std::expm1((low + static_cast<double>(i) * step) / 2595 * std::log(10.0));
    return std::floor((length + 1) * hertz / rate);
  };
  std::vector<double> weights(static_cast<size_t>(rows * bins), 0);
  for (int64_t i = 0; i < bins; ++i) {
    const double left = corner(i), middle = corner(i + 1), right = corner(i + 2);
    if (!(left >= 0 && right <= static_cast<double>(rows) && left <= middle && middle <= right) ||
        middle >= static_cast<double>(rows)) {
      return model_error("mel_weight_matrix: bin {} lies from row {} to {} of {}", i, left, right, rows);
    }
    for (auto row = static_cast<int64_t>(left); row < static_cast<int64_t>(std::max(right, middle + 1)); ++row) {
      const auto at = static_cast<double>(row);
      double weight = 1;
      if (at < middle) weight = (at - left) / (middle - left);
      if (at > middle) weight = (right - at) / (right - middle);
      weights[static_cast<size_t>(row * bins + i)] = weight;
    }
  }
  narrow(weights.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(MelWeightMatrix)

}  // namespace mj
