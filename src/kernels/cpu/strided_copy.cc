// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/strided_copy.h"

#include <cstring>

#include "base/check.h"
#include "kernels/cpu/parallel.h"

namespace mj::cpu {
namespace {

constexpr int64_t kTileRows = 16, kTileColumns = 8;  // a tile of 4-byte elements reads 8 cache lines whole

// Drops axes of length 1 and merges neighbours that both sides walk in step.
void collapse(StridedCopy& c) {
  size_t kept = 0;
  for (size_t d = 0; d < c.dims.size(); ++d) {
    if (c.dims[d] == 1) continue;
    const bool merges = kept > 0 && c.src_strides[kept - 1] == c.src_strides[d] * c.dims[d] &&
                        c.dst_strides[kept - 1] == c.dst_strides[d] * c.dims[d];
    const size_t to = merges ? kept - 1 : kept;
    c.dims[to] = merges ? c.dims[to] * c.dims[d] : c.dims[d];
    c.src_strides[to] = c.src_strides[d];
    c.dst_strides[to] = c.dst_strides[d];
    kept = to + 1;
  }
  c.dims.resize(kept);
  c.src_strides.resize(kept);
  c.dst_strides.resize(kept);
}

// Where the index with this number stands, counted over the first `axes` axes.
struct Place {
  int64_t src = 0, dst = 0;
};
Place place_of(const StridedCopy& c, size_t axes, int64_t number) {
  Place p;
  for (size_t d = axes; d-- > 0; number /= c.dims[d]) {
    p.src += number % c.dims[d] * c.src_strides[d];
    p.dst += number % c.dims[d] * c.dst_strides[d];
  }
  return p;
}

template <class T>
void copy_rows(const StridedCopy& c, int64_t begin, int64_t end) {
  const size_t last = c.dims.size() - 1;
  const int64_t n = c.dims[last], from = c.src_strides[last], to = c.dst_strides[last];
  for (int64_t i = begin; i < end; ++i) {
    const Place p = place_of(c, last, i);
    const T* src = static_cast<const T*>(c.src) + p.src;
    T* dst = static_cast<T*>(c.dst) + p.dst;
    if (from == 1 && to == 1) {
      std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
    } else if (from == 0 && to == 1) {
      std::fill_n(dst, n, *src);
    } else {
      for (int64_t j = 0; j < n; ++j) dst[j * to] = src[j * from];
    }
  }
}

// Of a picture's three planes: the compiler unrolls what it knows.
template <int Columns, class T>
void turn_narrow(const T* src, int64_t from, T* dst, int64_t to, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < Columns; ++k) dst[r * to + k] = src[k * from + r];
}

int64_t rows_of_tile(int64_t columns) { return columns == 3 ? 512 : kTileRows; }

// The last two axes turn a matrix: dst is dense along the last one, src along the one before.
template <class T>
void turn_matrices(const StridedCopy& c, int64_t begin, int64_t end) {
  const size_t last = c.dims.size() - 1;
  const int64_t rows = c.dims[last - 1], columns = c.dims[last];
  const int64_t from = c.src_strides[last], to = c.dst_strides[last - 1];
  const int64_t height = rows_of_tile(columns), row_tiles = (rows + height - 1) / height;
  for (int64_t i = begin; i < end; ++i) {
    const Place p = place_of(c, last - 1, i / row_tiles);
    const T* src = static_cast<const T*>(c.src) + p.src;
    T* dst = static_cast<T*>(c.dst) + p.dst;
    const int64_t r0 = i % row_tiles * height, r1 = std::min(rows, r0 + height);
    if (columns == 3) {
      turn_narrow<3>(src + r0, from, dst + r0 * to, to, r1 - r0);
      continue;
    }
    for (int64_t c0 = 0; c0 < columns; c0 += kTileColumns) {
      const int64_t c1 = std::min(columns, c0 + kTileColumns);
      if (r1 - r0 == kTileRows && c1 - c0 == kTileColumns) {
        for (int64_t r = 0; r < kTileRows; ++r)
          for (int64_t k = 0; k < kTileColumns; ++k) dst[(r0 + r) * to + c0 + k] = src[(c0 + k) * from + r0 + r];
      } else {
        for (int64_t r = r0; r < r1; ++r)
          for (int64_t k = c0; k < c1; ++k) dst[r * to + k] = src[k * from + r];
      }
    }
  }
}

template <class T>
void run(ThreadPool& pool, StridedCopy& c) {
  int64_t size = 1;
  for (int64_t dim : c.dims) size *= dim;
  const double seconds = guess_seconds(2.0 * static_cast<double>(size) * sizeof(T), static_cast<double>(size));
  if (c.dims.empty()) {
    std::memcpy(c.dst, c.src, sizeof(T));
    return;
  }
  const size_t last = c.dims.size() - 1;
  if (c.dst_strides[last] == 1 && c.src_strides[last] != 1) {
    for (size_t d = 0; d < last; ++d) {
      if (c.src_strides[d] != 1 || c.dims[d] < kTileColumns) continue;
      // The order of the outer axes is free: bring the one that src is dense along next to the last.
      for (size_t e = d; e + 1 < last; ++e) {
        std::swap(c.dims[e], c.dims[e + 1]);
        std::swap(c.src_strides[e], c.src_strides[e + 1]);
        std::swap(c.dst_strides[e], c.dst_strides[e + 1]);
      }
      const int64_t height = rows_of_tile(c.dims[last]), row_tiles = (c.dims[last - 1] + height - 1) / height;
      const int64_t tiles = size / (c.dims[last - 1] * c.dims[last]) * row_tiles;
      parallel_ranges(pool, tiles, 1, seconds, [&](int64_t begin, int64_t end) { turn_matrices<T>(c, begin, end); });
      return;
    }
  }
  parallel_ranges(pool, size / c.dims[last], 1, seconds,
                  [&](int64_t begin, int64_t end) { copy_rows<T>(c, begin, end); });
}

}  // namespace

void strided_copy(ThreadPool& pool, StridedCopy c) {
  for (int64_t dim : c.dims)
    if (dim == 0) return;
  collapse(c);
  switch (c.element_bytes) {
    case 1:
      return run<uint8_t>(pool, c);
    case 2:
      return run<uint16_t>(pool, c);
    case 4:
      return run<uint32_t>(pool, c);
    case 8:
      return run<uint64_t>(pool, c);
    default:
      CHECK(false, "elements of {} bytes", c.element_bytes);
  }
}

std::vector<int64_t> dense_strides(std::span<const int64_t> dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t d = dims.size(); d-- > 1;) strides[d - 1] = strides[d] * dims[d];
  return strides;
}

}  // namespace mj::cpu
