// SPDX-License-Identifier: Apache-2.0
// bit_cast{to}(x): the same bits as another type of that width
#include <fmt/format.h>

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

namespace {

bool is_half_byte(DType dtype) { return dtype == DType::i4 || dtype == DType::u4; }

}  // namespace

InferResult BitCast::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  const DType from = context.dtype(0);
  if (to == DType::string || to == DType::none || from == DType::string || storage_bytes(from) != storage_bytes(to) ||
      is_half_byte(from) != is_half_byte(to)) {
    return context.fail(fmt::format("{} and {} are not of one width", name(from), name(to)));
  }
  return one(to, context.shape(0));
}

// A bool is true for any bits but none, as nothing else may stand in one.
Result<void> BitCast::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (is_half_byte(to)) {  // held one a byte, with its sign
    const std::vector<int64_t> values = in[0].to_i64();
    dispatch(to, [&]<class T>() {
      if constexpr (sizeof(T) == 1 && std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        for (size_t i = 0; i < values.size(); ++i) {
          const int64_t bits = values[i] & 15;
          out[0].mutable_data<T>()[i] = static_cast<T>(to == DType::i4 && bits > 7 ? bits - 16 : bits);
        }
      }
    });
    return {};
  }
  if (in[0].bytes() == 0) return {};
  std::memcpy(out[0].mutable_raw(), in[0].raw(), static_cast<size_t>(in[0].bytes()));
  if (to == DType::boolean) {
    auto* bytes = static_cast<uint8_t*>(out[0].mutable_raw());
    for (int64_t i = 0; i < out[0].size(); ++i) bytes[i] = bytes[i] != 0;
  }
  return {};
}

MJ_REGISTER_OP(BitCast)

}  // namespace mj
