// SPDX-License-Identifier: Apache-2.0
#include "engine/format/plugin_steps.h"

#include <algorithm>
#include <map>

#include "engine/format/inspect.h"

namespace mj {
namespace {

void collect_plugin_steps(const Plan& plan, std::vector<PluginStep>& found) {
  for (const Step& step : plan.steps) {
    const PluginOp* op = step.problem.op ? step.problem.op.get_if<PluginOp>() : nullptr;
    if (op && step.kind == Step::Kind::kernel) found.push_back({&step, op});
    for (const auto& branch : step.branches) collect_plugin_steps(*branch, found);
  }
}

}  // namespace

std::vector<PluginStep> plugin_steps(const Plan& plan) {
  std::vector<PluginStep> found;
  collect_plugin_steps(plan, found);
  return found;
}

std::vector<PluginUse> plugin_uses(const Plan& plan) {
  std::vector<PluginUse> uses;
  for (const PluginStep& each : plugin_steps(plan)) {
    const auto same = [&](const PluginUse& use) { return use.name == each.op->plugin; };
    if (std::any_of(uses.begin(), uses.end(), same)) continue;
    const Plugin* plugin = find_plugin(each.op->plugin);
    uses.push_back({each.op->plugin, each.op->version, plugin ? plugin->digest : Digest{}});
  }
  return uses;
}

Result<void> require_plugins(const Plan& plan) {
  constexpr size_t kNamed = 5;
  struct Missing {
    std::string plugin;
    std::vector<std::string> nodes;
  };
  std::map<std::string, Missing> missing;  // by reason
  for (const PluginStep& each : plugin_steps(plan)) {
    const std::string why = each.needs_plugin() ? each.op->missing() : "";
    if (why.empty()) continue;
    Missing& entry = missing[why];
    entry.plugin = each.op->plugin;
    entry.nodes.push_back(each.step->origin.empty() ? each.op->label() : each.step->origin[0]);
  }
  if (missing.empty()) return {};
  std::string text;
  for (const auto& [why, entry] : missing) {
    std::string nodes;
    for (size_t i = 0; i < std::min(entry.nodes.size(), kNamed); ++i) nodes += (i ? ", " : "") + entry.nodes[i];
    text += fmt::format("{}{}, which computes {} {}: {}{}; {}", text.empty() ? "" : "\n  ", printable(why),
                        entry.nodes.size(), entry.nodes.size() == 1 ? "node" : "nodes", printable(nodes),
                        entry.nodes.size() > kNamed ? ", ..." : "",
                        entry.plugin == kOrtPlugin ? "allow it with --plugin ort, or mj_plugin_load(\"ort\")"
                                                   : "name its file with --plugin, or by mj_plugin_load()");
  }
  return error(ErrorCode::environment, "{}", text);
}

std::vector<std::string> plugin_notices(const Manifest& manifest) {
  std::vector<std::string> notices;
  for (const PluginUse& use : manifest.plugins) {
    const Plugin* plugin = find_plugin(use.name);
    if (!plugin || plugin->version != use.version || use.digest == Digest{} || plugin->digest == use.digest) continue;
    notices.push_back(
        fmt::format("plugin '{}' version {} from '{}' is not the file that this engine was compiled and verified with",
                    printable(use.name), use.version, plugin->file));
  }
  return notices;
}

}  // namespace mj
