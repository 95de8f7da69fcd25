// SPDX-License-Identifier: Apache-2.0
#include "tools/plugin_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/clock.h"
#include "engine/format/inspect.h"
#include "tools/output.h"
#include "tools/statistics.h"

namespace mj {
namespace {

double sum_of(std::span<const double> seconds) { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

}  // namespace

std::vector<PluginShare> plugin_shares(const Plan& plan, std::span<const double> seconds) {
  std::vector<PluginShare> shares;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    const auto* op = step.kind == Step::Kind::kernel && step.problem.op ? step.problem.op.get_if<PluginOp>() : nullptr;
    if (!op) continue;
    const std::string label = printable(op->label());
    auto share = std::find_if(shares.begin(), shares.end(), [&](const PluginShare& s) { return s.label == label; });
    if (share == shares.end()) share = shares.insert(share, {label, {}, 0});
    share->nodes.push_back(step.origin.empty() ? label : printable(step.origin[0]));
    if (i < seconds.size()) share->seconds += seconds[i];
  }
  return shares;
}

Result<std::vector<double>> plugin_step_seconds(Engine& engine, const std::vector<Tensor>& inputs) {
  constexpr int kRuns = 20;
  constexpr double kSeconds = 1;
  const Plan& plan = engine.program().plan();
  std::vector<double> medians;
  if (plugin_shares(plan, {}).empty()) return medians;
  std::vector<std::vector<double>> seconds(plan.steps.size());
  RunOptions run;
  run.observe_data = false;
  run.observer = [&](size_t step, double time, std::span<const TensorRef>) { seconds[step].push_back(time); };
  std::vector<Tensor> outputs;
  const auto start = Clock::now();
  for (int i = 0; i < kRuns && (i == 0 || seconds_since(start) < kSeconds); ++i) {
    MJ_TRY(engine.run(inputs, outputs, run));
  }
  for (const std::vector<double>& times : seconds) medians.push_back(times.empty() ? 0 : statistics(times).median);
  return medians;
}

void say_plugins(const Common& common, const Plan& plan, std::span<const double> seconds) {
  constexpr size_t kNamed = 3;
  const double all = sum_of(seconds);
  for (const PluginShare& share : plugin_shares(plan, seconds)) {
    std::string nodes;
    for (size_t i = 0; i < std::min(kNamed, share.nodes.size()); ++i) nodes += (i ? ", " : "") + share.nodes[i];
    if (share.nodes.size() > kNamed) nodes += ", ...";
    const std::string part =
        all > 0 ? fmt::format(", {:.1f} us, {:.1f} % of all steps", share.seconds * 1e6, 100 * share.seconds / all)
                : "";
    say(common, fmt::format("by plugin {}: {} {}{} ({})", share.label, share.nodes.size(),
                            share.nodes.size() == 1 ? "step" : "steps", part, nodes));
  }
}

nlohmann::ordered_json plugins_json(const Plan& plan, std::span<const double> seconds) {
  const double all = sum_of(seconds);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const PluginShare& share : plugin_shares(plan, seconds)) {
    nlohmann::ordered_json row = {{"operator", share.label}, {"steps", share.nodes.size()}, {"nodes", share.nodes}};
    if (all > 0) {
      row["us"] = share.seconds * 1e6;
      row["share"] = share.seconds / all;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace mj
