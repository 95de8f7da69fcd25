// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_loops.h"
#include "kernels/norm/form.h"
#include "ops/batch_norm.h"
#include "ops/group_norm.h"
#include "ops/layer_norm.h"

namespace mj {
namespace {

double pass_seconds(int64_t elements) {
  const auto n = static_cast<double>(elements);
  return cpu::guess_seconds(8 * n, 8 * n);
}

// layer_norm and rms_norm: statistics over a row, then a scale and a bias for each of its elements.
class RowNorm final : public Kernel {
 public:
  RowNorm(const Problem& problem, Isa isa)
      : loops_(cpu::row_loops(isa)), epilogue_(problem, isa, cpu::EpilogueFields::none) {
    centred_ = problem.op.is(LayerNorm::kName);
    axis_ = centred_ ? problem.op.as<LayerNorm>().axis : problem.op.as<RmsNorm>().axis;
    epsilon_ = centred_ ? problem.op.as<LayerNorm>().epsilon : problem.op.as<RmsNorm>().epsilon;
    has_bias_ = problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none;
  }

  bool in_place(size_t input, size_t output) const override { return input == 0 && output == 0; }

  Result<void> run(const RunArgs& args) const override {
    const TensorRef& in = args.inputs[0];
    const int64_t size = in.size();
    if (size == 0) return {};
    int64_t n = 1;
    for (size_t d = first_axis(axis_, in.dims.size()); d < in.dims.size(); ++d) n *= in.dims[d];
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    const float* scale = args.inputs[1].as<const float>();
    const float* bias = has_bias_ ? args.inputs[2].as<const float>() : nullptr;
    cpu::parallel_ranges(args.pool, size / n, 1, pass_seconds(size), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* x = in.as<const float>() + r * n;
        float* y = args.outputs[0].as<float>() + r * n;
        float mean = 0, variance;
        if (centred_) {
          loops_.moments(x, n, &mean, &variance);
        } else {
          variance = loops_.fold[static_cast<int>(cpu::Fold::sum_square)](x, n) / static_cast<float>(n);
        }
        loops_.normalize(x, n, mean, 1 / std::sqrt(variance + epsilon_), scale, bias, y);
        bound.apply(y, r * n, n);
      }
    });
    return {};
  }

 private:
  const cpu::RowLoops& loops_;
  const cpu::BodyEpilogue epilogue_;
  bool centred_ = true, has_bias_ = false;
  int64_t axis_ = -1;
  float epsilon_ = 0;
};

