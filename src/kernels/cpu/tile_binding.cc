// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/tile_binding.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace mj::cpu {
namespace {

constexpr int64_t kStackTiles = 16;
constexpr size_t kMaxOperands = 512;

// n elements that stand `stride` apart, as floats.
void widen(const void* data, DType dtype, int64_t offset, int64_t stride, int64_t n, float* out) {
  dispatch(dtype, [&]<class T>() {
    const T* from = static_cast<const T*>(data) + offset;
    if (stride == 0) {
      std::fill_n(out, n, static_cast<float>(*from));
    } else if (stride == 1) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(from[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(from[i * stride]);
    }
  });
}

// Strides of a dense tensor along the axes of `dims`, 0 where it is broadcast; nullopt if it does not fit.
std::optional<std::vector<int64_t>> broadcast_strides(std::span<const int64_t> own, std::span<const int64_t> dims) {
  const size_t rank = dims.size();
  std::vector<int64_t> strides(rank, 0);
  int64_t step = 1;
  for (size_t back = 1; back <= own.size(); ++back) {
    const int64_t dim = own[own.size() - back];
    if (back > rank) {
      if (dim != 1) return std::nullopt;
      continue;
    }
    if (dim == 1) continue;
    if (dim != dims[rank - back]) return std::nullopt;
    strides[rank - back] = step;
    step *= dim;
  }
  return strides;
}

// Merges neighbouring axes that every operand walks alike; axes of length 1 vanish.
void collapse(std::vector<int64_t>& dims, std::vector<std::vector<int64_t>*> operands) {
  size_t kept = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] == 1) continue;
    const bool merges = kept > 0 && std::all_of(operands.begin(), operands.end(), [&](const std::vector<int64_t>* s) {
                          return (*s)[kept - 1] == (*s)[d] * dims[d];
                        });
    const size_t to = merges ? kept - 1 : kept;
    dims[to] = merges ? dims[to] * dims[d] : dims[d];
    for (std::vector<int64_t>* s : operands) (*s)[to] = (*s)[d];
    kept = to + 1;
  }
  dims.resize(kept);
  for (std::vector<int64_t>* s : operands) s->resize(kept);
}

}  // namespace

Result<TileBinding> TileBinding::bind(const TileProgram& program, std::span<const int64_t> dims,
                                      std::span<const TensorRef> params, std::span<const TensorRef> results,
                                      bool streamed_first) {
  CHECK(static_cast<int>(params.size()) == program.params() && static_cast<int>(results.size()) == program.results(),
        "{} parameters and {} results for a body of {} and {}", params.size(), results.size(), program.params(),
        program.results());
  TileBinding b;
  b.program_ = &program;
  b.size_ = 1;
  for (int64_t dim : dims) b.size_ *= dim;
  for (size_t r = 0; r < results.size(); ++r) {
    if (r == 0 && streamed_first) {
      b.outs_.push_back({});
      continue;
    }
    if (!std::ranges::equal(results[r].dims, dims)) {
      return model_error("output {} has dims [{}], its inputs broadcast to [{}]", r, fmt::join(results[r].dims, ","),
                         fmt::join(dims, ","));
    }
    b.outs_.push_back({results[r].data, results[r].dtype});
    if (results[r].dtype != DType::f32) ++b.fetched_;
  }
  b.layout_.assign(dims.begin(), dims.end());
  std::vector<std::vector<int64_t>*> walked;
  b.params_.resize(params.size());
  for (size_t i = 0; i < params.size(); ++i) {
    Param& p = b.params_[i];
    if (!program.reads(static_cast<int>(i))) continue;
    if (i == 0 && streamed_first) {
      p.kind = Kind::streamed;
      continue;
    }
    std::optional<std::vector<int64_t>> strides = broadcast_strides(params[i].dims, dims);
    if (!strides) {
      return model_error("input {} has dims [{}], which do not broadcast to [{}]", i, fmt::join(params[i].dims, ","),
                         fmt::join(dims, ","));
    }
    p.data = params[i].data;
    p.dtype = params[i].dtype;
    p.strides = std::move(*strides);
    p.period = params[i].size();
    walked.push_back(&p.strides);
  }
  if (b.size_ == 0) return b;
  collapse(b.layout_, walked);
  int64_t largest = 1;  // period that fits a tile
  for (Param& p : b.params_) {
    if (!p.data) continue;
    // Dense over a tail of the axes and broadcast over the others: it repeats with its own size as period.
    int64_t tail = 1;
    size_t d = b.layout_.size();
    while (d > 0 && p.strides[d - 1] == tail) tail *= b.layout_[--d];
    const bool dense = tail == p.period;
    p.kind = !dense                        ? Kind::general
             : tail == b.size_ && tail > 1 ? Kind::stream
             : tail <= kTile               ? Kind::repeated
                                           : Kind::periodic;
    if (p.kind == Kind::repeated) largest = std::max(largest, tail);
    if (p.kind != Kind::repeated && (p.kind != Kind::stream || p.dtype != DType::f32)) ++b.fetched_;
    // Tiles that stay within a period, or within a run of the inner axis, are read in place.
    const int64_t run = p.kind == Kind::periodic ? tail : p.kind == Kind::general ? b.layout_.back() : 0;
    if (run > kTile) b.block_ = b.block_ ? std::min(b.block_, run) : run;
  }
  b.unit_ = kTile / largest * largest;
  b.fill_tiles();
  return b;
}

