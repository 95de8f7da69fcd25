// SPDX-License-Identifier: Apache-2.0
#include "engine/format/records.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/format/plan_verify.h"

namespace mj {
namespace {

constexpr double kNotMeasured = -1;

// A plan to its record. What was measured of its candidates leaves it for the times.
class PlanToRecord {
 public:
  PlanToRecord(const EngineTarget& target, int number, ConstantWriter& constants, std::vector<StepTimes>& times)
      : target_(target), number_(number), constants_(constants), times_(times) {}

  PlanRecord plan(const Plan& plan) {
    PlanRecord record{.name = plan.name, .tensors = {}, .steps = {}, .inputs = plan.inputs, .outputs = plan.outputs};
    for (const PlanTensor& tensor : plan.tensors) record.tensors.push_back(this->tensor(tensor));
    for (const Step& step : plan.steps) record.steps.push_back(this->step(step));
    return record;
  }

 private:
  TensorRecord tensor(const PlanTensor& tensor) {
    TensorRecord record{.name = tensor.name,
                        .kind = tensor.kind,
                        .type = tensor.type(),
                        .alias_of = tensor.alias_of,
                        .constant = {},
                        .on_device = tensor.on_device};
    // Raw constants serve every target alike, what a kernel packed for itself only its own.
    if (tensor.kind == PlanTensor::Kind::constant) {
      record.constant = constants_.add(SectionKind::weights, kAllTargets, tensor.constant);
    }
    return record;
  }

  StepRecord step(const Step& step) {
    StepRecord record{.kind = step.kind,
                      .inputs = step.inputs,
                      .outputs = step.outputs,
                      .origin = step.origin,
                      .kernel = {},
                      .branches = {},
                      .carried = step.carried,
                      .left = {},
                      .right = {},
                      .message = step.message};
    if (step.kind == Step::Kind::kernel) record.kernel = kernel(step);
    if (step.kind == Step::Kind::check) {
      record.left = step.left;
      record.right = step.right;
    }
    for (const auto& branch : step.branches) record.branches.push_back(plan(*branch));
    return record;
  }

  KernelRecord kernel(const Step& step) {
    KernelRecord record{step.problem, step.choice, {}, {}, {}};
    StepTimes times{target_.name, kernels_++, {}, {}};
    bool measured = false, has_joules = false;
    for (Candidate& candidate : record.choice.candidates) {
      measured |= candidate.seconds.has_value();
      has_joules |= candidate.joules.has_value();
      times.seconds.push_back(candidate.seconds.value_or(kNotMeasured));
      times.joules.push_back(candidate.joules.value_or(Joules{kNotMeasured}).value);
      candidate.seconds.reset();
      candidate.joules.reset();
    }
    if (!has_joules) times.joules.clear();
    if (measured) times_.push_back(std::move(times));
    for (const Tensor& tensor : step.packed) {
      record.packed.push_back(constants_.add(SectionKind::weights, number_, tensor));
    }
    if (const std::optional<Alternative>& from = step.alternative) {
      record.alternative = {from->row, from->version, from->config, {}};
      for (const Tensor& tensor : from->packed) {
        record.alternative->packed.push_back(constants_.add(SectionKind::weights, number_, tensor));
      }
    }
    if (step.device) record.device = device(*step.device);
    return record;
  }

  DeviceCodeRecord device(const DeviceCode& device) {
    DeviceCodeRecord record;
    record.code = constants_.add(SectionKind::cubin, number_, device.code);
    for (const Launch& launch : device.launches) {
      record.launches.push_back({launch.function,
                                 {launch.grid.begin(), launch.grid.end()},
                                 {launch.block.begin(), launch.block.end()},
                                 launch.shared_bytes,
                                 launch.args,
                                 launch.overlaps});
    }
    record.workspace_bytes = device.workspace_bytes;
    for (const auto& [input, output] : device.in_place) {
      record.in_place.push_back(input);
      record.in_place.push_back(output);
    }
    return record;
  }

  const EngineTarget& target_;
  const int number_;
  ConstantWriter& constants_;
  std::vector<StepTimes>& times_;
  int64_t kernels_ = 0;
};

using TimesOfKernel = std::map<int64_t, const StepTimes*>;

class PlanFromRecord {
 public:
  PlanFromRecord(int number, const ConstantReader& constants, const TimesOfKernel* times)
      : number_(number), constants_(constants), times_(times) {}

