// SPDX-License-Identifier: Apache-2.0
#include "ops/infer.h"

#include <fmt/format.h>

#include <algorithm>

namespace mj {
namespace {

Shape shape_of(const Tensor& tensor) { return Shape(tensor.dims().begin(), tensor.dims().end()); }

}  // namespace

ValueInfo ValueInfo::of(Tensor constant) {
  ValueInfo info;
  if (constant.is_sequence()) {
    info.type = Type::sequence(Type::unranked(constant.dtype()));
    if (constant.items().empty()) info.contents.emplace();
    for (const Tensor& item : constant.items()) {
      const bool first = &item == &constant.items().front();
      info.type.shape = first ? shape_of(item) : common_shape(info.type.shape, shape_of(item));
    }
    info.constant = std::move(constant);
    return info;
  }
  info.type = Type::tensor(constant.dtype(), shape_of(constant));
  info.constant = std::move(constant);
  return info;
}

ValueInfo ValueInfo::of_contents(std::vector<Dim> elements, DType dtype) {
  ValueInfo info = of(Type::tensor(dtype, {Dim(static_cast<int64_t>(elements.size()))}));
  info.contents = std::move(elements);
  return info;
}

ValueInfo ValueInfo::of_contents(Dim element, DType dtype) {
  ValueInfo info = of(Type::tensor(dtype, {}));
  info.contents = std::vector<Dim>{std::move(element)};
  return info;
}

std::optional<std::vector<Dim>> ValueInfo::elements() const {
  if (!type.is_tensor()) return std::nullopt;
  if (contents) return contents;
  if (!constant.present() || constant.rank() > 1 || constant.size() > kMaxContents) return std::nullopt;
  if (!is_integer(constant.dtype()) && constant.dtype() != DType::boolean) return std::nullopt;
  const std::vector<int64_t> values = constant.to_i64();
  return std::vector<Dim>(values.begin(), values.end());
}

std::optional<std::vector<int64_t>> ValueInfo::known_elements() const {
  const std::optional<std::vector<Dim>> dims = elements();
  if (!dims) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& dim : *dims) {
    if (!dim.constant()) return std::nullopt;
    out.push_back(*dim.constant());
  }
  return out;
}

Error InferContext::fail(std::string message) const { return model_error("{}: {}", op, message); }

Result<void> InferContext::inputs_between(size_t at_least, size_t at_most) const {
  size_t present = inputs.size();
  while (present > 0 && !inputs[present - 1].present()) --present;
  for (size_t i = 0; i < std::min(at_least, present); ++i) {
    if (!inputs[i].present()) return fail(fmt::format("input {} is missing", i));
  }
  if (present >= at_least && present <= at_most) return {};
  if (at_least == at_most) return fail(fmt::format("takes {} inputs, got {}", at_least, present));
  return fail(fmt::format("takes {} to {} inputs, got {}", at_least, at_most, present));
}

Result<void> InferContext::ranked(size_t i) const {
  if (!has(i)) return fail(fmt::format("input {} is missing", i));
  if (inputs[i].type.kind != Type::Kind::tensor) {
    return fail(fmt::format("input {} must be a tensor, got {}", i, to_string(inputs[i].type)));
  }
  if (inputs[i].type.ranked()) return {};
  // The model may be sound: it is our rules that need to know.
  return error(ErrorCode::unsupported, "{}: input {} must have a known rank", op, i);
}

Result<void> InferContext::sequence(size_t i) const {
  if (!has(i)) return fail(fmt::format("input {} is missing", i));
  if (inputs[i].type.is_sequence()) return {};
  return fail(fmt::format("input {} must be a sequence, got {}", i, to_string(inputs[i].type)));
}

Result<void> InferContext::rank(size_t i, int64_t want) const {
  MJ_TRY(ranked(i));
  if (inputs[i].type.rank() == want) return {};
  return fail(fmt::format("input {} must have rank {}, got {}", i, want, to_string(inputs[i].type)));
}

Result<void> InferContext::rank_at_least(size_t i, int64_t want) const {
  MJ_TRY(ranked(i));
  if (inputs[i].type.rank() >= want) return {};
  return fail(fmt::format("input {} must have rank {} or more, got {}", i, want, to_string(inputs[i].type)));
}

Result<void> InferContext::same_dtype(size_t a, size_t b) const {
  if (dtype(a) == dtype(b)) return {};
  return fail(fmt::format("inputs {} and {} must have the same element type, got {} and {}", a, b, name(dtype(a)),
                          name(dtype(b))));
}

Result<int64_t> normalize_axis(const InferContext& context, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    return context.fail(fmt::format("axis {} is outside [{}, {}]", axis, -rank, rank - 1));
  }
  return axis < 0 ? axis + rank : axis;
}

Result<std::vector<int64_t>> normalize_axes(const InferContext& context, std::span<const int64_t> axes, int64_t rank) {
  std::vector<int64_t> out;
  for (int64_t axis : axes) {
    MJ_ASSIGN(const int64_t a, normalize_axis(context, axis, rank));
    out.push_back(a);
  }
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end()) {
    return context.fail(fmt::format("axes [{}] name a dimension twice", fmt::join(axes, ", ")));
  }
  return out;
}

Result<void> require_equal(const InferContext& context, std::string_view what, const Dim& a, const Dim& b) {
  if (a.valid() && b.valid() && equal(a, b) != Tri::no) return {};
  return context.fail(fmt::format("{} must be equal, got {} and {}", what, to_string(a), to_string(b)));
}

}  // namespace mj
