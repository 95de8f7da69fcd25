// SPDX-License-Identifier: Apache-2.0
// slice_to{axes, starts, ends, steps}(x) = slice with bounds that need no input; see dim_texts.h
#include "ops/dim_texts.h"
#include "ops/register.h"
#include "ops/slice.h"

namespace mj {

struct SliceTo {
  std::vector<int64_t> axes;
  DimTexts starts, ends;
  std::vector<int64_t> steps;

  static constexpr std::string_view kName = "slice_to";
  static constexpr auto kFields = std::tuple{field(1, "axes", &SliceTo::axes), field(2, "starts", &SliceTo::starts),
                                             field(3, "ends", &SliceTo::ends), field(4, "steps", &SliceTo::steps)};
  static constexpr bool kStrings = true;

  SliceTo bind(const Bindings& symbols) const {
    return {axes, bind_dims(starts, symbols), bind_dims(ends, symbols), steps};
  }
  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    MJ_ASSIGN(Shape from, parse_dims(context, starts));
    MJ_ASSIGN(Shape to, parse_dims(context, ends));
    const ValueInfo inputs[] = {context[0], ValueInfo::of_contents(std::move(from)),
                                ValueInfo::of_contents(std::move(to)), ValueInfo::of(Tensor::of_i64(axes)),
                                ValueInfo::of(Tensor::of_i64(steps))};
    InferContext inner = context;
    inner.inputs = inputs;
    return Slice{}.infer(inner);
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    MJ_ASSIGN(const Tensor from, dims_tensor(kName, starts));
    MJ_ASSIGN(const Tensor to, dims_tensor(kName, ends));
    const Tensor inputs[] = {in[0], from, to, Tensor::of_i64(axes), Tensor::of_i64(steps)};
    return Slice{}.reference(inputs, out);
  }
};
MJ_REGISTER_OP(SliceTo)

}  // namespace mj