  Result<Plan> plan(PlanRecord record, int depth = 0) {
    if (depth > kMaxPlanDepth) return model_error("branches and loops are nested deeper than {}", kMaxPlanDepth);
    Plan plan;
    plan.name = std::move(record.name);
    plan.inputs = std::move(record.inputs);
    plan.outputs = std::move(record.outputs);
    for (TensorRecord& tensor : record.tensors) {
      auto result = this->tensor(std::move(tensor));
      if (!result.ok()) return result.error().in(fmt::format("tensor {}", plan.tensors.size()));
      plan.tensors.push_back(std::move(result).value());
    }
    for (StepRecord& step : record.steps) {
      auto result = this->step(std::move(step), depth);
      if (!result.ok()) return result.error().in(fmt::format("step {}", plan.steps.size()));
      plan.steps.push_back(std::move(result).value());
    }
    return plan;
  }

 private:
  Result<PlanTensor> tensor(TensorRecord record) {
    PlanTensor tensor{.name = std::move(record.name),
                      .kind = record.kind,
                      .dtype = record.type.dtype,
                      .shape = std::move(record.type.shape),
                      .alias_of = record.alias_of,
                      .constant = {},
                      .form = record.type.kind,
                      .on_device = record.on_device};
    if (record.constant.has_value() != (tensor.kind == PlanTensor::Kind::constant)) {
      return model_error("it is no constant and has a value, or the other way round");
    }
    if (record.constant) {
      MJ_ASSIGN(tensor.constant, constants_.tensor(SectionKind::weights, number_, *record.constant));
    }
    return tensor;
  }

  Result<Step> step(StepRecord record, int depth) {
    const bool is_check = record.kind == Step::Kind::check;
    if (record.kernel.has_value() != (record.kind == Step::Kind::kernel) || record.left.has_value() != is_check ||
        record.right.has_value() != is_check) {
      return model_error("it holds what another kind of step should");
    }
    Step step;
    step.kind = record.kind;
    step.inputs = std::move(record.inputs);
    step.outputs = std::move(record.outputs);
    step.origin = std::move(record.origin);
    step.message = std::move(record.message);
    step.carried = record.carried;
    if (is_check) {
      step.left = std::move(*record.left);
      step.right = std::move(*record.right);
    }
    if (record.kernel) MJ_TRY(kernel(std::move(*record.kernel), step));
    for (PlanRecord& branch : record.branches) {
      MJ_ASSIGN(Plan plan, this->plan(std::move(branch), depth + 1));
      step.branches.push_back(std::make_shared<const Plan>(std::move(plan)));
    }
    return step;
  }

  Result<void> kernel(KernelRecord record, Step& step) {
    step.problem = std::move(record.problem);
    step.choice = std::move(record.choice);
    for (const StoredTensor& stored : record.packed) {
      MJ_ASSIGN(Tensor packed, constants_.tensor(SectionKind::weights, number_, stored));
      step.packed.push_back(std::move(packed));
    }
    if (record.alternative) {
      step.alternative = Alternative{
          std::move(record.alternative->row), record.alternative->version, std::move(record.alternative->config), {}};
      for (const StoredTensor& stored : record.alternative->packed) {
        MJ_ASSIGN(step.alternative->packed.emplace_back(), constants_.tensor(SectionKind::weights, number_, stored));
      }
    }
    if (record.device) {
      MJ_ASSIGN(step.device, device(std::move(*record.device)));
    }
    const int64_t kernel = kernels_++;
    if (!times_) return {};
    const auto found = times_->find(kernel);
    if (found == times_->end()) return {};
    const std::vector<double>&seconds = found->second->seconds, &joules = found->second->joules;
    std::vector<Candidate>& candidates = step.choice.candidates;
    if (seconds.size() != candidates.size()) {
      return model_error("{} times for its {} candidates", seconds.size(), candidates.size());
    }
    if (!joules.empty() && joules.size() != candidates.size()) {
      return model_error("{} energies for its {} candidates", joules.size(), candidates.size());
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (seconds[i] >= 0) candidates[i].seconds = seconds[i];
      if (!joules.empty() && joules[i] >= 0) candidates[i].joules = Joules{joules[i]};
    }
    return {};
  }

