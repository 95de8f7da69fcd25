// SPDX-License-Identifier: Apache-2.0
#include "energy/carbon.h"

#include <array>

namespace mj {
namespace {

struct Row {
  std::string_view code2, code3;
  double grams_per_kwh;
};

// Life-cycle carbon intensity of electricity in 2023, g CO2e per kWh: Ember, through Our World in Data (CC BY 4.0).
constexpr std::array<Row, 7> kRows = {{{"US", "USA", 369},
                                       {"DE", "DEU", 381},
                                       {"FR", "FRA", 56},
                                       {"IN", "IND", 713},
                                       {"CN", "CHN", 582},
                                       {"SE", "SWE", 41},
                                       {"PL", "POL", 662}}};
constexpr std::string_view kSource = "Ember / Our World in Data (CC BY 4.0)";
constexpr std::string_view kKind = "yearly average, life cycle";

}  // namespace

GridFactor default_grid_factor() {
  // No country known: the world's average, IEA 2019, as CodeCarbon uses it.
  return {"world (default factor)", 475, "IEA", "yearly average", "2019"};
}

Result<GridFactor> grid_factor(std::string_view place) {
  if (place.empty() || place == "world") return default_grid_factor();
  std::string known = "world";
  for (const Row& row : kRows) {
    if (place == row.code2 || place == row.code3) {
      return GridFactor{std::string(row.code3), row.grams_per_kwh, std::string(kSource), std::string(kKind), "2023"};
    }
    known += ", " + std::string(row.code3);
  }
  return error(ErrorCode::usage, "--place: no carbon factor for '{}'; known are {}", place, known);
}

GramsCo2e emissions(Joules energy, const GridFactor& factor, double pue) {
  return {kilowatt_hours(energy) * pue * factor.grams_per_kwh};
}

AnnualFigures annual(double requests_a_day, Joules a_request, const GridFactor& factor, double pue) {
  AnnualFigures year;
  year.requests = requests_a_day * 365;
  const Joules energy = a_request * year.requests;
  year.kwh = kilowatt_hours(energy) * pue;
  year.co2 = emissions(energy, factor, pue);
  return year;
}

}  // namespace mj
