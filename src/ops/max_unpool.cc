// SPDX-License-Identifier: Apache-2.0
// max_unpool{kernel_shape, strides, pads}(x [N,C,d...], places, shape?): zeros but for each x at its place, counted
// over the whole output of the size that max_pool started from: (d - 1) stride - pads + kernel. With a larger shape
// given that lies in its first corner.
#include <fmt/format.h>

#include "ops/constant_of_shape.h"
#include "ops/data_movement.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {

struct MaxUnpool {
  std::vector<int64_t> kernel_shape, strides, pads;

  static constexpr std::string_view kName = "max_unpool";
  static constexpr OnnxName kOnnx = {.name = "MaxUnpool", .since = 9};
  static constexpr auto kFields =
      std::tuple{field(1, "kernel_shape", &MaxUnpool::kernel_shape), field(2, "strides", &MaxUnpool::strides),
                 field(3, "pads", &MaxUnpool::pads)};

  Dim pooled_from(const Dim& dim, size_t d) const {
    const int64_t stride = strides.empty() ? 1 : strides[d];
    const int64_t pad = pads.empty() ? 0 : pads[d] + pads[d + kernel_shape.size()];
    return (dim - 1) * stride + kernel_shape[d] - pad;
  }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult MaxUnpool::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.rank_at_least(0, 3));
  const Shape& x = context.shape(0);
  MJ_TRY(context.rank(1, context[0].type.rank()));
  if (context.dtype(1) != DType::i64) return context.fail("input 1 must be i64");
  const size_t rank = x.size() - 2;
  const auto fits = [](const std::vector<int64_t>& list, size_t n, int64_t least) {
    for (int64_t value : list) {
      if (value < least || value > INT32_MAX) return false;
    }
    return list.size() == n;
  };
  if (!fits(kernel_shape, rank, 1) || (!strides.empty() && !fits(strides, rank, 1)) ||
      (!pads.empty() && !fits(pads, 2 * rank, 0))) {
    return context.fail(fmt::format("kernel_shape, strides and pads must fit {} spatial dims", rank));
  }
  for (size_t d = 0; d < x.size(); ++d) {
    MJ_TRY(require_equal(context, fmt::format("dimension {} of x and its places", d), x[d], context.shape(1)[d]));
  }
  Shape out = x;
  for (size_t d = 0; d < rank; ++d) out[d + 2] = max(pooled_from(x[d + 2], d), 0);
  if (!context.has(2)) return one(context.dtype(0), std::move(out));
  MJ_TRY(context.rank(2, 1));
  MJ_TRY(require_equal(context, "the numbers of the shape and dims", context.shape(2)[0], context[0].type.rank()));
  if (!context[2].elements() && !context.concrete()) {
    for (Dim& dim : out) dim = context.fresh("unpool");
    return one(context.dtype(0), std::move(out));
  }
  MJ_ASSIGN(Shape given, shape_from_input(context, 2, "unpool"));
  for (size_t d = 0; d < out.size(); ++d) {
    if (less_equal(out[d], given[d]) == Tri::no) {
      return context.fail(fmt::format("dimension {} of the shape is {}, but the places count {}", d, given[d], out[d]));
    }
  }
  return one(context.dtype(0), std::move(given));
}

Result<void> MaxUnpool::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<int64_t> full = in[0].dims();
  for (size_t d = 2; d < full.size(); ++d) full[d] = *max(pooled_from(full[d], d - 2), 0).constant();
  const std::vector<int64_t> strides_out = row_major(out[0].dims());
  const int64_t count = product(full);
  const std::span<const int64_t> places = in[1].data<int64_t>();
  for (int64_t i = 0; i < in[0].size(); ++i) {
    int64_t rest = places[static_cast<size_t>(i)], to = 0;
    if (rest < 0 || rest >= count) {
      return model_error("max_unpool: place {} of element {} is outside [0, {}]", rest, i, count - 1);
    }
    for (size_t d = full.size(); d-- > 0; rest /= full[d]) to += rest % full[d] * strides_out[d];
    copy_elements(in[0], i, out[0], to, 1);
  }
  return {};
}

MJ_REGISTER_OP(MaxUnpool)

}  // namespace mj
