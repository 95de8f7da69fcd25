// SPDX-License-Identifier: Apache-2.0
// Records: manifest and plans as they stand in the file. They differ from the plain data of manifest.h and plan.h in
// one thing: where those hold a Tensor, a record says in which section its bytes are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/format/constants.h"
#include "engine/format/manifest.h"

namespace mj {

struct TensorRecord {
  std::string name;
  PlanTensor::Kind kind = PlanTensor::Kind::temporary;
  Type type;
  int alias_of = kNoTensor;
  std::optional<StoredTensor> constant;
  bool on_device = false;
};

struct LaunchRecord {
  std::string function;
  std::vector<Dim> grid;
  std::vector<int> block;
  int shared_bytes = 0;
  std::vector<LaunchArg> args;
  bool overlaps = false;
};

struct DeviceCodeRecord {
  StoredTensor code;
  std::vector<LaunchRecord> launches;
  Dim workspace_bytes;
  std::vector<int> in_place;  // input, output, input, output, ...
};

struct AlternativeRecord {
  std::string row;
  int version = 1;
  std::string config;
  std::vector<StoredTensor> packed;
};

struct KernelRecord {
  Problem problem;
  Choice choice;  // without what was measured
  std::vector<StoredTensor> packed;
  std::optional<AlternativeRecord> alternative;
  std::optional<DeviceCodeRecord> device;
};

struct PlanRecord;

struct StepRecord {
  Step::Kind kind = Step::Kind::kernel;
  std::vector<int> inputs, outputs;
  std::vector<std::string> origin;
  std::optional<KernelRecord> kernel;
  std::vector<PlanRecord> branches;
  int carried = 0;
  std::optional<Dim> left, right;
  std::string message;
};

struct PlanRecord {
  std::string name;
  std::vector<TensorRecord> tensors;
  std::vector<StepRecord> steps;
  std::vector<int> inputs, outputs;
};

struct TargetRecord {
  std::string name;
  std::vector<std::string> requirements;
  std::string precision;
  Verification verification;
  std::optional<int64_t> arena_bytes;
  PlanRecord plan;
};

struct SampleRecord {
  std::vector<StoredTensor> inputs, outputs;
};

struct ManifestRecord {
  std::vector<Port> inputs, outputs;
  std::vector<Profile> profiles;
  std::vector<TargetRecord> targets;
  Provenance provenance;
  std::optional<AccuracyCard> accuracy;
  std::vector<SampleRecord> samples;
  std::vector<PluginUse> plugins;
};

// The measured seconds and joules of a kernel step's candidates, in their order; negative where there are none.
struct StepTimes {
  std::string target;
  int64_t kernel = 0;  // number of the kernel step in its plan, branches counted where they stand
  std::vector<double> seconds;
  std::vector<double> joules;  // none: of no candidate
};

struct MeasurementsRecord {
  std::vector<Measurement> rows;
  std::vector<StepTimes> step_times;
};

struct Records {
  ManifestRecord manifest;
  MeasurementsRecord measurements;
};

// Tensors go into `constants`.
Records to_records(const Manifest& manifest, const Measurements& measurements, ConstantWriter& constants);

// The plain data again, tensors as views. Refuses what does not fit together so far that it could not be expressed
// (places, kinds of steps, depth); the rest is for verify().
Result<Manifest> from_records(ManifestRecord manifest, const MeasurementsRecord& measurements,
                              const ConstantReader& constants);

}  // namespace mj
