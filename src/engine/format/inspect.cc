// SPDX-License-Identifier: Apache-2.0
#include "engine/format/inspect.h"

#include <fmt/format.h>

#include <map>

#include "engine/format/plugin_steps.h"

namespace mj {
namespace {

// Length of the UTF-8 sequence at the start, 0 if it is none or a control character.
size_t printable_length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const uint8_t first = static_cast<uint8_t>(at(0)), second = static_cast<uint8_t>(at(1));
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  // No C1 control characters, no longer spellings than needed, no surrogates, nothing above U+10FFFF.
  if (first >= 0xc2 && first <= 0xdf) return tail(1) && !(first == 0xc2 && second < 0xa0) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool sound = !(first == 0xe0 && second < 0xa0) && !(first == 0xed && second >= 0xa0);
    return tail(1) && tail(2) && sound ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool sound = !(first == 0xf0 && second < 0x90) && !(first == 0xf4 && second >= 0x90);
    return tail(1) && tail(2) && tail(3) && sound ? 4 : 0;
  }
  return 0;
}

std::string port_lines(std::string_view title, const std::vector<Port>& ports) {
  std::string out;
  for (const Port& port : ports) {
    out += fmt::format("{:<12}{}: {}", title, printable(port.name), printable(to_string(port.type)));
    if (port.index_limit) out += fmt::format(", values below {}", port.index_limit);
    out += "\n";
    title = "";
  }
  return out;
}

std::string verification_text(const Verification& card) {
  if (!card.verified) {
    return fmt::format("UNVERIFIED{}{}", card.reference.empty() ? "" : ": ", printable(card.reference));
  }
  return fmt::format("verified on {} samples against {} ({}): error {:.3g}, allowed {:.3g}", card.samples,
                     printable(card.reference), printable(card.machine), card.max_error, card.tolerance);
}

void count_kernels(const Plan& plan, std::map<std::string, int>& kernels) {
  for (const Step& step : plan.steps) {
    if (step.kind == Step::Kind::kernel) ++kernels[printable(step.choice.row)];
    for (const auto& branch : step.branches) count_kernels(*branch, kernels);
  }
}

std::string kernel_counts(const Plan& plan) {
  std::map<std::string, int> kernels;
  count_kernels(plan, kernels);
  std::string out;
  for (const auto& [row, count] : kernels) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, row);
  return out;
}

std::string candidate_text(const Candidate& candidate) {
  std::string out = printable(candidate.row);
  if (!candidate.config.empty()) out += fmt::format(" {{{}}}", printable(candidate.config));
  if (candidate.seconds) out += fmt::format(", {:.2f} us measured", *candidate.seconds * 1e6);
  if (!candidate.seconds && candidate.estimated_seconds) {
    out += fmt::format(", {:.2f} us estimated", *candidate.estimated_seconds * 1e6);
  }
  if (candidate.joules) out += fmt::format(", {:.3g} uJ measured", candidate.joules->value * 1e6);
  if (candidate.modelled_joules) out += fmt::format(", {:.3g} uJ modelled", candidate.modelled_joules->value * 1e6);
  return out;
}

// The problem; of a long one, as models within attributes make it, both ends.
std::string problem_text(const Problem& problem) {
  constexpr size_t kEnd = 400;
  std::string text = printable(to_string(problem));
  if (text.size() <= 3 * kEnd) return text;
  return printable(text.substr(0, kEnd)) + " ... " + printable(text.substr(text.size() - kEnd));
}

std::string plugin_lines(const Manifest& manifest) {
  std::string out;
  for (const PluginUse& use : manifest.plugins) {
    std::string targets;
    for (const EngineTarget& target : manifest.targets) {
      int on_host = 0, on_device = 0;
      for (const PluginStep& step : plugin_steps(target.plan)) {
        if (step.op->plugin == use.name) ++(step.needs_plugin() ? on_host : on_device);
      }
      targets += fmt::format("; {}: {} {} by it", printable(target.name), on_host, on_host == 1 ? "step" : "steps");
      if (on_device) targets += fmt::format(", {} on the GPU without it", on_device);
    }
    out += fmt::format("{:<12}{} version {}, SHA-256 {}{}\n", "plugin", printable(use.name), use.version,
                       to_hex(use.digest), targets);
  }
  return out;
}

std::string step_lines(const Plan& plan, const std::string& indent) {
  std::string out;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    std::string origin;
    for (const std::string& name : step.origin) origin += (origin.empty() ? "" : " + ") + printable(name);
    out += fmt::format("{}{:>4}  {}", indent, i, origin);
    const std::string inner = indent + "      ";
    switch (step.kind) {
      case Step::Kind::copy:
        out += "  copy\n";
        break;
      case Step::Kind::check:
        out += fmt::format("  check {} == {}\n", printable(step.left.to_string()), printable(step.right.to_string()));
        break;
      case Step::Kind::branch:
        out += "  if\n";
        for (size_t b = 0; b < step.branches.size(); ++b) {
          out += fmt::format("{}{}\n{}", inner, b ? "else" : "then", step_lines(*step.branches[b], inner));
        }
        break;
      case Step::Kind::loop:
        out += fmt::format("  loop carrying {}\n{}", step.carried, step_lines(*step.branches[0], inner));
        break;
      case Step::Kind::kernel:
        out += fmt::format("\n{}{}\n", inner, problem_text(step.problem));
        out += fmt::format("{}by {} version {}{}\n", inner, printable(step.choice.row), step.choice.version,
                           step.choice.config.empty() ? "" : " {" + printable(step.choice.config) + "}");
        if (step.alternative) {
          out += fmt::format("{}where that cannot run by {} version {}\n", inner, printable(step.alternative->row),
                             step.alternative->version);
        }
        for (const Candidate& c : step.choice.candidates) out += fmt::format("{}- {}\n", inner, candidate_text(c));
        for (const Refused& refused : step.choice.refused) {
          out += fmt::format("{}x {}: {}\n", inner, printable(refused.row), printable(refused.reason));
        }
        break;
    }
  }
  return out;
}