void TileBinding::fill_tiles() {
  size_t count = 0;
  for (const Param& p : params_) count += p.kind == Kind::repeated;
  const int64_t length = std::min(unit_, size_);
  tiles_.resize(count * static_cast<size_t>(length));
  float* tile = tiles_.data();
  for (Param& p : params_) {
    if (p.kind != Kind::repeated) continue;
    if (p.period == 1) {
      widen(p.data, p.dtype, 0, 0, length, tile);
    } else {
      for (int64_t at = 0; at < length; at += p.period)
        widen(p.data, p.dtype, 0, 1, std::min(p.period, length - at), tile + at);
    }
    p.tile = tile;
    tile += length;
  }
}

void TileBinding::gather(const Param& p, int64_t begin, int64_t n, float* out) const {
  const size_t rank = layout_.size();
  const int64_t run = layout_.back();
  while (n > 0) {
    int64_t rest = begin / run, offset = (begin % run) * p.strides.back();
    for (size_t d = rank - 1; d-- > 0; rest /= layout_[d]) offset += rest % layout_[d] * p.strides[d];
    const int64_t length = std::min(n, run - begin % run);
    widen(p.data, p.dtype, offset, p.strides.back(), length, out);
    begin += length;
    out += length;
    n -= length;
  }
}

const float* TileBinding::fetch(const Param& p, int64_t begin, int64_t n, float* space) const {
  const bool in_place = p.dtype == DType::f32;
  const float* data = static_cast<const float*>(p.data);
  switch (p.kind) {
    case Kind::unused:
    case Kind::streamed:
      break;
    case Kind::stream:
      if (in_place) return data + begin;
      widen(p.data, p.dtype, begin, 1, n, space);
      break;
    case Kind::repeated:
      // Units and blocks are multiples of the period, and run_range() keeps tiles within both.
      return p.tile + begin % p.period;
    case Kind::periodic: {
      const int64_t at = begin % p.period;
      if (in_place && at + n <= p.period) return data + at;
      const int64_t first = std::min(n, p.period - at);
      widen(p.data, p.dtype, at, 1, first, space);
      if (first < n) widen(p.data, p.dtype, 0, 1, n - first, space + first);
      break;
    }
    case Kind::general: {
      const int64_t run = layout_.back(), at = begin % run;
      if (in_place && p.strides.back() == 1 && at + n <= run) {
        int64_t rest = begin / run, offset = at;
        for (size_t d = layout_.size() - 1; d-- > 0; rest /= layout_[d]) offset += rest % layout_[d] * p.strides[d];
        return data + offset;
      }
      gather(p, begin, n, space);
      break;
    }
  }
  return space;
}

void TileBinding::run_tile(float* values, int64_t begin, int64_t n, float* scratch) const {
  std::array<const float*, kMaxOperands> params;
  std::array<float*, kMaxOperands> results;
  float* space = scratch + program_->scratch_floats();
  for (size_t i = 0; i < params_.size(); ++i) {
    const Param& p = params_[i];
    params[i] = p.kind == Kind::unused ? nullptr : p.kind == Kind::streamed ? values : fetch(p, begin, n, space);
    if (params[i] == space) space += kTile;
  }
  for (size_t r = 0; r < outs_.size(); ++r) {
    const Out& out = outs_[r];
    if (!out.data) {
      results[r] = values;
    } else if (out.dtype == DType::f32) {
      results[r] = static_cast<float*>(out.data) + begin;
    } else {
      results[r] = space;
      space += kTile;
    }
  }
  program_->run(params.data(), results.data(), n, scratch);
  for (size_t r = 0; r < outs_.size(); ++r) {
    if (outs_[r].dtype != DType::boolean) continue;
    bool* to = static_cast<bool*>(outs_[r].data) + begin;
    for (int64_t i = 0; i < n; ++i) to[i] = results[r][i] != 0;
  }
}

void TileBinding::run_range(float* values, int64_t begin, int64_t end) const {
  if (begin >= end) return;
  const int64_t floats = program_->scratch_floats() + fetched_ * kTile;
  alignas(64) float stack[kStackTiles * kTile];
  std::vector<float> heap;
  if (floats > kStackTiles * kTile) heap.resize(static_cast<size_t>(floats));
  float* scratch = heap.empty() ? stack : heap.data();
  for (int64_t at = begin; at < end;) {
    // Tiles end where a unit, counted from the start of its block, or the block ends.
    const int64_t in_block = block_ ? at % block_ : at;
    int64_t n = std::min(end - at, unit_ - in_block % unit_);
    if (block_) n = std::min(n, block_ - in_block);
    run_tile(values ? values + (at - begin) : nullptr, at, n, scratch);
    at += n;
  }
}

}  // namespace mj::cpu
