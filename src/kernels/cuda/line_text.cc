// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/line_text.h"

#include <algorithm>

#include "kernels/cuda/vector_text.h"

namespace mj {
namespace {

constexpr std::string_view kColumnReduce =
    R"(// Over the kRows threads of each of 32 columns, the result in each of them; the order is always the same.
template <int kRows, class T, class Combine>
__device__ __forceinline__ T column_reduce(T x, Combine combine, T* shared) {
  __syncthreads();
  shared[threadIdx.y * 32 + threadIdx.x] = x;
  __syncthreads();
  x = shared[threadIdx.x];
  for (int row = 1; row < kRows; ++row) x = combine(x, shared[row * 32 + threadIdx.x]);
  return x;
}
)";

// A warp needs no barriers, a block hides the latency of a long line; a thread should have several elements to read at
// once, but not so many that its additions lose digits. `length` is in reads.
int lanes_along(std::optional<int64_t> length, int width) {
  if (!length) return 256;
  if (width > 1)
    return *length <= 128 ? 32 : *length <= 512 ? 128 : *length <= 1024 ? 256 : *length <= 2048 ? 512 : 1024;
  if (*length <= 256) return 32;
  if (*length <= 2048) return 128;
  return *length <= 8192 ? 256 : *length <= 16384 ? 512 : 1024;
}
int rows_across(std::optional<int64_t> length) {
  if (!length) return 8;
  return *length <= 16 ? 1 : *length <= 512 ? 8 : 32;
}

}  // namespace

int line_width(DType dtype, const Dim& run) {
  auto width = static_cast<int>(std::min<int64_t>(16 / storage_bytes(dtype), 8));
  while (!is_multiple(run, width)) width /= 2;
  return width;
}

LineText::LineText(KernelText& kernel, const Dim& count, const Dim& length, bool across, int most_held, int width)
    : kernel_(kernel), count_(count), length_(length), across_(across), width_(across ? 1 : width) {
  const Dim reads = floor_div(length, width_);
  const std::optional<int64_t> known = reads.constant();
  lanes_ = across ? rows_across(known) : lanes_along(known, width_);
  several_rows_ = across && lanes_ > 1;
  lines_a_block_ = across ? (several_rows_ ? 32 : 256) : lanes_ == 32 ? (width_ > 1 ? 4 : 8) : 1;
  // Of whole vectors twice as many are kept: there are fewer threads that want registers.
  const int most_reads = width_ > 1 ? std::min(2 * most_held / width_, most_held) : most_held;
  if (known && *known > 0 && *known <= int64_t{most_reads} * lanes_)
    held_ = static_cast<int>((*known + lanes_ - 1) / lanes_);
}

bool LineText::ragged() const {
  return several_rows_ || !length_.constant() || *length_.constant() % (lanes_ * width_) != 0;
}

void LineText::begin() {
  if (several_rows_) kernel_.helper(kColumnReduce);
  const char* lane = across_ ? (several_rows_ ? "threadIdx.y" : "0") : "threadIdx.x";
  if (lines_a_block_ == 1) {
    kernel_.line("const Index line = blockIdx.x, lane = {};", lane);
  } else {
    kernel_.line("const Index line = blockIdx.x * {}u + threadIdx.{}, lane = {};", lines_a_block_, across_ ? "x" : "y",
                 lane);
    if (several_rows_) {
      kernel_.line("const Index length = line < {} ? {} : 0;", kernel_.size(count_), kernel_.size(length_));
    } else {
      kernel_.line("if (line >= {}) return;", kernel_.size(count_));
    }
  }
}

std::string LineText::number_text() const {
  return width_ == 1 ? fmt::format("lane + k * {}u", lanes_) : fmt::format("(lane + k * {}u) * {}u", lanes_, width_);
}

std::string LineText::read_text(const std::string& array) {
  return vector_load_text(kernel_, kernel_.problem().inputs[0].dtype, width_, kernel_.input(0), "i", array);
}

void LineText::elements(std::string_view maths, const std::string& place) {
  maths_ = maths, place_ = place;
  if (several_rows_) {
    kernel_.line("__shared__ {} shared[{}];", maths, 32 * lanes_);
  } else if (lanes_ > 32) {
    kernel_.line("__shared__ {} shared[32];", maths);
  }
  if (held_ == 0) return;
  kernel_.line("{} held[{}][{}];", maths, held_, width_);
  kernel_.line("#pragma unroll");
  kernel_.line("for (int k = 0; k < {}; ++k) {{", held_);
  kernel_.line("  const Index l = {};", number_text());
  if (ragged()) {
    kernel_.line("  #pragma unroll");
    kernel_.line("  for (int e = 0; e < {}; ++e) held[k][e] = 0;", width_);
    kernel_.line("  if (l >= {}) continue;", length());
  }
  kernel_.line("  const Index i = {};", place_);
  kernel_.text(read_text("held[k]"));
  kernel_.line("}}");
}

