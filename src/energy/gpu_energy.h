// SPDX-License-Identifier: Apache-2.0
// What a run costs on a GPU, by the energy counter of its board: idle first, then windows of steady load. The counter
// moves in steps, so that a window begins and ends where it was seen to move, is many steps long and holds whole runs.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "energy/nvml.h"

namespace mj {

struct GpuEnergyOptions {
  double settle_seconds = 5;  // after the load before: a card keeps its clocks for half a second, some power for longer
  double idle_seconds = 10;   // of measuring what it draws then
  double warm_up_seconds = 3;  // of load before the first window
  double window_seconds = 5;   // at least, and 50 of the counter's steps
  int windows = 3;
  NvmlMeter::Now now;                // none: the machine's clock
  std::function<void(double)> wait;  // so many seconds; none: sleeps
};

// Of `windows` that count; with none of them only `why_not` and what was read before it.
struct GpuEnergy {
  std::vector<Joules> windows;  // of a run, gross: all that the board took, in each window
  Joules mean{}, median{}, deviation{};
  std::optional<Joules> ci95;  // half of the interval; absent with one window
  std::optional<Joules> net;   // the mean, less idle watts for as long
  double seconds = 0;          // of all windows
  int64_t runs = 0;            // in all windows
  std::optional<Watts> watts, idle_watts;
  std::optional<Seconds> counter_step;
  // Sampled beside the load.
  std::optional<Watts> sampled_watts, power_limit;
  std::optional<double> sm_clock_mhz, temperature_c;  // means
  std::optional<double> idle_temperature_c;
  std::optional<uint64_t> throttle_reasons;  // all that occurred
  std::optional<int> other_processes;        // at most: with more than 0 the joules are an upper bound
  std::string why_not;                       // empty: measured
};

// `run` works once and returns when the GPU has ended. Its errors are returned; a sensor's are `why_not`.
Result<GpuEnergy> measure_gpu_energy(NvmlMeter& meter, const std::function<Result<void>()>& run,
                                     const GpuEnergyOptions& options = {});

// Of one of the `parts` that a run consisted of.
GpuEnergy per_part(GpuEnergy energy, double parts);

// Adds to what every energy block of a report has.
void add_gpu_energy(const GpuEnergy& energy, nlohmann::ordered_json& json);
std::vector<std::string> gpu_energy_lines(const GpuEnergy& energy);

}  // namespace mj
