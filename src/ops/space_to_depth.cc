// SPDX-License-Identifier: Apache-2.0
// space_to_depth{blocksize}(x): blocks of space become channels, the block index outermost
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct SpaceToDepth {
  int64_t blocksize = 1;

  static constexpr std::string_view kName = "space_to_depth";
  static constexpr OnnxName kOnnx = {.name = "SpaceToDepth", .since = 1};
  static constexpr auto kFields = std::tuple{field(1, "blocksize", &SpaceToDepth::blocksize)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult SpaceToDepth::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank(0, 4));
  const Shape& x = context.shape(0);
  if (blocksize < 1 || blocksize > INT16_MAX)
    return context.fail(fmt::format("blocksize must be 1 or more, got {}", blocksize));
  for (size_t d = 2; d < 4; ++d)
    MJ_TRY(require_equal(context, "space beyond whole blocks and 0", mod(x[d], blocksize), 0));
  return one(context.dtype(0),
             {x[0], x[1] * (blocksize * blocksize), floor_div(x[2], blocksize), floor_div(x[3], blocksize)});
}

Result<void> SpaceToDepth::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t b = blocksize;
  const std::vector<int64_t>& x = in[0].dims();
  const int64_t h = out[0].dims()[2], w = out[0].dims()[3];
  // The result as [N, b, b, C, H, W].
  const std::vector<int64_t> box{x[0], b, b, x[1], h, w};
  copy_box(box, in[0], {0, {x[1] * x[2] * x[3], x[3], 1, x[2] * x[3], b * x[3], b}}, out[0], {0, row_major(box)});
  return {};
}

MJ_REGISTER_OP(SpaceToDepth)

}  // namespace mj
