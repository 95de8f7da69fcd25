// SPDX-License-Identifier: Apache-2.0
// transpose_cuda: axes that stay neighbours count as one. Where the last axis moves, tiles of 32 x 32 go through shared
// memory, so that both reading and writing touch neighbouring elements; otherwise one thread an element.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/row.h"
#include "ops/transpose.h"

namespace mj {
namespace {

constexpr int kTile = 32, kRows = 8;  // threads: 32 x 8, each takes 4 elements of a tile
constexpr int64_t kLeastTiled = 8;    // below that length of an axis, most of a tile would be empty

Refusal refuses(const Problem& problem, const Target&) {
  if (c_storage(problem.inputs[0].dtype).empty()) return fmt::format("elements of {}", name(problem.inputs[0].dtype));
  return epilogue_refusal(problem);
}

// An axis of the result: its length, and the distance of its elements in the input and in the result.
struct Axis {
  Dim length, from, to;
};

// In the result's order, without those of length 1.
std::vector<Axis> axes_of(const Problem& problem) {
  const Shape& in = problem.inputs[0].shape;
  const std::vector<int64_t> order = problem.op.as<Transpose>().order(static_cast<int64_t>(in.size()));
  std::vector<Dim> strides(in.size(), 1);
  for (size_t d = in.size(); d-- > 1;) strides[d - 1] = strides[d] * in[d];
  std::vector<Axis> axes;
  int64_t before = -2;  // the input's axis that the last one of `axes` ends with
  for (int64_t source : order) {
    const auto d = static_cast<size_t>(source);
    if (in[d].constant() == 1) continue;
    bool follows = before >= 0 && source > before;  // with nothing but lengths of 1 between
    for (int64_t skipped = before + 1; follows && skipped < source; ++skipped) {
      follows = in[static_cast<size_t>(skipped)].constant() == 1;
    }
    if (follows) {
      axes.back().length *= in[d];
      axes.back().from = strides[d];
    } else {
      axes.push_back({in[d], strides[d], 1});
    }
    before = source;
  }
  for (size_t a = axes.size(); a-- > 1;) axes[a - 1].to = axes[a].to * axes[a].length;
  return axes;
}

void store(KernelText& kernel, const std::string& value) {
  const Problem& problem = kernel.problem();
  if (problem.epilogue.empty()) {
    kernel.line("{}[i] = {};", kernel.output(0), value);
  } else {
    kernel.text(epilogue_text(kernel, c_load(problem.inputs[0].dtype, value), "i"));
  }
}

std::string times(const std::string& index, const std::string& stride) {
  return stride == "1" ? index : index + " * " + stride;
}

Generated one_by_one(const Problem& problem, const std::vector<Axis>& axes) {
  KernelText kernel("transpose", problem);
  const Dim count = element_count(problem.outputs[0].shape);
  begin_elements(kernel, count);
  Shape lengths;
  for (const Axis& axis : axes) lengths.push_back(axis.length);
  std::string place;
  for (size_t a = 0; a < axes.size(); ++a) {
    place += (a ? " + " : "") + times(coordinate_text(kernel, lengths, a, "i"), kernel.size(axes[a].from));
  }
  kernel.line("const Index from = {};", place.empty() ? "0" : place);
  store(kernel, kernel.input(0) + "[from]");
  return finish_elements(std::move(kernel), count);
}

// `x` is the axis along which the input is read, `y` the one along which the result is written: its last.
Generated tiled(const Problem& problem, std::vector<Axis> axes, size_t along) {
  KernelText kernel("transpose_tiled", problem);
  const Axis x = axes[along], y = axes.back();
  axes.pop_back();
  axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(along));
  const Dim tiles_x = ceil_div(x.length, kTile), tiles_y = ceil_div(y.length, kTile);
  Shape blocks;
  for (const Axis& axis : axes) blocks.push_back(axis.length);
  blocks.push_back(tiles_y);
  blocks.push_back(tiles_x);
  const size_t batches = axes.size();
  kernel.line("__shared__ {} tile[{}][{}];  // one more, so that columns lie in different banks",
              c_storage(problem.inputs[0].dtype), kTile, kTile + 1);
  std::string from, to;
  for (size_t a = 0; a < batches; ++a) {
    kernel.line("const Index at{} = {};", a, coordinate_text(kernel, blocks, a, "blockIdx.x"));
    from += times(fmt::format("at{}", a), kernel.size(axes[a].from)) + " + ";
    to += times(fmt::format("at{}", a), kernel.size(axes[a].to)) + " + ";
  }
  kernel.line("const Index x0 = {} * {}u, y0 = {} * {}u;", coordinate_text(kernel, blocks, batches + 1, "blockIdx.x"),
              kTile, coordinate_text(kernel, blocks, batches, "blockIdx.x"), kTile);
  const std::string width = kernel.size(x.length), height = kernel.size(y.length);
  kernel.line("#pragma unroll");
  kernel.line("for (Index row = threadIdx.y; row < {}; row += {}) {{", kTile, kRows);
  kernel.line("  const Index x = x0 + threadIdx.x, y = y0 + row;");
  kernel.line("  if (x < {} && y < {}) tile[row][threadIdx.x] = {}[{}{} + {}];", width, height, kernel.input(0), from,
              times("x", kernel.size(x.from)), times("y", kernel.size(y.from)));
  kernel.line("}}");
  kernel.line("__syncthreads();");
  kernel.line("#pragma unroll");
  kernel.line("for (Index row = threadIdx.y; row < {}; row += {}) {{", kTile, kRows);
  kernel.line("  const Index x = x0 + row, y = y0 + threadIdx.x;");
  kernel.line("  if (x >= {} || y >= {}) continue;", width, height);
  kernel.line("  const Index i = {}{} + {};", to, times("x", kernel.size(x.to)), times("y", kernel.size(y.to)));
  store(kernel, "tile[threadIdx.x][row]");
  kernel.line("}}");
  return std::move(kernel).finish({element_count(blocks), 1, 1}, {kTile, kRows, 1});
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  const std::vector<Axis> axes = axes_of(problem);
  const auto wide = [](const Axis& axis) { return axis.length.constant().value_or(kLeastTiled) >= kLeastTiled; };
  for (size_t a = 0; a + 1 < axes.size(); ++a) {
    if (axes[a].from.constant() == 1 && wide(axes[a]) && wide(axes.back())) return tiled(problem, axes, a);
  }
  return one_by_one(problem, axes);
}

}  // namespace

extern const SelectRow select_transpose_cuda;
const SelectRow select_transpose_cuda = streaming_gpu_row("transpose", "transpose_cuda", refuses, generate);

}  // namespace mj