  Result<DeviceCode> device(DeviceCodeRecord record) {
    DeviceCode device;
    // Beside the weights is where the first engines for GPUs had it.
    const auto section = static_cast<size_t>(std::max(record.code.place.section, 0));
    const std::vector<SectionData>& sections = constants_.sections();
    const bool beside = section < sections.size() && sections[section].kind == SectionKind::weights;
    MJ_ASSIGN(device.code, constants_.tensor(beside ? SectionKind::weights : SectionKind::cubin, number_, record.code));
    for (LaunchRecord& from : record.launches) {
      Launch& launch = device.launches.emplace_back();
      if (from.grid.size() != launch.grid.size() || from.block.size() != launch.block.size()) {
        return model_error("a launch has three dims of blocks and three of threads");
      }
      launch.function = std::move(from.function);
      std::copy(from.grid.begin(), from.grid.end(), launch.grid.begin());
      std::copy(from.block.begin(), from.block.end(), launch.block.begin());
      launch.shared_bytes = from.shared_bytes;
      launch.args = std::move(from.args);
      launch.overlaps = from.overlaps;
    }
    device.workspace_bytes = std::move(record.workspace_bytes);
    if (record.in_place.size() % 2 != 0) return model_error("in_place is a list of pairs");
    for (size_t i = 0; i < record.in_place.size(); i += 2) {
      device.in_place.push_back({record.in_place[i], record.in_place[i + 1]});
    }
    return device;
  }

  const int number_;
  const ConstantReader& constants_;
  const TimesOfKernel* const times_;
  int64_t kernels_ = 0;
};

Result<std::vector<Tensor>> sample_tensors(const std::vector<StoredTensor>& stored, const ConstantReader& constants) {
  std::vector<Tensor> tensors;
  for (const StoredTensor& each : stored) {
    MJ_ASSIGN(Tensor tensor, constants.tensor(SectionKind::samples, kAllTargets, each));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

Records to_records(const Manifest& manifest, const Measurements& measurements, ConstantWriter& constants) {
  Records records;
  records.measurements.rows = measurements.rows;
  ManifestRecord& record = records.manifest;
  record.inputs = manifest.inputs;
  record.outputs = manifest.outputs;
  record.profiles = manifest.profiles;
  record.provenance = manifest.provenance;
  record.accuracy = manifest.accuracy;
  record.plugins = manifest.plugins;
  for (const EngineTarget& target : manifest.targets) {
    PlanToRecord convert(target, static_cast<int>(record.targets.size()), constants, records.measurements.step_times);
    record.targets.push_back({target.name, target.requirements, target.precision, target.verification,
                              target.arena_bytes, convert.plan(target.plan)});
  }
  const auto store = [&](const std::vector<Tensor>& tensors) {
    std::vector<StoredTensor> stored;
    for (const Tensor& tensor : tensors) stored.push_back(constants.add(SectionKind::samples, kAllTargets, tensor));
    return stored;
  };
  for (const Sample& sample : manifest.samples) {
    record.samples.push_back({.inputs = store(sample.inputs), .outputs = store(sample.outputs)});
  }
  return records;
}

Result<Manifest> from_records(ManifestRecord record, const MeasurementsRecord& measurements,
                              const ConstantReader& constants) {
  std::map<std::string_view, TimesOfKernel> times;
  for (const StepTimes& step : measurements.step_times) times[step.target][step.kernel] = &step;

  Manifest manifest;
  manifest.inputs = std::move(record.inputs);
  manifest.outputs = std::move(record.outputs);
  manifest.profiles = std::move(record.profiles);
  manifest.provenance = std::move(record.provenance);
  manifest.accuracy = std::move(record.accuracy);
  manifest.plugins = std::move(record.plugins);
  for (TargetRecord& target : record.targets) {
    const auto measured = times.find(target.name);
    PlanFromRecord convert(static_cast<int>(manifest.targets.size()), constants,
                           measured == times.end() ? nullptr : &measured->second);
    auto plan = convert.plan(std::move(target.plan));
    if (!plan.ok()) return plan.error().in(fmt::format("target '{}'", target.name));
    manifest.targets.push_back({std::move(target.name), std::move(target.requirements), std::move(target.precision),
                                std::move(target.verification), target.arena_bytes, std::move(plan).value()});
  }
  for (const SampleRecord& sample : record.samples) {
    MJ_ASSIGN(std::vector<Tensor> inputs, sample_tensors(sample.inputs, constants));
    MJ_ASSIGN(std::vector<Tensor> outputs, sample_tensors(sample.outputs, constants));
    manifest.samples.push_back({std::move(inputs), std::move(outputs)});
  }
  return manifest;
}

}  // namespace mj
