// SPDX-License-Identifier: Apache-2.0
#include "energy/gpu_energy.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"

namespace mj {
namespace {

constexpr double kStuckSeconds = 3;  // H100 and H200 step every 0.1 s
constexpr int kStepsOfAWindow = 50;
constexpr double kPollSeconds = 0.005;
constexpr double kStepSeconds = 2;  // of watching the counter, to know its step
constexpr auto kSamplePause = std::chrono::milliseconds(200);
constexpr double kMostDisagreement = 0.05;  // of counter and sampled power
constexpr int kSpareWindows = 2;            // for those that a reset spoils

// Student's t, two-sided 95 %, by degrees of freedom from 1.
constexpr std::array<double, 10> kStudent = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};

struct Mean {
  double sum = 0;
  int count = 0;
  void add(std::optional<double> value) {
    if (value) sum += *value, ++count;
  }
  std::optional<double> value() const { return count ? std::optional(sum / count) : std::nullopt; }
};

// Reads the other sensors on a thread of its own, from its making until stop().
class Sampler {
 public:
  explicit Sampler(NvmlMeter& meter) : meter_(meter), thread_([this] { sample(); }) {}
  ~Sampler() { stop(); }
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  void stop() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  // After stop().
  void tell(GpuEnergy& energy) const {
    if (const auto watts = watts_.value()) energy.sampled_watts = Watts{*watts};
    if (const auto limit = limit_.value()) energy.power_limit = Watts{*limit};
    energy.sm_clock_mhz = clock_.value();
    energy.temperature_c = celsius_.value();
    energy.throttle_reasons = reasons_;
    energy.other_processes = others_;
  }

 private:
  void sample() {
    for (bool last = false; !last;) {
      const GpuReadings now = meter_.readings();
      watts_.add(now.watts);
      limit_.add(now.power_limit_watts);
      clock_.add(now.sm_clock_mhz);
      celsius_.add(now.temperature_c);
      if (now.throttle_reasons) reasons_ = reasons_.value_or(0) | *now.throttle_reasons;
      if (now.other_processes) others_ = std::max(others_.value_or(0), *now.other_processes);
      std::unique_lock lock(mutex_);
      last = wake_.wait_for(lock, kSamplePause, [this] { return stopped_; });
    }
  }