std::string target_lines(const EngineTarget& target, bool steps) {
  std::string needs;
  for (const std::string& each : target.requirements) needs += (needs.empty() ? "; needs " : ", ") + printable(each);
  std::string out =
      fmt::format("{:<12}{}: {}{}\n", "target", printable(target.name), printable(target.precision), needs);
  out += fmt::format("{:<12}  {}\n", "", verification_text(target.verification));
  out += fmt::format("{:<12}  {} steps: {}\n", "", target.plan.steps.size(), kernel_counts(target.plan));
  out += fmt::format("{:<12}  {} bytes of constants", "", constant_bytes(target.plan));
  if (target.arena_bytes) out += fmt::format(", arena of {} bytes", *target.arena_bytes);
  return out + "\n" + (steps ? step_lines(target.plan, "") : "");
}

std::string accuracy_lines(const AccuracyCard& card) {
  const auto number = [](std::optional<double> x) { return x ? fmt::format("{:.6g}", *x) : "unknown"; };
  std::string out = fmt::format("{:<12}{} on {} samples: {} before, {} after, gate {}: {}\n", "accuracy",
                                printable(card.metric), card.samples, number(card.before), number(card.after),
                                number(card.gate), card.passed ? "passed" : "NOT PASSED");
  for (const std::string& layer : card.kept_high) out += fmt::format("{:<12}  kept high: {}\n", "", printable(layer));
  for (const std::string& taint : card.taints) out += fmt::format("{:<12}  taint: {}\n", "", printable(taint));
  return out;
}

std::string measurement_line(const Measurement& m) {
  std::string out =
      fmt::format("{:<12}{}, {}, {} threads:", "measured", printable(m.target), printable(m.shapes), m.threads);
  if (m.seconds) out += fmt::format(" {:.4f} ms", *m.seconds * 1e3);
  if (m.joules) out += fmt::format(" {:.4f} mJ ({})", m.joules->value * 1e3, printable(m.energy_source));
  if (m.modelled_joules) out += fmt::format(" modelled {:.4f} mJ", m.modelled_joules->value * 1e3);
  return out + fmt::format("; {}, {}, {}\n", printable(m.method), printable(m.machine), printable(m.date));
}

int64_t own_constant_bytes(const Plan& plan) {
  int64_t bytes = 0;
  for (const PlanTensor& tensor : plan.tensors) bytes += tensor.constant.bytes();
  for (const Step& step : plan.steps) {
    for (const Tensor& packed : step.packed) bytes += packed.bytes();
    for (const auto& branch : step.branches) bytes += own_constant_bytes(*branch);
  }
  return bytes;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = printable_length(text);
    length ? out += text.substr(0, length) : out += '?';
    text.remove_prefix(length ? length : 1);
  }
  return out;
}

std::string section_name(const LoadedEngine& engine, const Section& section) {
  std::string out = name(section.kind);
  if (section.target >= 0) {
    const auto target = static_cast<size_t>(section.target);
    out += " " + printable(engine.manifest.targets[target].name);
  }
  if (!section.name.empty()) out += " " + printable(section.name);
  return out;
}

int64_t constant_bytes(const Plan& plan) { return own_constant_bytes(plan); }

std::string inspect_text(const LoadedEngine& engine, const InspectOptions& options) {
  const Manifest& manifest = engine.manifest;
  std::string out =
      fmt::format("{:<12}format {}.{}, {} bytes, {}\n", "engine", engine.major_version, engine.minor_version,
                  engine.bytes, engine.signed_by ? "signed by " + to_hex(*engine.signed_by) : "not signed");
  const Provenance& from = manifest.provenance;
  out += fmt::format("{:<12}{}, SHA-256 {}\n", "model", printable(from.model_file), to_hex(from.model_digest));
  out += fmt::format("{:<12}{} {}, seed {}, options: {}\n", "made by", printable(from.producer),
                     printable(from.producer_version), from.seed, printable(from.options));
  out += port_lines("inputs", manifest.inputs) + port_lines("outputs", manifest.outputs);
  for (const Profile& profile : manifest.profiles) {
    out += fmt::format("{:<12}{}:", "profile", printable(profile.name));
    for (const SymbolRange& range : profile.symbols) {
      out += fmt::format(" {} = {}..{} (best {})", printable(range.symbol), range.min, range.max, range.opt);
    }
    out += "\n";
  }
  for (const EngineTarget& target : manifest.targets) out += target_lines(target, options.steps);
  out += plugin_lines(manifest);
  if (manifest.accuracy) out += accuracy_lines(*manifest.accuracy);
  for (const Measurement& row : engine.measurements.rows) out += measurement_line(row);
  if (!manifest.samples.empty()) out += fmt::format("{:<12}{} kept in the file\n", "samples", manifest.samples.size());
  for (size_t i = 0; i < engine.sections.size(); ++i) {
    const Section& section = engine.sections[i];
    out += fmt::format("{:<12}{:<28}{:>12} bytes  {}\n", i ? "" : "sections", section_name(engine, section),
                       section.bytes, to_hex(section.digest));
  }
  return out + fmt::format("{:<12}{}\n", "root", to_hex(engine.root));
}

}  // namespace mj
