// SPDX-License-Identifier: Apache-2.0
#include "ops/cast.h"

#include <fmt/format.h>

#include <limits>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

// In [low, high], with NaN as 0 and the fraction cut off.
template <class T>
T to_integer(double x, double low, double high) {
  if (std::isnan(x)) return 0;
  if (x <= low) return static_cast<T>(low);
  // 2^63 and 2^64 are no numbers of T, but high rounds up to them.
  if (x >= high) return high >= 9.2e18 ? std::numeric_limits<T>::max() : static_cast<T>(high);
  return static_cast<T>(x);
}

// The numbers that an integer type of whole bytes holds.
std::pair<double, double> range_of(DType dtype) {
  const auto bits = static_cast<int>(8 * storage_bytes(dtype));
  if (!is_signed(dtype)) return {0, std::ldexp(1.0, bits) - 1};
  return {-std::ldexp(1.0, bits - 1), std::ldexp(1.0, bits - 1) - 1};
}

template <class T>
T wrap(int64_t x, DType to) {
  if (to == DType::i4) return static_cast<T>((x & 15) - (x & 8) * 2);
  if (to == DType::u4) return static_cast<T>(x & 15);
  return static_cast<T>(x);
}

bool four_bits(DType dtype) { return dtype == DType::i4 || dtype == DType::u4; }

// With the fraction cut off, for ONNX wants numbers that do not fit into four bits to lose their upper ones, whatever
// they come from.
int64_t whole(double x) { return to_integer<int64_t>(x, -0x1p63, 0x1p63); }

// From one of double, int64_t and uint64_t, which every element widens to, so that few pairs of types are compiled.
template <class From>
void convert(const From* x, int64_t n, Tensor& out, int64_t offset) {
  const auto [low, high] = is_integer(out.dtype()) ? range_of(out.dtype()) : std::pair<double, double>{};
  const DType to = out.dtype();
  dispatch(to, [&, low = low, high = high]<class T>() {
    T* y = out.mutable_data<T>().data() + offset;
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        y[i] = x[i] != 0;
      } else if constexpr (std::is_integral_v<T> && std::is_same_v<From, double>) {
        y[i] = four_bits(to) ? wrap<T>(whole(x[i]), to) : to_integer<T>(x[i], low, high);
      } else if constexpr (std::is_integral_v<T>) {
        y[i] = wrap<T>(static_cast<int64_t>(x[i]), to);
      } else if constexpr (std::is_same_v<T, double>) {
        y[i] = static_cast<double>(x[i]);
      } else {
        y[i] = static_cast<T>(static_cast<float>(x[i]));
      }
    }
  });
}

}  // namespace

float Cast::operator()(float x) const {
  switch (to) {
    case DType::boolean:
      return x != 0 ? 1.0f : 0.0f;
    case DType::f16:
      return F16(x);
    case DType::bf16:
      return Bf16(x);
    case DType::f8e4m3:
      return F8E4M3(x);
    case DType::f8e5m2:
      return F8E5M2(x);
    default:
      break;
  }
  if (!is_integer(to)) return x;
  if (four_bits(to)) return wrap<float>(whole(x), to);
  const auto [low, high] = range_of(to);
  return std::isnan(x) ? 0.0f : static_cast<float>(std::trunc(std::fmin(std::fmax(x, low), high)));
}

InferResult Cast::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  const ValueInfo& x = context[0];
  if (!allows(kTypes, context.dtype(0)) || !allows(kTypes, to)) {
    return error(ErrorCode::unsupported, "{}: from {} to {} is not supported", context.op, name(context.dtype(0)),
                 name(to));
  }
  ValueInfo info = x;
  info.type.dtype = to;
  info.constant = {};
  info.contents.reset();
  if (context.concrete() || !(is_integer(to) || to == DType::boolean)) return one(std::move(info));
  info.contents = x.elements();
  const std::optional<std::vector<int64_t>> known = x.known_elements();
  if (known) {
    for (size_t i = 0; i < known->size(); ++i) {
      Tensor element = Tensor::zeros(to, {});
      convert(&(*known)[i], 1, element, 0);
      (*info.contents)[i] = Dim(element.to_i64()[0]);
    }
  } else if (to == DType::boolean) {
    info.contents.reset();
  }
  return one(std::move(info));
}

Result<void> Cast::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const Tensor& x = in[0];
  if (x.dtype() == to) {
    copy_all(x, out[0]);
    return {};
  }
  dispatch(x.dtype(), [&]<class T>() {
    using Wide = std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t,
                                    std::conditional_t<std::is_integral_v<T>, int64_t, double>>;
    constexpr int64_t kChunk = 1024;
    std::array<Wide, kChunk> wide;
    for (int64_t at = 0; at < x.size(); at += kChunk) {
      const int64_t n = std::min(kChunk, x.size() - at);
      for (int64_t i = 0; i < n; ++i) {
        wide[static_cast<size_t>(i)] = static_cast<Wide>(x.data<T>()[static_cast<size_t>(at + i)]);
      }
      convert(wide.data(), n, out[0], at);
    }
  });
  return {};
}

MJ_REGISTER_OP(Cast)

}  // namespace mj
