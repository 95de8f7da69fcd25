// SPDX-License-Identifier: Apache-2.0
// Cutting independent work into tasks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/function_ref.h"
#include "base/thread_pool.h"

namespace mj::cpu {

// About 10 us of one core: below this, waking a second one costs more than it wins.
inline constexpr double kMinTaskSeconds = 1e-5;

// Calls f(begin, end) for ranges that cover [0, n), each but the last a multiple of `unit`, on as many threads as the
// work is worth: `seconds` is what one core would need for all of it, roughly. f must not care how n is cut.
inline void parallel_ranges(ThreadPool& pool, int64_t n, int64_t unit, double seconds,
                            FunctionRef<void(int64_t begin, int64_t end)> f) {
  if (n <= 0) return;
  const int64_t units = (n + unit - 1) / unit;
  // Four tasks a thread even out a core that is taken away for a while.
  const auto worth = static_cast<int64_t>(std::min(seconds / kMinTaskSeconds, 1e6));
  const int64_t tasks = std::clamp<int64_t>(std::min<int64_t>(worth, 4 * pool.threads()), 1, units);
  if (tasks == 1 || pool.threads() == 1) return f(0, n);
  pool.run(tasks,
           [&](int64_t task, int) { f(units * task / tasks * unit, std::min(n, units * (task + 1) / tasks * unit)); });
}

// One core's share of memory bandwidth and of simple vector maths, for such guesses.
inline double guess_seconds(double bytes, double vector_operations) { return bytes / 10e9 + vector_operations / 16e9; }

}  // namespace mj::cpu
