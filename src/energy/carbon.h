// SPDX-License-Identifier: Apache-2.0
// Grams of CO2 from joules. A figure is never given without its factor, place, kind and date.
//
// SCI (ISO/IEC 21031:2024): (E * I + M) per R; E in kWh, I in g/kWh, M the embodied share (not included unless given).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace mj {

struct GridFactor {
  std::string place;  // "DEU", "world"
  double grams_per_kwh = 0;
  std::string source;  // who says so
  std::string kind;    // "average, life cycle"
  std::string date;    // the year that it is for
};

// By ISO 3166 alpha-3 or alpha-2 code, or "world". An error lists the places of the built-in table.
Result<GridFactor> grid_factor(std::string_view place);

// Where no place is given: the world average, marked as a default.
GridFactor default_grid_factor();

inline double kilowatt_hours(Joules energy) { return energy.value / 3.6e6; }
// J * PUE * (g/kWh) / 3.6e6
GramsCo2e emissions(Joules energy, const GridFactor& factor, double pue = 1.0);

// What a service costs in a year of 365 days.
struct AnnualFigures {
  double requests = 0, kwh = 0;
  GramsCo2e co2{};
};
AnnualFigures annual(double requests_a_day, Joules a_request, const GridFactor& factor, double pue = 1.0);

}  // namespace mj
