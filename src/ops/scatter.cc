// SPDX-License-Identifier: Apache-2.0
#include "ops/scatter.h"

#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/pointwise.h"

namespace mj {
namespace {

template <class T>
T combine(const std::string& how, T old, T update) {
  if constexpr (std::is_same_v<T, bool>) {
    return how == "add" || how == "max" ? old || update : old && update;
  } else {
    using C = std::conditional_t<std::is_arithmetic_v<T>, T, float>;
    const C x = static_cast<C>(old), y = static_cast<C>(update);
    if (how == "add") return static_cast<T>(wrapping_add(x, y));
    if (how == "mul") return static_cast<T>(wrapping_mul(x, y));
    if (how == "max") return x > y || is_nan(x) ? old : update;
    return x < y || is_nan(x) ? old : update;
  }
}

}  // namespace

Result<void> check_reduction(const InferContext& context, const std::string& reduction) {
  for (std::string_view known : {"none", "add", "mul", "max", "min"}) {
    if (reduction == known) return {};
  }
  return context.fail(fmt::format("reduction must be none, add, mul, max or min, got '{}'", reduction));
}

void scatter(const std::string& reduction, const Tensor& updates, int64_t from, Tensor& out, int64_t to, int64_t n) {
  if (reduction == "none" || updates.dtype() == DType::string) return copy_elements(updates, from, out, to, n);
  dispatch(updates.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < n; ++i) {
      T& target = out.mutable_data<T>()[to + i];
      target = combine(reduction, target, updates.data<T>()[from + i]);
    }
  });
}

}  // namespace mj
