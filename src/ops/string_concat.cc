// SPDX-License-Identifier: Apache-2.0
// string_concat(x, y): x and y joined, element by element with broadcasting
#include <fmt/format.h>

#include "base/shape.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct StringConcat {
  static constexpr std::string_view kName = "string_concat";
  static constexpr OnnxName kOnnx = {.name = "StringConcat", .since = 20};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(2, 2));
    for (size_t i = 0; i < 2; ++i) {
      MJ_TRY(context.ranked(i));
      if (context.dtype(i) != DType::string) return context.fail(fmt::format("input {} must be strings", i));
    }
    Result<Shape> out = broadcast_shapes(context.shape(0), context.shape(1));
    if (!out.ok()) return context.fail(out.error().message);
    return one(DType::string, std::move(out).value());
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    const Tensor x = broadcast_to(in[0], out[0].dims()), y = broadcast_to(in[1], out[0].dims());
    std::vector<std::string>& joined = out[0].mutable_string_data();
    for (size_t i = 0; i < joined.size(); ++i) joined[i] = x.string_data()[i] + y.string_data()[i];
    return {};
  }
};
MJ_REGISTER_OP(StringConcat)

}  // namespace mj
