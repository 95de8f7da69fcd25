// SPDX-License-Identifier: Apache-2.0
#include "ops/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

// An element inside the image, and its place there: [channel of batch][spatial dims, of which there are three].
struct Inside {
  double value;
  int64_t nc, place[3];
};

// What a window held, and how many places it has inside the padded image.
using Pooling = std::function<double(std::span<const Inside> inside, int64_t places)>;

void pool(const PoolFields& op, const Tensor& x, Tensor& y, const Pooling& pooling) {
  const size_t spatial = static_cast<size_t>(x.rank()) - 2, at = op.channels_last ? 1 : 2;
  const Window w = Window::of(op.window(), std::span(x.dims()).subspan(at, spatial), op.kernel_shape,
                              std::span(y.dims()).subspan(at, spatial));
  const int64_t channels = op.channels_last ? x.dims().back() : x.dims()[1];
  const int64_t in_size = w.in[0] * w.in[1] * w.in[2], out_size = w.positions();
  const int64_t step = op.channels_last ? channels : 1;
  const std::vector<double> image = widened(x);
  std::vector<double> result(static_cast<size_t>(y.size()));
  std::vector<Inside> inside;
  for (int64_t nc = 0; nc < x.dims()[0] * channels; ++nc) {
    const int64_t n = nc / channels, c = nc % channels;
    const double* from = image.data() + (op.channels_last ? n * in_size * channels + c : nc * in_size);
    double* to = result.data() + (op.channels_last ? n * out_size * channels + c : nc * out_size);
    for (int64_t o = 0; o < out_size; ++o) {
      inside.clear();
      int64_t places = 0;
      for (int64_t k = 0; k < w.taps(); ++k) {
        const int64_t p[3] = {w.at(0, o / w.out[2] / w.out[1], k / w.kernel[2] / w.kernel[1]),
                              w.at(1, o / w.out[2] % w.out[1], k / w.kernel[2] % w.kernel[1]),
                              w.at(2, o % w.out[2], k % w.kernel[2])};
        bool in_image = true, in_padding = true;
        for (int d = 0; d < 3; ++d) {
          in_image = in_image && p[d] >= 0 && p[d] < w.in[d];
          in_padding = in_padding && p[d] < w.in[d] + w.end[d];
        }
        places += in_padding;
        if (!in_image) continue;
        inside.push_back({from[((p[0] * w.in[1] + p[1]) * w.in[2] + p[2]) * step], nc, {p[0], p[1], p[2]}});
      }
      to[o * step] = pooling(inside, places);
    }
  }
  narrow(result.data(), y.size(), y);
}

}  // namespace

InferResult PoolFields::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, 3));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be numbers, got {}", to_string(context[0].type)));
  }
  const Shape& x = context.shape(0);
  const size_t spatial = x.size() - 2;
  MJ_TRY(check_window(context, window(), spatial));
  const bool sizes =
      std::all_of(kernel_shape.begin(), kernel_shape.end(), [](int64_t k) { return k >= 1 && k <= INT32_MAX; });
  if (kernel_shape.size() != spatial || !sizes) {
    return context.fail(
        fmt::format("kernel_shape needs {} numbers from 1, got [{}]", spatial, fmt::join(kernel_shape, ", ")));
  }
  double taps = 1;
  for (int64_t k : kernel_shape) taps *= static_cast<double>(k);
  if (taps > INT32_MAX) return context.fail(fmt::format("a window of {} elements is out of range", taps));
  const Shape in(x.begin() + (channels_last ? 1 : 2), x.end() - (channels_last ? 1 : 0));
  Shape out = pooled_output(window(), in, Shape(kernel_shape.begin(), kernel_shape.end()), ceil_mode);
  out.insert(out.begin(), x[0]);
  out.insert(channels_last ? out.end() : out.begin() + 1, channels_last ? x.back() : x[1]);
  return one(context.dtype(0), std::move(out));
}

Result<void> MaxPool::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  // Integers below -2^53 are beyond a double, and are not pooled in practice.
  const double lowest = is_float(in[0].dtype()) ? -std::numeric_limits<double>::infinity()
                        : is_signed(in[0].dtype())
                            ? -std::ldexp(1.0, static_cast<int>(8 * storage_bytes(in[0].dtype())) - 1)
                            : 0.0;
  pool(*this, in[0], out[0], [&](std::span<const Inside> inside, int64_t) {
    double best = lowest;
    for (const Inside& x : inside) best = x.value > best || std::isnan(x.value) ? x.value : best;
    return best;
  });
  return {};
}

InferResult MaxPoolIndices::infer(const InferContext& context) const {
  if (storage_order != 0 && storage_order != 1) {
    return context.fail(fmt::format("storage_order must be 0 or 1, got {}", storage_order));
  }
  MJ_ASSIGN(std::vector<ValueInfo> values, PoolFields::infer(context));
  return one(DType::i64, *values[0].type.shape);
}

Result<void> MaxPoolIndices::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  int64_t length[3] = {1, 1, 1};  // of the spatial dims, missing outer ones in front
  std::copy(in[0].dims().begin() + 2, in[0].dims().end(), length + 5 - in[0].rank());
  pool(*this, in[0], out[0], [&](std::span<const Inside> inside, int64_t) {
    const Inside* best = nullptr;
    for (const Inside& x : inside) {
      if (!best || x.value > best->value) best = &x;
    }
    if (!best) return -1.0;
    const int64_t* p = best->place;
    const int64_t at = storage_order == 0 ? (p[0] * length[1] + p[1]) * length[2] + p[2]
                                          : (p[2] * length[1] + p[1]) * length[0] + p[0];
    return static_cast<double>(best->nc * length[0] * length[1] * length[2] + at);
  });
  return {};
}

Result<void> AveragePool::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  pool(*this, in[0], out[0], [&](std::span<const Inside> inside, int64_t places) {
    double sum = 0;
    for (const Inside& x : inside) sum += x.value;
    return sum / static_cast<double>(count_include_pad ? places : std::ssize(inside));
  });
  return {};
}

MJ_REGISTER_OP(MaxPool)
MJ_REGISTER_OP(MaxPoolIndices)
MJ_REGISTER_OP(AveragePool)

}  // namespace mj
