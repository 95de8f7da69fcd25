// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "engine/format/inspect.h"
#include "ops/plugin.h"

namespace mj {
namespace {

using Json = nlohmann::ordered_json;

Json list(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts) out.push_back(printable(text));
  return out;
}

// Absent, not 0, when it is not known.
template <class T>
void set(Json& json, const char* key, const std::optional<T>& value) {
  if constexpr (std::is_same_v<T, Joules>) {
    if (value) json[key] = value->value;
  } else {
    if (value) json[key] = *value;
  }
}

Json ports_json(const std::vector<Port>& ports) {
  Json out = Json::array();
  for (const Port& port : ports) {
    Json json = {{"name", printable(port.name)}, {"type", printable(to_string(port.type))}};
    if (port.index_limit) json["index_limit"] = port.index_limit;
    out.push_back(std::move(json));
  }
  return out;
}

Json profile_json(const Profile& profile) {
  Json symbols = Json::array();
  for (const SymbolRange& range : profile.symbols) {
    symbols.push_back(
        {{"symbol", printable(range.symbol)}, {"min", range.min}, {"opt", range.opt}, {"max", range.max}});
  }
  return {{"name", printable(profile.name)}, {"symbols", symbols}};
}

Json candidate_json(const Candidate& candidate) {
  Json out = {{"tactic", printable(candidate.row)}, {"config", printable(candidate.config)}};
  set(out, "seconds", candidate.seconds);
  set(out, "estimated_seconds", candidate.estimated_seconds);
  set(out, "joules", candidate.joules);
  set(out, "modelled_joules", candidate.modelled_joules);
  return out;
}

Json steps_json(const Plan& plan);

Json kernel_json(const Step& step) {
  Json candidates = Json::array(), refused = Json::array(), inputs = Json::array(), outputs = Json::array();
  for (const Candidate& candidate : step.choice.candidates) candidates.push_back(candidate_json(candidate));
  for (const Refused& r : step.choice.refused) {
    refused.push_back({{"tactic", printable(r.row)}, {"reason", printable(r.reason)}});
  }
  for (const Operand& operand : step.problem.inputs) inputs.push_back(name(operand.dtype));
  for (const Operand& operand : step.problem.outputs) outputs.push_back(name(operand.dtype));
  Json out = {{"family", printable(family(step.problem))},
              {"problem", printable(to_string(step.problem))},
              {"tactic", printable(step.choice.row)},
              {"version", step.choice.version},
              {"config", printable(step.choice.config)},
              {"precision", {{"inputs", inputs}, {"outputs", outputs}}},
              {"candidates", candidates},
              {"refused", refused}};
  if (step.problem.products) out["precision"]["products"] = name(*step.problem.products);
  if (const auto* plugin = step.problem.op ? step.problem.op.get_if<PluginOp>() : nullptr) {
    out["plugin"] = printable(plugin->label());
  }
  if (const std::optional<Alternative>& other = step.alternative) {
    out["alternative"] = {
        {"tactic", printable(other->row)}, {"version", other->version}, {"config", printable(other->config)}};
  }
  return out;
}

Json step_json(const Step& step) {
  Json out = {{"origin", list(step.origin)}};
  switch (step.kind) {
    case Step::Kind::kernel:
      out["kind"] = "kernel";
      out.update(kernel_json(step));
      break;
    case Step::Kind::branch:
      out["kind"] = "if";
      out["branches"] = Json::array();
      for (const auto& branch : step.branches) out["branches"].push_back(steps_json(*branch));
      break;
    case Step::Kind::loop:
      out["kind"] = "loop";
      out["carried"] = step.carried;
      out["body"] = steps_json(*step.branches[0]);
      break;
    case Step::Kind::copy:
      out["kind"] = "copy";
      break;
    case Step::Kind::check:
      out["kind"] = "check";
      out["left"] = printable(step.left.to_string());
      out["right"] = printable(step.right.to_string());
      break;
  }
  return out;
}

Json steps_json(const Plan& plan) {
  Json out = Json::array();
  for (const Step& step : plan.steps) out.push_back(step_json(step));
  return out;
}

Json target_json(const EngineTarget& target) {
  const Verification& card = target.verification;
  Json verification = {{"verified", card.verified}, {"reference", printable(card.reference)}};
  if (card.verified) {
    verification.update({{"samples", card.samples},
                         {"machine", printable(card.machine)},
                         {"max_error", card.max_error},
                         {"tolerance", card.tolerance}});
  }
  Json out = {{"name", printable(target.name)},
              {"requirements", list(target.requirements)},
              {"precision", printable(target.precision)},
              {"verification", verification},
              {"constant_bytes", constant_bytes(target.plan)}};
  set(out, "arena_bytes", target.arena_bytes);
  out["steps"] = steps_json(target.plan);
  return out;
}

Json accuracy_json(const AccuracyCard& card) {
  Json out = {{"metric", printable(card.metric)}, {"samples", card.samples}, {"passed", card.passed}};
  set(out, "before", card.before);
  set(out, "after", card.after);
  set(out, "gate", card.gate);
  out["kept_high"] = list(card.kept_high);
  out["taints"] = list(card.taints);
  return out;
}

Json measurement_json(const Measurement& row) {
  Json out = {{"target", printable(row.target)}, {"shapes", printable(row.shapes)}, {"threads", row.threads}};
  set(out, "seconds", row.seconds);
  set(out, "joules", row.joules);
  if (row.joules) out["energy_source"] = printable(row.energy_source);
  set(out, "modelled_joules", row.modelled_joules);
  out["method"] = printable(row.method);
  out["machine"] = printable(row.machine);
  out["date"] = printable(row.date);
  return out;
}

}  // namespace

