// SPDX-License-Identifier: Apache-2.0
// transpose_cuda: axes that stay neighbours count as one. Where the last axis moves, square tiles go through shared
// memory, so that both reading and writing touch neighbouring elements; otherwise a thread copies what it can at once.
#include <algorithm>

#include "kernels/cuda/index_text.h"
#include "kernels/cuda/row.h"
#include "kernels/cuda/vector_text.h"
#include "ops/transpose.h"

namespace mj {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kLeastTiled = 8;  // below that length of an axis, most of a tile would be empty

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

// `values` is an array of `width` elements as they lie in memory, for the result's from `i` on.
void store(KernelText& kernel, const std::string& values, int width) {
  const Problem& problem = kernel.problem();
  const DType dtype = problem.inputs[0].dtype;
  if (problem.epilogue.empty()) {
    kernel.helper(vector_helpers());
    kernel.line("store_elements<{}>({} + i, {});", width, kernel.output(0), values);
    return;
  }
  kernel.line("{} results[{}];", c_maths(dtype), width);
  kernel.line("#pragma unroll");
  kernel.line("for (int e = 0; e < {}; ++e) results[e] = {};", width, c_load(dtype, values + "[e]"));
  kernel.text(vector_epilogue_text(kernel, "results", "i", width));
}

// Elements that are read, or written, at once along axes of these lengths.
int width_of(const Problem& problem, std::initializer_list<Dim> lengths) {
  int width = 16;
  for (const Operand& operand : {problem.inputs[0], problem.outputs[0]})
    width = std::min<int>(width, 16 / static_cast<int>(storage_bytes(operand.dtype)));
  width = std::min(width, 8);
  for (const Dim& length : lengths) {
    while (!is_multiple(length, width)) width /= 2;
  }
  return width;
}

std::string times(const std::string& index, const std::string& stride) {
  return stride == "1" ? index : index + " * " + stride;
}

Generated run_by_run(const Problem& problem, const std::vector<Axis>& axes) {
  KernelText kernel("transpose", problem);
  const bool stays = !axes.empty() && axes.back().from.constant() == 1;
  const int width = stays ? width_of(problem, {axes.back().length}) : 1;
  const std::string_view storage = c_storage(problem.inputs[0].dtype);
  const Dim count = floor_div(element_count(problem.outputs[0].shape), width);
  kernel.line("const Index thread = blockIdx.x * {}u + threadIdx.x;", kThreads);
  kernel.line("if (thread >= {}) return;", kernel.size(count));
  kernel.line("const Index i = thread{};", width == 1 ? "" : fmt::format(" * {}u", width));
  Shape lengths;
  for (const Axis& axis : axes) lengths.push_back(axis.length);
  std::string place;
  for (size_t a = 0; a < axes.size(); ++a) {
    place += (a ? " + " : "") + times(coordinate_text(kernel, lengths, a, "i"), kernel.size(axes[a].from));
  }
  kernel.line("const Index from = {};", place.empty() ? "0" : place);
  kernel.helper(vector_helpers());
  kernel.line("{} x[{}];", storage, width);
  kernel.line("load_elements<{}>({} + from, x);", width, kernel.input(0));
  store(kernel, "x", width);
  return std::move(kernel).finish({ceil_div(count, kThreads), 1, 1}, {kThreads, 1, 1});
}

struct Tile {
  int length, width;  // width: neighbours that a thread reads and writes at once

  int across() const { return length / width; }
  int rows() const { return kThreads / across(); }
};

// `x` is the axis along which the input is read, `y` the one along which the result is written: its last.
Generated tiled(const Problem& problem, std::vector<Axis> axes, size_t along) {
  KernelText kernel("transpose_tiled", problem);
  const Axis x = axes[along], y = axes.back();
  axes.pop_back();
  axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(along));
  const int width = width_of(problem, {x.length, y.length});
  const Tile tile{storage_bytes(problem.inputs[0].dtype) < 4 && width > 1 ? 64 : 32, width};
  const Dim tiles_x = ceil_div(x.length, tile.length), tiles_y = ceil_div(y.length, tile.length);
  Shape blocks;
  for (const Axis& axis : axes) blocks.push_back(axis.length);
  blocks.push_back(tiles_y);
  blocks.push_back(tiles_x);
  const size_t batches = axes.size();
  const std::string_view storage = c_storage(problem.inputs[0].dtype);
  // Columns lie in different banks.
  kernel.line("__shared__ {} tile[{}][{}];", storage, tile.length,
              tile.length + std::max<int>(1, 4 / static_cast<int>(storage_bytes(problem.inputs[0].dtype))));
  std::string from, to;
  for (size_t a = 0; a < batches; ++a) {
    kernel.line("const Index at{} = {};", a, coordinate_text(kernel, blocks, a, "blockIdx.x"));
    from += times(fmt::format("at{}", a), kernel.size(axes[a].from)) + " + ";
    to += times(fmt::format("at{}", a), kernel.size(axes[a].to)) + " + ";
  }
  kernel.line("const Index x0 = {} * {}u, y0 = {} * {}u;", coordinate_text(kernel, blocks, batches + 1, "blockIdx.x"),
              tile.length, coordinate_text(kernel, blocks, batches, "blockIdx.x"), tile.length);
  kernel.line("const int along = threadIdx.x % {0}{1}, row0 = threadIdx.x / {0};", tile.across(),
              width == 1 ? "" : fmt::format(" * {}", width));
  const std::string across = kernel.size(x.length), height = kernel.size(y.length);
  kernel.helper(vector_helpers());
  kernel.line("#pragma unroll");
  kernel.line("for (int row = row0; row < {}; row += {}) {{", tile.length, tile.rows());
  kernel.line("  const Index x = x0 + along, y = y0 + row;");
  kernel.line("  if (x >= {} || y >= {}) continue;", across, height);
  kernel.line("  load_elements<{}>({} + ({}x + {}), &tile[row][along]);", width, kernel.input(0), from,
              times("y", kernel.size(y.from)));
  kernel.line("}}");
  kernel.line("__syncthreads();");
  kernel.line("#pragma unroll");
  kernel.line("for (int row = row0; row < {}; row += {}) {{", tile.length, tile.rows());
  kernel.line("  const Index x = x0 + row, y = y0 + along;");
  kernel.line("  if (x >= {} || y >= {}) continue;", across, height);
  kernel.line("  const Index i = {}{} + y;", to, times("x", kernel.size(x.to)));
  kernel.line("  {} column[{}];", storage, width);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int e = 0; e < {}; ++e) column[e] = tile[along + e][row];", width);
  store(kernel, "column", width);
  kernel.line("}}");
  return std::move(kernel).finish({element_count(blocks), 1, 1}, {kThreads, 1, 1});
}

Generated generate(const Problem& problem, const Target&, std::string_view) {
  const std::vector<Axis> axes = axes_of(problem);
  const auto wide = [](const Axis& axis) { return axis.length.constant().value_or(kLeastTiled) >= kLeastTiled; };
  for (size_t a = 0; a + 1 < axes.size(); ++a) {
    if (axes[a].from.constant() == 1 && wide(axes[a]) && wide(axes.back())) return tiled(problem, axes, a);
  }
  return run_by_run(problem, axes);
}

}  // namespace

extern const SelectRow select_transpose_cuda;
const SelectRow select_transpose_cuda =
    streaming_gpu_row("transpose", "transpose_cuda", refuses, generate, pack_nothing, 2);

}  // namespace mj
