// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/plugin/run_config.h"
#include "ops/plugin.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  const auto* op = problem.op ? problem.op.get_if<PluginOp>() : nullptr;
  if (!op) return "not an operator of a plugin";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  if (const auto instance = op->instance(); !instance.ok()) return instance.error().message;
  return std::nullopt;
}

std::vector<std::string> configs(const Problem& problem, const Target&) {
  const auto instance = problem.op.as<PluginOp>().instance();
  return instance.ok() ? plugin_configs((*instance)->table()) : std::vector<std::string>{""};
}

}  // namespace

extern const SelectRow select_plugin;
const SelectRow select_plugin = {"plugin", "plugin", 1, refuses, configs, no_estimate, pack_nothing};

}  // namespace mj
