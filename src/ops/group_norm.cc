// SPDX-License-Identifier: Apache-2.0
#include "ops/group_norm.h"

#include <fmt/format.h>

#include "ops/norm.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

InferResult infer_group_norm(const InferContext& context) {
  MJ_TRY(context.inputs_between(3, 3));
  MJ_TRY(check_norm_input(context, 2));
  MJ_TRY(check_per_channel(context, 1));
  MJ_TRY(check_per_channel(context, 2));
  return one(context.dtype(0), context.shape(0));
}

void group_norm(std::span<const Tensor> in, Tensor& out, int64_t groups, double epsilon) {
  std::vector<double> x = widened(in[0]);
  if (x.empty()) return;
  const std::vector<double> scale = widened(in[1]), bias = widened(in[2]);
  const size_t batch = static_cast<size_t>(in[0].dims()[0]), length = x.size() / batch / static_cast<size_t>(groups);
  const size_t inner = x.size() / batch / scale.size();
  for (size_t at = 0; at < x.size(); at += length) normalize_line(std::span(x).subspan(at, length), epsilon);
  for (size_t i = 0; i < x.size(); ++i) x[i] = x[i] * scale[i / inner % scale.size()] + bias[i / inner % scale.size()];
  narrow(x.data(), std::ssize(x), out);
}

}  // namespace

InferResult GroupNorm::infer(const InferContext& context) const {
  if (num_groups < 1) return context.fail(fmt::format("num_groups must be 1 or more, got {}", num_groups));
  InferResult result = infer_group_norm(context);
  if (!result.ok()) return result;
  MJ_TRY(require_equal(context, "the channels beyond whole groups and 0", mod(context.shape(0)[1], num_groups), 0));
  return result;
}

Result<void> GroupNorm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  group_norm(in, out[0], num_groups, epsilon);
  return {};
}

InferResult InstanceNorm::infer(const InferContext& context) const { return infer_group_norm(context); }

Result<void> InstanceNorm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  group_norm(in, out[0], in[0].dims()[1], epsilon);
  return {};
}

MJ_REGISTER_OP(GroupNorm)
MJ_REGISTER_OP(InstanceNorm)

}  // namespace mj
