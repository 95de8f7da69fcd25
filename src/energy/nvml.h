// SPDX-License-Identifier: Apache-2.0
// NVIDIA's management library by our own declarations, loaded at run time: the energy counter of a GPU's board, and
// what else its sensors say. Needs no privilege. nvml_header_test.cc compares the declarations with nvml.h where there
// is one.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "energy/meter.h"

namespace mj {
namespace nvml {

// nvmlReturn_t; drivers know more.
enum Status : int {
  kSuccess = 0,
  kUninitialized = 1,
  kInvalidArgument = 2,
  kNotSupported = 3,
  kNoPermission = 4,
  kNotFound = 6,
  kInsufficientSize = 7,
  kDriverNotLoaded = 9,
  kTimeout = 10,
  kFunctionNotFound = 13,
  kGpuIsLost = 15,
  kResetRequired = 16,
  kVersionMismatch = 18,
  kUnknown = 999,
};
enum Clock : int { kGraphicsClock = 0, kSmClock = 1 };
enum Thermometer : int { kGpuThermometer = 0 };
inline constexpr unsigned kMigEnabled = 1;
inline constexpr unsigned kTextBytes = 96;  // enough for every name and UUID

// Why clocks are lower than they could be, beyond idleness and what somebody set.
inline constexpr uint64_t kPowerCap = 0x04;
inline constexpr uint64_t kHardwareSlowdown = 0x08 | 0x80;  // also the power brake
inline constexpr uint64_t kThermalSlowdown = 0x20 | 0x40;

using Device = struct DeviceTag*;
struct Memory {
  unsigned long long total, free, used;  // bytes
};
struct Utilization {
  unsigned gpu, memory;  // per cent of the time
};

}  // namespace nvml

// The calls as function pointers, so that tests can put others in their place. Any may be null: call them by ask_nvml.
struct Nvml {
  using Status = nvml::Status;
  using Clock = nvml::Clock;
  using Thermometer = nvml::Thermometer;
  using Device = nvml::Device;
  using Memory = nvml::Memory;
  using Utilization = nvml::Utilization;

#define MJ_NVML(result, member, symbol, parameters) result(*member) parameters = nullptr;
#include "energy/nvml_symbols.inc"
#undef MJ_NVML
};

template <class Call, class... Args>
nvml::Status ask_nvml(Call call, Args... args) {
  return call ? call(args...) : nvml::kFunctionNotFound;
}

// The library, not initialised yet. Loaded at the first call and kept; later calls give the same answer. Thread-safe.
Result<const Nvml*> nvml_library();
Result<Nvml> load_nvml(const std::string& library);

// What a GPU's sensors say at one moment; absent what one does not.
struct GpuReadings {
  std::optional<double> watts;  // as the driver averages them: over 1 s since Ampere
  std::optional<double> power_limit_watts;
  std::optional<int> power_state;  // 0: P0, the fastest
  std::optional<int> sm_clock_mhz, graphics_clock_mhz;
  std::optional<uint64_t> throttle_reasons;  // bits of NVML's
  std::optional<int> temperature_c;
  std::optional<int64_t> memory_used_bytes, memory_total_bytes;  // by all processes
  std::optional<int> utilization_percent;
  // With contexts on it, but one, which is taken for this process: its own id may differ from the one NVML knows it by.
  std::optional<int> other_processes;
};

// The energy counter of one GPU's board. Thread-safe.
//
// A sensor that fails three times in a row is left alone for a second at a time, and read again once it answers. A GPU
// that vanished is looked for anew. Nothing that was missed is made up: the reading that finds the counter below what
// it was (the driver was loaded again), or the GPU back after it had vanished, is absent and counts as an event, and
// the ones after it go on from the sum before.
class NvmlMeter final : public Meter {
 public:
  using Now = std::function<double()>;  // seconds of a clock that never goes back

  // `uuid` as nvidia-smi -L prints it. An error says what is missing: library, driver, GPU, counter, or MIG being on,
  // under which the counter is that of all instances.
  static Result<std::unique_ptr<NvmlMeter>> open(const std::string& uuid);
  static Result<std::unique_ptr<NvmlMeter>> open(const std::string& uuid, const Nvml& nvml, Now now);
  ~NvmlMeter() override;
  NvmlMeter(const NvmlMeter&) = delete;
  NvmlMeter& operator=(const NvmlMeter&) = delete;

  std::string source() const override { return "nvml-counter"; }
  std::string scope() const override { return "GPU board: " + name_; }
  std::optional<Joules> read() override;
  GpuReadings readings();
  // How often the counter was set back or the GPU vanished: a window with one in it holds no figure.
  int64_t events() const;

 private:
  struct Sensor {
    int failures = 0;  // in a row
    double retry_at = 0;
  };
  enum Which { kEnergy, kPower, kLimit, kState, kSm, kGraphics, kThrottle, kHeat, kMemory, kUse, kProcesses, kSensors };

  NvmlMeter(std::string uuid, const Nvml& nvml, Now now);
  Result<void> start();
  nvml::Status find();
  void leave();
  template <class Call>
  bool ask(Which which, Call call);
  std::optional<double> watts(Which which, nvml::Status (*call)(nvml::Device, unsigned*));
  std::optional<int> clock(Which which, nvml::Clock clock);

  const std::string uuid_;
  const Nvml& nvml_;
  const Now now_;
  std::string name_;
  mutable std::mutex mutex_;  // of all below
  bool initialised_ = false;
  nvml::Device device_ = nullptr;  // null: vanished
  double find_at_ = 0;             // not before
  std::array<Sensor, kSensors> sensors_;
  bool rebase_ = false;  // the next counter is a new start
  uint64_t last_mj_ = 0, sum_mj_ = 0;
  int64_t events_ = 0;
};

// The GPUs that the library sees, for reports on the machine.
struct NvmlGpu {
  std::string name, uuid;
  std::string why_no_energy;  // empty: the counter is readable
};
Result<std::vector<NvmlGpu>> nvml_gpus(const Nvml& nvml);

}  // namespace mj
