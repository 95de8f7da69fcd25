// SPDX-License-Identifier: Apache-2.0
#include "passes/driver.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/knobs.h"
#include "base/log.h"

namespace mj {
namespace {

bool disabled(const std::string& pass) {
  const std::string list = fmt::format(",{},", knob(Knob::passes).value_or(""));
  return list.find(",-" + pass + ",") != std::string::npos;
}

int debug_level() { return std::atoi(std::string(knob(Knob::debug).value_or("0")).c_str()); }

bool verifies() {
#ifdef NDEBUG
  return debug_level() >= 3;
#else
  return true;
#endif
}

// Writes a numbered file into MJ_DUMP, if set; returns its path or nothing.
std::string dump(const std::string& name, const std::string& text) {
  static int number = 0;
  const std::optional<std::string_view> folder = knob(Knob::dump);
  if (!folder) return "";
  std::string path = fmt::format("{}/{:03}_{}.txt", *folder, number++, name);
  std::error_code failed;
  std::filesystem::create_directories(*folder, failed);
  std::ofstream file(path);
  if (file << text) return path;
  log_warning("MJ_DUMP: cannot write '{}'", path);
  return "";
}

// As a golden case (test/passes), so that it can be kept as a test.
std::string reproducer(const Graph& before, const Pass& pass) {
  return fmt::format("pass {}\n{}", pass.name, to_string(before, {.inline_elements = 4096, .types = true}));
}

Result<bool> run_on_regions(Graph& graph, const Pass& pass, const PassContext& context) {
  bool changed = false;
  PassContext inside = context;
  inside.in_region = true;
  for (NodeId id : graph.order()) {
    // By index: a pass on the region may not touch this graph, so the node stays where it is.
    for (size_t i = 0; i < graph.node(id).regions.size(); ++i) {
      MJ_ASSIGN(const bool changed_here, run_on_regions(graph.node(id).regions[i], pass, inside));
      changed |= changed_here;
    }
  }
  MJ_ASSIGN(const bool changed_here, pass.run(graph, context));
  changed |= changed_here;
  changed |= graph.normalize();
  return changed;
}

}  // namespace

Result<bool> run_pass(Graph& graph, const Pass& pass, const PassContext& outer) {
  if (disabled(pass.name)) return false;
  PassContext context = outer;
  context.pass = pass.name;
  const bool keeps_before = verifies() || knob(Knob::dump).has_value();
  const Graph before = keeps_before ? graph : Graph();

  const auto start = std::chrono::steady_clock::now();
  Result<bool> changed = run_on_regions(graph, pass, context);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

  if (!changed.ok()) {
    const std::string path = dump("failed_" + pass.name, reproducer(before, pass));
    const std::string hint = path.empty() ? "set MJ_DUMP=dir for a reproducer" : "reproducer: " + path;
    return error(changed.error().code, "pass {}: {} ({})", pass.name, changed.error().message, hint);
  }
  if (verifies()) {
    const std::string wrong = verify(graph);
    if (!wrong.empty()) dump("broken_" + pass.name, reproducer(before, pass));
    CHECK(wrong.empty(), "pass {} broke the graph: {}", pass.name, wrong);
  }
  if (debug_level() >= 3) {
    fmt::print(stderr, "--- {} {}\n", pass.name, *changed ? "\n" + to_string(graph) : "unchanged");
  }
  if (*changed) dump(pass.name, to_string(graph));
  log(*changed ? LogLevel::info : LogLevel::debug, "pass {}: {} in {:.2f} ms, {} nodes", pass.name,
      *changed ? "changed the graph" : "unchanged", took.count() * 1e3, graph.order().size());
  if (context.log) {
    context.log->passes.push_back({pass.name, took.count(), *changed, static_cast<size_t>(graph.order().size())});
  }
  return changed;
}

Result<void> run_stage(Graph& graph, const Stage& stage, const PassContext& context) {
  for (int round = 0; round < stage.rounds; ++round) {
    bool changed = false;
    for (const Pass& pass : stage.passes) {
      MJ_ASSIGN(const bool changed_here, run_pass(graph, pass, context));
      changed |= changed_here;
    }
    if (!changed) break;
  }
  return {};
}

}  // namespace mj
