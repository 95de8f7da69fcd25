// SPDX-License-Identifier: Apache-2.0
// concat_from_sequence{axis, new_axis}(s): its tensors one after the other along the axis, which is theirs, or a new
// one along which each has length 1
#include <fmt/format.h>

#include "ops/concat.h"
#include "ops/register.h"
#include "ops/sequences.h"

namespace mj {

struct ConcatFromSequence {
  int64_t axis = 0;
  bool new_axis = false;

  static constexpr std::string_view kName = "concat_from_sequence";
  static constexpr OnnxName kOnnx = {.name = "ConcatFromSequence", .since = 11};
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &ConcatFromSequence::axis), field(2, "new_axis", &ConcatFromSequence::new_axis)};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;

 private:
  InferResult infer_items(const InferContext& context) const;
  std::vector<Tensor> items(const Tensor& sequence) const;  // as concat takes them
};

InferResult ConcatFromSequence::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.sequence(0));
  if (context.concrete()) return infer_items(context);
  const Type& inside = context[0].type;
  if (!inside.ranked()) return one(ValueInfo::of(Type::unranked(inside.dtype)));
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, inside.rank() + (new_axis ? 1 : 0)));
  Shape shape = *inside.shape;
  if (new_axis) {
    shape.insert(shape.begin() + at, any_dim());
  } else {
    shape[static_cast<size_t>(at)] = any_dim();  // the sum of theirs
  }
  return one(ValueInfo::of(taken_out(context, Type::sequence(Type::tensor(inside.dtype, std::move(shape))))));
}

InferResult ConcatFromSequence::infer_items(const InferContext& context) const {
  const std::vector<Tensor>& all = context[0].constant.items();
  if (all.empty()) return context.fail("the sequence has no tensors");
  MJ_TRY(normalize_axis(context, axis, all[0].rank() + (new_axis ? 1 : 0)));
  std::vector<ValueInfo> infos;
  for (const Tensor& item : all) {
    if (item.rank() != all[0].rank()) {
      return context.fail(fmt::format("its tensors must have one rank, got {} and {}", all[0].rank(), item.rank()));
    }
  }
  for (Tensor& item : items(context[0].constant)) infos.push_back(ValueInfo::of(std::move(item)));
  return Concat{.axis = axis}.infer({.op = kName, .inputs = infos, .outputs = 1, .fresh = nullptr});
}

std::vector<Tensor> ConcatFromSequence::items(const Tensor& sequence) const {
  std::vector<Tensor> items = sequence.items();
  for (Tensor& item : items) {
    if (!new_axis) continue;
    std::vector<int64_t> dims = item.dims();
    dims.insert(dims.begin() + (axis < 0 ? axis + item.rank() + 1 : axis), 1);
    item = item.reshaped(std::move(dims));
  }
  return items;
}

Result<void> ConcatFromSequence::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  return Concat{.axis = axis}.reference(items(in[0]), out);
}

MJ_REGISTER_OP(ConcatFromSequence)

}  // namespace mj
