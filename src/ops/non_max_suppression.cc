// SPDX-License-Identifier: Apache-2.0
// non_max_suppression{center_point_box}(boxes [N,B,4], scores [N,C,B], most?, iou?, score?): for each class of each
// batch the best boxes, each overlapping those before by no more than `iou`, as rows [batch, class, box].
// Boxes are corners (y, x, y, x) in any order; with center_point_box x, y, width, height.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "ops/register.h"

namespace mj {

struct NonMaxSuppression {
  bool center_point_box = false;

  static constexpr std::string_view kName = "non_max_suppression";
  static constexpr OnnxName kOnnx = {.name = "NonMaxSuppression", .since = 10};
  static constexpr auto kFields = std::tuple{field(1, "center_point_box", &NonMaxSuppression::center_point_box)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

struct Box {
  float low[2], high[2];  // of both axes
  float area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};

Box box_of(const float* x, bool center) {
  if (center) return {{x[0] - x[2] / 2, x[1] - x[3] / 2}, {x[0] + x[2] / 2, x[1] + x[3] / 2}};
  return {{std::min(x[0], x[2]), std::min(x[1], x[3])}, {std::max(x[0], x[2]), std::max(x[1], x[3])}};
}

bool overlaps(const Box& a, const Box& b, float iou) {
  float common = 1;
  for (int d = 0; d < 2; ++d) {
    const float room = std::min(a.high[d], b.high[d]) - std::max(a.low[d], b.low[d]);
    if (!(room > 0)) return false;
    common *= room;
  }
  const float both = a.area() + b.area() - common;
  return common > 0 && a.area() > 0 && b.area() > 0 && both > 0 && common / both > iou;
}

float number(std::span<const Tensor> in, size_t i, float otherwise) {
  return i < in.size() && in[i].present() && in[i].size() ? in[i].data<float>()[0] : otherwise;
}

using Row = std::array<int64_t, 3>;

std::vector<Row> selected(std::span<const Tensor> in, bool center) {
  const int64_t batches = in[1].dims()[0], classes = in[1].dims()[1], boxes = in[1].dims()[2];
  const bool limited = in.size() > 2 && in[2].present() && in[2].size();
  const int64_t most = limited ? in[2].to_i64()[0] : 0;
  const float iou = number(in, 3, 0), least = number(in, 4, -std::numeric_limits<float>::infinity());
  const bool filtered = in.size() > 4 && in[4].present() && in[4].size();
  std::vector<Row> rows;
  for (int64_t n = 0; n < batches; ++n) {
    std::vector<Box> all;
    for (int64_t b = 0; b < boxes; ++b) all.push_back(box_of(in[0].data<float>().data() + (n * boxes + b) * 4, center));
    for (int64_t c = 0; c < classes; ++c) {
      const float* score = in[1].data<float>().data() + (n * classes + c) * boxes;
      std::vector<int64_t> order;
      for (int64_t b = 0; b < boxes; ++b) {
        if (!filtered || score[b] > least) order.push_back(b);
      }
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
      std::vector<int64_t> taken;
      for (int64_t b : order) {
        if (std::ssize(taken) >= most) break;
        const bool free = std::none_of(taken.begin(), taken.end(), [&](int64_t other) {
          return overlaps(all[static_cast<size_t>(b)], all[static_cast<size_t>(other)], iou);
        });
        if (free) taken.push_back(b);
      }
      for (int64_t b : taken) rows.push_back({n, c, b});
    }
  }
  return rows;
}

}  // namespace

InferResult NonMaxSuppression::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 5));
  MJ_TRY(context.rank(0, 3));
  MJ_TRY(context.rank(1, 3));
  for (size_t i : {0u, 1u, 3u, 4u}) {
    if (context.has(i) && context.dtype(i) != DType::f32) return context.fail(fmt::format("input {} must be f32", i));
  }
  if (context.has(2) && context.dtype(2) != DType::i64) return context.fail("input 2 must be i64");
  const Shape &boxes = context.shape(0), &scores = context.shape(1);
  MJ_TRY(require_equal(context, "the last dimension of the boxes and 4", boxes[2], 4));
  MJ_TRY(require_equal(context, "the batches of boxes and scores", boxes[0], scores[0]));
  MJ_TRY(require_equal(context, "the numbers of boxes and of their scores", boxes[1], scores[2]));
  if (!context.concrete()) return one(DType::i64, {context.fresh("selected"), 3});
  std::vector<Tensor> in;
  for (const ValueInfo& input : context.inputs) in.push_back(input.constant);
  return one(DType::i64, {std::ssize(selected(in, center_point_box)), 3});
}

Result<void> NonMaxSuppression::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  int64_t* to = out[0].mutable_data<int64_t>().data();
  for (const Row& row : selected(in, center_point_box)) to = std::copy(row.begin(), row.end(), to);
  return {};
}

MJ_REGISTER_OP(NonMaxSuppression)

}  // namespace mj
