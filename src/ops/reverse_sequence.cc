// SPDX-License-Identifier: Apache-2.0
// reverse_sequence{batch_axis, time_axis}(x, lengths): in each batch the first lengths[batch] slices along the time
// axis in reverse order, the rest as they are
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct ReverseSequence {
  int64_t batch_axis = 1;
  int64_t time_axis = 0;

  static constexpr std::string_view kName = "reverse_sequence";
  static constexpr OnnxName kOnnx = {.name = "ReverseSequence", .since = 10};
  static constexpr auto kFields = std::tuple{field(1, "batch_axis", &ReverseSequence::batch_axis),
                                             field(2, "time_axis", &ReverseSequence::time_axis)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult ReverseSequence::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 2));
  MJ_TRY(context.rank(1, 1));
  if (context.dtype(1) != DType::i64) return context.fail("the lengths must be i64");
  MJ_ASSIGN(const int64_t batch, normalize_axis(context, batch_axis, context[0].type.rank()));
  MJ_ASSIGN(const int64_t time, normalize_axis(context, time_axis, context[0].type.rank()));
  if (batch == time) return context.fail("batch_axis and time_axis must differ");
  MJ_TRY(require_equal(context, "the batches and their lengths", context.shape(0)[static_cast<size_t>(batch)],
                       context.shape(1)[0]));
  return one(ValueInfo::of(context[0].type));
}

Result<void> ReverseSequence::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t>& dims = in[0].dims();
  const auto axis = [&](int64_t at) { return static_cast<size_t>(at < 0 ? at + in[0].rank() : at); };
  const size_t batch = axis(batch_axis), time = axis(time_axis);
  const std::vector<int64_t> strides = row_major(dims);
  std::vector<int64_t> box = dims;
  box[batch] = 1;
  for (int64_t b = 0; b < dims[batch]; ++b) {
    const int64_t length = in[1].data<int64_t>()[static_cast<size_t>(b)];
    if (length < 0 || length > dims[time]) {
      return model_error("reverse_sequence: length {} of batch {} is outside [0, {}]", length, b, dims[time]);
    }
    const int64_t offset = b * strides[batch];
    std::vector<int64_t> backwards = strides;
    backwards[time] = -strides[time];
    box[time] = length;
    if (length) copy_box(box, in[0], {offset + (length - 1) * strides[time], backwards}, out[0], {offset, strides});
    box[time] = dims[time] - length;
    const int64_t rest = offset + length * strides[time];
    if (box[time]) copy_box(box, in[0], {rest, strides}, out[0], {rest, strides});
  }
  return {};
}

MJ_REGISTER_OP(ReverseSequence)

}  // namespace mj
