// SPDX-License-Identifier: Apache-2.0
// scan_length{axes}(x...) = the size that every x[i] has along axes[i], as an i64 scalar; an error where they differ
#include <fmt/format.h>

#include <algorithm>

#include "ops/register.h"

namespace mj {

struct ScanLength {
  std::vector<int64_t> axes;

  static constexpr std::string_view kName = "scan_length";
  static constexpr auto kFields = std::tuple{field(1, "axes", &ScanLength::axes)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult ScanLength::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, axes.size()));
  if (context.inputs.size() != axes.size()) return context.fail("it needs an axis for each input");
  std::vector<Dim> lengths;
  for (size_t i = 0; i < axes.size(); ++i) {
    MJ_TRY(context.ranked(i));
    MJ_ASSIGN(const int64_t axis, normalize_axis(context, axes[i], context[i].type.rank()));
    lengths.push_back(context.shape(i)[static_cast<size_t>(axis)]);
    MJ_TRY(require_equal(context, fmt::format("the lengths of inputs 0 and {}", i), lengths[0], lengths[i]));
  }
  ValueInfo info = ValueInfo::of(Type::tensor(DType::i64, {}));
  // Contents make its node go away, and with it the check.
  const bool equal_for_sure = std::all_of(lengths.begin(), lengths.end(),
                                          [&](const Dim& length) { return equal(length, lengths[0]) == Tri::yes; });
  if (!context.concrete() && equal_for_sure) info.contents = std::vector<Dim>{lengths[0]};
  return one(std::move(info));
}

Result<void> ScanLength::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t axis = axes[0] < 0 ? axes[0] + in[0].rank() : axes[0];
  out[0].mutable_data<int64_t>()[0] = in[0].dims()[static_cast<size_t>(axis)];
  return {};
}

MJ_REGISTER_OP(ScanLength)

}  // namespace mj
