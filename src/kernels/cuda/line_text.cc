// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/line_text.h"

#include <algorithm>

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
// once, but not so many that its additions lose digits.
int lanes_along(std::optional<int64_t> length) {
  if (!length) return 256;
  if (*length <= 256) return 32;
  if (*length <= 2048) return 128;
  return *length <= 8192 ? 256 : *length <= 16384 ? 512 : 1024;
}
int rows_across(std::optional<int64_t> length) {
  if (!length) return 8;
  return *length <= 16 ? 1 : *length <= 512 ? 8 : 32;
}

}  // namespace

LineText::LineText(KernelText& kernel, const Dim& count, const Dim& length, bool across, int most_held)
    : kernel_(kernel), count_(count), length_(length), across_(across) {
  const std::optional<int64_t> known = length.constant();
  lanes_ = across ? rows_across(known) : lanes_along(known);
  several_rows_ = across && lanes_ > 1;
  lines_a_block_ = across ? (several_rows_ ? 32 : 256) : lanes_ == 32 ? 8 : 1;
  if (known && *known > 0 && *known <= int64_t{most_held} * lanes_)
    held_ = static_cast<int>((*known + lanes_ - 1) / lanes_);
}

bool LineText::ragged() const { return several_rows_ || !length_.constant() || *length_.constant() % lanes_ != 0; }

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

void LineText::elements(std::string_view maths, const std::string& place, const std::string& value) {
  maths_ = maths, place_ = place, value_ = value;
  if (several_rows_) {
    kernel_.line("__shared__ {} shared[{}];", maths, 32 * lanes_);
  } else if (lanes_ > 32) {
    kernel_.line("__shared__ {} shared[32];", maths);
  }
  if (held_ == 0) return;
  kernel_.line("{} held[{}];", maths, held_);
  kernel_.line("#pragma unroll");
  kernel_.line("for (int k = 0; k < {}; ++k) {{", held_);
  kernel_.line("  const Index l = lane + k * {}u;", lanes_);
  if (ragged()) {
    kernel_.line("  held[k] = 0;");
    kernel_.line("  if (l < {}) {{", length());
    kernel_.line("    const Index i = {};", place_);
    kernel_.line("    held[k] = {};", value_);
    kernel_.line("  }}");
  } else {
    kernel_.line("  const Index i = {};", place_);
    kernel_.line("  held[k] = {};", value_);
  }
  kernel_.line("}}");
}

void LineText::each(const std::string& lines) { loop(lines, true); }

void LineText::loop(const std::string& lines, bool places) {
  if (held_ == 0) {
    kernel_.line("#pragma unroll 4");
    kernel_.line("for (Index l = lane; l < {}; l += {}u) {{", length(), lanes_);
  } else {
    kernel_.line("#pragma unroll");
    kernel_.line("for (int k = 0; k < {}; ++k) {{", held_);
    if (places || ragged()) kernel_.line("  const Index l = lane + k * {}u;", lanes_);
    if (ragged()) kernel_.line("  if (l >= {}) continue;", length());
  }
  if (places || held_ == 0) kernel_.line("  const Index i = {};", place_);
  kernel_.line("  const {} x = {};", maths_, held_ ? "held[k]" : value_);
  kernel_.text(lines);
  kernel_.line("}}");
}

void LineText::reduce(const std::string& name, const std::string& combine, const std::string& neutral,
                      const std::string& term) {
  kernel_.line("{} {} = {};", maths_, name, neutral);
  loop(fmt::format("    {0} = {1}()({0}, {2});\n", name, combine, term), false);
  if (several_rows_) {
    kernel_.line("{0} = column_reduce<{1}>({0}, {2}(), shared);", name, lanes_, combine);
  } else if (lanes_ == 32) {
    kernel_.line("{0} = warp_reduce({0}, {1}());", name, combine);
  } else if (lanes_ > 32) {
    kernel_.line("{0} = block_reduce({0}, {1}(), shared);", name, combine);
  }
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
