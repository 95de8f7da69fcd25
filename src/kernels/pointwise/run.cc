// SPDX-License-Identifier: Apache-2.0
// pointwise_f32: a body over tiles that stay in L1.
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/tile_binding.h"
#include "kernels/pointwise/body.h"

namespace mj {
namespace {

class PointwiseF32 final : public Kernel {
 public:
  PointwiseF32(const Problem& problem, Isa isa) : program_(pointwise_body(problem), isa) {}

  // As TileProgram::run() promises.
  bool in_place(size_t input, size_t) const override { return program_.results() == 1 || input == 0; }

  Result<void> run(const RunArgs& args) const override {
    const auto binding = cpu::TileBinding::bind(program_, args.outputs[0].dims, args.inputs, args.outputs, false);
    if (!binding.ok()) return binding.error().in("pointwise");
    const auto n = static_cast<double>(binding->size());
    const double seconds =
        cpu::guess_seconds(4 * n * (program_.params() + program_.results()), n * program_.operations());
    cpu::parallel_ranges(args.pool, binding->size(), binding->unit(), seconds,
                         [&](int64_t begin, int64_t end) { binding->run(begin, end); });
    return {};
  }

 private:
  cpu::TileProgram program_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<PointwiseF32>(args.problem, args.isa));
}

}  // namespace

extern const RunRow run_pointwise_f32;
const RunRow run_pointwise_f32 = {"pointwise_f32", 1, Isa::portable, make};

}  // namespace mj
