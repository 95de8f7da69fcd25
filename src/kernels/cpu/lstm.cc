// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/lstm.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/align.h"
#include "base/check.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu {
namespace {

// Rows of the product with x held at a time: enough for a full-speed GEMM, few enough that they wait in cache.
constexpr int64_t kChunkRows = 128;
// Below this many multiply-adds a step is not worth sharing between threads.
constexpr int64_t kMinSharedWork = 1 << 16;
// Of one step.
constexpr int64_t kTasksPerThread = 4;

int64_t padded(const Microkernels& kernels, int64_t hidden) {
  return (hidden + kernels.nr - 1) / kernels.nr * kernels.nr;
}

// Row of w, r or bias that packed column `column` comes from, or -1 for padding: panels go (units 0.. of gate 0, the
// same units of gate 1, ..., the next units of gate 0, ...).
int64_t source_row(int64_t nr, int64_t hidden, int64_t column) {
  const int64_t gate = column / nr % 4, unit = column / (4 * nr) * nr + column % nr;
  return unit < hidden ? gate * hidden + unit : -1;
}

void pack_gates(int64_t nr, int64_t hidden, int64_t columns, const float* rows, int64_t k, float* dst) {
  for (int64_t column = 0; column < columns; ++column) {
    const int64_t row = source_row(nr, hidden, column);
    float* to = dst + column / nr * nr * k + column % nr;
    for (int64_t i = 0; i < k; ++i) to[i * nr] = row < 0 ? 0.0f : rows[row * k + i];
  }
}

// The parts of the workspace, as offsets in floats.
struct Space {
  int64_t chunk_steps, columns, units;
  int64_t gates, c, h[2], rows, total;
};
Space space_of(const Microkernels& kernels, const LstmLayer& l) {
  Space s{};
  s.units = padded(kernels, l.hidden);
  s.columns = 4 * s.units;
  s.chunk_steps = std::clamp<int64_t>(kChunkRows / std::max<int64_t>(1, l.batch), 1, std::max<int64_t>(1, l.steps));
  const auto take = [&](int64_t floats) {
    const int64_t at = s.total;
    s.total += aligned_floats(floats);
    return at;
  };
  s.gates = take(s.chunk_steps * l.batch * s.columns);
  s.c = take(l.batch * s.units);
  s.h[0] = take(l.batch * s.units);
  s.h[1] = take(l.batch * s.units);
  static_assert(sizeof(const float*) <= 2 * sizeof(float));
  s.rows = take(2 * s.chunk_steps * l.batch);
  return s;
}

// Which part of a step a thread takes. Its own of the steps before, from the end where it left off, since that part of
// R may still be in its L2; then what others have not begun.
class Parts {
 public:
  Parts(int64_t parts, int threads) : threads_(threads), taken_(static_cast<size_t>(parts)) {}

  // One of step `step` that nobody has; to be called once for each part, when all of the step before are finished.
  int64_t take(int64_t step, int thread) {
    const auto parts = static_cast<int64_t>(taken_.size());
    const Range own = part(parts, 1, threads_, thread);
    const int64_t owned = own.end - own.begin;
    for (int64_t j = 0; j < parts; ++j) {
      const int64_t beyond = j - owned;
      const int64_t up = beyond < 0 ? own.begin + j : own.begin - 1 - beyond;
      const int64_t down = beyond < 0 ? own.end - 1 - j : own.end + beyond;
      const int64_t p = ((is_forward(step) ? up : down) + parts) % parts;
      int64_t before = step;
      if (taken_[static_cast<size_t>(p)].compare_exchange_strong(before, step + 1, std::memory_order_relaxed)) return p;
    }
    CHECK(false, "more takers than parts of step {}", step);
  }
  static bool is_forward(int64_t step) { return step % 2 == 0; }

 private:
  int threads_;
  std::vector<std::atomic<int64_t>> taken_;  // how often
};

class Run {
 public:
  Run(ThreadPool& pool, Isa isa, const LstmLayer& l, void* workspace)
      : pool_(pool), isa_(isa), kernels_(microkernels(isa)), l_(l), s_(space_of(kernels_, l)) {
    float* space = static_cast<float*>(workspace);
    gates_ = space + s_.gates;
    c_ = space + s_.c;
    h_[0] = space + s_.h[0];
    h_[1] = space + s_.h[1];
    rows_ = reinterpret_cast<const float**>(space + s_.rows);
    const LstmPacked sizes = lstm_packed(isa, l.inputs, l.hidden);
    w_ = l.packed;
    r_ = w_ + sizes.w;
    bias_ = r_ + sizes.r;
    peephole_ = l.has_peephole ? bias_ + sizes.bias : nullptr;
  }

