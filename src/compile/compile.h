// SPDX-License-Identifier: Apache-2.0
// compile: a model file becomes an engine that has been compared with the reference before anyone sees it.
//
//   import → passes → tune → lower → run beside the oracle (the same model at O0) → judge → Manifest
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "compile/samples.h"
#include "engine/format/manifest.h"
#include "import/onnx.h"
#include "passes/pipeline.h"
#include "tune/tuner.h"

namespace mj {

// A promise of sizes as trtexec takes it: dims by input. What has no min or no max gets its opt, and so on round.
struct ProfileShapes {
  using Shapes = std::map<std::string, std::vector<int64_t>>;
  Shapes min, opt, max;

  bool empty() const { return min.empty() && opt.empty() && max.empty(); }
};
// The ranges of the symbols in the inputs' shapes. Errors name the input and what it can be.
Result<std::vector<SymbolRange>> profile_of(std::span<const Port> inputs, const ProfileShapes& shapes);

// The inputs of one sample, made when the model's ports are known.
using SampleInputs = std::function<Result<std::vector<Tensor>>(std::span<const Port> ports)>;

struct CompileOptions {
  Target target;               // of this machine or of another CPU; see parse_target()
  bool target_is_here = true;  // false: choose by order of preference, leave the target unverified
  std::string precision = "fp32";
  std::vector<SampleInputs> samples;  // to verify on; none: drawn from `seed`
  std::vector<SymbolRange> profile;   // sizes promised; tuning happens at opt
  ProfileShapes profile_shapes;       // the same by the shapes of inputs
  uint64_t seed = 1;
  bool verify = true;
  // Relative L2 of each output against the oracle; more where the oracle itself is that unsure (shaken.h).
  double tolerance = 1e-4;
  TuneOptions tune;          // target, opt and default_size are filled in from above
  std::string cache_path;    // of the tactic cache; empty: none is kept
  std::string options_text;  // for the provenance
  std::function<void(std::string_view stage, double done)> progress;  // done in [0, 1]
};

struct CompileReport {
  double import_seconds = 0, pass_seconds = 0, tune_seconds = 0, verify_seconds = 0, seconds = 0;
  int nodes = 0, steps = 0;  // of the model, of the plan
  int measured = 0, cache_hits = 0;
  PassLog passes;
  Graph graph;  // as fused
};

struct Compiled {
  Manifest manifest;
  Measurements measurements;
  CompileReport report;
};

// Errors: the model is wrong (1), an operator is missing (3), the result disagrees with the oracle (1; nothing to
// write).
Result<Compiled> compile(const std::string& model_path, const CompileOptions& options);

// The plan of the oracle: the imported graph, reference rows, no passes but the one that defines quantized maths.
Result<Plan> oracle_plan(const Model& model);

}  // namespace mj