  NvmlMeter& meter_;
  Mean watts_, limit_, clock_, celsius_;
  std::optional<uint64_t> reasons_;
  std::optional<int> others_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  std::thread thread_;
};

struct Edge {
  double seconds = 0;
  Joules counted{};
};

struct Measuring {
  NvmlMeter& meter;
  NvmlMeter::Now now;
  std::function<void(double)> wait;
};

// Works over and over. The first moment not before `least` after which the counter had moved since the look before;
// nothing if it stays where it is, or cannot be read, for longer than it ever should.
Result<std::optional<Edge>> next_edge(const Measuring& m, double least, const std::function<Result<void>()>& work,
                                      int64_t* runs) {
  std::optional<Joules> before;
  double first = 0;
  for (int looks = 0;;) {
    MJ_TRY(work());
    if (runs) ++*runs;
    const double now = m.now();
    if (now < least) continue;
    if (looks++ == 0) first = now;
    const std::optional<Joules> counted = m.meter.read();
    if (before && counted && *counted != *before) return std::optional(Edge{now, *counted});
    before = counted;
    if (looks > 2 && now - first > kStuckSeconds) return std::optional<Edge>();
  }
}

Result<bool> measure_idle(const Measuring& m, const GpuEnergyOptions& options, GpuEnergy& energy) {
  const auto poll = [&]() -> Result<void> {
    m.wait(kPollSeconds);
    return {};
  };
  const auto edge = [&](double least) { return next_edge(m, least, poll, nullptr); };
  MJ_ASSIGN(const std::optional<Edge> first, edge(m.now()));
  if (!first) return false;
  const int64_t events = m.meter.events();
  energy.idle_temperature_c = m.meter.readings().temperature_c;
  Edge last = *first;
  int steps = 0;
  while (last.seconds - first->seconds < std::min(kStepSeconds, options.idle_seconds)) {
    MJ_ASSIGN(const std::optional<Edge> next, edge(m.now()));
    if (!next) return false;
    last = *next;
    ++steps;
  }
  if (steps > 0) energy.counter_step = Seconds{(last.seconds - first->seconds) / steps};
  m.wait(std::max(0.0, first->seconds + options.idle_seconds - m.now()));
  MJ_ASSIGN(const std::optional<Edge> end, edge(m.now()));
  if (!end) return false;
  if (m.meter.events() != events) return true;
  energy.idle_watts = (end->counted - first->counted) / Seconds{end->seconds - first->seconds};
  return true;
}

void summarize(GpuEnergy& energy, Joules all) {
  std::vector<Joules> sorted = energy.windows;
  std::sort(sorted.begin(), sorted.end());
  const size_t n = sorted.size();
  energy.median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  for (Joules window : sorted) energy.mean = energy.mean + window / static_cast<double>(n);
  double squares = 0;
  for (Joules window : sorted) squares += std::pow((window - energy.mean).value, 2);
  if (n > 1) {
    energy.deviation = Joules{std::sqrt(squares / static_cast<double>(n - 1))};
    energy.ci95 = energy.deviation * (kStudent[std::min(n - 1, kStudent.size()) - 1] / std::sqrt(n));
  }
  energy.watts = all / Seconds{energy.seconds};
  if (energy.idle_watts) {
    energy.net = energy.mean - *energy.idle_watts * Seconds{energy.seconds / static_cast<double>(energy.runs)};
  }
}

std::string throttle_text(uint64_t reasons) {
  std::string text;
  if (reasons & nvml::kPowerCap) text += ", held back by the power limit";
  if (reasons & nvml::kThermalSlowdown) text += ", slowed down by heat";
  if (reasons & nvml::kHardwareSlowdown) text += ", slowed down by the hardware";
  return text;
}

// Of the counter's mean power and the sampled one.
std::optional<double> counter_over_power(const GpuEnergy& energy) {
  if (!energy.watts || !energy.sampled_watts) return std::nullopt;
  return *energy.watts / *energy.sampled_watts;
}

bool disagrees(const GpuEnergy& energy) {
  const std::optional<double> ratio = counter_over_power(energy);
  return ratio && std::abs(*ratio - 1) > kMostDisagreement;
}

}  // namespace

Result<GpuEnergy> measure_gpu_energy(NvmlMeter& meter, const std::function<Result<void>()>& run,
                                     const GpuEnergyOptions& options) {
  Measuring m{meter, options.now, options.wait};
  if (!m.now) m.now = [start = Clock::now()] { return seconds_since(start); };
  if (!m.wait) m.wait = [](double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); };
  GpuEnergy energy;
  const auto stuck = [&] {
    energy.why_not = fmt::format("the energy counter did not move for {} s, or could not be read", kStuckSeconds);
    return energy;
  };

  m.wait(options.settle_seconds);
  MJ_ASSIGN(const bool idle, measure_idle(m, options, energy));
  if (!idle) return stuck();
  const double window =
      std::max(options.window_seconds, energy.counter_step.value_or(Seconds{}).value * kStepsOfAWindow);
  const double warm = m.now() + options.warm_up_seconds;
  while (m.now() < warm) MJ_TRY(run());

  Sampler sampler(meter);
  Joules all{};
  int tried = 0;
  for (std::optional<Edge> begin; static_cast<int>(energy.windows.size()) < options.windows;) {
    if (!begin) {
      if (tried++ > kSpareWindows) break;
      MJ_ASSIGN(begin, next_edge(m, m.now(), run, nullptr));
      if (!begin) return stuck();
    }
    const int64_t events = meter.events();
    int64_t runs = 0;
    MJ_ASSIGN(const std::optional<Edge> end, next_edge(m, begin->seconds + window, run, &runs));
    if (!end) return stuck();
    if (meter.events() == events) {
      const Joules taken = end->counted - begin->counted;
      energy.windows.push_back(taken / static_cast<double>(runs));
      energy.seconds += end->seconds - begin->seconds;
      energy.runs += runs;
      all = all + taken;
      begin = end;
    } else {
      begin.reset();
    }
  }
  sampler.stop();
  sampler.tell(energy);
  if (energy.windows.empty()) {
    energy.why_not = "the driver was loaded again, or the GPU vanished, in every window";
    return energy;
  }
  summarize(energy, all);
  return energy;
}