// batch_norm, instance_norm and group_norm of [N,C,...]: one mean and factor for each plane of one channel. The last
// two also of [N,...,C].
class ChannelNorm final : public Kernel {
 public:
  ChannelNorm(const Problem& problem, Isa isa)
      : loops_(cpu::row_loops(isa)), epilogue_(problem, isa, cpu::EpilogueFields::none) {
    if (const BatchNorm* batch = problem.op.get_if<BatchNorm>()) {
      given_ = true;
      epsilon_ = batch->epsilon;
    } else if (const GroupNorm* group = problem.op.get_if<GroupNorm>()) {
      groups_ = group->num_groups;
      epsilon_ = group->epsilon;
      channels_last_ = group->channels_last;
    } else {
      epsilon_ = problem.op.get_if<InstanceNorm>()->epsilon;
      channels_last_ = problem.op.get_if<InstanceNorm>()->channels_last;
    }
  }

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef>, int) const override {
    return channels_last_ ? 4 * (2 * inputs[0].dims[0] * inputs[0].dims.back()) : 0;
  }

  Result<void> run(const RunArgs& args) const override {
    const TensorRef& in = args.inputs[0];
    const int64_t size = in.size();
    if (size == 0) return {};
    if (channels_last_) return run_last(args);
    const int64_t images = in.dims[0], channels = in.dims[1], plane = size / (images * channels);
    // Channels that share their statistics; batch_norm is given them, so that any cut will do.
    const int64_t together = given_ || groups_ == 0 ? 1 : channels / groups_;
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::parallel_ranges(
        args.pool, images * channels / together, 1, pass_seconds(size), [&](int64_t begin, int64_t end) {
          for (int64_t g = begin; g < end; ++g) {
            const int64_t first = g * together;
            const float* x = in.as<const float>() + first * plane;
            float* y = args.outputs[0].as<float>() + first * plane;
            float mean = 0, variance = 0;
            if (!given_) loops_.moments(x, together * plane, &mean, &variance);
            for (int64_t i = 0; i < together; ++i) {
              const int64_t c = (first + i) % channels;
              if (given_) {
                mean = args.inputs[3].as<const float>()[c];
                variance = args.inputs[4].as<const float>()[c];
              }
              const float factor = args.inputs[1].as<const float>()[c] / std::sqrt(variance + epsilon_);
              loops_.shift_scale(x + i * plane, plane, mean, factor, args.inputs[2].as<const float>()[c],
                                 y + i * plane);
            }
            bound.apply(y, first * plane, together * plane);
          }
        });
    return {};
  }

 private:
  Result<void> run_last(const RunArgs& args) const {
    const TensorRef& in = args.inputs[0];
    const int64_t images = in.dims[0], channels = in.dims.back(), plane = in.size() / (images * channels);
    const float* x = in.as<const float>();
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    float* means = reinterpret_cast<float*>(args.workspace.data());
    float* factors = means + images * channels;  // at first variances
    const double seconds = pass_seconds(in.size());
    cpu::parallel_ranges(args.pool, images * channels, std::min(kColumns, channels), seconds,
                         [&](int64_t begin, int64_t end) {
                           while (begin < end) {
                             const int64_t c = begin % channels, width = std::min(end - begin, channels - c);
                             loops_.column_moments(x + begin / channels * plane * channels + c, plane, channels, width,
                                                   means + begin, factors + begin);
                             begin += width;
                           }
                         });
    const int64_t together = groups_ == 0 ? 1 : channels / groups_;
    for (int64_t first = 0; together > 1 && first < images * channels; first += together)
      share_moments(means + first, factors + first, together);
    const float *scale = args.inputs[1].as<const float>(), *bias = args.inputs[2].as<const float>();
    for (int64_t i = 0; i < images * channels; ++i) factors[i] = scale[i % channels] / std::sqrt(factors[i] + epsilon_);
    float* y = args.outputs[0].as<float>();
    const int64_t rows = std::max<int64_t>(1, kRowFloats / channels);  // whose results are still in the cache
    cpu::parallel_ranges(args.pool, images * plane, 1, seconds, [&](int64_t begin, int64_t end) {
      for (; begin < end; begin += std::min(rows, end - begin)) {
        const int64_t last = std::min(begin + rows, end);
        for (int64_t r = begin; r < last; ++r) {
          const int64_t image = r / plane * channels;
          loops_.shift_scale_columns(x + r * channels, channels, means + image, factors + image, bias,
                                     y + r * channels);
        }
        bound.apply(y + begin * channels, begin * channels, (last - begin) * channels);
      }
    });
    return {};
  }

  // The mean and variance of channels together, from those of each.
  static void share_moments(float* mean, float* variance, int64_t channels) {
    double all = 0, spread = 0;
    for (int64_t c = 0; c < channels; ++c) all += mean[c] / static_cast<double>(channels);
    for (int64_t c = 0; c < channels; ++c)
      spread += (variance[c] + (mean[c] - all) * (mean[c] - all)) / static_cast<double>(channels);
    std::fill_n(mean, channels, static_cast<float>(all));
    std::fill_n(variance, channels, static_cast<float>(spread));
  }

  static constexpr int64_t kColumns = 64;  // that a task takes at least: whole cache lines
  static constexpr int64_t kRowFloats = 4096;

  const cpu::RowLoops& loops_;
  const cpu::BodyEpilogue epilogue_;
  bool given_ = false, channels_last_ = false;
  int64_t groups_ = 0;  // 0: one for each channel
  float epsilon_ = 0;
};

template <class T>
Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<T>(args.problem, args.isa));
}

}  // namespace

extern const RunRow run_row_norm_f32;
const RunRow run_row_norm_f32 = {"row_norm_f32", 1, Isa::portable, make<RowNorm>};

extern const RunRow run_channel_norm_f32;
const RunRow run_channel_norm_f32 = {"channel_norm_f32", 1, Isa::portable, make<ChannelNorm>};

}  // namespace mj
