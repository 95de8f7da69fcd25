// SPDX-License-Identifier: Apache-2.0
// compile: a model file becomes an engine that has been compared with the reference before anyone sees it.
//
//   import → passes → tune → lower → run beside the oracle (the same model at O0) → judge → Manifest
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compile/samples.h"
#include "device/cuda/device.h"
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

// The inputs of one sample, made when the model's ports are known. Messages name it.
struct SampleInputs {
  std::string name;
  std::function<Result<std::vector<Tensor>>(std::span<const Port> ports)> make;
};

struct CompileOptions {
  Target target;               // of this machine or of another CPU; see parse_target()
  bool target_is_here = true;  // false: choose by order of preference, leave the target unverified
  std::shared_ptr<const CudaDevice> device = nullptr;  // for a target with a GPU that is here
  // bf16 on a CPU: products may be rounded where that is faster and passes the gate. fp16 or bf16 on a GPU: what lies
  // in memory between steps is, but for what these do not hold (passes/narrow.cc).
  std::string precision = "fp32";
  std::vector<SampleInputs> samples;  // to verify on; none: drawn from `seed`
  std::vector<SymbolRange> profile;   // sizes promised; tuning happens at opt
  ProfileShapes profile_shapes;       // the same by the shapes of inputs
  std::vector<std::string> fallback;  // nodes for ONNX Runtime, as in ImportOptions
  uint64_t seed = 1;
  bool verify = true;
  // Relative L2 of each output against the oracle; absent: default_tolerance(). More where the oracle itself is that
  // unsure (shaken.h).
  std::optional<double> tolerance;
  // Of a run on the GPU at hand, at the sizes tuned for, with copies from and to the host. With the objective energy:
  // choices get faster until it is kept, and no engine comes of it where it cannot be.
  std::optional<double> max_latency_seconds;
  std::function<double()> now;  // seconds of the clock that times such runs; none: the machine's
  TuneOptions tune;             // target, opt and default_size are filled in from above
  std::string cache_path;       // of the tactic cache; empty: none is kept
  std::string options_text;     // for the provenance
  std::function<void(std::string_view stage, double done)> progress;  // done in [0, 1]
};

// Of products that are rounded to bf16, with 8 bits, an output keeps 34 dB of signal over noise. On a GPU all that lies
// between steps is rounded: in bf16 30 dB are left, in fp16, with 11 bits, 40.
double default_tolerance(std::string_view precision, bool on_gpu = false);

struct CompileReport {
  double import_seconds = 0, pass_seconds = 0, tune_seconds = 0, verify_seconds = 0, seconds = 0;
  std::optional<double> latency_seconds;  // where max_latency_seconds was given
  std::optional<Joules> tune_joules;      // of the GPU's board while tuning; absent without a meter
  int nodes = 0, steps = 0;               // of the model, of the plan
  int measured = 0, cache_hits = 0;
  int on_device = 0;                   // steps that a GPU runs
  int rounded = 0;                     // steps whose products, on a GPU whose results are what `precision` names
  std::vector<std::string> kept_high;  // steps that stay in f32, so that the outputs pass
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
