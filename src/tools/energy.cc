// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <nlohmann/json.hpp>

#include "energy/carbon.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {

Result<int> run_energy(const EnergyArgs& args) {
  const bool by_power = args.milliseconds && args.watts;
  if (!by_power && !args.joules) {
    return error(ErrorCode::usage, "energy: give either --joules, or --ms and --watts");
  }
  const Joules a_request = by_power ? Watts{*args.watts} * Seconds{*args.milliseconds / 1e3} : Joules{*args.joules};
  GridFactor factor{"given by --grams-per-kwh", args.grams_per_kwh.value_or(0), "the user", "as given", "now"};
  if (!args.grams_per_kwh) {
    MJ_ASSIGN(factor, grid_factor(args.place));
  }
  const AnnualFigures year = annual(args.requests_a_day, a_request, factor, args.pue);
  if (!std::isfinite(year.kwh) || !std::isfinite(year.co2.value)) {
    return error(ErrorCode::usage, "energy: the year's {} kWh and {} g CO2e are no numbers to print; give smaller ones",
                 year.kwh, year.co2.value);
  }

  say(args.common, fmt::format("{:.4g} requests a day x {:.4g} J{}", args.requests_a_day, a_request.value,
                               by_power ? fmt::format(" ({} ms x {} W)", *args.milliseconds, *args.watts) : ""));
  say(args.common, fmt::format("a year: {:.4g} MWh, {:.4g} t CO2e", year.kwh / 1e3, year.co2.value / 1e6));
  say(args.common, fmt::format("with {:.0f} g/kWh ({}, {}, {}, {}) and PUE {}; embodied carbon not included",
                               factor.grams_per_kwh, factor.place, factor.kind, factor.source, factor.date, args.pue));
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.energy/1"},
                                  {"joules_a_request", a_request.value},
                                  {"requests_a_day", args.requests_a_day},
                                  {"kwh_a_year", year.kwh},
                                  {"grams_co2e_a_year", year.co2.value},
                                  {"sci",
                                   {{"E_kwh", kilowatt_hours(a_request)},
                                    {"I_g_per_kwh", factor.grams_per_kwh},
                                    {"I_source", factor.source},
                                    {"I_type", factor.kind},
                                    {"I_time", factor.date},
                                    {"place", factor.place},
                                    {"pue", args.pue},
                                    {"R", "one request"},
                                    {"value_g", emissions(a_request, factor, args.pue).value}}}}));
  return 0;
}

}  // namespace mj
