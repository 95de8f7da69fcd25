// SPDX-License-Identifier: Apache-2.0
// depth_to_space{blocksize, mode}(x): channels become blocks of space; in mode DCR the block index is the outer part of
// the channel, in CRD the inner one
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct DepthToSpace {
  int64_t blocksize = 1;
  std::string mode = "DCR";

  static constexpr std::string_view kName = "depth_to_space";
  static constexpr OnnxName kOnnx = {.name = "DepthToSpace", .since = 1};
  static constexpr auto kFields =
      std::tuple{field(1, "blocksize", &DepthToSpace::blocksize), field(2, "mode", &DepthToSpace::mode)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult DepthToSpace::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank(0, 4));
  const Shape& x = context.shape(0);
  if (blocksize < 1 || blocksize > INT16_MAX)
    return context.fail(fmt::format("blocksize must be 1 or more, got {}", blocksize));
  if (mode != "DCR" && mode != "CRD") return context.fail(fmt::format("mode must be DCR or CRD, got '{}'", mode));
  const Dim block = blocksize * blocksize;
  MJ_TRY(require_equal(context, "the channels beyond whole blocks and 0", mod(x[1], block), 0));
  return one(context.dtype(0), {x[0], floor_div(x[1], block), x[2] * blocksize, x[3] * blocksize});
}

Result<void> DepthToSpace::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t b = blocksize;
  const std::vector<int64_t>& y = out[0].dims();
  const int64_t h = in[0].dims()[2], w = in[0].dims()[3], channels = y[1];
  // The result as [N, C, H, b, W, b].
  const int64_t step = h * w, outer = mode == "DCR" ? channels * step : step,
                inner = mode == "DCR" ? step : b * b * step;
  const std::vector<int64_t> box{y[0], channels, h, b, w, b};
  copy_box(box, in[0], {0, {channels * b * b * step, inner, w, b * outer, 1, outer}}, out[0], {0, row_major(box)});
  return {};
}

MJ_REGISTER_OP(DepthToSpace)

}  // namespace mj
