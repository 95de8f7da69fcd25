// SPDX-License-Identifier: Apache-2.0
// dims{values, scalar, to}() = sizes as data: an integer tensor of rank 1, or 0 if `scalar`; see dim_texts.h
#include "ops/dim_texts.h"
#include "ops/register.h"

namespace mj {

struct Dims {
  DimTexts values;
  bool scalar = false;
  DType to = DType::i64;

  static constexpr std::string_view kName = "dims";
  static constexpr auto kFields =
      std::tuple{field(1, "values", &Dims::values), field(2, "scalar", &Dims::scalar), field(3, "to", &Dims::to)};

  Dims bind(const Bindings& symbols) const { return {bind_dims(values, symbols), scalar, to}; }
  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(0, 0));
    MJ_ASSIGN(Shape elements, parse_dims(context, values));
    if (scalar && elements.size() != 1) return context.fail("a scalar has one value");
    if (!is_integer(to)) return context.fail("the result must be of integers");
    if (scalar) return one(ValueInfo::of_contents(elements[0], to));
    return one(ValueInfo::of_contents(std::move(elements), to));
  }
  Result<void> reference(std::span<const Tensor>, std::span<Tensor> out) const {
    MJ_ASSIGN(const Tensor elements, dims_tensor(kName, values));
    dispatch(to, [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        for (size_t i = 0; i < values.size(); ++i) {
          static_cast<T*>(out[0].mutable_raw())[i] = static_cast<T>(elements.data<int64_t>()[i]);
        }
      }
    });
    return {};
  }
};
MJ_REGISTER_OP(Dims)

}  // namespace mj
