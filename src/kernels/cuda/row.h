// SPDX-License-Identifier: Apache-2.0
// Rows for GPUs of the usual kinds.
#pragma once

#include "kernels/cuda/estimate.h"

namespace mj {

using GenerateKernels = decltype(SelectRow::generate);
using PackConstants = decltype(SelectRow::pack);
using RefuseProblem = decltype(SelectRow::refuses);

// One configuration, as fast as memory lets it read and write each operand once.
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

// A row of products: `product_of` says what a problem that is not refused multiplies, the others what can be done with
// that: configs_of(product, target), seconds_of(problem, product, target, bindings), generate_of(problem, config,
// product).
template <auto product_of, auto configs_of, auto seconds_of, auto generate_of>
constexpr SelectRow product_gpu_row(std::string_view family, std::string_view name, RefuseProblem refuses,
                                    PackConstants pack, int version = 1) {
  return {
      .family = family,
      .name = name,
      .version = version,
      .refuses = refuses,
      .configs = [](const Problem& problem, const Target& target) { return configs_of(product_of(problem), target); },
      .estimate = [](const Problem& problem, const Target& target,
                     const Bindings& bindings) { return seconds_of(problem, product_of(problem), target, bindings); },
      .pack = pack,
      .generate = [](const Problem& problem, const Target&,
                     std::string_view config) { return generate_of(problem, config, product_of(problem)); }};
}

}  // namespace mj
