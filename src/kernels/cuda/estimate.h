// SPDX-License-Identifier: Apache-2.0
// A simple model of GPU rows: every byte once from memory, operations beside that, and what starting a kernel costs.
#pragma once

#include <optional>

#include "kernels/select.h"

namespace mj {

// Between dependent kernels of one graph, on an H100 with work to ramp up and to drain.
inline constexpr double kLaunchSeconds = 2e-6;

// `operations` in all, of which the device does `operations_per_second`. Nothing if a size is not known.
std::optional<double> gpu_seconds(const Problem& problem, const Target& target, const Bindings& bindings,
                                  double operations = 0, double operations_per_second = 1);
std::optional<double> gpu_streaming_seconds(const Problem& problem, const Target& target, const Bindings& bindings);
// f32 multiply-adds of all cores.
double gpu_f32_fma_per_second(const GpuTarget& gpu);

}  // namespace mj
