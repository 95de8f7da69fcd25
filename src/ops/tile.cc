// SPDX-License-Identifier: Apache-2.0
// tile(x, repeats): x repeated along every dim
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct Tile {
  static constexpr std::string_view kName = "tile";
  static constexpr OnnxName kOnnx = {.name = "Tile", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult Tile::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.ranked(0));
  MJ_TRY(context.rank(1, 1));
  MJ_TRY(
      require_equal(context, "the rank of x and the number of repeats", context[0].type.rank(), context.shape(1)[0]));
  const std::optional<std::vector<Dim>> repeats = context[1].elements();
  if (!repeats && context.concrete()) return context.fail("repeats must be integers");
  Shape out = context.shape(0);
  for (size_t d = 0; d < out.size(); ++d) out[d] = repeats ? out[d] * (*repeats)[d] : context.fresh("tile");
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  const std::optional<std::vector<Dim>> all = context[0].elements();
  if (!context.concrete() && all && info.type.rank() == 1 &&
      (*info.type.shape)[0].constant().value_or(INT64_MAX) <= kMaxContents) {
    info.contents.emplace();
    for (int64_t i = 0; i < *(*info.type.shape)[0].constant(); ++i) {
      info.contents->push_back((*all)[static_cast<size_t>(i) % all->size()]);
    }
  }
  return one(std::move(info));
}

Result<void> Tile::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (out[0].size() == 0) return {};
  const std::vector<int64_t>& dims = out[0].dims();
  const std::vector<int64_t> strides = row_major(in[0].dims());
  std::vector<int64_t> index(dims.size());
  int64_t to = 0;
  do {
    int64_t from = 0;
    for (size_t d = 0; d < dims.size(); ++d) from += index[d] % in[0].dims()[d] * strides[d];
    copy_elements(in[0], from, out[0], to++, 1);
  } while (next_index(dims, index));
  return {};
}

MJ_REGISTER_OP(Tile)

}  // namespace mj
