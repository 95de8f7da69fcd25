// SPDX-License-Identifier: Apache-2.0
// arg_max, arg_min{axis, keepdims, select_last_index}(x): the i64 place of the largest (smallest) element along the
// axis
#include <cmath>

#include "ops/axis_lines.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct ArgFields {
  int64_t axis = 0;
  bool keepdims = true;
  bool select_last_index = false;

  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    MJ_TRY(context.rank_at_least(0, 1));
    if (!allows(Types::numbers, context.dtype(0))) return context.fail("input 0 must be numbers");
    MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
    Shape out = context.shape(0);
    if (equal(out[static_cast<size_t>(at)], 0) == Tri::yes) return context.fail("there is nothing along the axis");
    if (keepdims) {
      out[static_cast<size_t>(at)] = 1;
    } else {
      out.erase(out.begin() + at);
    }
    return one(DType::i64, std::move(out));
  }

  void find(const Tensor& x, Tensor& y, double sign) const {
    const AxisView view = AxisView::of(x.dims(), axis);
    const std::vector<double> values = widened(x);
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        int64_t best = 0;
        const auto value = [&](int64_t k) { return sign * values[(o * view.length + k) * view.inner + i]; };
        for (int64_t k = 1; k < view.length; ++k) {
          if (std::isnan(value(best)) && !select_last_index) break;
          if (value(k) > value(best) || std::isnan(value(k)) || (select_last_index && value(k) == value(best)))
            best = k;
        }
        y.mutable_data<int64_t>()[o * view.inner + i] = best;
      }
    }
  }
};

struct ArgMax : ArgFields {
  static constexpr std::string_view kName = "arg_max";
  static constexpr OnnxName kOnnx = {.name = "ArgMax", .since = 1};
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &ArgFields::axis), field(2, "keepdims", &ArgFields::keepdims),
                 field(3, "select_last_index", &ArgFields::select_last_index)};

  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    find(in[0], out[0], 1);
    return {};
  }
};
MJ_REGISTER_OP(ArgMax)

struct ArgMin : ArgFields {
  static constexpr std::string_view kName = "arg_min";
  static constexpr OnnxName kOnnx = {.name = "ArgMin", .since = 1};
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &ArgFields::axis), field(2, "keepdims", &ArgFields::keepdims),
                 field(3, "select_last_index", &ArgFields::select_last_index)};

  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    find(in[0], out[0], -1);
    return {};
  }
};
MJ_REGISTER_OP(ArgMin)

}  // namespace mj