void LineText::begin_loop(bool places) {
  if (held_ == 0) {
    kernel_.line("#pragma unroll {}", width_ > 1 ? 2 : 4);
    kernel_.line("for (Index l = {0}; l < {1}; l += {2}u) {{", width_ == 1 ? "lane" : fmt::format("lane * {}u", width_),
                 length(), lanes_ * width_);
  } else {
    kernel_.line("#pragma unroll");
    kernel_.line("for (int k = 0; k < {}; ++k) {{", held_);
    if (places || ragged()) kernel_.line("  const Index l = {};", number_text());
    if (ragged()) kernel_.line("  if (l >= {}) continue;", length());
  }
  if (places || held_ == 0) kernel_.line("  const Index i = {};", place_);
  if (held_ == 0) {
    kernel_.line("  {} read[{}];", maths_, width_);
    kernel_.text(read_text("read"));
  }
}

void LineText::reduce(const std::string& name, const std::string& combine, const std::string& neutral,
                      const std::string& term) {
  kernel_.line("{} {} = {};", maths_, name, neutral);
  begin_loop(false);
  kernel_.line("  #pragma unroll");
  kernel_.line("  for (int e = 0; e < {}; ++e) {{", width_);
  kernel_.line("    const {} x = {}[e];", maths_, held_ ? "held[k]" : "read");
  kernel_.line("    {0} = {1}()({0}, {2});", name, combine, term);
  kernel_.line("  }}");
  kernel_.line("}}");
  if (several_rows_) {
    kernel_.line("{0} = column_reduce<{1}>({0}, {2}(), shared);", name, lanes_, combine);
  } else if (lanes_ == 32) {
    kernel_.line("{0} = warp_reduce({0}, {1}());", name, combine);
  } else if (lanes_ > 32) {
    kernel_.line("{0} = block_reduce({0}, {1}(), shared);", name, combine);
  }
}

void LineText::store(const std::string& value, std::span<const LineOperand> operands) {
  const Problem& problem = kernel_.problem();
  const auto dtype_of = [&](const LineOperand& operand) { return problem.inputs[operand.input].dtype; };
  const auto element = [&](const LineOperand& operand) {
    return c_load(dtype_of(operand), fmt::format("{}[{}]", kernel_.input(operand.input), operand.at));
  };
  const auto is_vector = [&](const LineOperand& operand) {
    return width_ > 1 && operand.lies == LineOperand::Lies::as_neighbours;
  };
  begin_loop(true);
  for (const LineOperand& operand : operands) {
    if (is_vector(operand)) {
      kernel_.line("  {} {}s[{}];", c_maths(dtype_of(operand)), operand.name, width_);
      kernel_.line("  const Index {}_at = {};", operand.name, operand.at);
      kernel_.text(vector_load_text(kernel_, dtype_of(operand), width_, kernel_.input(operand.input),
                                    operand.name + "_at", operand.name + "s"));
    } else if (operand.lies == LineOperand::Lies::in_one) {
      kernel_.line("  const {} {} = {};", maths_, operand.name, element(operand));
    }
  }
  const bool shifted = width_ > 1 && std::ranges::any_of(operands, [](const LineOperand& operand) {
                         return operand.lies == LineOperand::Lies::anywhere;
                       });
  if (shifted) kernel_.line("  const Index l0 = l, i0 = i;");
  kernel_.line("  {} results[{}];", maths_, width_);
  kernel_.line("  #pragma unroll");
  kernel_.line("  for (int e = 0; e < {}; ++e) {{", width_);
  kernel_.line("    const {} x = {}[e];", maths_, held_ ? "held[k]" : "read");
  if (shifted) kernel_.line("    const Index l = l0 + e, i = i0 + e;");
  for (const LineOperand& operand : operands) {
    if (operand.lies == LineOperand::Lies::in_one) continue;
    kernel_.line("    const {} {} = {};", maths_, operand.name,
                 is_vector(operand) ? operand.name + "s[e]" : element(operand));
  }
  kernel_.line("    results[e] = {};", value);
  kernel_.line("  }}");
  kernel_.text(vector_epilogue_text(kernel_, "results", "i", width_));
  kernel_.line("}}");
}

void LineText::once(const std::string& lines) {
  if (lanes_ == 1) {
    kernel_.text(lines);
    return;
  }
  kernel_.line("if (lane == 0{}) {{", several_rows_ ? fmt::format(" && line < {}", kernel_.size(count_)) : "");
  kernel_.text(lines);
  kernel_.line("}}");
}

Generated LineText::finish() {
  const std::array<int, 3> threads = across_ ? (several_rows_ ? std::array{32, lanes_, 1} : std::array{256, 1, 1})
                                             : std::array{lanes_, lines_a_block_, 1};
  return std::move(kernel_).finish({ceil_div(count_, lines_a_block_), 1, 1}, threads);
}

}  // namespace mj
