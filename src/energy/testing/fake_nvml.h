// SPDX-License-Identifier: Apache-2.0
// A board with a clock of its own, whose energy counter moves in steps, behind NVML's calls. For tests.
#pragma once

#include <cmath>
#include <cstring>
#include <mutex>

#include "energy/nvml.h"

namespace mj {

class FakeNvml {
 public:
  static constexpr const char* kUuid = "GPU-01234567-89ab-cdef-0123-456789abcdef";

  // One at a time: the calls find it by `only`.
  FakeNvml() {
    only = this;
    nvml.init = [] { return ++only->inits, only->held += only->all == nvml::kSuccess, only->all; };
    nvml.shutdown = [] { return --only->held, nvml::kSuccess; };
    nvml.error_string = [](nvml::Status) { return "what NVML says"; };
    nvml.device_count = [](unsigned* count) { return *count = 1, only->all; };
    nvml.device_by_index = [](unsigned, nvml::Device* device) { return *device = handle(), only->all; };
    nvml.device_by_uuid = [](const char* uuid, nvml::Device* device) {
      *device = handle();
      return std::strcmp(uuid, kUuid) == 0 ? only->all : nvml::kNotFound;
    };
    nvml.device_name = [](nvml::Device, char* text, unsigned) { return std::strcpy(text, "Board"), only->all; };
    nvml.device_uuid = [](nvml::Device, char* text, unsigned) { return std::strcpy(text, kUuid), only->all; };
    nvml.mig_mode = [](nvml::Device, unsigned* current, unsigned*) { return *current = only->mig, only->all; };
    nvml.total_energy = [](nvml::Device, unsigned long long* mj) {
      const std::lock_guard lock(only->mutex_);
      ++only->energy_reads;
      *mj = only->stuck ? 1000 : only->base_mj + static_cast<uint64_t>(only->shown_joules_ * 1e3);
      return only->all != nvml::kSuccess ? only->all : only->energy;
    };
    nvml.power_usage = [](nvml::Device, unsigned* mw) {
      const std::lock_guard lock(only->mutex_);
      *mw = static_cast<unsigned>(only->sensed_watts * 1e3);
      return only->all;
    };
    nvml.power_limit = [](nvml::Device, unsigned* mw) { return *mw = 700000, only->all; };
    nvml.power_state = [](nvml::Device, int* state) { return *state = 0, only->all; };
    nvml.clock_info = [](nvml::Device, nvml::Clock, unsigned* mhz) { return *mhz = 1980, only->all; };
    nvml.throttle_reasons = [](nvml::Device, unsigned long long* bits) { return *bits = nvml::kPowerCap, only->all; };
    nvml.temperature = [](nvml::Device, nvml::Thermometer, unsigned* celsius) { return *celsius = 54, only->all; };
    nvml.memory_info = [](nvml::Device, nvml::Memory* memory) { return *memory = {1000, 600, 400}, only->all; };
    nvml.utilization = [](nvml::Device, nvml::Utilization* use) { return *use = {99, 50}, only->all; };
    nvml.compute_processes = [](nvml::Device, unsigned* count, void*) {
      *count = only->processes;
      return only->all != nvml::kSuccess ? only->all : only->processes ? nvml::kInsufficientSize : nvml::kSuccess;
    };
  }
  ~FakeNvml() { only = nullptr; }

  double now() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  // The board draws so much for so long.
  void draw(double watts, double seconds) {
    const std::lock_guard lock(mutex_);
    const double then = now_ + seconds, tick = std::floor(then / step + 1e-9) * step;
    if (tick > now_) shown_joules_ = joules_ + watts * (tick - now_);
    joules_ += watts * seconds;
    now_ = then;
  }
  std::unique_ptr<NvmlMeter> meter() {
    return NvmlMeter::open(kUuid, nvml, [this] { return now(); }).value();
  }

  Nvml nvml;
  nvml::Status all = nvml::kSuccess, energy = nvml::kSuccess;
  unsigned mig = 0, processes = 1;
  double step = 0.1;  // seconds
  double sensed_watts = 300;
  uint64_t base_mj = 5'000'000;
  bool stuck = false;
  int inits = 0, held = 0, energy_reads = 0;

 private:
  static nvml::Device handle() { return reinterpret_cast<nvml::Device>(only); }
  static inline FakeNvml* only = nullptr;

  mutable std::mutex mutex_;
  double now_ = 0, joules_ = 0, shown_joules_ = 0;
};

}  // namespace mj
