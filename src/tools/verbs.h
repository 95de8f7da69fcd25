// SPDX-License-Identifier: Apache-2.0
// The verbs of the command line. Each returns an Error (its code is the exit code) or an exit code of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace mj {

// What every verb takes.
struct Common {
  std::string json;  // --json FILE|-: where the report goes as JSON; "-" is stdout, then nothing else goes there
  bool quiet = false;
  int verbose = 0;
  int threads = 0;  // 0: all that the machine and its quota allow
  uint64_t seed = 1;
  std::string progress = "auto";  // auto, plain, none
  std::vector<std::string> plugins;
};

// How verbs that run an engine load it.
struct LoadArgs {
  std::string trusted_key, device = "auto";  // auto, cpu, gpu
  bool allow_unverified = false;
};

struct CompileArgs {
  Common common;
  std::string model, output, target = "cpu", precision = "fp32", objective = "latency", profile, cache, cache_dir,
                             sign_key, min_shapes, opt_shapes, max_shapes;
  std::vector<std::string> samples, fallback;
  std::optional<double> tolerance;  // absent: of the precision
  double tune_seconds = 60;
  std::optional<double> tune_joules, max_latency_ms;
  bool no_verify = false, estimate = false;
};

struct RunVerbArgs {
  Common common;
  LoadArgs loading;
  std::string engine, inputs, outputs, shapes;
  bool random_inputs = false, check_equal = false;
  int repeat = 1;
  std::vector<std::string> stream, carry;
};

struct BenchArgs {
  Common common;
  LoadArgs loading;
  std::string engine, inputs, shapes, place;
  int64_t batch = 0;
  double duration = 3, warm_up = 0.2;
  int iterations = 10;
  int energy_windows = 3;            // on a GPU; 0: no energy
  bool data_transfers = true;        // on a GPU: false: inputs and outputs lie there
  std::optional<double> max_spread;  // of latencies: p90 / median - 1
  bool samples = false;
};

struct InspectArgs {
  Common common;
  std::string engine, shapes, trusted_key;
  int64_t batch = 0;
  bool steps = false;
};

struct CompareArgs {
  Common common;
  std::string left, right, inputs, shapes, trusted_key;
  std::vector<std::string> fallback;
  double tolerance = 1e-4;
  bool steps = false;
};

struct ProfileArgs {
  Common common;
  LoadArgs loading;
  std::string engine, inputs, shapes, trace;
  int64_t batch = 0;
  int iterations = 50;
  bool energy = false;        // of each step on a GPU
  double energy_seconds = 2;  // of counting, a step
};

struct TacticsArgs {
  Common common;
  std::string path;  // a model or an engine; empty: list the rows
  std::vector<std::string> fallback;
};

struct ExplainArgs {
  Common common;
  std::string model, node;  // node: part of the names to show; empty: all
  std::vector<std::string> fallback;
};

struct EnergyArgs {
  Common common;
  double requests_a_day = 0;
  std::optional<double> milliseconds, watts, joules, grams_per_kwh;
  std::string place = "world";
  double pue = 1.0;
};

struct OpsArgs {
  Common common;
  bool markdown = false;
};

Result<int> run_compile(const CompileArgs& args);
Result<int> run_run(const RunVerbArgs& args);
Result<int> run_bench(const BenchArgs& args);
Result<int> run_inspect(const InspectArgs& args);
Result<int> run_compare(const CompareArgs& args);
Result<int> run_profile(const ProfileArgs& args);
Result<int> run_tactics(const TacticsArgs& args);
Result<int> run_explain(const ExplainArgs& args);
Result<int> run_energy(const EnergyArgs& args);
Result<int> run_doctor(const Common& common);
Result<int> run_ops(const OpsArgs& args);
Result<int> run_knobs(const Common& common);

}  // namespace mj
