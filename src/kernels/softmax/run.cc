// SPDX-License-Identifier: Apache-2.0
// softmax_f32: softmax and log_softmax along any axis, a row or a vector of columns at a time.
#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_loops.h"
#include "ops/axis_lines.h"
#include "ops/softmax.h"

namespace mj {
namespace {

constexpr int64_t kColumns = 64;  // floats of a row that a task takes at least: whole cache lines

class SoftmaxF32 final : public Kernel {
 public:
  SoftmaxF32(const Problem& problem, Isa isa)
      : loops_(cpu::row_loops(isa)),
        log_(problem.op.is("log_softmax")),
        axis_(axis_of(problem.op)),
        epilogue_(problem, isa, cpu::EpilogueFields::none) {}

  // Of a logarithm the inputs are read once more when the exponentials have been written.
  bool in_place(size_t input, size_t output) const override { return !log_ && input == 0 && output == 0; }

  Result<void> run(const RunArgs& args) const override {
    const AxisView view = AxisView::of(args.inputs[0].dims, axis_);
    const float* x = args.inputs[0].as<const float>();
    float* y = args.outputs[0].as<float>();
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    const auto n = static_cast<double>(args.inputs[0].size());
    const double seconds = cpu::guess_seconds(8 * n, 30 * n);
    if (view.inner == 1) {
      const auto row = log_ ? loops_.log_softmax : loops_.softmax;
      cpu::parallel_ranges(args.pool, view.outer, 1, seconds, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          row(x + r * view.length, view.length, y + r * view.length);
          bound.apply(y + r * view.length, r * view.length, view.length);
        }
      });
      return {};
    }
    const auto columns = log_ ? loops_.log_softmax_columns : loops_.softmax_columns;
    const int64_t unit = std::min(kColumns, std::max<int64_t>(view.inner, 1));
    cpu::parallel_ranges(args.pool, view.outer * view.inner, unit, seconds, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t column = begin % view.inner, width = std::min(end - begin, view.inner - column);
        const int64_t at = begin / view.inner * view.length * view.inner + column;
        columns(x + at, view.length, view.inner, width, y + at);
        begin += width;
      }
    });
    if (bound.empty()) return {};
    cpu::parallel_ranges(args.pool, args.outputs[0].size(), 1024, cpu::guess_seconds(8 * n, 4 * n),
                         [&](int64_t begin, int64_t end) { bound.apply(y + begin, begin, end - begin); });
    return {};
  }

 private:
  static int64_t axis_of(const Op& op) {
    for (const NamedField& field : op.fields()) {
      if (field.name == "axis") return std::get<int64_t>(field.value);
    }
    CHECK(false, "{} has no axis", op.name());
  }

  const cpu::RowLoops& loops_;
  const bool log_;
  const int64_t axis_;
  const cpu::BodyEpilogue epilogue_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<SoftmaxF32>(args.problem, args.isa));
}

}  // namespace

extern const RunRow run_softmax_f32;
const RunRow run_softmax_f32 = {"softmax_f32", 1, Isa::portable, make};

}  // namespace mj
