// SPDX-License-Identifier: Apache-2.0
#include "compile/latency_limit.h"

#include <cmath>

namespace mj {
namespace {

// A step cannot do with less than a thousandth of a watt more; a GPU draws less than a million.
constexpr double kLowest = 1e-3, kHighest = 1e9;
constexpr int kHalvings = 60;

// What the steps save at this price.
double saved_at(const Plan& plan, Watts price) {
  double saved = 0;
  for (const Step& step : plan.steps) {
    const std::vector<Candidate>& candidates = step.choice.candidates;
    const auto weighed = [](const Candidate& c) { return c.seconds && c.joules; };
    const auto cost = [&](const Candidate& c) { return (*c.joules + price * Seconds{*c.seconds}).value; };
    if (!step.device || candidates.empty() || !weighed(candidates[0])) continue;
    const Candidate* best = &candidates[0];
    for (const Candidate& candidate : candidates) {
      if (weighed(candidate) && cost(candidate) < cost(*best)) best = &candidate;
    }
    saved += *candidates[0].seconds - *best->seconds;
  }
  return saved;
}

}  // namespace

std::optional<Watts> price_to_save(const Plan& plan, double seconds) {
  double low = kLowest, high = kHighest;
  if (saved_at(plan, Watts{high}) < seconds) return std::nullopt;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = std::sqrt(low * high);  // prices differ by factors
    (saved_at(plan, Watts{middle}) < seconds ? low : high) = middle;
  }
  return Watts{high};
}

}  // namespace mj
