// SPDX-License-Identifier: Apache-2.0
// col2im{dilations, pads, strides}(x [N,C*taps,places], image, block): puts blocks back where a sliding window would
// have read them, [N,C,image...]; where they overlap they add up
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct Col2Im {
  std::vector<int64_t> dilations, pads, strides;

  static constexpr std::string_view kName = "col2im";
  static constexpr OnnxName kOnnx = {.name = "Col2Im", .since = 18};
  static constexpr auto kFields = std::tuple{field(1, "dilations", &Col2Im::dilations), field(2, "pads", &Col2Im::pads),
                                             field(3, "strides", &Col2Im::strides)};

  int64_t dilation(size_t d) const { return dilations.empty() ? 1 : dilations[d]; }
  int64_t stride(size_t d) const { return strides.empty() ? 1 : strides[d]; }
  int64_t pad(size_t d) const { return pads.empty() ? 0 : pads[d]; }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

// Where the window stands along dim d.
Dim col2im_places(const Col2Im& op, size_t d, const Dim& image, const Dim& block, size_t rank) {
  return floor_div(image + op.pad(d) + op.pad(d + rank) - (block - 1) * op.dilation(d) - 1, op.stride(d)) + 1;
}

}  // namespace

InferResult Col2Im::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 3));
  MJ_TRY(context.rank(0, 3));
  MJ_TRY(context.rank(1, 1));
  MJ_TRY(context.rank(2, 1));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) return context.fail("input 0 must be numbers");
  const std::optional<int64_t> count = context.shape(1)[0].constant();
  if (!count) return one(ValueInfo::of(Type::unranked(context.dtype(0))));
  if (*count < 1 || *count > 8) return context.fail("the number of spatial dims must be 1 to 8");
  const auto rank = static_cast<size_t>(*count);
  const auto fits = [](const std::vector<int64_t>& list, size_t n, int64_t least) {
    if (!list.empty() && list.size() != n) return false;
    for (int64_t x : list) {
      if (x < least || x > INT32_MAX) return false;
    }
    return true;
  };
  if (!fits(dilations, rank, 1) || !fits(strides, rank, 1) || !fits(pads, 2 * rank, 0)) {
    return context.fail("dilations, strides and pads must fit the spatial dims");
  }
  const auto image = context[1].elements(), block = context[2].elements();
  if ((!image || !block) && context.concrete()) return context.fail("the image and the block must be known");
  if ((image && image->size() != rank) || (block && block->size() != rank)) {
    return context.fail("the image and the block must have the same dims");
  }
  Dim taps = 1, places = 1;
  Shape out = {context.shape(0)[0], 0};
  for (size_t d = 0; d < rank; ++d) {
    out.push_back(image ? (*image)[d] : context.fresh("image"));
    if (block && (*block)[d].constant().value_or(1) < 1) return context.fail("a block has at least one element");
    if (block) taps *= (*block)[d];
    if (image && block) places *= col2im_places(*this, d, (*image)[d], (*block)[d], rank);
  }
  const Shape& x = context.shape(0);
  if (block) MJ_TRY(require_equal(context, "the rows beyond whole blocks and 0", mod(x[1], taps), 0));
  if (image && block) MJ_TRY(require_equal(context, "the columns and the places of a block", x[2], places));
  out[1] = block ? floor_div(x[1], taps) : context.fresh("channels");
  return one(context.dtype(0), std::move(out));
}

Result<void> Col2Im::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t> image = in[1].to_i64(), block = in[2].to_i64();
  const size_t rank = image.size();
  std::vector<int64_t> box = block;  // taps, then places
  for (size_t d = 0; d < rank; ++d) box.push_back(*col2im_places(*this, d, image[d], block[d], rank).constant());
  const std::vector<int64_t> strides_out = row_major(image);
  const int64_t plane = product(image), column = product(box);
  const std::vector<double> x = widened(in[0]);
  std::vector<double> y(static_cast<size_t>(out[0].size()), 0);
  for (int64_t n = 0; n < out[0].dims()[0] * out[0].dims()[1] && column > 0; ++n) {
    std::vector<int64_t> index(box.size(), 0);
    int64_t from = n * column;
    do {
      int64_t to = n * plane;
      bool inside = true;
      for (size_t d = 0; d < rank; ++d) {
        const int64_t at = index[rank + d] * stride(d) - pad(d) + index[d] * dilation(d);
        inside = inside && at >= 0 && at < image[d];
        to += at * strides_out[d];
      }
      if (inside) y[static_cast<size_t>(to)] += x[static_cast<size_t>(from)];
      ++from;
    } while (next_index(box, index));
  }
  narrow(y.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(Col2Im)

}  // namespace mj
