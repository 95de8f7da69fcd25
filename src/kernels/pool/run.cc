// SPDX-License-Identifier: Apache-2.0
// pool_f32: max_pool and average_pool in both layouts.
#include "kernels/cpu/body_epilogue.h"
#include "kernels/kernel.h"
#include "kernels/pool/shape.h"

namespace mj {

cpu::PoolShape pool_shape(const PoolFields& fields, std::span<const int64_t> x, std::span<const int64_t> y) {
  const size_t spatial = x.size() - 2, at = fields.channels_last ? 1 : 2;
  const Window w = Window::of(fields.window(), x.subspan(at, spatial), fields.kernel_shape, y.subspan(at, spatial));
  cpu::PoolShape s;
  s.n = x[0];
  s.channels = fields.channels_last ? x.back() : x[1];
  for (int d = 0; d < 3; ++d) {
    s.in[d] = w.in[d], s.out[d] = w.out[d], s.kernel[d] = w.kernel[d], s.stride[d] = w.stride[d];
    s.dilation[d] = w.dilation[d], s.begin[d] = w.begin[d], s.end[d] = w.end[d];
  }
  s.channels_last = fields.channels_last;
  return s;
}

namespace {

class PoolF32 final : public Kernel {
 public:
  PoolF32(const Problem& problem, Isa isa) : isa_(isa), epilogue_(problem, isa, cpu::EpilogueFields::none) {
    if (const MaxPool* max = problem.op.get_if<MaxPool>()) {
      fields_ = *max;
    } else {
      const AveragePool& average = problem.op.as<AveragePool>();
      fields_ = average;
      average_ = true;
      count_include_pad_ = average.count_include_pad;
    }
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    cpu::PoolShape s = pool_shape(fields_, args.inputs[0].dims, args.outputs[0].dims);
    s.average = average_;
    s.count_include_pad = count_include_pad_;
    cpu::pool(args.pool, isa_, s, args.inputs[0].as<const float>(), args.outputs[0].as<float>(),
              [&](float* values, int64_t begin, int64_t n) { bound.apply(values, begin, n); });
    return {};
  }

 private:
  PoolFields fields_;
  bool average_ = false, count_include_pad_ = false;
  Isa isa_;
  cpu::BodyEpilogue epilogue_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<PoolF32>(args.problem, args.isa));
}

}  // namespace

extern const RunRow run_pool_f32;
const RunRow run_pool_f32 = {"pool_f32", 1, Isa::portable, make};

}  // namespace mj
