// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv/shape.h"
#include "kernels/onednn/select_cut.h"

namespace mj {

extern const SelectRow select_conv_f32;

namespace {

Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = onednn::refuses_target(target)) return reason;
  if (Refusal reason = select_conv_f32.refuses(problem, target)) return reason;
  if (!problem.op.get_if<Conv>()->channels_last) return "it is not channels_last";
  if (!problem.inputs[1].constant) return "its weights are not constant";
  return std::nullopt;
}

std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const Conv& op = problem.op.as<Conv>();
  const Shape &w = problem.inputs[1].shape, &y = problem.outputs[0].shape;
  std::optional<int64_t> height = y.size() == 4 ? y[1].constant() : std::optional<int64_t>(1);
  const std::optional<int64_t> width = y[y.size() - 2].constant();
  const auto ones = [](const std::vector<int64_t>& values) {
    return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 1; });
  };
  const bool flat = op.group == 1 && ones(op.strides) &&
                    std::all_of(w.begin() + 2, w.end(), [](const Dim& dim) { return dim == Dim(1); }) &&
                    std::all_of(op.pads.begin(), op.pads.end(), [](int64_t pad) { return pad == 0; });
  if (flat) height = height && width ? std::optional(*height * *width) : std::nullopt;
  return onednn::cuts(height, op.group == 1 ? w[0].constant().value_or(0) : 0, target.threads, flat);
}

}  // namespace

extern const SelectRow select_conv_onednn_f32;
const SelectRow select_conv_onednn_f32 = {"conv",
                                          "conv_onednn_f32",
                                          1,
                                          refuses,
                                          configs,
                                          onednn::estimate_as<select_conv_f32>,
                                          onednn::pack_as<select_conv_f32>,
                                          "conv_f32"};

}  // namespace mj