GpuEnergy per_part(GpuEnergy energy, double parts) {
  for (Joules* joules : {&energy.mean, &energy.median, &energy.deviation}) *joules = *joules / parts;
  for (Joules& window : energy.windows) window = window / parts;
  if (energy.ci95) energy.ci95 = *energy.ci95 / parts;
  if (energy.net) energy.net = *energy.net / parts;
  energy.runs = static_cast<int64_t>(static_cast<double>(energy.runs) * parts);
  return energy;
}

void add_gpu_energy(const GpuEnergy& energy, nlohmann::ordered_json& json) {
  const auto set = [&](const char* key, const auto& value) {
    if (!value) return;
    if constexpr (requires { value->value; }) {
      json[key] = value->value;
    } else {
      json[key] = *value;
    }
  };
  if (energy.why_not.empty()) {
    set("net_joules", energy.net);
    json["median_joules"] = energy.median.value;
    json["deviation_joules"] = energy.deviation.value;
    set("ci95_joules", energy.ci95);
    json["window_joules"] = nlohmann::ordered_json::array();
    for (Joules window : energy.windows) json["window_joules"].push_back(window.value);
  }
  set("watts", energy.watts);
  set("idle_watts", energy.idle_watts);
  if (energy.watts && energy.idle_watts) json["idle_share"] = *energy.idle_watts / *energy.watts;
  set("counter_step_seconds", energy.counter_step);
  set("sampled_watts", energy.sampled_watts);
  set("counter_over_power", counter_over_power(energy));
  set("power_limit_watts", energy.power_limit);
  set("sm_clock_mhz", energy.sm_clock_mhz);
  set("temperature_c", energy.temperature_c);
  set("idle_temperature_c", energy.idle_temperature_c);
  set("throttle_reasons", energy.throttle_reasons);
  set("other_processes", energy.other_processes);
  if (energy.other_processes) json["shared"] = *energy.other_processes > 0;
  json["not_included"] = "CPU, memory, fans, losses of the power supply";
}

std::vector<std::string> gpu_energy_lines(const GpuEnergy& energy) {
  std::vector<std::string> lines;
  if (!energy.watts) return lines;
  std::string text = fmt::format("power: {:.0f} W", energy.watts->value);
  if (energy.idle_watts) text += fmt::format(", {:.0f} W idle", energy.idle_watts->value);
  if (energy.power_limit) text += fmt::format(", limit {:.0f} W", energy.power_limit->value);
  if (energy.sm_clock_mhz) text += fmt::format(", SM clock {:.0f} MHz", *energy.sm_clock_mhz);
  if (energy.temperature_c) text += fmt::format(", {:.0f} C", *energy.temperature_c);
  lines.push_back(text + throttle_text(energy.throttle_reasons.value_or(0)));
  if (disagrees(energy)) {
    lines.push_back(fmt::format("warning: the energy counter says {:.0f} W, the power sensor {:.0f} W",
                                energy.watts->value, energy.sampled_watts->value));
  }
  if (energy.other_processes.value_or(0) > 0) {
    lines.push_back(fmt::format("warning: {} other processes have contexts on this GPU: the joules are an upper bound",
                                *energy.other_processes));
  }
  return lines;
}

}  // namespace mj
