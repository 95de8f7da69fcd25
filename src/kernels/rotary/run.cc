// SPDX-License-Identifier: Apache-2.0
// rotary_f32: rows of pairs, each read and written once.
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_loops.h"
#include "kernels/kernel.h"
#include "ops/rotary.h"

namespace mj {
namespace {

class RotaryF32 final : public Kernel {
 public:
  RotaryF32(const Rotary& op, Isa isa) : op_(op), loops_(cpu::row_loops(isa)) {}

  Result<void> run(const RunArgs& args) const override {
    const TensorRef& in = args.inputs[0];
    if (in.size() == 0) return {};
    MJ_ASSIGN(const RotaryFactors c, RotaryFactors::of(in.dims, args.inputs[1].dims));
    MJ_ASSIGN(const RotaryFactors s, RotaryFactors::of(in.dims, args.inputs[2].dims));
    const float *x = in.as<const float>(), *cos = args.inputs[1].as<const float>(),
                *sin = args.inputs[2].as<const float>();
    float* y = args.outputs[0].as<float>();
    const int64_t depth = in.dims.back();
    const auto n = static_cast<double>(in.size());
    cpu::parallel_ranges(args.pool, in.size() / depth, 1, cpu::guess_seconds(12 * n, 4 * n),
                         [&](int64_t begin, int64_t end) {
                           for (int64_t row = begin; row < end; ++row) {
                             const float *from = x + row * depth, *cosines = cos + c.at(row), *sines = sin + s.at(row);
                             float* to = y + row * depth;
                             if (op_.interleaved) {
                               rotate_neighbours(from, depth, cosines, c.width == depth, sines, s.width == depth, to);
                             } else {
                               const int64_t half = depth / 2;
                               loops_.rotate_halves(from, half, cosines, c.width == depth ? half : 0, sines,
                                                    s.width == depth ? half : 0, to);
                             }
                           }
                         });
    return {};
  }

 private:
  // `both`: the factors have a number for each element, not for each pair.
  static void rotate_neighbours(const float* x, int64_t depth, const float* cos, bool both_cos, const float* sin,
                                bool both_sin, float* y) {
    for (int64_t i = 0; i < depth; i += 2) {
      const int64_t c = both_cos ? i : i / 2, s = both_sin ? i : i / 2;
      const float a = x[i], b = x[i + 1];
      y[i] = a * cos[c] - b * sin[s];
      y[i + 1] = b * cos[c + both_cos] + a * sin[s + both_sin];
    }
  }

  const Rotary op_;
  const cpu::RowLoops& loops_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<RotaryF32>(args.problem.op.as<Rotary>(), args.isa));
}

}  // namespace

extern const RunRow run_rotary_f32;
const RunRow run_rotary_f32 = {"rotary_f32", 1, Isa::portable, make};

}  // namespace mj
