// SPDX-License-Identifier: Apache-2.0
// What verbs say of the steps that plugins compute: ONNX Runtime's among them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "engine/format/plugin_steps.h"
#include "runtime/engine.h"
#include "tools/verbs.h"

namespace mj {

// Of one operator of one plugin.
struct PluginShare {
  std::string label;  // "ort:Einsum"
  std::vector<std::string> nodes;
  double seconds = 0;
};

// `seconds`: of each step of the plan, itself; empty: not known. What stands in branches and loops is not listed.
std::vector<PluginShare> plugin_shares(const Plan& plan, std::span<const double> seconds);

// Medians of each step of a few runs; empty where no plugin computes any.
Result<std::vector<double>> plugin_step_seconds(Engine& engine, const std::vector<Tensor>& inputs);

// Nothing where there are none. Shares are of the sum of `seconds`.
void say_plugins(const Common& common, const Plan& plan, std::span<const double> seconds);
nlohmann::ordered_json plugins_json(const Plan& plan, std::span<const double> seconds);

}  // namespace mj