  void operator()() {
    load_state(l_.h0, h_[0]);
    load_state(l_.c0, c_);
    for (int64_t first = 0; first < l_.steps; first += s_.chunk_steps) {
      const int64_t count = std::min(s_.chunk_steps, l_.steps - first);
      multiply_inputs(first, count);
      take_steps(first, count);
    }
    store_state(h_[l_.steps % 2], l_.h_last);
    store_state(c_, l_.c_last);
  }

 private:
  int64_t length(int64_t n) const { return l_.lengths ? l_.lengths[n] : l_.steps; }
  bool active(int64_t i, int64_t n) const { return i < length(n); }
  // The time that sequence n treats as its i-th; beyond its length any valid one.
  int64_t time(int64_t i, int64_t n) const { return !active(i, n) ? i : l_.backward ? length(n) - 1 - i : i; }

  void load_state(const float* from, float* to) const {
    std::fill_n(to, l_.batch * s_.units, 0.0f);
    for (int64_t n = 0; from && n < l_.batch; ++n) std::copy_n(from + n * l_.state_row, l_.hidden, to + n * s_.units);
  }
  void store_state(const float* from, float* to) const {
    for (int64_t n = 0; to && n < l_.batch; ++n) std::copy_n(from + n * s_.units, l_.hidden, to + n * l_.state_row);
  }

  // gates[i][n] = x of step first + i of sequence n, times W, + both biases.
  void multiply_inputs(int64_t first, int64_t count) const {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t n = 0; n < l_.batch; ++n)
        rows_[i * l_.batch + n] = l_.x + time(first + i, n) * l_.x_step + n * l_.x_row;
    Gemm g;
    g.m = count * l_.batch;
    g.n = s_.columns;
    g.k = l_.inputs;
    g.rows = rows_;
    g.packed_b = w_;
    g.c = gates_;
    g.ldc = s_.columns;
    g.epilogue.bias = bias_;
    gemm(pool_, isa_, g);
  }

  // The steps [first, first + count), as one run of the pool: to hand over a job for each step would take a good part
  // of the step. Threads share a step's units, so that each reads its part of R only; to share the sequences instead
  // spares them the wait for each other and is slower all the same.
  void take_steps(int64_t first, int64_t count) const {
    const int64_t groups = s_.units / kernels_.nr;  // of nr units, with their four panels
    const bool shared = l_.batch * s_.columns * l_.hidden >= kMinSharedWork;
    // Small, so that a thread that was held up does not hold up the others.
    const int64_t tasks = shared ? std::min<int64_t>(groups, kTasksPerThread * pool_.threads()) : 1;
    TaskGate gate;
    Parts parts(tasks, pool_.threads());
    const auto work = [&](int64_t task, int thread) {
      const int64_t i = task / tasks;
      gate.wait_for(i * tasks);
      const Range r = part(groups, 1, tasks, parts.take(i, thread));
      for (int64_t j = 0; j < r.end - r.begin; ++j) {
        const int64_t group = Parts::is_forward(i) ? r.begin + j : r.end - 1 - j;
        finish_group(first + i, group, gates_ + i * l_.batch * s_.columns);
      }
      gate.finish();
    };
    if (shared)
      pool_.run_in_order(count * tasks, work);
    else
      for (int64_t i = 0; i < count; ++i) work(i, 0);
  }

