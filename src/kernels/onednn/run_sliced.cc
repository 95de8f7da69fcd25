// SPDX-License-Identifier: Apache-2.0
#include "kernels/onednn/run_sliced.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>

#include "base/align.h"
#include "kernels/onednn/run_module.h"

namespace mj::onednn {
namespace {

constexpr int64_t kFloat = sizeof(float);

std::optional<int64_t> number_after(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
  constexpr int64_t kMost = 1 << 20;
  return failed == std::errc() && value >= 1 && value <= kMost ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string to_string(const Cut& cut) {
  return fmt::format("rows={}{}", cut.rows, cut.columns > 1 ? fmt::format(",columns={}", cut.columns) : "");
}

std::optional<Cut> parse_cut(std::string_view config) {
  const std::optional<int64_t> rows = number_after(config, "rows=");
  if (!rows) return std::nullopt;
  return Cut{*rows, number_after(config, "columns=").value_or(1)};
}

SlicedLayer::SlicedLayer(const Convolution& form, bool flat, Cut cut, Layer::Unpack unpack)
    : form_(form), flat_(flat), cut_(cut), layer_(form, cut.columns, std::move(unpack)) {}

SlicedLayer::Pieces SlicedLayer::flat_pieces(int64_t pixels) const {
  Pieces all;
  all.image_floats = pixels * form_.channels;
  all.result_pixels = pixels;
  Convolution size = form_;
  size.height = size.output_height = 1;
  size.width = size.output_width = cut_.rows;
  const Part part = layer_.part(size);
  if (!part.primitive) return all;
  for (int64_t row = 0; row < pixels; row += cut_.rows)
    all.list.push_back({row * form_.channels, row, std::min(cut_.rows, pixels - row), cut_.rows, part});
  return all;
}

SlicedLayer::Pieces SlicedLayer::image_pieces(const Size& s) const {
  Pieces all;
  all.images = s.images;
  all.image_floats = s.height * s.width * form_.channels;
  all.result_pixels = s.output_height * s.output_width;
  const int64_t reach_h = (form_.kernel_h - 1) * form_.dilation_h + 1;
  const int64_t reach_w = (form_.kernel_w - 1) * form_.dilation_w + 1;
  for (int64_t row = 0; row < s.output_height; row += cut_.rows) {
    Convolution size = form_;
    size.output_height = std::min(cut_.rows, s.output_height - row);
    size.output_width = s.output_width;
    const int64_t first = row * form_.stride_h - s.pad_top;
    const int64_t end = first + (size.output_height - 1) * form_.stride_h + reach_h;
    const int64_t begin = std::clamp<int64_t>(first, 0, s.height), last = std::clamp<int64_t>(end, begin, s.height);
    size.height = last - begin;
    size.width = s.width;
    size.pad_left = s.pad_left;
    size.pad_top = begin - first;
    size.pad_bottom = end - last;
    size.pad_right = std::max<int64_t>(0, (s.output_width - 1) * form_.stride_w + reach_w - s.pad_left - s.width);
    // A slice that sees nothing but padding, or columns that reach beyond it: leave such sizes to our own row.
    const Part part = size.height > 0 ? layer_.part(size) : Part{};
    if (!part.primitive) return Pieces{};
    const int64_t pixels = size.output_height * s.output_width;
    all.list.push_back({begin * s.width * form_.channels, row * s.output_width, pixels, pixels, part});
  }
  return all;
}

SlicedLayer::Pieces SlicedLayer::pieces(const Size& size) const {
  Pieces all = flat_ ? flat_pieces(size.images * size.height * size.width) : image_pieces(size);
  for (const Piece& piece : all.list) {
    if (piece.pixels < piece.computed) all.copy_bytes = aligned_bytes(piece.computed * form_.channels * kFloat);
    if (piece.pixels < piece.computed || cut_.columns > 1) {
      all.result_bytes =
          std::max(all.result_bytes, aligned_bytes(piece.computed * form_.outputs / cut_.columns * kFloat));
    }
    const auto scratch = static_cast<int64_t>(module().table->scratch_bytes(piece.part.primitive.get()));
    all.scratch_bytes = std::max(all.scratch_bytes, aligned_bytes(scratch));
  }
  return all;
}

std::optional<int64_t> SlicedLayer::workspace_bytes(const Size& size, int threads) const {
  const Pieces all = pieces(size);
  return all.list.empty() ? std::nullopt : std::optional(all.thread_bytes() * threads);
}

void SlicedLayer::run_slice(const Job& job, const Pieces& pieces, int64_t image, const Piece& piece, int64_t column,
                            std::byte* space, bool& failed) const {
  const int64_t outputs = form_.outputs / cut_.columns, channels = form_.channels;
  const int64_t row = image * pieces.result_pixels + piece.row;
  const float* source = job.x + image * pieces.image_floats + piece.source;
  float* const out = job.y + row * form_.outputs + column * outputs;
  float* const copy = reinterpret_cast<float*>(space);
  float* const result = reinterpret_cast<float*>(space + pieces.copy_bytes);
  const bool is_ragged = piece.pixels < piece.computed, is_direct = !is_ragged && cut_.columns == 1;
  if (is_ragged) {
    std::copy_n(source, piece.pixels * channels, copy);
    std::fill_n(copy + piece.pixels * channels, (piece.computed - piece.pixels) * channels, 0.0f);
    source = copy;
  }
  const Buffers buffers = {source, (*piece.part.weights)[static_cast<size_t>(column)].get(),
                           job.bias ? job.bias + column * outputs : nullptr, is_direct ? out : result,
                           space + pieces.copy_bytes + pieces.result_bytes};
  if (module().table->run(piece.part.primitive.get(), &buffers) != 0) {
    failed = true;
    return;
  }
  if (cut_.columns == 1) {
    if (!is_direct) std::copy_n(result, piece.pixels * outputs, out);
    job.epilogue.apply(out, row * outputs, piece.pixels * outputs);
    return;
  }
  for (int64_t i = 0; i < piece.pixels; ++i) {
    std::copy_n(result + i * outputs, outputs, out + i * form_.outputs);
    job.epilogue.apply(out + i * form_.outputs, (row + i) * form_.outputs + column * outputs, outputs);
  }
}

Result<bool> SlicedLayer::run(ThreadPool& pool, const Job& job, std::byte* workspace) const {
  const Pieces all = pieces(job.size);
  if (all.list.empty()) return false;
  const auto count = static_cast<int64_t>(all.list.size());
  std::atomic<bool> failed = false;
  // Column slices outermost: threads that work side by side then share their weights.
  pool.run(cut_.columns * all.images * count, [&](int64_t task, int thread) {
    bool bad = false;
    run_slice(job, all, task / count % all.images, all.list[static_cast<size_t>(task % count)],
              task / (count * all.images), workspace + thread * all.thread_bytes(), bad);
    if (bad) failed.store(true, std::memory_order_relaxed);
  });
  if (failed) return error(ErrorCode::environment, "oneDNN failed to run a primitive that it had made");
  return true;
}

}  // namespace mj::onednn
