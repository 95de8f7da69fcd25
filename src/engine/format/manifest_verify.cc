// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <string_view>

#include "engine/format/plan_verify.h"

namespace mj {
namespace {

Result<void> check_ports(const std::vector<Port>& ports, std::string_view what) {
  std::set<std::string_view> names;
  for (const Port& port : ports) {
    if (port.name.empty() || !names.insert(port.name).second || port.type.dtype == DType::none ||
        port.index_limit < 0) {
      return model_error("{} '{}' has no name, no type, a name that another has or a limit below 0", what, port.name);
    }
  }
  return {};
}

// Symbols in outputs are each plan's own; inputs are the same to the letter.
Result<void> check_target(const Manifest& manifest, const Plan& plan) {
  MJ_TRY(verify(plan));
  if (plan.inputs.size() != manifest.inputs.size() || plan.outputs.size() != manifest.outputs.size()) {
    return model_error("its plan has {} inputs and {} outputs, the engine {} and {}", plan.inputs.size(),
                       plan.outputs.size(), manifest.inputs.size(), manifest.outputs.size());
  }
  const auto type_of = [&](int id) { return plan.tensors[static_cast<size_t>(id)].type(); };
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const Port& port = manifest.inputs[i];
    if (type_of(plan.inputs[i]) != port.type) {
      return model_error("its input '{}' is {}, the engine's is {}", port.name, to_string(type_of(plan.inputs[i])),
                         to_string(port.type));
    }
  }
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const Port& port = manifest.outputs[i];
    const Type ours = type_of(plan.outputs[i]);
    if (ours.kind != port.type.kind || ours.dtype != port.type.dtype || ours.rank() != port.type.rank()) {
      return model_error("its output '{}' is {}, the engine's is {}", port.name, to_string(ours), to_string(port.type));
    }
  }
  return {};
}

Result<void> check_profile(const Profile& profile) {
  std::set<std::string_view> symbols;
  for (const SymbolRange& range : profile.symbols) {
    if (!symbols.insert(range.symbol).second || range.min < 0 || range.min > range.opt || range.opt > range.max) {
      return model_error("profile '{}': symbol '{}' from {} over {} to {} is no range or stands there twice",
                         profile.name, range.symbol, range.min, range.opt, range.max);
    }
  }
  return {};
}

Result<void> check_sample(const std::vector<Tensor>& tensors, const std::vector<Port>& ports) {
  if (tensors.size() != ports.size()) return model_error("{} tensors for {} ports", tensors.size(), ports.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].dtype() != ports[i].type.dtype || !ports[i].type.is_tensor()) {
      return model_error("'{}' is {}, its port {}", ports[i].name, name(tensors[i].dtype()), to_string(ports[i].type));
    }
  }
  return {};
}

}  // namespace

Result<void> verify(const Manifest& manifest) {
  MJ_TRY(check_ports(manifest.inputs, "input"));
  MJ_TRY(check_ports(manifest.outputs, "output"));
  for (const Profile& profile : manifest.profiles) MJ_TRY(check_profile(profile));
  if (manifest.provenance.model_file.find('/') != std::string::npos) {
    return model_error("the model's file name '{}' is a path", manifest.provenance.model_file);
  }
  if (manifest.targets.empty()) return model_error("it serves no target");
  std::set<std::string_view> names;
  for (const EngineTarget& target : manifest.targets) {
    if (target.name.empty() || !names.insert(target.name).second) {
      return model_error("target '{}' has no name or stands there twice", target.name);
    }
    auto result = check_target(manifest, target.plan);
    if (!result.ok()) return result.error().in(fmt::format("target '{}'", target.name));
  }
  for (size_t i = 0; i < manifest.samples.size(); ++i) {
    auto result = check_sample(manifest.samples[i].inputs, manifest.inputs);
    if (result.ok()) result = check_sample(manifest.samples[i].outputs, manifest.outputs);
    if (!result.ok()) return result.error().in(fmt::format("sample {}", i));
  }
  return {};
}

}  // namespace mj
