// SPDX-License-Identifier: Apache-2.0
// expand_to{shape}(x) = x broadcast to a shape that needs no input; see dim_texts.h
#include "ops/data_movement.h"
#include "ops/dim_texts.h"
#include "ops/register.h"

namespace mj {

struct ExpandTo {
  DimTexts shape;  // of the result

  static constexpr std::string_view kName = "expand_to";
  static constexpr auto kFields = std::tuple{field(1, "shape", &ExpandTo::shape)};
  static constexpr bool kStrings = true;

  ExpandTo bind(const Bindings& symbols) const { return {bind_dims(shape, symbols)}; }
  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    MJ_TRY(context.ranked(0));
    MJ_ASSIGN(const Shape out, parse_dims(context, shape));
    const Result<Shape> both = broadcast_shapes(context.shape(0), out);
    if (!both.ok()) return both.error().in(context.op);
    if (both->size() != out.size()) return context.fail("the shape has fewer dimensions than the input");
    return one(context.dtype(0), out);
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    const std::vector<int64_t>& dims = in[0].dims();
    const size_t front = out[0].dims().size() - dims.size();
    const std::vector<int64_t> own = row_major(dims);
    Walk from{0, std::vector<int64_t>(out[0].dims().size(), 0)};
    for (size_t d = 0; d < dims.size(); ++d) {
      if (dims[d] != 1) from.strides[front + d] = own[d];
      if (dims[d] != 1 && dims[d] != out[0].dims()[front + d]) {
        return model_error("expand_to: dimension {} is {}, cannot become {}", d, dims[d], out[0].dims()[front + d]);
      }
    }
    copy_box(out[0].dims(), in[0], from, out[0], {0, row_major(out[0].dims())});
    return {};
  }
};
MJ_REGISTER_OP(ExpandTo)

}  // namespace mj
