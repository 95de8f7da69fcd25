// SPDX-License-Identifier: Apache-2.0
#include "energy/nvml.h"

#include <dlfcn.h>

#include "base/clock.h"

namespace mj {
namespace {

constexpr int kFailuresBeforePause = 3;
constexpr double kPauseSeconds = 1;

// The handle is of no use any more.
bool is_gone(nvml::Status status) {
  return status == nvml::kUninitialized || status == nvml::kDriverNotLoaded || status == nvml::kGpuIsLost ||
         status == nvml::kResetRequired || status == nvml::kVersionMismatch;
}

Error nvml_error(const Nvml& nvml, nvml::Status status, std::string_view doing) {
  const char* text = nvml.error_string ? nvml.error_string(status) : nullptr;
  std::string_view advice;
  if (status == nvml::kVersionMismatch) advice = "; the driver was updated: restart the machine, or load it again";
  if (status == nvml::kFunctionNotFound) advice = "; install a newer NVIDIA driver";
  return error(ErrorCode::environment, "{}: {} (NVML status {}){}", doing, text ? text : "failed",
               static_cast<int>(status), advice);
}

Result<void> nvml_result(const Nvml& nvml, nvml::Status status, std::string_view doing) {
  if (status == nvml::kSuccess) return {};
  return nvml_error(nvml, status, doing);
}

template <class Call>
Result<std::string> nvml_text(const Nvml& nvml, Call call, nvml::Device device, std::string_view doing) {
  char text[nvml::kTextBytes] = {};
  MJ_TRY(nvml_result(nvml, ask_nvml(call, device, static_cast<char*>(text), nvml::kTextBytes - 1), doing));
  return std::string(text);
}

Result<void> check_energy(const Nvml& nvml, nvml::Device device) {
  unsigned current = 0, pending = 0;
  if (ask_nvml(nvml.mig_mode, device, &current, &pending) == nvml::kSuccess && current == nvml::kMigEnabled) {
    return error(ErrorCode::environment,
                 "MIG is on: the energy counter is that of the whole board, not of an instance");
  }
  unsigned long long millijoules = 0;
  return nvml_result(nvml, ask_nvml(nvml.total_energy, device, &millijoules), "reading the GPU's energy counter");
}

}  // namespace

Result<Nvml> load_nvml(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one for each thread
    return error(
        ErrorCode::environment,
        "no NVML: {}; it comes with NVIDIA's driver (a container is given it by the driver capability utility)",
        reason ? reason : "cannot load " + library);
  }
  Nvml nvml;
#define MJ_NVML(result, member, symbol, parameters) \
  nvml.member = reinterpret_cast<decltype(nvml.member)>(dlsym(handle, #symbol));
#include "energy/nvml_symbols.inc"
#undef MJ_NVML
  return nvml;
}

Result<const Nvml*> nvml_library() {
  static const Result<Nvml> loaded = load_nvml("libnvidia-ml.so.1");
  if (!loaded.ok()) return loaded.error();
  return &loaded.value();
}

NvmlMeter::NvmlMeter(std::string uuid, const Nvml& nvml, Now now)
    : uuid_(std::move(uuid)), nvml_(nvml), now_(std::move(now)) {}

NvmlMeter::~NvmlMeter() { leave(); }

Result<std::unique_ptr<NvmlMeter>> NvmlMeter::open(const std::string& uuid) {
  MJ_ASSIGN(const Nvml* nvml, nvml_library());
  return open(uuid, *nvml, [start = Clock::now()] { return seconds_since(start); });
}

Result<std::unique_ptr<NvmlMeter>> NvmlMeter::open(const std::string& uuid, const Nvml& nvml, Now now) {
  std::unique_ptr<NvmlMeter> meter(new NvmlMeter(uuid, nvml, std::move(now)));
  MJ_TRY(meter->start());
  return meter;
}

Result<void> NvmlMeter::start() {
  MJ_TRY(nvml_result(nvml_, find(), "finding the GPU " + uuid_));
  MJ_TRY(check_energy(nvml_, device_));
  MJ_ASSIGN(name_, nvml_text(nvml_, nvml_.device_name, device_, "asking the GPU for its name"));
  unsigned long long now = 0;
  MJ_TRY(nvml_result(nvml_, nvml_.total_energy(device_, &now), "reading the GPU's energy counter"));
  last_mj_ = now;
  return {};
}

void NvmlMeter::leave() {
  if (initialised_) ask_nvml(nvml_.shutdown);
  initialised_ = false;
  device_ = nullptr;
}

nvml::Status NvmlMeter::find() {
  leave();
  const nvml::Status status = ask_nvml(nvml_.init);
  if (status != nvml::kSuccess) return status;
  initialised_ = true;
  nvml::Device found = nullptr;
  const nvml::Status here = ask_nvml(nvml_.device_by_uuid, uuid_.c_str(), &found);
  if (here == nvml::kSuccess) device_ = found;
  return here;
}

template <class Call>
bool NvmlMeter::ask(Which which, Call call) {
  Sensor& sensor = sensors_[which];
  if (sensor.failures >= kFailuresBeforePause && now_() < sensor.retry_at) return false;
  if (!device_ && now_() >= find_at_) {
    find_at_ = now_() + kPauseSeconds;
    find();
  }
  const nvml::Status status = device_ ? call() : nvml::kGpuIsLost;
  if (status == nvml::kSuccess) {
    sensor.failures = 0;
    return true;
  }
  if (is_gone(status) && device_) {
    device_ = nullptr;
    rebase_ = true;
    ++events_;
  }
  ++sensor.failures;
  sensor.retry_at = now_() + kPauseSeconds;
  return false;
}

std::optional<Joules> NvmlMeter::read() {
  const std::lock_guard lock(mutex_);
  unsigned long long now = 0;
  if (!ask(kEnergy, [&] { return ask_nvml(nvml_.total_energy, device_, &now); })) return std::nullopt;
  const uint64_t before = std::exchange(last_mj_, now);
  if (std::exchange(rebase_, false)) return std::nullopt;
  if (now < before) {  // 2^64 mJ are more than 500,000 years: never a wrap
    ++events_;
    return std::nullopt;
  }
  sum_mj_ += now - before;
  return Joules{static_cast<double>(sum_mj_) * 1e-3};
}

std::optional<double> NvmlMeter::watts(Which which, nvml::Status (*call)(nvml::Device, unsigned*)) {
  unsigned milliwatts = 0;
  if (!ask(which, [&] { return ask_nvml(call, device_, &milliwatts); })) return std::nullopt;
  if (milliwatts == 0) return std::nullopt;  // some drivers say so of boards without the sensor
  return milliwatts * 1e-3;
}

std::optional<int> NvmlMeter::clock(Which which, nvml::Clock clock) {
  unsigned mhz = 0;
  if (!ask(which, [&] { return ask_nvml(nvml_.clock_info, device_, clock, &mhz); })) return std::nullopt;
  return static_cast<int>(mhz);
}

GpuReadings NvmlMeter::readings() {
  const std::lock_guard lock(mutex_);
  GpuReadings now;
  now.watts = watts(kPower, nvml_.power_usage);
  now.power_limit_watts = watts(kLimit, nvml_.power_limit);
  now.sm_clock_mhz = clock(kSm, nvml::kSmClock);
  now.graphics_clock_mhz = clock(kGraphics, nvml::kGraphicsClock);
  int state = 0;
  if (ask(kState, [&] { return ask_nvml(nvml_.power_state, device_, &state); })) now.power_state = state;
  unsigned long long reasons = 0;
  if (ask(kThrottle, [&] { return ask_nvml(nvml_.throttle_reasons, device_, &reasons); })) {
    now.throttle_reasons = reasons;
  }
  unsigned celsius = 0;
  if (ask(kHeat, [&] { return ask_nvml(nvml_.temperature, device_, nvml::kGpuThermometer, &celsius); })) {
    now.temperature_c = static_cast<int>(celsius);
  }
  nvml::Memory memory{};
  if (ask(kMemory, [&] { return ask_nvml(nvml_.memory_info, device_, &memory); })) {
    now.memory_used_bytes = static_cast<int64_t>(memory.used);
    now.memory_total_bytes = static_cast<int64_t>(memory.total);
  }
  nvml::Utilization use{};
  if (ask(kUse, [&] { return ask_nvml(nvml_.utilization, device_, &use); })) {
    now.utilization_percent = static_cast<int>(use.gpu);
  }
  unsigned processes = 0;
  const auto count = [&] {
    const nvml::Status status = ask_nvml(nvml_.compute_processes, device_, &processes, static_cast<void*>(nullptr));
    return status == nvml::kInsufficientSize ? nvml::kSuccess : status;  // asked for their number alone
  };
  // None at all: a container that is not shown any, for this process has a context.
  if (ask(kProcesses, count) && processes > 0) now.other_processes = static_cast<int>(processes) - 1;
  return now;
}

int64_t NvmlMeter::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

Result<std::vector<NvmlGpu>> nvml_gpus(const Nvml& nvml) {
  MJ_TRY(nvml_result(nvml, ask_nvml(nvml.init), "starting NVML"));
  const std::unique_ptr<const Nvml, void (*)(const Nvml*)> held(&nvml, [](const Nvml* n) { ask_nvml(n->shutdown); });
  unsigned count = 0;
  MJ_TRY(nvml_result(nvml, ask_nvml(nvml.device_count, &count), "asking NVML for its GPUs"));
  std::vector<NvmlGpu> gpus;
  for (unsigned i = 0; i < count; ++i) {
    nvml::Device device = nullptr;
    MJ_TRY(nvml_result(nvml, ask_nvml(nvml.device_by_index, i, &device), fmt::format("asking NVML for GPU {}", i)));
    NvmlGpu gpu;
    MJ_ASSIGN(gpu.name, nvml_text(nvml, nvml.device_name, device, "asking the GPU for its name"));
    MJ_ASSIGN(gpu.uuid, nvml_text(nvml, nvml.device_uuid, device, "asking the GPU for its UUID"));
    const Result<void> energy = check_energy(nvml, device);
    if (!energy.ok()) gpu.why_no_energy = energy.error().message;
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

}  // namespace mj
