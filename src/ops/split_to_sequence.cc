// SPDX-License-Identifier: Apache-2.0
// split_to_sequence{axis, keepdims}(x, sizes?): consecutive parts along the axis. `sizes` lists their lengths, or is
// one length for all, the last part being what is left. Without it every part has length 1, and no such dim if
// !keepdims.
#include <fmt/format.h>

#include <algorithm>

#include "ops/indices.h"
#include "ops/register.h"
#include "ops/split.h"

namespace mj {

struct SplitToSequence {
  int64_t axis = 0;
  bool keepdims = true;

  static constexpr std::string_view kName = "split_to_sequence";
  static constexpr OnnxName kOnnx = {.name = "SplitToSequence", .since = 11};
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &SplitToSequence::axis), field(2, "keepdims", &SplitToSequence::keepdims)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;

 private:
  // The lengths of the parts of a dim of length n.
  static Result<std::vector<int64_t>> lengths(const Tensor* sizes, int64_t n);
};

InferResult SplitToSequence::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 2));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  Type element = context[0].type;
  Dim& dim = (*element.shape)[static_cast<size_t>(at)];
  if (!context.has(1)) {
    dim = 1;
    if (!keepdims) element.shape->erase(element.shape->begin() + at);
    return one(ValueInfo::of(Type::sequence(std::move(element))));
  }
  MJ_TRY(context.ranked(1));
  MJ_TRY(require_indices(context, 1));
  if (context[1].type.rank() > 1) {
    return context.fail(fmt::format("input 1 must have rank 0 or 1, got {}", to_string(context[1].type)));
  }
  const std::optional<std::vector<int64_t>> sizes = context[1].known_elements();
  const bool each_alike =
      sizes && !sizes->empty() && std::all_of(sizes->begin(), sizes->end(), [&](auto n) { return n == (*sizes)[0]; });
  const bool no_rest = each_alike && (context[1].type.rank() == 1 || equal(mod(dim, (*sizes)[0]), 0) == Tri::yes);
  dim = no_rest ? Dim((*sizes)[0]) : any_dim();
  return one(ValueInfo::of(Type::sequence(std::move(element))));
}

Result<std::vector<int64_t>> SplitToSequence::lengths(const Tensor* sizes, int64_t n) {
  std::vector<int64_t> given = sizes ? sizes->to_i64() : std::vector<int64_t>{1};
  if (sizes && sizes->rank() == 1) return given;
  const int64_t each = given[0];
  if (each <= 0) return model_error("{}: parts of length {}", kName, each);
  constexpr int64_t kMostParts = int64_t{1} << 24;  // more are a mistake in the model
  if (n / each > kMostParts) return model_error("{}: {} parts of length {}", kName, n / each, each);
  given.assign(static_cast<size_t>(n / each), each);
  if (n % each != 0) given.push_back(n % each);
  return given;
}

Result<void> SplitToSequence::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t at = axis < 0 ? axis + in[0].rank() : axis;
  const Tensor* sizes = in.size() > 1 && in[1].present() ? &in[1] : nullptr;
  MJ_ASSIGN(const std::vector<int64_t> parts, lengths(sizes, in[0].dims()[static_cast<size_t>(at)]));
  if (parts.empty()) return {};
  MJ_ASSIGN(std::vector<Tensor> items, evaluate(Op(Split{.axis = at, .sizes = parts}), in.first(1)));
  for (Tensor& item : items) {
    if (sizes || keepdims) continue;
    std::vector<int64_t> dims = item.dims();
    dims.erase(dims.begin() + at);
    item = item.reshaped(std::move(dims));
  }
  out[0] = Tensor::sequence(in[0].dtype(), std::move(items));
  return {};
}

MJ_REGISTER_OP(SplitToSequence)

}  // namespace mj
