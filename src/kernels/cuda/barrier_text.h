// SPDX-License-Identifier: Apache-2.0
// Functions in generated text by which some warps of a block bring data and others use it (sm_90): barriers in shared
// memory that count arrivals and bytes, and copies that arrive at them. Emulated by testing/emulate.cc.
//
//   barrier_init(b, count)        once, by one thread; then barrier_init_end() and __syncthreads()
//   barrier_wait(b, parity)       until the phase of that parity (0: the first) has ended
//   barrier_expect<bytes>(b)      arrives; the phase ends no sooner than so many bytes more have come
//   barrier_arrive(b)             arrives
//   copies_arrive(b)              arrives once all copy_async() of this thread so far are done
//   copy_bulk<bytes>(to, from, b) to shared memory, 16-byte multiples; b is told
#pragma once

#include <string_view>

namespace mj {

std::string_view barrier_helpers();

}  // namespace mj
