// SPDX-License-Identifier: Apache-2.0
// reduce_f32: folds of one run of axes after the other, along rows or down vectors of columns.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_loops.h"
#include "kernels/reduce/form.h"
#include "ops/reduce.h"

namespace mj {
namespace {

constexpr int64_t kColumns = 64;  // that a task takes at least: whole cache lines

class ReduceF32 final : public Kernel {
 public:
  ReduceF32(const Problem& problem, const ReduceForm& form, Isa isa)
      : form_(form), loops_(cpu::row_loops(isa)), epilogue_(problem, isa, cpu::EpilogueFields::none) {
    for (const NamedField& field : problem.op.fields()) {
      if (field.name == "axes") fields_.axes = std::get<std::vector<int64_t>>(field.value);
    }
  }

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef>, int) const override {
    const std::vector<ReducePass> passes = passes_of(inputs[0].dims);
    return passes.size() < 2 ? 0 : 4 * (2 * passes[0].outer * passes[0].inner);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    const TensorRef& out = args.outputs[0];
    float* y = out.as<float>();
    const std::vector<ReducePass> passes = passes_of(args.inputs[0].dims);
    // Between passes the numbers stand in one half of the workspace or the other.
    const float* x = args.inputs[0].as<const float>();
    float* space = reinterpret_cast<float*>(args.workspace.data());
    for (size_t i = 0; i < passes.size(); ++i) {
      const int64_t half = passes[0].outer * passes[0].inner;
      float* to = i + 1 == passes.size() ? y : space + static_cast<int64_t>(i % 2) * half;
      fold(args.pool, passes[i], i == 0 ? form_.first : form_.next, x, to);
      x = to;
    }
    // A scalar has no axes: it is its own fold.
    if (passes.empty()) fold(args.pool, {1, 1, 1}, form_.first, x, y);
    int64_t count = 1;
    for (const ReducePass& pass : passes) count *= pass.length;
    if (form_.finish == ReduceFinish::none && bound.empty()) return {};
    const auto results = static_cast<double>(out.size());
    cpu::parallel_ranges(args.pool, out.size(), kColumns, cpu::guess_seconds(8 * results, 8 * results),
                         [&](int64_t begin, int64_t end) {
                           for (int64_t i = begin; i < end; ++i) y[i] = finish(y[i], count);
                           bound.apply(y + begin, begin, end - begin);
                         });
    return {};
  }

 private:
  std::vector<ReducePass> passes_of(std::span<const int64_t> dims) const {
    return reduce_passes(dims, fields_.resolved(static_cast<int64_t>(dims.size())));
  }

  void fold(ThreadPool& pool, const ReducePass& p, cpu::Fold kind, const float* x, float* y) const {
    const double n = static_cast<double>(p.outer) * static_cast<double>(p.length) * static_cast<double>(p.inner);
    const double seconds = cpu::guess_seconds(4 * n, n);
    const auto row = loops_.fold[static_cast<int>(kind)];
    const auto columns = loops_.fold_columns[static_cast<int>(kind)];
    if (p.inner == 1) {
      cpu::parallel_ranges(pool, p.outer, 1, seconds, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) y[i] = row(x + i * p.length, p.length);
      });
      return;
    }
    cpu::parallel_ranges(pool, p.outer * p.inner, std::min(kColumns, std::max<int64_t>(p.inner, 1)), seconds,
                         [&](int64_t begin, int64_t end) {
                           while (begin < end) {
                             const int64_t column = begin % p.inner, width = std::min(end - begin, p.inner - column);
                             columns(x + begin / p.inner * p.length * p.inner + column, p.length, p.inner, width,
                                     y + begin);
                             begin += width;
                           }
                         });
  }

  float finish(float x, int64_t count) const {
    switch (form_.finish) {
      case ReduceFinish::none:
        return x;
      case ReduceFinish::mean:
        return x / static_cast<float>(count);
      case ReduceFinish::sqrt:
        return std::sqrt(x);
      case ReduceFinish::log:
        return std::log(x);
    }
    return x;
  }

  const ReduceForm form_;
  const cpu::RowLoops& loops_;
  const cpu::BodyEpilogue epilogue_;
  ReduceFields fields_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  ReduceForm form;
  if (auto reason = reduce_form(args.problem, form)) return model_error("reduce_f32 cannot run this step: {}", *reason);
  return std::unique_ptr<Kernel>(std::make_unique<ReduceF32>(args.problem, form, args.isa));
}

}  // namespace

extern const RunRow run_reduce_f32;
const RunRow run_reduce_f32 = {"reduce_f32", 1, Isa::portable, make};

}  // namespace mj
