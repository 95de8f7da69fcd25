// SPDX-License-Identifier: Apache-2.0
#include "ops/slice.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

// A bound beyond this means "to the end", as exporters write INT32_MAX or INT64_MAX for it.
constexpr int64_t kFar = INT32_MAX;
constexpr int64_t kAddressable = int64_t{1} << 47;  // bytes of a process

// More than an axis of this tensor can be long: kFar, or what memory holds of the other dims that are known.
int64_t far_along(const Type& type, size_t axis) {
  int64_t bytes = std::max<int64_t>(1, storage_bytes(type.dtype));
  for (size_t d = 0; d < type.shape->size(); ++d) {
    const std::optional<int64_t> dim = d == axis ? std::nullopt : (*type.shape)[d].constant();
    if (dim && *dim > 1) bytes = std::min(kAddressable, bytes * std::min(*dim, kAddressable / bytes + 1));
  }
  return std::min(kFar, kAddressable / bytes + 1);
}

// `bound` of an axis of length `dim`, clamped into [low, high]; nullopt where its sign is unknown.
std::optional<Dim> clamp_bound(const Dim& bound, const Dim& dim, const Dim& low, const Dim& high, int64_t far) {
  if (bound.constant() && *bound.constant() >= far) return high;
  if (bound.constant() && *bound.constant() <= -far) return low;
  if (equal(bound, dim) == Tri::yes && equal(dim, high) == Tri::yes) return high;
  if (less_equal(Dim(0), bound) == Tri::yes) return min(bound, high);
  if (less_equal(bound, Dim(-1)) == Tri::yes) return max(bound + dim, low);
  return std::nullopt;
}

struct Cut {
  int64_t axis;
  std::optional<Dim> start, length;  // nullopt: only running can tell
  int64_t step;
};

Result<std::vector<int64_t>> known(const InferContext& context, size_t i, std::string_view what) {
  const std::optional<std::vector<int64_t>> list = context[i].known_elements();
  if (!list) return context.fail(fmt::format("{} must be constant", what));
  return *list;
}

Result<std::vector<Cut>> cuts_of(const InferContext& context) {
  const Shape& in = context.shape(0);
  const std::optional<std::vector<Dim>> starts = context[1].elements(), ends = context[2].elements();
  std::vector<int64_t> axes, steps;
  if (context.has(3)) {
    MJ_ASSIGN(axes, known(context, 3, "axes"));
  } else {
    const std::optional<int64_t> count = context.shape(1)[0].constant();
    if (!count || *count > context[0].type.rank()) return context.fail("more starts than dimensions");
    for (int64_t d = 0; d < *count; ++d) axes.push_back(d);
  }
  if (context.has(4)) {
    MJ_ASSIGN(steps, known(context, 4, "steps"));
  } else {
    steps.assign(axes.size(), 1);
  }
  MJ_TRY(normalize_axes(context, axes, context[0].type.rank()));
  if (steps.size() != axes.size() || (starts && starts->size() != axes.size()) ||
      (ends && ends->size() != axes.size())) {
    return context.fail("starts, ends, axes and steps must be equally many");
  }
  std::vector<Cut> cuts;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t step = steps[i], axis = axes[i] < 0 ? axes[i] + context[0].type.rank() : axes[i];
    if (step == 0) return context.fail("a step is 0");
    if (step == INT64_MIN) return context.fail("a step is out of range");
    Cut cut{axis, std::nullopt, std::nullopt, step};
    const Dim& dim = in[static_cast<size_t>(axis)];
    const bool forward = step > 0;
    const Dim low = forward ? 0 : -1, high = forward ? dim : dim - 1;
    const int64_t far = far_along(context[0].type, static_cast<size_t>(axis));
    if (starts) {
      // Backwards from before the first element is from the first, unlike in Python; of none there is nothing to take.
      const Dim& bound = (*starts)[i];
      const bool last = !forward && bound.constant() == -1;
      cut.start = last ? high : clamp_bound(bound, dim, forward ? low : min(Dim(0), dim - 1), high, far);
    }
    std::optional<Dim> end;
    if (ends) end = clamp_bound((*ends)[i], dim, low, high, far);
    if (cut.start && end) {
      const Dim room = forward ? *end - *cut.start : *cut.start - *end;
      cut.length = max(ceil_div(room, forward ? step : -step), 0);
    }
    cuts.push_back(cut);
  }
  return cuts;
}

std::optional<std::vector<Dim>> slice_contents(const InferContext& context, const std::vector<Cut>& cuts) {
  std::optional<std::vector<Dim>> all = context[0].elements();
  if (!all || context[0].type.rank() != 1 || context.concrete()) return std::nullopt;
  if (cuts.empty()) return all;
  const Cut& cut = cuts[0];
  if (!cut.start || !cut.start->constant() || !cut.length || !cut.length->constant()) return std::nullopt;
  std::vector<Dim> out;
  for (int64_t i = 0; i < *cut.length->constant(); ++i) {
    out.push_back((*all)[static_cast<size_t>(*cut.start->constant() + i * cut.step)]);
  }
  return out;
}

}  // namespace

InferResult Slice::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 5));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.rank(1, 1));
  MJ_TRY(context.rank(2, 1));
  const auto computed = [&](size_t i) { return context.has(i) && !context[i].known_elements(); };
  const bool uncounted = !context.has(3) && !context.shape(1)[0].constant();
  if (!context.concrete() && (computed(3) || computed(4) || uncounted)) {  // any dim may be cut, in any way
    Shape any;
    for (int64_t d = 0; d < context[0].type.rank(); ++d) any.push_back(context.fresh("slice"));
    return one(context.dtype(0), std::move(any));
  }
  MJ_ASSIGN(const std::vector<Cut> cuts, cuts_of(context));
  Shape out = context.shape(0);
  for (const Cut& cut : cuts) {
    Dim& dim = out[static_cast<size_t>(cut.axis)];
    if (!cut.length && context.concrete()) return context.fail("starts and ends must be integers");
    dim = cut.length ? *cut.length : context.fresh("slice");
  }
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  info.contents = slice_contents(context, cuts);
  return one(std::move(info));
}

Result<void> Slice::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<ValueInfo> infos;
  for (const Tensor& x : in) infos.push_back(x.present() ? ValueInfo::of(x) : ValueInfo{});
  MJ_ASSIGN(const std::vector<Cut> cuts, cuts_of({.op = kName, .inputs = infos, .outputs = 1, .fresh = nullptr}));
  Walk from{0, row_major(in[0].dims())};
  for (const Cut& cut : cuts) {
    int64_t& stride = from.strides[static_cast<size_t>(cut.axis)];
    from.offset += *cut.start->constant() * stride;
    if (*cut.length->constant() > 1) stride *= cut.step;  // a step over the end may be as large as it likes
  }
  copy_box(out[0].dims(), in[0], from, out[0], {0, row_major(out[0].dims())});
  return {};
}

MJ_REGISTER_OP(Slice)

}  // namespace mj
