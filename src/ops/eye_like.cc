// SPDX-License-Identifier: Apache-2.0
// eye_like{dtype, k}(x): 1 on the k-th diagonal of a matrix of the shape of x, else 0; dtype none is that of x
#include <fmt/format.h>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct EyeLike {
  DType dtype = DType::none;
  int64_t k = 0;

  static constexpr std::string_view kName = "eye_like";
  static constexpr OnnxName kOnnx = {.name = "EyeLike", .since = 9};
  static constexpr auto kFields = std::tuple{field(1, "dtype", &EyeLike::dtype), field(2, "k", &EyeLike::k)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult EyeLike::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank(0, 2));
  const DType wanted = dtype == DType::none ? context.dtype(0) : dtype;
  if (!allows(Types::all, wanted)) return context.fail(fmt::format("{} has no 1", name(wanted)));
  return one(wanted, context.shape(0));
}

Result<void> EyeLike::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t columns = in[0].dims()[1];
  const double one = 1;
  for (int64_t at = 0; at < out[0].size(); ++at) {
    if (at % columns - at / columns == k) narrow(&one, 1, out[0], at);
  }
  return {};
}

MJ_REGISTER_OP(EyeLike)

}  // namespace mj
