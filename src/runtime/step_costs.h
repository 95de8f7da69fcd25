// SPDX-License-Identifier: Apache-2.0
// StepCosts: what each step of an engine takes on its device. A step is replayed alone, over and over, with everything
// that it reads in place, in the middle of a run; nothing that it makes leaves the device.
//
// Replayed, a step finds in the L2 what it read and wrote the time before, as far as that fits. In a run of the whole
// it may have to come from memory, and starts may overlap with what was before: the sum of the steps is not the whole.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "energy/gpu_energy.h"
#include "runtime/engine.h"

namespace mj {

struct StepCost {
  double seconds = 0;               // of one run: the median over replays
  std::optional<GpuEnergy> energy;  // of one run; absent: not asked for, or too small a share
};

struct StepCosts {
  std::vector<std::optional<StepCost>> steps;  // of the plan; absent: the device has no part in it
  // All of them as one graph without copies from and to the host, run after run. Absent where steps run on the host.
  std::optional<StepCost> whole;
};

struct StepCostOptions {
  double replay_seconds = 0.0015;  // of a graph of replays, about
  int replays = 7;                 // of that graph
  double whole_seconds = 0.2;      // of the whole
  // With a meter steps are weighed too, but for those that take less than this share of the time of all.
  NvmlMeter* meter = nullptr;
  double least_share = 0.01;
  GpuEnergyOptions energy;  // of the whole; idle power is measured once, before it
  double step_window_seconds = 0.5;
  int step_windows = 4;
  std::function<void(size_t done, size_t all)> progress;  // of steps that are weighed
};

// Of an engine with steps on a device. A sensor that cannot be read is no error: its energy says why it is none.
Result<StepCosts> measure_step_costs(const std::shared_ptr<Engine>& engine, std::span<const Tensor> inputs,
                                     const StepCostOptions& options = {});

}  // namespace mj
