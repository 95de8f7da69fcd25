// SPDX-License-Identifier: Apache-2.0
// non_zero(x): the indices of the elements that are not 0, [rank, count]
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

std::vector<int64_t> non_zeros(const Tensor& x) {
  std::vector<int64_t> found;
  const std::vector<double> values = x.to_f64();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) found.push_back(static_cast<int64_t>(i));
  }
  return found;
}

}  // namespace

struct NonZero {
  static constexpr std::string_view kName = "non_zero";
  static constexpr OnnxName kOnnx = {.name = "NonZero", .since = 9};
  static constexpr auto kFields = std::tuple{};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult NonZero::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  if (!allows(Types::all, context.dtype(0))) return context.fail("its input must be numbers or bool");
  const Tensor& x = context[0].constant;
  if (!x.present() && context.concrete()) return context.fail("its input must be known");
  Dim count = x.present() ? Dim(std::ssize(non_zeros(x))) : context.fresh("nonzero");
  return one(DType::i64, {context[0].type.rank(), std::move(count)});
}

Result<void> NonZero::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t> found = non_zeros(in[0]), strides = row_major(in[0].dims());
  const std::span<int64_t> y = out[0].mutable_data<int64_t>();
  for (size_t d = 0; d < strides.size(); ++d) {
    for (size_t i = 0; i < found.size(); ++i) y[d * found.size() + i] = found[i] / strides[d] % in[0].dims()[d];
  }
  return {};
}

MJ_REGISTER_OP(NonZero)

}  // namespace mj
