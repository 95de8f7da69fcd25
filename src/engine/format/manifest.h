// SPDX-License-Identifier: Apache-2.0
// Manifest: everything an engine says of itself, as plain data. What was measured (Measurements, and the seconds of the
// candidates in the plans' choices) goes into a section of its own, so that two builds with the same choices differ
// nowhere else in the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/units.h"
#include "engine/format/plan.h"

namespace mj {

struct Port {
  std::string name;
  Type type;
  int64_t index_limit = 0;  // of an integer input that only indexes something: its values are below; 0: not known

  bool operator==(const Port&) const = default;
};

struct SymbolRange {
  std::string symbol;
  int64_t min = 0, opt = 0, max = 0;  // min <= opt <= max

  bool operator==(const SymbolRange&) const = default;
};

// A promise of the shapes that requests will have. An engine without one takes every shape.
struct Profile {
  std::string name;
  std::vector<SymbolRange> symbols;

  bool operator==(const Profile&) const = default;
};

// Whether a target was compared with the reference before the file was written.
struct Verification {
  bool verified = false;  // false: to be checked at first load against the file's samples, or refused
  int64_t samples = 0;
  std::string machine;
  std::string reference;  // what it was compared with
  double max_error = 0;   // the largest relative L2 error of an output
  double tolerance = 0;   // what max_error was held against

  bool operator==(const Verification&) const = default;
};

struct EngineTarget {
  std::string name;                       // "cpu-avx2", as Target::name() spells it
  std::vector<std::string> requirements;  // CPU flags and library versions without which it cannot run
  std::string precision;                  // as the user asked for it: "fp32", "int8", "auto"
  Verification verification;
  std::optional<int64_t> arena_bytes;  // of one session, at the first profile's opt shapes or if all are static
  Plan plan;

  bool operator==(const EngineTarget&) const = default;
};

struct Provenance {
  Digest model_digest{};   // SHA-256 of the model file
  std::string model_file;  // without its folder
  std::string producer;    // "millijoule"
  std::string producer_version;
  std::string options;  // the command line that matters, one text
  uint64_t seed = 0;

  bool operator==(const Provenance&) const = default;
};

struct AccuracyCard {
  std::string metric;  // "top-1", "max relative error"
  int64_t samples = 0;
  std::optional<double> before, after;  // of the model and of the engine
  std::optional<double> gate;           // the limit that `after` was held against
  bool passed = false;
  std::vector<std::string> kept_high;  // layers that stayed in a higher precision to pass
  std::vector<std::string> taints;     // why not to trust it: "synthetic calibration", "--gate report"

  bool operator==(const AccuracyCard&) const = default;
};

// Inputs and the reference's outputs for them, in the order of the ports.
struct Sample {
  std::vector<Tensor> inputs, outputs;

  bool operator==(const Sample& other) const;  // by contents
};

// A library of the user's that computes some of the nodes.
struct PluginUse {
  std::string name;
  int64_t version = 1;
  Digest digest{};  // SHA-256 of its file where the engine was compiled

  bool operator==(const PluginUse&) const = default;
};

struct Manifest {
  std::vector<Port> inputs, outputs;  // every target's plan has these in this order
  std::vector<Profile> profiles;
  std::vector<EngineTarget> targets;
  Provenance provenance;
  std::optional<AccuracyCard> accuracy;
  std::vector<Sample> samples;
  std::vector<PluginUse> plugins;

  bool operator==(const Manifest&) const = default;
};

struct Measurement {
  std::string target;  // an EngineTarget's name
  std::string shapes;  // "x: f32[8,3,224,224]"
  int threads = 0;
  std::optional<double> seconds;  // median of a run
  std::optional<Joules> joules;   // of a run, measured; absent if it could not be
  std::string energy_source;      // "rapl", "nvml-counter"; empty with no joules
  std::optional<Joules> modelled_joules;
  std::string method;  // "200 runs after 20 to warm up"
  std::string machine;
  std::string date;  // ISO 8601, UTC

  bool operator==(const Measurement&) const = default;
};

struct Measurements {
  std::vector<Measurement> rows;

  bool operator==(const Measurements&) const = default;
};

}  // namespace mj