Json inspect_json(const LoadedEngine& engine) {
  const Manifest& manifest = engine.manifest;
  const Provenance& from = manifest.provenance;
  Json serves = Json::array(), profiles = Json::array(), targets = Json::array(), measurements = Json::array(),
       sections = Json::array();
  for (const EngineTarget& target : manifest.targets) {
    serves.push_back(printable(target.name));
    targets.push_back(target_json(target));
  }
  for (const Profile& profile : manifest.profiles) profiles.push_back(profile_json(profile));
  for (const Measurement& row : engine.measurements.rows) measurements.push_back(measurement_json(row));
  for (const Section& section : engine.sections) {
    sections.push_back({{"name", section_name(engine, section)},
                        {"offset", section.offset},
                        {"bytes", section.bytes},
                        {"sha256", to_hex(section.digest)}});
  }
  Json out = {{"schema", "millijoule.inspect/1"},
              {"format", fmt::format("{}.{}", engine.major_version, engine.minor_version)},
              {"bytes", engine.bytes},
              {"root", to_hex(engine.root)}};
  if (engine.signed_by) out["signed_by"] = to_hex(*engine.signed_by);
  out["serves"] = serves;
  out["inputs"] = ports_json(manifest.inputs);
  out["outputs"] = ports_json(manifest.outputs);
  out["profiles"] = profiles;
  out["targets"] = targets;
  out["provenance"] = {
      {"model_file", printable(from.model_file)}, {"model_sha256", to_hex(from.model_digest)},
      {"producer", printable(from.producer)},     {"producer_version", printable(from.producer_version)},
      {"options", printable(from.options)},       {"seed", from.seed}};
  if (!manifest.plugins.empty()) {
    out["plugins"] = Json::array();
    for (const PluginUse& use : manifest.plugins) {
      out["plugins"].push_back(
          {{"name", printable(use.name)}, {"version", use.version}, {"sha256", to_hex(use.digest)}});
    }
  }
  if (manifest.accuracy) out["accuracy"] = accuracy_json(*manifest.accuracy);
  out["measurements"] = measurements;
  out["samples"] = manifest.samples.size();
  out["sections"] = sections;
  return out;
}

}  // namespace mj
