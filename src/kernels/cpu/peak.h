// SPDX-License-Identifier: Apache-2.0
// The measured ceiling that every CPU figure is set against.
#pragma once

#include "base/isa.h"
#include "base/thread_pool.h"

namespace mj::cpu {

// fp32 GFLOP/s of independent multiply-adds in registers, on all threads of the pool at once. Takes about 50 ms; the
// best of several rounds, since a shared machine only ever slows a round down.
double measure_peak_gflops(ThreadPool& pool, Isa isa);

}  // namespace mj::cpu
