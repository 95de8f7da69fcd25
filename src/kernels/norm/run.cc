// SPDX-License-Identifier: Apache-2.0
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
    const LayerNorm* layer = problem.op.get_if<LayerNorm>();
    centred_ = layer != nullptr;
    axis_ = layer ? layer->axis : problem.op.get_if<RmsNorm>()->axis;
    epsilon_ = layer ? layer->epsilon : problem.op.get_if<RmsNorm>()->epsilon;
    has_bias_ = problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none;
  }

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

// batch_norm, instance_norm and group_norm of [N,C,...]: one mean and factor for each plane of one channel.
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
    } else {
      epsilon_ = problem.op.get_if<InstanceNorm>()->epsilon;
    }
  }

  Result<void> run(const RunArgs& args) const override {
    const TensorRef& in = args.inputs[0];
    const int64_t size = in.size();
    if (size == 0) return {};
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
  const cpu::RowLoops& loops_;
  const cpu::BodyEpilogue epilogue_;
  bool given_ = false;
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
