// SPDX-License-Identifier: Apache-2.0
// reshape_to{shape}(x) = the elements of x in their order, in a shape that needs no input; see dim_texts.h
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/dim_texts.h"
#include "ops/register.h"

namespace mj {

struct ReshapeTo {
  DimTexts shape;

  static constexpr std::string_view kName = "reshape_to";
  static constexpr auto kFields = std::tuple{field(1, "shape", &ReshapeTo::shape)};
  static constexpr bool kStrings = true;

  ReshapeTo bind(const Bindings& symbols) const { return {bind_dims(shape, symbols)}; }
  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    MJ_TRY(context.ranked(0));
    MJ_ASSIGN(Shape out, parse_dims(context, shape));
    if (equal(element_count(context.shape(0)), element_count(out)) == Tri::no) {
      return context.fail(fmt::format("{} does not fit into {}", to_string(context[0].type), to_string(out)));
    }
    ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
    if (!context.concrete() && info.type.rank() <= 1) info.contents = context[0].elements();
    return one(std::move(info));
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    copy_all(in[0], out[0]);
    return {};
  }
};
MJ_REGISTER_OP(ReshapeTo)

}  // namespace mj
