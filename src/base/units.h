// SPDX-License-Identifier: Apache-2.0
// Quantities that must not be mixed up. Each is one double in SI (or the unit that its name says).
#pragma once

#include <compare>

namespace mj {

template <class Tag>
struct Quantity {
  double value = 0;

  friend auto operator<=>(const Quantity&, const Quantity&) = default;
  friend Quantity operator+(Quantity a, Quantity b) { return {a.value + b.value}; }
  friend Quantity operator-(Quantity a, Quantity b) { return {a.value - b.value}; }
  friend Quantity operator*(Quantity a, double factor) { return {a.value * factor}; }
  friend Quantity operator*(double factor, Quantity a) { return {a.value * factor}; }
  friend Quantity operator/(Quantity a, double divisor) { return {a.value / divisor}; }
  friend double operator/(Quantity a, Quantity b) { return a.value / b.value; }
};

using Joules = Quantity<struct JoulesTag>;
using Watts = Quantity<struct WattsTag>;
using Seconds = Quantity<struct SecondsTag>;
using GramsCo2e = Quantity<struct GramsCo2eTag>;

inline Joules operator*(Watts power, Seconds time) { return {power.value * time.value}; }
inline Watts operator/(Joules energy, Seconds time) { return {energy.value / time.value}; }

}  // namespace mj
