// SPDX-License-Identifier: Apache-2.0
// grid_sample{mode, padding_mode, align_corners}(x [N,C,d...], grid [N,e...,D]): x read between its elements at the
// places of the grid, [N,C,e...]. A place is D numbers, the innermost axis first, -1 to 1 from one end of it to the
// other: from corner to corner, or with align_corners from the first element's middle to the last one's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct GridSample {
  std::string mode = "linear", padding_mode = "zeros";
  bool align_corners = false;

  static constexpr std::string_view kName = "grid_sample";
  static constexpr auto kFields =
      std::tuple{field(1, "mode", &GridSample::mode), field(2, "padding_mode", &GridSample::padding_mode),
                 field(3, "align_corners", &GridSample::align_corners)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

// The elements along one axis that a place is made of.
struct Taps {
  int count = 0;
  int64_t at[4] = {};  // -1: outside, 0
  double weight[4] = {};
};

// Mirrored at both borders until it lies between them.
double reflected(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double there_and_back = std::fmod(std::fabs(x - low), 2 * range);
  return low + (there_and_back > range ? 2 * range - there_and_back : there_and_back);
}

Taps taps_of(const GridSample& op, double place, int64_t n) {
  const auto length = static_cast<double>(n);
  const double low = op.align_corners ? 0 : -0.5, high = op.align_corners ? length - 1 : length - 0.5;
  double x = op.align_corners ? (place + 1) / 2 * (length - 1) : ((place + 1) * length - 1) / 2;
  if (!std::isfinite(x)) x = -10;  // outside
  x = std::clamp(x, -1e9, 1e9);
  if (op.mode == "nearest") x = std::nearbyint(x);
  if (x < low || x > high) {
    if (op.padding_mode == "border") x = std::clamp(x, 0.0, length - 1);
    if (op.padding_mode == "reflection") x = reflected(x, low, high);
  }
  Taps taps;
  const double first = op.mode == "nearest" ? std::nearbyint(x) : std::floor(x), t = x - first;
  if (op.mode == "nearest") {
    taps = {1, {0}, {1}};
  } else if (op.mode == "linear") {
    taps = {2, {0, 1}, {1 - t, t}};
  } else {
    constexpr double a = -0.75;  // Keys' cubic convolution
    const auto near = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
    const auto far = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    taps = {4, {-1, 0, 1, 2}, {far(t + 1), near(t), near(1 - t), far(2 - t)}};
  }
  for (int i = 0; i < taps.count; ++i) {
    const auto at = static_cast<int64_t>(first) + taps.at[i];
    taps.at[i] = at;
    if (at >= 0 && at < n) continue;
    if (op.padding_mode == "zeros") taps.at[i] = -1;
    if (op.padding_mode == "border") taps.at[i] = std::clamp<int64_t>(at, 0, n - 1);
    if (op.padding_mode == "reflection") {
      taps.at[i] = std::clamp<int64_t>(static_cast<int64_t>(reflected(static_cast<double>(at), low, high)), 0, n - 1);
    }
  }
  return taps;
}

}  // namespace

InferResult GridSample::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 3));
  MJ_TRY(context.rank(1, context[0].type.rank()));
  if (mode != "linear" && mode != "nearest" && mode != "cubic") return context.fail(fmt::format("no mode '{}'", mode));
  if (padding_mode != "zeros" && padding_mode != "border" && padding_mode != "reflection") {
    return context.fail(fmt::format("no padding_mode '{}'", padding_mode));
  }
  if (!is_float(context.dtype(0)) || !is_float(context.dtype(1))) return context.fail("takes floating point");
  const Shape &x = context.shape(0), &grid = context.shape(1);
  MJ_TRY(require_equal(context, "the batches of the input and of the grid", x[0], grid[0]));
  MJ_TRY(require_equal(context, "the grid's numbers for a place and the spatial dims", grid.back(),
                       static_cast<int64_t>(x.size()) - 2));
  Shape out = {x[0], x[1]};
  out.insert(out.end(), grid.begin() + 1, grid.end() - 1);
  return one(context.dtype(0), std::move(out));
}

Result<void> GridSample::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (out[0].size() == 0) return {};
  const std::vector<int64_t>& dims = in[0].dims();
  const std::span<const int64_t> space = std::span(dims).subspan(2);
  const size_t rank = space.size();
  const int64_t pixels = product(space), channels = dims[1], places = product(std::span(out[0].dims()).subspan(2));
  if (pixels == 0) return model_error("grid_sample: there is nothing to read in {}", to_string(in[0], 0));
  const std::vector<double> x = widened(in[0]), grid = widened(in[1]);
  const std::vector<int64_t> strides = row_major(space);
  std::vector<double> y(static_cast<size_t>(out[0].size()));
  for (int64_t n = 0; n < dims[0]; ++n) {
    for (int64_t p = 0; p < places; ++p) {
      std::vector<Taps> taps;
      std::vector<int64_t> box, index(rank, 0);
      for (size_t d = 0; d < rank; ++d) {
        const double place = grid[static_cast<size_t>((n * places + p + 1) * static_cast<int64_t>(rank) - 1) - d];
        taps.push_back(taps_of(*this, place, space[d]));
        box.push_back(taps.back().count);
      }
      do {
        double weight = 1;
        int64_t at = 0;
        for (size_t d = 0; d < rank; ++d) {
          const auto i = static_cast<size_t>(index[d]);
          weight *= taps[d].at[i] < 0 ? 0 : taps[d].weight[i];
          at += std::max<int64_t>(taps[d].at[i], 0) * strides[d];
        }
        if (weight == 0) continue;
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t row = n * channels + c;
          y[static_cast<size_t>(row * places + p)] += weight * x[static_cast<size_t>(row * pixels + at)];
        }
      } while (next_index(box, index));
    }
  }
  narrow(y.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(GridSample)

}  // namespace mj
