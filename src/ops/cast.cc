// SPDX-License-Identifier: Apache-2.0
#include "ops/cast.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

bool below_byte(DType dtype) { return bits(dtype) < 8; }

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
  const auto n = static_cast<int>(bits(dtype));
  if (!is_signed(dtype)) return {0, std::ldexp(1.0, n) - 1};
  return {-std::ldexp(1.0, n - 1), std::ldexp(1.0, n - 1) - 1};
}

template <class T>
T wrap(int64_t x, DType to) {
  if (!below_byte(to)) return static_cast<T>(x);
  const int64_t sign = int64_t{1} << (bits(to) - 1), lower = x & (2 * sign - 1);
  return static_cast<T>(is_signed(to) ? lower - 2 * (lower & sign) : lower);
}

// With the fraction cut off, for ONNX wants numbers that do not fit into less than a byte to lose their upper bits,
// whatever they come from.
int64_t whole(double x) { return to_integer<int64_t>(x, -0x1p63, 0x1p63); }

// The power of two that x > 0 is rounded to.
float power_of_two(float x, std::string_view round_mode) {
  if (!(x > 0) || std::isinf(x)) return x;
  int exponent = 0;
  const float mantissa = std::frexp(x, &exponent);  // in [0.5, 1), so that x is in [2^(exponent - 1), 2^exponent)
  const bool up = round_mode == "up" ? mantissa > 0.5f : round_mode == "nearest" && mantissa >= 0.75f;
  return std::ldexp(1.0f, up ? exponent : exponent - 1);
}

// What is left for the conversion to a float of a byte or less is to round what is in its range.
float before_small(const Cast& cast, float x) {
  if (cast.to == DType::f8e8m0) x = power_of_two(x, cast.round_mode);
  return cast.saturate ? saturated(x, cast.to) : x;
}

// From one of double, int64_t and uint64_t, which every element widens to, so that few pairs of types are compiled.
template <class From>
void convert(const Cast& cast, const From* x, int64_t n, Tensor& out, int64_t offset) {
  const auto [low, high] = is_integer(out.dtype()) ? range_of(out.dtype()) : std::pair<double, double>{};
  const DType to = out.dtype();
  dispatch(to, [&, low = low, high = high]<class T>() {
    T* y = out.mutable_data<T>().data() + offset;
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        y[i] = x[i] != 0;
      } else if constexpr (std::is_integral_v<T> && std::is_same_v<From, double>) {
        y[i] = below_byte(to) ? wrap<T>(whole(x[i]), to) : to_integer<T>(x[i], low, high);
      } else if constexpr (std::is_integral_v<T>) {
        y[i] = wrap<T>(static_cast<int64_t>(x[i]), to);
      } else if constexpr (std::is_same_v<T, double>) {
        y[i] = static_cast<double>(x[i]);
      } else if constexpr (sizeof(T) == 1) {
        y[i] = T(before_small(cast, static_cast<float>(x[i])));
      } else {
        y[i] = static_cast<T>(static_cast<float>(x[i]));
      }
    }
  });
}

}  // namespace

float saturated(float x, DType to) {
  if (std::isnan(x)) return x;
  switch (to) {
    case DType::f8e4m3:
      return std::clamp(x, -448.0f, 448.0f);
    case DType::f8e4m3fnuz:
      return std::clamp(x, -240.0f, 240.0f);
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
      return std::clamp(x, -57344.0f, 57344.0f);
    case DType::f4e2m1:
      return std::clamp(x, -6.0f, 6.0f);
    case DType::f8e8m0:
      return x < 0 ? x : std::clamp(x, 0x1p-127f, 0x1p127f);  // it has no negative numbers
    default:
      return x;
  }
}

float Cast::operator()(float x) const {
  switch (to) {
    case DType::boolean:
      return x != 0 ? 1.0f : 0.0f;
    case DType::f16:
      return F16(x);
    case DType::bf16:
      return Bf16(x);
    default:
      break;
  }
  if (is_float(to) && bits(to) <= 8) {
    return dispatch(to, [&]<class T>() -> float {
      if constexpr (sizeof(T) == 1 && !std::is_integral_v<T>) return T(before_small(*this, x));
      return x;
    });
  }
  if (!is_integer(to)) return x;
  if (below_byte(to)) return wrap<float>(whole(x), to);
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
  if (round_mode != "up" && round_mode != "down" && round_mode != "nearest") {
    return context.fail(fmt::format("round_mode must be up, down or nearest, got '{}'", round_mode));
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
      convert(*this, &(*known)[i], 1, element, 0);
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
      convert(*this, wide.data(), n, out[0], at);
    }
  });
  return {};
}

MJ_REGISTER_OP(Cast)

}  // namespace mj