  // gates += h * R for the units of one group, then their new states.
  void finish_group(int64_t i, int64_t group, float* gates) const {
    const int64_t nr = kernels_.nr, panel = l_.hidden * nr;
    const float* h = h_[i % 2];
    const RowSplit split(l_.batch, kernels_.mr);
    TileArgs t{};
    t.taps = 1;
    t.k = l_.hidden;
    t.b_panel_stride = panel;
    t.ldc = s_.columns;
    t.accumulate = true;
    const float* rows[Microkernels::kMaxMr];
    t.a = rows;
    const int64_t wide = split.tiles == 1 ? kernels_.wide_panels[split.rows(0) - 1] : 1;
    const int64_t ahead = prefetching_tiles(split.tiles);
    const int64_t last_panel = s_.columns / nr - 1;
    for (int64_t gate = 0; gate < 4; gate += wide) {
      const int64_t p = group * 4 + gate;
      t.b = r_ + p * panel;
      for (int64_t tile = 0, row = 0; tile < split.tiles; ++tile) {
        const int64_t m = split.rows(tile);
        for (int64_t j = 0; j < m; ++j) rows[j] = h + (row + j) * s_.units;
        // The next panel comes into L2 meanwhile, a part of it with each of the first tiles.
        const bool prefetches = tile < ahead && p + wide <= last_panel;
        t.prefetch = prefetches ? t.b + wide * panel + tile * panel / ahead : t.b;
        t.prefetch_step = prefetches ? nr / ahead : 0;
        t.c = gates + row * s_.columns + p * nr;
        (wide > 1 ? kernels_.wide_tiles : kernels_.tiles)[m - 1](t);
        row += m;
      }
    }
    for (int64_t n = 0; n < l_.batch; ++n) finish_row(i, n, group, gates);
  }

  void finish_row(int64_t i, int64_t n, int64_t group, const float* gates) const {
    const int64_t nr = kernels_.nr, unit = group * nr, used = std::min(nr, l_.hidden - unit);
    float* h = h_[(i + 1) % 2] + n * s_.units + unit;
    float* y = l_.y ? l_.y + time(i, n) * l_.y_step + n * l_.y_row + unit : nullptr;
    if (!active(i, n)) {
      std::copy_n(h_[i % 2] + n * s_.units + unit, nr, h);
      if (y) std::fill_n(y, used, 0.0f);
      return;
    }
    LstmCellArgs cell{};
    cell.gates = gates + n * s_.columns + group * 4 * nr;
    cell.peephole = peephole_ ? peephole_ + unit : nullptr;
    cell.peephole_stride = s_.units;
    cell.c = c_ + n * s_.units + unit;
    cell.h = h;
    kernels_.lstm_cell(cell);
    if (y) std::copy_n(h, used, y);
  }

  ThreadPool& pool_;
  Isa isa_;
  const Microkernels& kernels_;
  const LstmLayer& l_;
  Space s_;
  float *gates_, *c_, *h_[2];
  const float** rows_;
  const float *w_, *r_, *bias_, *peephole_;
};

}  // namespace

LstmPacked lstm_packed(Isa isa, int64_t inputs, int64_t hidden) {
  const int64_t units = padded(microkernels(isa), hidden);
  return {4 * units * inputs, 4 * units * hidden, 4 * units, 3 * units};
}

void pack_lstm(Isa isa, int64_t inputs, int64_t hidden, const float* w, const float* r, const float* bias,
               const float* peephole, float* dst) {
  const int64_t nr = microkernels(isa).nr, units = padded(microkernels(isa), hidden), columns = 4 * units;
  const LstmPacked sizes = lstm_packed(isa, inputs, hidden);
  pack_gates(nr, hidden, columns, w, inputs, dst);
  dst += sizes.w;
  pack_gates(nr, hidden, columns, r, hidden, dst);
  dst += sizes.r;
  for (int64_t column = 0; column < columns; ++column) {
    const int64_t row = source_row(nr, hidden, column);
    dst[column] = row < 0 || !bias ? 0.0f : bias[row] + bias[4 * hidden + row];
  }
  dst += sizes.bias;
  std::fill_n(dst, sizes.peephole, 0.0f);
  for (int64_t gate = 0; peephole && gate < 3; ++gate)
    std::copy_n(peephole + gate * hidden, hidden, dst + gate * units);
}

int64_t lstm_workspace(Isa isa, const LstmLayer& layer) {
  return space_of(microkernels(isa), layer).total * static_cast<int64_t>(sizeof(float));
}

void lstm(ThreadPool& pool, Isa isa, const LstmLayer& layer, void* workspace) {
  if (layer.batch > 0) Run(pool, isa, layer, workspace)();
}

}  // namespace mj::cpu
