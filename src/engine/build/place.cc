// SPDX-License-Identifier: Apache-2.0
#include "engine/build/place.h"

#include <algorithm>
#include <map>

namespace mj {
namespace {

class Copies {
 public:
  explicit Copies(Plan plan) : plan_(std::move(plan)), steps_(std::exchange(plan_.steps, {})) {}

  Plan run() && {
    for (const Step& step : steps_) {
      for (int id : step.outputs) {
        if (id != kNoTensor) tensor(id).on_device = step.device.has_value();
      }
    }
    for (PlanTensor& each : plan_.tensors) {
      if (each.kind == PlanTensor::Kind::alias) each.on_device = tensor(each.alias_of).on_device;
    }
    for (Step& step : steps_) {
      for (int& id : step.inputs) {
        if (id != kNoTensor) id = in_memory(id, step.device.has_value());
      }
      plan_.steps.push_back(std::move(step));
    }
    for (int& id : plan_.outputs) {
      if (tensor(id).on_device) id = copied(id, false);  // a copy of its own, also of an alias
    }
    return std::move(plan_);
  }

 private:
  PlanTensor& tensor(int id) { return plan_.tensors[static_cast<size_t>(id)]; }

  // The tensor, or its copy where it does not lie there.
  int in_memory(int id, bool on_device) {
    if (tensor(id).on_device == on_device) return id;
    const auto [copy, is_new] = copies_.try_emplace(id, kNoTensor);
    if (!is_new) return copy->second;
    PlanTensor twin = tensor(id);
    twin.on_device = on_device;
    if (twin.kind == PlanTensor::Kind::input || twin.kind == PlanTensor::Kind::temporary) {
      return copies_[id] = copied(id, on_device);
    }
    if (twin.kind == PlanTensor::Kind::alias) twin.alias_of = in_memory(twin.alias_of, on_device);
    plan_.tensors.push_back(std::move(twin));
    return copies_[id] = static_cast<int>(plan_.tensors.size()) - 1;
  }

  int copied(int id, bool to_device) {
    PlanTensor copy = tensor(id);
    copy.on_device = to_device;
    copy.kind = PlanTensor::Kind::temporary;
    copy.alias_of = kNoTensor;
    const auto made = static_cast<int>(plan_.tensors.size());
    Step step;
    step.kind = Step::Kind::copy;
    step.inputs = {id};
    step.outputs = {made};
    plan_.steps.push_back(std::move(step));
    plan_.tensors.push_back(std::move(copy));
    return made;
  }

  Plan plan_;
  std::vector<Step> steps_;
  std::map<int, int> copies_;
};

}  // namespace

Plan with_copies(Plan plan) {
  const bool any =
      std::any_of(plan.steps.begin(), plan.steps.end(), [](const Step& s) { return s.device.has_value(); });
  return any ? Copies(std::move(plan)).run() : plan;
}

}  // namespace mj
