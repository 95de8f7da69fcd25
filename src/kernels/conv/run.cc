// SPDX-License-Identifier: Apache-2.0
// conv_f32: direct convolution over NHWC. An NCHW problem is turned to NHWC and back, for graphs that no layout pass
// saw.
#include <algorithm>

#include "base/align.h"
#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/kernel.h"

namespace mj {

cpu::ConvShape conv_shape(const Conv& op, std::span<const int64_t> x, std::span<const int64_t> w,
                          std::span<const int64_t> y) {
  const size_t spatial = x.size() - 2, at = op.channels_last ? 1 : 2;
  const Window window = Window::of(op.window(), x.subspan(at, spatial), w.subspan(2, spatial), y.subspan(at, spatial));
  cpu::ConvShape s;
  s.n = x[0];
  s.c = w[1] * op.group;
  s.k = w[0];
  s.h = window.in[1], s.w = window.in[2];
  s.oh = window.out[1], s.ow = window.out[2];
  s.kh = window.kernel[1], s.kw = window.kernel[2];
  s.stride_h = window.stride[1], s.stride_w = window.stride[2];
  s.dilation_h = window.dilation[1], s.dilation_w = window.dilation[2];
  s.pad_top = window.begin[1], s.pad_left = window.begin[2];
  s.groups = op.group;
  return s;
}

bool has_bias(const Problem& problem) { return problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none; }

PackedWeights PackedWeights::of(const MakeArgs& args) {
  if (args.packed.empty()) return {{}, args.isa, {}};
  std::vector<int64_t> form = args.packed[1].to_i64();
  const auto isa = static_cast<Isa>(form[0]);
  form.erase(form.begin());
  return {args.packed[0], isa, std::move(form)};
}

namespace {

// dst[b][j][i] = src[b][i][j] for each of `batch` matrices of rows x columns, in blocks that both sides keep in L1.
void transpose(ThreadPool& pool, const float* src, int64_t batch, int64_t rows, int64_t columns, float* dst) {
  constexpr int64_t kBlock = 32;
  const int64_t blocks = (columns + kBlock - 1) / kBlock;
  pool.run(batch * blocks, [&](int64_t task, int) {
    const float* from = src + task / blocks * rows * columns;
    float* to = dst + task / blocks * rows * columns;
    const int64_t j0 = task % blocks * kBlock, j1 = std::min(columns, j0 + kBlock);
    for (int64_t i0 = 0; i0 < rows; i0 += kBlock)
      for (int64_t j = j0; j < j1; ++j)
        for (int64_t i = i0; i < std::min(rows, i0 + kBlock); ++i) to[j * rows + i] = from[i * columns + j];
  });
}

cpu::EpilogueFields fields_of(const Problem& problem) {
  // The result of an NCHW problem is NHWC at first: its body runs after it is turned back.
  if (!problem.op.get_if<Conv>()->channels_last) return cpu::EpilogueFields::none;
  return has_bias(problem) ? cpu::EpilogueFields::no_bias : cpu::EpilogueFields::all;
}

class ConvF32 final : public Kernel {
 public:
  // Weights that are not packed come with each request.
  ConvF32(const Problem& problem, PackedWeights weights)
      : op_(problem.op.as<Conv>()),
        has_bias_(has_bias(problem)),
        weights_(std::move(weights)),
        epilogue_(problem, weights_.isa, fields_of(problem)) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    const Buffers b = buffers(shape(inputs, outputs), threads);
    return b.core + b.x + b.y + b.weights;
  }

  Result<void> run(const RunArgs& args) const override {
    cpu::ConvShape s = shape(args.inputs, args.outputs);
    const Buffers b = buffers(s, args.pool.threads());
    std::byte* space = args.workspace.data();
    const auto take = [&](int64_t bytes) {
      std::byte* at = space;
      space += bytes;
      return at;
    };
    void* core = take(b.core);
    const float* x = args.inputs[0].as<const float>();
    float* y = args.outputs[0].as<float>();
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::Epilogue epilogue;
    if (op_.channels_last) epilogue = bound.epilogue();
    if (has_bias_) epilogue.bias = args.inputs[2].as<const float>();
    if (b.x) {
      float* nhwc = reinterpret_cast<float*>(take(b.x));
      transpose(args.pool, x, s.n, s.c, s.h * s.w, nhwc);
      x = nhwc;
    }
    float* out = b.y ? reinterpret_cast<float*>(take(b.y)) : y;
    const float* weights = static_cast<const float*>(weights_.panels.raw());
    if (b.weights) {
      float* packed = reinterpret_cast<float*>(take(b.weights));
      cpu::pack_conv(weights_.isa, s, args.inputs[1].as<const float>(), packed);
      weights = packed;
    }
    cpu::conv(args.pool, weights_.isa, s, x, weights, out, epilogue, core);
    if (b.y) transpose(args.pool, out, s.n, s.oh * s.ow, s.k, y);
    if (!op_.channels_last && !bound.empty()) {
      const int64_t plane = s.oh * s.ow;
      args.pool.run(s.n * s.k, [&](int64_t task, int) { bound.apply(y + task * plane, task * plane, plane); });
    }
    return {};
  }

 private:
  // Bytes of each part of the workspace.
  struct Buffers {
    int64_t core = 0, x = 0, y = 0, weights = 0;
  };

  cpu::ConvShape shape(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs) const {
    cpu::ConvShape s =
        conv_shape(op_, inputs[0].dims, weights_.panels.present() ? weights_.dims : inputs[1].dims, outputs[0].dims);
    s.x_nchw = !op_.channels_last && cpu::accepts_nchw(s);
    return s;
  }

  Buffers buffers(const cpu::ConvShape& s, int threads) const {
    Buffers b;
    b.core = aligned_bytes(cpu::conv_workspace(weights_.isa, s, threads));
    constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
    // With one pixel, NCHW and NHWC are the same.
    if (!op_.channels_last && !s.x_nchw && s.h * s.w > 1) b.x = aligned_bytes(s.n * s.h * s.w * s.c * kFloat);
    if (!op_.channels_last && s.oh * s.ow > 1) b.y = aligned_bytes(s.n * s.oh * s.ow * s.k * kFloat);
    if (!weights_.panels.present()) b.weights = aligned_bytes(cpu::packed_conv_floats(weights_.isa, s) * kFloat);
    return b;
  }

  Conv op_;
  bool has_bias_;
  PackedWeights weights_;
  cpu::BodyEpilogue epilogue_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<ConvF32>(args.problem, PackedWeights::of(args)));
}

}  // namespace

extern const RunRow run_conv_f32;
const RunRow run_conv_f32 = {"conv_f32", 1, Isa::portable, make};

}  // namespace mj
