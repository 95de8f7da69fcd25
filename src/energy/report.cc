// SPDX-License-Identifier: Apache-2.0
#include "energy/report.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "energy/meter.h"

namespace mj {
namespace {

constexpr double kWindowSeconds = 5;  // long against the counter's step of about 1 ms

// Measured or, without that, modelled.
std::optional<Joules> best_joules(const EnergyReport& report) {
  return report.joules ? report.joules : report.modelled_joules;
}

double millijoules(const EnergyReport& report, Joules of_a_run) {
  return of_a_run.value * 1e3 / static_cast<double>(report.inferences);
}

std::string gpu_line(const EnergyReport& report) {
  const GpuEnergy& gpu = *report.gpu;
  std::string text = fmt::format("energy: {:.4g} mJ per inference gross", millijoules(report, *report.joules));
  if (gpu.net)
    text += fmt::format(", {:.4g} mJ net of {:.0f} W idle", millijoules(report, *gpu.net), gpu.idle_watts->value);
  if (gpu.ci95) text += fmt::format(", +-{:.1f} %", 100 * (*gpu.ci95 / *report.joules));
  return text + fmt::format(" ({}, {}, {} windows, {:.1f} s, {} runs of {})", report.source, report.scope,
                            gpu.windows.size(), report.window_seconds, report.runs, report.inferences);
}

}  // namespace

// 15 W for package and memory at work, 7.5 W for each busy thread: between a server's 360 W over 64 threads and a
// laptop's 45 W over 8, rounded. Only good for comparing two figures of the same kind.
Watts modelled_power(int threads) { return {kModelledWattsBase + kModelledWattsPerThread * threads}; }

Result<EnergyReport> measure_energy(const std::function<Result<int64_t>(double seconds)>& run_for, double seconds_a_run,
                                    int threads, const std::string& place) {
  EnergyReport report;
  MJ_ASSIGN(report.factor, grid_factor(place));
  report.modelled_joules = modelled_power(threads) * Seconds{seconds_a_run};
  report.model =
      fmt::format("median latency {:.4g} s x ({:.3g} W + {} threads x {:.3g} W); a rule of thumb, not a reading",
                  seconds_a_run, kModelledWattsBase, threads, kModelledWattsPerThread);
  const std::unique_ptr<Meter> meter = cpu_meter();
  if (!meter) {
    report.why_not = "no readable meter on this machine (see `millijoule doctor`)";
    return report;
  }
  const auto start = std::chrono::steady_clock::now();
  const std::optional<Joules> before = meter->read();
  MJ_ASSIGN(const int64_t runs, run_for(kWindowSeconds));
  const std::optional<Joules> after = meter->read();
  report.window_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!before || !after || runs == 0) {
    report.why_not = "the meter gave no reading";
    return report;
  }
  report.joules = (*after - *before) / static_cast<double>(runs);
  report.source = meter->source();
  report.scope = meter->scope();
  report.runs = runs;
  return report;
}

Result<EnergyReport> measure_energy_of_gpu(const std::string& uuid, const std::function<Result<void>()>& run,
                                           const GpuEnergyOptions& options, const std::string& place) {
  Result<std::unique_ptr<NvmlMeter>> meter = NvmlMeter::open(uuid);
  if (meter.ok()) return measure_energy_of_gpu(**meter, run, options, place);
  EnergyReport report;
  MJ_ASSIGN(report.factor, grid_factor(place));
  report.why_not = meter.error().message;
  return report;
}

Result<EnergyReport> measure_energy_of_gpu(NvmlMeter& meter, const std::function<Result<void>()>& run,
                                           const GpuEnergyOptions& options, const std::string& place) {
  EnergyReport report;
  MJ_ASSIGN(report.factor, grid_factor(place));
  MJ_ASSIGN(const GpuEnergy gpu, measure_gpu_energy(meter, run, options));
  report.gpu = gpu;
  report.why_not = gpu.why_not;
  if (!gpu.why_not.empty()) return report;
  report.joules = gpu.mean;
  report.source = meter.source();
  report.scope = meter.scope();
  report.window_seconds = gpu.seconds;
  report.runs = gpu.runs;
  return report;
}

std::vector<std::string> energy_lines(const EnergyReport& report) {
  std::vector<std::string> lines;
  if (report.joules && report.gpu) {
    lines.push_back(gpu_line(report));
  } else if (report.joules) {
    lines.push_back(fmt::format("energy: {:.4g} J a run, gross ({}, {}, {:.1f} s, {} runs)", report.joules->value,
                                report.source, report.scope, report.window_seconds, report.runs));
  } else {
    lines.push_back("energy: not measured, " + report.why_not);
  }
  if (report.gpu) {
    for (std::string& line : gpu_energy_lines(*report.gpu)) lines.push_back(std::move(line));
  }
  if (report.modelled_joules) {
    lines.push_back(fmt::format("modelled: {:.4g} J a run ({})", report.modelled_joules->value, report.model));
  }
  const std::optional<Joules> joules = best_joules(report);
  if (!joules) return lines;
  lines.push_back(fmt::format(
      "carbon: {:.3g} gCO2e per 1,000 runs from the {} joules; {:.0f} g/kWh, {}, {}, {}, {}; PUE 1.0 "
      "(not included), embodied not included",
      emissions(*joules * 1000, report.factor).value, report.joules ? "measured" : "modelled",
      report.factor.grams_per_kwh, report.factor.place, report.factor.kind, report.factor.source, report.factor.date));
  return lines;
}

nlohmann::ordered_json energy_json(const EnergyReport& report) {
  nlohmann::ordered_json json;
  if (report.joules) {
    json["joules"] = report.joules->value;
    json["scope"] = report.scope;
    json["window_seconds"] = report.window_seconds;
    json["runs"] = report.runs;
    json["input_sets"] = report.input_sets;
    json["mj_per_inference"] = millijoules(report, *report.joules);
    if (report.gpu && report.gpu->net) json["mj_per_inference_net"] = millijoules(report, *report.gpu->net);
  } else {
    json["why_not"] = report.why_not;
  }
  json["source"] = report.source;
  if (report.gpu) add_gpu_energy(*report.gpu, json);
  if (report.modelled_joules) {
    json["modelled_joules"] = report.modelled_joules->value;
    json["model_inputs"] = report.model;
  }
  if (const std::optional<Joules> joules = best_joules(report)) {
    json["gco2e_per_1000"] = emissions(*joules * 1000, report.factor).value;
    json["gco2e_from"] = report.joules ? "joules" : "modelled_joules";
  }
  json["factor"] = report.factor.grams_per_kwh;
  json["factor_source"] = report.factor.source;
  json["factor_kind"] = report.factor.kind;
  json["place"] = report.factor.place;
  json["date"] = report.factor.date;
  json["pue"] = 1.0;
  return json;
}

}  // namespace mj
