// SPDX-License-Identifier: Apache-2.0
// bit_cast{to}(x): the same bits as another type of that width
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ops/register.h"

namespace mj {

struct BitCast {
  DType to = DType::f32;

  static constexpr std::string_view kName = "bit_cast";
  static constexpr OnnxName kOnnx = {.name = "BitCast", .since = 26};
  static constexpr auto kFields = std::tuple{field(1, "to", &BitCast::to)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult BitCast::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  const DType from = context.dtype(0);
  if (bits(from) == 0 || bits(from) != bits(to)) {
    return context.fail(fmt::format("{} and {} are not of one width", name(from), name(to)));
  }
  return one(to, context.shape(0));
}

// A bool is true for any bits but none, as nothing else may stand in one; what is less than a byte is held one a byte,
// integers with their sign.
Result<void> BitCast::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (in[0].bytes() == 0) return {};
  std::memcpy(out[0].mutable_raw(), in[0].raw(), static_cast<size_t>(in[0].bytes()));
  auto* bytes = static_cast<uint8_t*>(out[0].mutable_raw());
  if (to == DType::boolean) std::transform(bytes, bytes + out[0].size(), bytes, [](uint8_t b) { return b != 0; });
  if (bits(to) >= 8) return {};
  const int sign = 1 << (bits(to) - 1);
  std::transform(bytes, bytes + out[0].size(), bytes, [&](int b) {
    b &= 2 * sign - 1;
    return static_cast<uint8_t>(is_signed(to) && is_integer(to) ? b - 2 * (b & sign) : b);
  });
  return {};
}

MJ_REGISTER_OP(BitCast)

}  // namespace mj
