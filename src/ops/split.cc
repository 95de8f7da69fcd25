// SPDX-License-Identifier: Apache-2.0
#include "ops/split.h"

#include <fmt/format.h>

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

Dim total(const std::vector<Dim>& lengths) {
  Dim sum = 0;
  for (const Dim& length : lengths) sum += length;
  return sum;
}

}  // namespace

InferResult Split::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  const Dim& whole = context.shape(0)[static_cast<size_t>(at)];
  std::vector<Dim> lengths(sizes.begin(), sizes.end());
  if (sizes.empty()) {
    const int64_t parts = num_outputs > 0 ? num_outputs : context.outputs;
    if (parts > kMaxContents) return context.fail(fmt::format("{} parts are too many", parts));
    const Dim each = ceil_div(whole, parts);
    for (int64_t i = 0; i + 1 < parts; ++i) lengths.push_back(each);
    lengths.push_back(whole - each * (parts - 1));
  }
  for (int64_t size : sizes) {
    if (size < 0) return context.fail(fmt::format("size {} is negative", size));
  }
  MJ_TRY(require_equal(context, "the dimension and the sum of the sizes", whole, total(lengths)));
  std::vector<ValueInfo> out;
  std::optional<std::vector<Dim>> all = context.concrete() ? std::nullopt : context[0].elements();
  if (context[0].type.rank() != 1) all.reset();
  size_t done = 0;
  for (const Dim& length : lengths) {
    Shape shape = context.shape(0);
    shape[static_cast<size_t>(at)] = length;
    ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(shape)));
    if (all && length.constant()) {
      const auto first = all->begin() + static_cast<int64_t>(done);
      info.contents = std::vector<Dim>(first, first + *length.constant());
      done += static_cast<size_t>(*length.constant());
    }
    out.push_back(std::move(info));
  }
  return out;
}

Result<void> Split::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const AxisView whole = AxisView::of(in[0].dims(), axis);
  int64_t place = 0;
  for (Tensor& part : out) {
    const AxisView view = AxisView::of(part.dims(), axis);
    const int64_t block = view.length * view.inner;
    for (int64_t o = 0; o < view.outer; ++o) {
      copy_elements(in[0], o * whole.length * whole.inner + place, part, o * block, block);
    }
    place += block;
  }
  return {};
}

MJ_REGISTER_OP(Split)

}  // namespace mj
