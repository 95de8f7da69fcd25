// SPDX-License-Identifier: Apache-2.0
// The steps of a plan that plugins compute.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/format/manifest.h"
#include "ops/plugin.h"

namespace mj {

struct PluginStep {
  const Step* step;
  const PluginOp* op;

  bool needs_plugin() const { return !step->device; }  // what runs on a GPU is in the engine
};

// Branches and loops included. They point into the plan.
std::vector<PluginStep> plugin_steps(const Plan& plan);

// Those of the loaded plugins that the plan names, each once.
std::vector<PluginUse> plugin_uses(const Plan& plan);

// An error that lists every plugin which is missing, with its nodes, and says how to name it.
Result<void> require_plugins(const Plan& plan);

// Of plugins that are loaded from another file than when the engine was compiled.
std::vector<std::string> plugin_notices(const Manifest& manifest);

}  // namespace mj
