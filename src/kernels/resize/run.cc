// SPDX-License-Identifier: Apache-2.0
// resize_f32: every mode, one axis after the other, rows of the inner axes at a time.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_loops.h"
#include "kernels/kernel.h"
#include "ops/axis_lines.h"
#include "ops/resize.h"

namespace mj {
namespace {

Tensor view_of(const TensorRef& ref) {
  if (!ref.present()) return {};
  return Tensor::view(ref.dtype, {ref.dims.begin(), ref.dims.end()}, ref.data, nullptr);
}

class ResizeF32 final : public Kernel {
 public:
  ResizeF32(const Resize& op, Isa isa) : op_(op), loops_(cpu::row_loops(isa)) {}

  // The image between two passes, twice; it is largest after all axes that grow and before those that shrink.
  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs, int) const override {
    int64_t size = 1;
    for (size_t d = 0; d < inputs[0].dims.size(); ++d) size *= std::max(inputs[0].dims[d], outputs[0].dims[d]);
    return 2 * 4 * size;
  }

  Result<void> run(const RunArgs& args) const override {
    const TensorRef &in = args.inputs[0], &out = args.outputs[0];
    if (out.size() == 0) return {};
    if (in.size() == 0) return model_error("resize: an empty image cannot grow");
    std::vector<Tensor> tensors;
    for (const TensorRef& input : args.inputs) tensors.push_back(view_of(input));
    MJ_ASSIGN(const std::vector<ResizePass> passes, resize_passes(op_, tensors, out.dims));
    std::vector<int64_t> dims(in.dims.begin(), in.dims.end());
    for (const ResizePass& pass : passes) dims[pass.axis] = std::ssize(pass.places);
    if (!std::ranges::equal(dims, out.dims)) {
      return model_error("resize: the scales give [{}], the plan has [{}]", fmt::join(dims, ","),
                         fmt::join(out.dims, ","));
    }
    if (passes.empty()) std::memcpy(out.data, in.data, static_cast<size_t>(4 * out.size()));
    dims.assign(in.dims.begin(), in.dims.end());
    const float* x = in.as<const float>();
    float* space = reinterpret_cast<float*>(args.workspace.data());
    const int64_t half = std::ssize(args.workspace) / 8;
    for (size_t i = 0; i < passes.size(); ++i) {
      float* y = i + 1 == passes.size() ? out.as<float>() : space + static_cast<int64_t>(i % 2) * half;
      resize_axis(args.pool, passes[i], AxisView::of(dims, static_cast<int64_t>(passes[i].axis)), x, y);
      dims[passes[i].axis] = std::ssize(passes[i].places);
      x = y;
    }
    return {};
  }

 private:
  // Taps side by side: those of place o are [first[o], first[o + 1]).
  struct Table {
    std::vector<int64_t> first{0}, places;
    std::vector<float> weights, starts;
  };
  Table table_of(const ResizePass& pass) const {
    Table table;
    for (const ResizeTaps& t : pass.places) {
      for (const auto& [place, weight] : t.taps) {
        table.places.push_back(place);
        table.weights.push_back(static_cast<float>(weight));
      }
      table.first.push_back(std::ssize(table.places));
      table.starts.push_back(t.outside ? op_.extrapolation_value : 0);
    }
    return table;
  }

  void resize_axis(ThreadPool& pool, const ResizePass& pass, const AxisView& view, const float* x, float* y) const {
    const Table t = table_of(pass);
    const int64_t length = std::ssize(t.starts);
    const double n = static_cast<double>(view.outer * length * view.inner);
    const double taps = static_cast<double>(t.places.size()) / static_cast<double>(std::max<int64_t>(length, 1));
    if (view.inner == 1) {
      cpu::parallel_ranges(pool, view.outer, 1, cpu::guess_seconds(8 * n, 16 * n * taps),
                           [&](int64_t begin, int64_t end) {
                             for (int64_t r = begin; r < end; ++r) resize_row(t, x + r * view.length, y + r * length);
                           });
      return;
    }
    cpu::parallel_ranges(pool, view.outer * length, 1, cpu::guess_seconds(8 * n, 4 * n * taps),
                         [&](int64_t begin, int64_t end) {
                           std::vector<const float*> rows;
                           for (int64_t r = begin; r < end; ++r) {
                             const auto o = static_cast<size_t>(r % length);
                             const float* image = x + r / length * view.length * view.inner;
                             rows.clear();
                             for (int64_t k = t.first[o]; k < t.first[o + 1]; ++k) {
                               rows.push_back(image + t.places[static_cast<size_t>(k)] * view.inner);
                             }
                             loops_.weighted_sum(rows.data(), t.weights.data() + t.first[o], std::ssize(rows),
                                                 t.starts[o], view.inner, y + r * view.inner);
                           }
                         });
  }

  static void resize_row(const Table& t, const float* x, float* y) {
    for (size_t o = 0; o < t.starts.size(); ++o) {
      float sum = t.starts[o];
      for (int64_t k = t.first[o]; k < t.first[o + 1]; ++k) {
        const auto at = static_cast<size_t>(k);
        sum += t.weights[at] * x[t.places[at]];
      }
      y[o] = sum;
    }
  }

  const Resize op_;
  const cpu::RowLoops& loops_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<ResizeF32>(args.problem.op.as<Resize>(), args.isa));
}

}  // namespace

extern const RunRow run_resize_f32;
const RunRow run_resize_f32 = {"resize_f32", 1, Isa::portable, make};

}  // namespace mj
