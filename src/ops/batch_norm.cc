// SPDX-License-Identifier: Apache-2.0
#include "ops/batch_norm.h"

#include <cmath>

#include "ops/norm.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

InferResult BatchNorm::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(5, 5));
  MJ_TRY(check_norm_input(context, 2));
  for (size_t i = 1; i < 5; ++i) MJ_TRY(check_per_channel(context, i));
  return one(context.dtype(0), context.shape(0));
}

Result<void> BatchNorm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<double> x = widened(in[0]);
  const std::vector<double> scale = widened(in[1]), bias = widened(in[2]), mean = widened(in[3]);
  const std::vector<double> variance = widened(in[4]);
  if (x.empty()) return {};
  const size_t channels = scale.size(), inner = x.size() / static_cast<size_t>(in[0].dims()[0]) / channels;
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i / inner % channels;
    x[i] = (x[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * scale[c] + bias[c];
  }
  narrow(x.data(), std::ssize(x), out[0]);
  return {};
}

MJ_REGISTER_OP(BatchNorm)

}  // namespace mj
