// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/peak.h"

#include <algorithm>
#include <chrono>

#include "kernels/cpu/microkernels.h"

namespace mj::cpu {

double measure_peak_gflops(ThreadPool& pool, Isa isa) {
  constexpr int64_t kIterations = 1'000'000;  // about 2 ms a round
  constexpr int kRounds = 20;
  const auto loop = microkernels(isa).peak_loop;
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    double flops = 0;
    const auto start = std::chrono::steady_clock::now();
    pool.run(pool.threads(), [&](int64_t task, int) {
      const double done = loop(kIterations);
      if (task == 0) flops = done;
    });
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, flops * pool.threads() / elapsed.count());
  }
  return best;
}

}  // namespace mj::cpu
