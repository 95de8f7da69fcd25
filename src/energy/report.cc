// SPDX-License-Identifier: Apache-2.0
#include "energy/report.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "energy/meter.h"

namespace mj {
namespace {

constexpr double kWindowSeconds = 5;  // long against the counter's step of about 1 ms

GramsCo2e per_thousand(const EnergyReport& report) {
  return emissions(report.joules.value_or(report.modelled_joules) * 1000, report.factor);
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
  if (!meter) return report;
  const auto start = std::chrono::steady_clock::now();
  const std::optional<Joules> before = meter->read();
  MJ_ASSIGN(const int64_t runs, run_for(kWindowSeconds));
  const std::optional<Joules> after = meter->read();
  report.window_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!before || !after || runs == 0) return report;
  report.joules = (*after - *before) / static_cast<double>(runs);
  report.source = meter->source();
  report.scope = meter->scope();
  report.runs = runs;
  return report;
}

std::vector<std::string> energy_lines(const EnergyReport& report) {
  std::vector<std::string> lines;
  if (report.joules) {
    lines.push_back(fmt::format("energy: {:.4g} J a run, gross ({}, {}, {:.1f} s, {} runs)", report.joules->value,
                                report.source, report.scope, report.window_seconds, report.runs));
  } else {
    lines.push_back("energy: not measured, no readable meter on this machine (see `millijoule doctor`)");
  }
  lines.push_back(fmt::format("modelled: {:.4g} J a run ({})", report.modelled_joules.value, report.model));
  lines.push_back(
      fmt::format("carbon: {:.3g} gCO2e per 1,000 runs from the {} joules; {:.0f} g/kWh, {}, {}, {}, {}; PUE 1.0 "
                  "(not included), embodied not included",
                  per_thousand(report).value, report.joules ? "measured" : "modelled", report.factor.grams_per_kwh,
                  report.factor.place, report.factor.kind, report.factor.source, report.factor.date));
  return lines;
}

nlohmann::ordered_json energy_json(const EnergyReport& report) {
  nlohmann::ordered_json json;
  if (report.joules) {
    json["joules"] = report.joules->value;
    json["scope"] = report.scope;
    json["window_seconds"] = report.window_seconds;
    json["runs"] = report.runs;
  }
  json["source"] = report.source;
  json["modelled_joules"] = report.modelled_joules.value;
  json["model_inputs"] = report.model;
  json["gco2e_per_1000"] = per_thousand(report).value;
  json["gco2e_from"] = report.joules ? "joules" : "modelled_joules";
  json["factor"] = report.factor.grams_per_kwh;
  json["factor_source"] = report.factor.source;
  json["factor_kind"] = report.factor.kind;
  json["place"] = report.factor.place;
  json["date"] = report.factor.date;
  json["pue"] = 1.0;
  return json;
}

}  // namespace mj
