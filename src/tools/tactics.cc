// SPDX-License-Identifier: Apache-2.0
// The rows of this build; for a model or an engine, what each step runs and what stood against it.
#include <map>
#include <nlohmann/json.hpp>

#include "base/knobs.h"
#include "compile/compile.h"
#include "engine/format/engine_file.h"
#include "kernels/onednn/run_module.h"
#include "kernels/select.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {
namespace {

using Json = nlohmann::ordered_json;

Json list_rows(const Common& common) {
  Json rows = Json::array();
  for (const SelectRow* row : all_select_rows()) {
    const RunRow* run = find_run_row(row->name);  // null: a row for GPUs
    const std::string needs = run ? std::string(name(run->needs)) : "a GPU";
    const std::string missing = run && run->missing ? run->missing() : "";
    say(common, fmt::format("{:<12} {:<28} version {}  needs {}{}", row->family, row->name, row->version, needs,
                            missing.empty() ? "" : "  not here: " + missing));
    rows.push_back({{"family", row->family}, {"row", row->name}, {"version", row->version}, {"needs", needs}});
    if (!row->alternative.empty()) rows.back()["alternative"] = row->alternative;
    if (!missing.empty()) rows.back()["missing"] = missing;
  }
  return rows;
}

std::string time_text(const Candidate& candidate) {
  if (candidate.seconds) {
    const std::string joules =
        candidate.joules ? fmt::format(", {:.3g} uJ measured", candidate.joules->value * 1e6) : "";
    return fmt::format("{:.1f} us{}", *candidate.seconds * 1e6, joules);
  }
  if (candidate.estimated_seconds)
    return fmt::format("about {:.1f} us by estimate", *candidate.estimated_seconds * 1e6);
  return "not timed";
}

void list_steps(const Common& common, const Plan& plan, Json& rows) {
  for (const Step& step : plan.steps) {
    for (const auto& branch : step.branches) list_steps(common, *branch, rows);
    if (step.kind != Step::Kind::kernel) continue;
    const Choice& choice = step.choice;
    say(common, fmt::format("{}  {}", step.origin.empty() ? "-" : step.origin[0], to_string(step.problem)));
    Json candidates = Json::array(), refused = Json::array();
    for (size_t i = 0; i < choice.candidates.size(); ++i) {
      const Candidate& c = choice.candidates[i];
      say(common, fmt::format("    {} {} {}: {}", i ? "runner-up" : "chosen   ", c.row, c.config, time_text(c)));
      Json row = {{"row", c.row}, {"config", c.config}};
      if (c.seconds) row["seconds"] = *c.seconds;
      if (c.estimated_seconds) row["estimated_seconds"] = *c.estimated_seconds;
      if (c.joules) row["joules"] = c.joules->value;
      candidates.push_back(std::move(row));
    }
    for (const Refused& r : choice.refused) {
      say(common, fmt::format("    refused   {}: {}", r.row, r.reason));
      refused.push_back({{"row", r.row}, {"reason", r.reason}});
    }
    rows.push_back({{"nodes", step.origin},
                    {"problem", to_string(step.problem)},
                    {"row", choice.row},
                    {"config", choice.config},
                    {"candidates", candidates},
                    {"refused", refused}});
  }
}

}  // namespace

Result<int> run_tactics(const TacticsArgs& args) {
  if (args.path.empty()) {
    MJ_TRY(write_json(args.common, {{"schema", "millijoule.tactics/1"}, {"rows", list_rows(args.common)}}));
    return 0;
  }
  Manifest manifest;
  if (args.path.ends_with(".onnx")) {
    CompileOptions options;
    options.target.isa = detect_isa();
    options.target.threads = threads_of(args.common);
    options.target.onednn = onednn::library_version();
    options.tune.forced = knob(Knob::tactic).value_or("");
    MJ_TRY(check_forced(options.tune.forced));
    options.verify = false;
    options.fallback = nodes_of(args.fallback);
    MJ_ASSIGN(Compiled compiled, compile(args.path, options));
    manifest = std::move(compiled.manifest);
  } else {
    MJ_ASSIGN(LoadedEngine engine, read_engine(args.path));
    manifest = std::move(engine.manifest);
  }
  Json targets = Json::array();
  for (const EngineTarget& target : manifest.targets) {
    say(args.common, fmt::format("target {}", target.name));
    Json rows = Json::array();
    list_steps(args.common, target.plan, rows);
    targets.push_back({{"target", target.name}, {"steps", rows}});
  }
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.tactics/1"}, {"targets", targets}}));
  return 0;
}

}  // namespace mj
