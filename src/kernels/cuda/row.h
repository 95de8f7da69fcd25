// SPDX-License-Identifier: Apache-2.0
// The usual row for GPUs: one configuration, as fast as memory lets it read and write each operand once.
#pragma once

#include "kernels/cuda/estimate.h"

namespace mj {

using GenerateKernels = decltype(SelectRow::generate);
using PackConstants = decltype(SelectRow::pack);
using RefuseProblem = decltype(SelectRow::refuses);

constexpr SelectRow streaming_gpu_row(std::string_view family, std::string_view name, RefuseProblem refuses,
                                      GenerateKernels generate, PackConstants pack = pack_nothing, int version = 1) {
  return {.family = family,
          .name = name,
          .version = version,
          .refuses = refuses,
          .configs = one_config,
          .estimate = gpu_streaming_seconds,
          .pack = pack,
          .generate = generate};
}

}  // namespace mj
