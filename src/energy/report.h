// SPDX-License-Identifier: Apache-2.0
// The energy block of a report: joules where a meter reads them, a model's under another name, and grams of CO2.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "energy/carbon.h"
#include "energy/gpu_energy.h"

namespace mj {

struct EnergyReport {
  std::optional<Joules> joules;  // of a run, gross; absent without a meter
  std::string source = "none";   // of `joules`
  std::string scope;
  double window_seconds = 0;
  int64_t runs = 0;                       // in the window
  int64_t input_sets = 1;                 // that the runs took in turn
  int64_t inferences = 1;                 // of a run: the rows of its batch
  std::string why_not;                    // there are no joules
  std::optional<GpuEnergy> gpu;           // what else is known where the joules are a GPU's
  std::optional<Joules> modelled_joules;  // of a run, by the model below; absent for GPUs
  std::string model;                      // its inputs, in words
  GridFactor factor;
};

// The model: watts of an idle core's share plus watts of a busy one, times the time. A rule of thumb, never a reading.
inline constexpr double kModelledWattsPerThread = 7.5;
inline constexpr double kModelledWattsBase = 15;
Watts modelled_power(int threads);

// `run_for` works for so many seconds and counts its runs. Without a meter it is not called.
// `seconds_a_run` is the median latency, for the model.
Result<EnergyReport> measure_energy(const std::function<Result<int64_t>(double seconds)>& run_for, double seconds_a_run,
                                    int threads, const std::string& place);

// Of a GPU by the counter of its board; `run` works once, to the end. A sensor that cannot be read is no error.
Result<EnergyReport> measure_energy_of_gpu(const std::string& uuid, const std::function<Result<void>()>& run,
                                           const GpuEnergyOptions& options, const std::string& place);
// The same by a meter that is open already.
Result<EnergyReport> measure_energy_of_gpu(NvmlMeter& meter, const std::function<Result<void>()>& run,
                                           const GpuEnergyOptions& options, const std::string& place);

std::vector<std::string> energy_lines(const EnergyReport& report);
nlohmann::ordered_json energy_json(const EnergyReport& report);

}  // namespace mj
