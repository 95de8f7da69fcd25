// SPDX-License-Identifier: Apache-2.0
// one_hot{axis}(indices, depth, values): a new axis of length depth that is values[1] at the index, else values[0]
#include <fmt/format.h>

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct OneHot {
  int64_t axis = -1;

  static constexpr std::string_view kName = "one_hot";
  static constexpr OnnxName kOnnx = {.name = "OneHot", .since = 9};
  static constexpr auto kFields = std::tuple{field(1, "axis", &OneHot::axis)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult OneHot::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 3));
  for (size_t i = 0; i < 3; ++i) MJ_TRY(context.ranked(i));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) return context.fail("indices must be numbers");
  MJ_TRY(context.rank(2, 1));
  MJ_TRY(require_equal(context, "the number of values and 2", context.shape(2)[0], 2));
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank() + 1));
  Shape out = context.shape(0);
  const std::optional<std::vector<Dim>> depth = context[1].elements();
  Dim length;
  if (depth && depth->size() == 1) {
    length = (*depth)[0];
  } else if (context[1].constant.present() && context[1].constant.size() == 1) {
    const double value = context[1].constant.to_f64()[0];
    if (!(value >= 0 && value < 1e15)) return context.fail(fmt::format("depth must be 0 or more, got {}", value));
    length = static_cast<int64_t>(value);
  } else {
    if (context.concrete()) return context.fail("depth must be one number");
    length = context.fresh("depth");
  }
  out.insert(out.begin() + at, length);
  return one(context.dtype(2), std::move(out));
}

Result<void> OneHot::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const AxisView view = AxisView::of(out[0].dims(), axis);
  const std::vector<double> indices = in[0].to_f64();
  for (int64_t to = 0; to < out[0].size(); ++to) {
    const int64_t place = to / view.inner % view.length;
    const double index = indices[to / view.inner / view.length * view.inner + to % view.inner];
    const double wanted = index < 0 ? index + static_cast<double>(view.length) : index;
    copy_elements(in[2], wanted == static_cast<double>(place) ? 1 : 0, out[0], to, 1);
  }
  return {};
}

MJ_REGISTER_OP(OneHot)

}  // namespace mj
