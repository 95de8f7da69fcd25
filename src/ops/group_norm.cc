// SPDX-License-Identifier: Apache-2.0
#include "ops/group_norm.h"

#include <fmt/format.h>

#include "ops/norm.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

InferResult infer_group_norm(const InferContext& context, bool channels_last) {
  MJ_TRY(context.inputs_between(3, 3));
  MJ_TRY(check_norm_input(context, 2));
  MJ_TRY(check_per_channel(context, 1, channels_last));
  MJ_TRY(check_per_channel(context, 2, channels_last));
  return one(context.dtype(0), context.shape(0));
}

void group_norm(std::span<const Tensor> in, Tensor& out, int64_t groups, double epsilon, bool channels_last) {
  std::vector<double> x = widened(in[0]);
  if (x.empty()) return;
  const std::vector<double> scale = widened(in[1]), bias = widened(in[2]);
  const int64_t images = in[0].dims()[0], channels = std::ssize(scale), plane = std::ssize(x) / images / channels;
  const auto at = [&](int64_t n, int64_t c, int64_t p) {
    return static_cast<size_t>(channels_last ? (n * plane + p) * channels + c : (n * channels + c) * plane + p);
  };
  std::vector<double> line(static_cast<size_t>(channels / groups * plane));
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t first = 0; first < channels; first += channels / groups) {
      for (size_t i = 0; i < line.size(); ++i) {
        line[i] = x[at(n, first + static_cast<int64_t>(i) / plane, static_cast<int64_t>(i) % plane)];
      }
      normalize_line(line, epsilon);
      for (size_t i = 0; i < line.size(); ++i) {
        const int64_t c = first + static_cast<int64_t>(i) / plane;
        x[at(n, c, static_cast<int64_t>(i) % plane)] =
            line[i] * scale[static_cast<size_t>(c)] + bias[static_cast<size_t>(c)];
      }
    }
  }
  narrow(x.data(), std::ssize(x), out);
}

}  // namespace

InferResult GroupNorm::infer(const InferContext& context) const {
  if (num_groups < 1) return context.fail(fmt::format("num_groups must be 1 or more, got {}", num_groups));
  InferResult result = infer_group_norm(context, channels_last);
  if (!result.ok()) return result;
  const Shape& x = context.shape(0);
  MJ_TRY(require_equal(context, "the channels beyond whole groups and 0",
                       mod(channels_last ? x.back() : x[1], num_groups), 0));
  return result;
}

Result<void> GroupNorm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  group_norm(in, out[0], num_groups, epsilon, channels_last);
  return {};
}

InferResult InstanceNorm::infer(const InferContext& context) const { return infer_group_norm(context, channels_last); }

Result<void> InstanceNorm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  group_norm(in, out[0], in[1].size(), epsilon, channels_last);
  return {};
}

MJ_REGISTER_OP(GroupNorm)
MJ_REGISTER_OP(InstanceNorm)

}  // namespace mj
