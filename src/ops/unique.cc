// SPDX-License-Identifier: Apache-2.0
// unique{axis, flat, sorted}(x): the slices of x along the axis, or with flat its elements, each once: in ascending
// order, or as they come; then where each stands first, which one each slice of x is, and how often each stands there.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct Unique {
  int64_t axis = 0;
  bool flat = false;
  bool sorted = true;

  static constexpr std::string_view kName = "unique";
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &Unique::axis), field(2, "flat", &Unique::flat), field(3, "sorted", &Unique::sorted)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
  AxisView view(const Tensor& x) const { return flat ? AxisView{1, x.size(), 1} : AxisView::of(x.dims(), axis); }
};

namespace {

// Three-way, on elements of one tensor; NaN is equal to itself and above all numbers.
class ElementOrder {
 public:
  explicit ElementOrder(const Tensor& x) : x_(x) {
    if (x.dtype() == DType::string) return;
    if (is_float(x.dtype())) {
      reals_ = x.to_f64();
    } else {
      integers_ = x.to_i64();
    }
  }
  int operator()(int64_t a, int64_t b) const {
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    if (x_.dtype() == DType::string) return x_.string_data()[i].compare(x_.string_data()[j]);
    if (!is_float(x_.dtype())) {
      if (x_.dtype() == DType::u64) {
        return order(static_cast<uint64_t>(integers_[i]), static_cast<uint64_t>(integers_[j]));
      }
      return order(integers_[i], integers_[j]);
    }
    if (std::isnan(reals_[i]) || std::isnan(reals_[j])) return order(std::isnan(reals_[i]), std::isnan(reals_[j]));
    return order(reals_[i], reals_[j]);
  }

 private:
  template <class T>
  static int order(T a, T b) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const Tensor& x_;
  std::vector<double> reals_;
  std::vector<int64_t> integers_;
};

struct Groups {
  std::vector<int64_t> first, count;  // of each group, in the order of the result
  std::vector<int64_t> of;            // of each slice
};

Groups groups_of(const Tensor& x, const AxisView& view, bool sorted) {
  const ElementOrder compare(x);
  const auto slices = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        const int64_t row = o * view.length;
        if (const int c = compare((row + a) * view.inner + i, (row + b) * view.inner + i)) return c;
      }
    }
    return 0;
  };
  std::vector<int64_t> order(static_cast<size_t>(view.length));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return slices(a, b) < 0; });
  std::vector<std::vector<int64_t>> members;  // ascending, as the sort is stable
  for (int64_t slice : order) {
    if (members.empty() || slices(members.back()[0], slice) != 0) members.emplace_back();
    members.back().push_back(slice);
  }
  if (!sorted) std::sort(members.begin(), members.end());
  Groups groups;
  groups.of.resize(order.size());
  for (const std::vector<int64_t>& group : members) {
    for (int64_t slice : group) groups.of[static_cast<size_t>(slice)] = std::ssize(groups.first);
    groups.first.push_back(group[0]);
    groups.count.push_back(std::ssize(group));
  }
  return groups;
}

}  // namespace

InferResult Unique::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, flat ? 0 : 1));
  Shape out = flat ? Shape{element_count(context.shape(0))} : context.shape(0);
  MJ_ASSIGN(const int64_t at, normalize_axis(context, flat ? 0 : axis, std::ssize(out)));
  const Dim length = out[static_cast<size_t>(at)];
  Dim count;
  if (context.concrete()) {
    const Tensor& x = context[0].constant;
    count = std::ssize(groups_of(x, view(x), sorted).first);
  } else {
    count = context.fresh("unique");
  }
  out[static_cast<size_t>(at)] = count;
  const auto integers = [](const Dim& n) { return ValueInfo::of(Type::tensor(DType::i64, {n})); };
  return std::vector<ValueInfo>{ValueInfo::of(Type::tensor(context.dtype(0), std::move(out))), integers(count),
                                integers(length), integers(count)};
}

Result<void> Unique::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const AxisView from = view(in[0]);
  const Groups groups = groups_of(in[0], from, sorted);
  const int64_t count = std::ssize(groups.first);
  for (int64_t o = 0; o < from.outer; ++o) {
    for (int64_t g = 0; g < count; ++g) {
      const int64_t slice = o * from.length + groups.first[static_cast<size_t>(g)];
      copy_elements(in[0], slice * from.inner, out[0], (o * count + g) * from.inner, from.inner);
    }
  }
  const std::vector<int64_t>* lists[] = {&groups.first, &groups.of, &groups.count};
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i].present()) std::copy(lists[i - 1]->begin(), lists[i - 1]->end(), out[i].mutable_data<int64_t>().begin());
  }
  return {};
}

MJ_REGISTER_OP(Unique)

}  // namespace mj
