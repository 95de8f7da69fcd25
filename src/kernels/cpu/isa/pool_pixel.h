// SPDX-License-Identifier: Apache-2.0
// One pixel of a pooling window over channels; see PoolArgs in microkernels.h.
#pragma once

#include "kernels/cpu/isa/simd_select.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu::MJ_ISA_NS {

template <bool Average>
void pool_channels(const PoolArgs& p, int64_t c, int lanes) {
  const bool whole = lanes == Vec::kLanes;
  const auto get = [&](const float* from) { return whole ? load(from + c) : load_n(from + c, lanes); };
  Vec acc = p.accumulate ? get(p.out) : splat(Average ? 0.0f : -__builtin_inff());
  for (int64_t t = 0; t < p.taps; ++t) {
    const Vec x = get(p.rows[t]);
    acc = Average ? acc + x : keep_nan(x, select_lt(acc, x, x, acc));
  }
  if (Average && p.divisor != 0) acc = acc / splat(p.divisor);
  if (whole)
    store(p.out + c, acc);
  else
    store_n(p.out + c, acc, lanes);
}

inline void pool_pixel(const PoolArgs& p) {
  for (int64_t c = 0; c < p.channels; c += Vec::kLanes) {
    const int lanes = static_cast<int>(min64(Vec::kLanes, p.channels - c));
    if (p.average)
      pool_channels<true>(p, c, lanes);
    else
      pool_channels<false>(p, c, lanes);
  }
}

}  // namespace mj::cpu::MJ_ISA_NS
