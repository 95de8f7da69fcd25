// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/cpu_quota.h"
#include "base/file.h"
#include "base/knobs.h"
#include "base/progress.h"
#include "base/signature.h"
#include "engine/format/engine_file.h"
#include "kernels/cpu/bf16.h"
#include "kernels/onednn/run_module.h"
#include "tools/inputs.h"
#include "tools/output.h"
#include "tools/plugin_report.h"
#include "tools/verbs.h"

namespace mj {
namespace {

// A sample's file may hold more than the inputs: labels, say.
Result<std::vector<SampleInputs>> read_samples(const std::vector<std::string>& paths) {
  std::vector<SampleInputs> samples;
  for (const std::string& path : paths) {
    MJ_ASSIGN(Npz arrays, read_numpy(path));
    samples.push_back({path, [path, arrays = std::move(arrays)](std::span<const Port> ports) {
                         return take_inputs(arrays, ports, path, Surplus::allowed);
                       }});
  }
  return samples;
}

// Before minutes of work: whether all files can be written, and the engine is not the model.
Result<void> check_outputs(const CompileArgs& args) {
  std::error_code ignored;
  if (std::filesystem::equivalent(args.output, args.model, ignored)) {
    return error(ErrorCode::usage, "-o '{}' is the model itself", args.output);
  }
  MJ_TRY(check_destination(args.cache));
  return check_destination(args.output);
}

std::string cache_path(const CompileArgs& args) {
  if (!args.cache.empty()) return args.cache;
  return args.cache_dir.empty() ? "" : args.cache_dir + "/tactics.jsonl";
}

bool names_gpu(const CompileArgs& args) { return args.target.starts_with("cuda") || args.target.starts_with("sm_"); }

// What of the command line decides the result, in one order.
std::string options_text(const CompileArgs& args) {
  std::string text =
      fmt::format("--target {} --precision {} --seed {} --tolerance {}", args.target, args.precision, args.common.seed,
                  args.tolerance.value_or(default_tolerance(args.precision, names_gpu(args))));
  if (args.objective != "latency") text += " --objective " + args.objective;
  if (args.max_latency_ms) text += fmt::format(" --max-latency-ms {}", *args.max_latency_ms);
  if (!args.profile.empty()) text += " --profile " + args.profile;
  if (!args.min_shapes.empty()) text += " --minShapes " + args.min_shapes;
  if (!args.opt_shapes.empty()) text += " --optShapes " + args.opt_shapes;
  if (!args.max_shapes.empty()) text += " --maxShapes " + args.max_shapes;
  if (args.no_verify) text += " --no-verify";
  if (args.estimate) text += " --estimate";
  for (const std::string& fallback : args.fallback) text += " --fallback " + fallback;
  return text;
}

nlohmann::ordered_json report_json(const CompileArgs& args, const Compiled& compiled, const EngineTarget& target) {
  const CompileReport& r = compiled.report;
  nlohmann::ordered_json passes = nlohmann::ordered_json::array();
  for (const PassReport& pass : r.passes.passes) {
    passes.push_back(
        {{"name", pass.name}, {"seconds", pass.seconds}, {"changed", pass.changed}, {"nodes", pass.nodes}});
  }
  return {{"schema", "millijoule.compile/1"},
          {"environment", environment(threads_of(args.common))},
          {"engine", args.output},
          {"target", target.name},
          {"seconds",
           {{"all", r.seconds},
            {"import", r.import_seconds},
            {"passes", r.pass_seconds},
            {"tune", r.tune_seconds},
            {"verify", r.verify_seconds}}},
          {"nodes", r.nodes},
          {"steps", r.steps},
          {"tactics_measured", r.measured},
          {"cache_hits", r.cache_hits},
          {"verification",
           {{"verified", target.verification.verified},
            {"samples", target.verification.samples},
            {"max_error", target.verification.max_error},
            {"tolerance", target.verification.tolerance},
            {"reference", target.verification.reference}}},
          {"precision", {{"asked", args.precision}, {"steps", r.rounded}, {"kept_high", r.kept_high}}},
          {"passes", passes}};
}

GpuTarget gpu_target(const CudaFacts& facts) {
  GpuTarget gpu;
  gpu.sm = facts.sm;
  gpu.multiprocessors = facts.multiprocessors;
  gpu.clock_hz = 1e3 * static_cast<double>(facts.clock_khz);
  gpu.memory_bytes = facts.memory_bytes;
  gpu.l2_bytes = facts.l2_bytes;
  gpu.shared_bytes = facts.shared_bytes_per_block_optin;
  // Two transfers a clock; nine tenths of that is what a copy reaches.
  const double peak =
      2e3 * static_cast<double>(facts.memory_clock_khz) * static_cast<double>(facts.memory_bus_bits) / 8;
  if (peak > 0) gpu.bytes_per_second = 0.9 * peak;
  return gpu;
}

// The counter of the GPU to tune on; nothing where there is none and none is needed.
Result<std::shared_ptr<NvmlMeter>> tune_meter(const CompileOptions& options) {
  const std::string why = weighs(options.tune.objective) ? fmt::format("--objective {}", name(options.tune.objective))
                          : options.tune.joules_in_all   ? "--tune-joules"
                                                         : "";
  if (!options.device || !options.target.gpu || !options.target_is_here) {
    if (options.tune.objective == Objective::throughput) {
      return error(
          ErrorCode::environment,
          "--objective throughput: several runs at once are timed on the GPU that the engine is for, and target "
          "{} is not timed here; without that it would be latency under another name",
          options.target.name());
    }
    if (why.empty()) return std::shared_ptr<NvmlMeter>();
    return error(ErrorCode::environment,
                 "{}: joules are measured on the GPU that the engine is for, and target {} is not measured here{}", why,
                 options.target.name(),
                 weighs(options.tune.objective) ? "; without that it would be latency under another name" : "");
  }
  Result<std::unique_ptr<NvmlMeter>> meter = NvmlMeter::open(options.device->facts().uuid);
  if (!meter.ok()) {
    if (!why.empty()) return meter.error().in(why);
    return std::shared_ptr<NvmlMeter>();
  }
  return std::shared_ptr<NvmlMeter>(std::move(meter).value());
}

}  // namespace

Result<int> run_compile(const CompileArgs& args) {
  MJ_TRY(check_outputs(args));
  std::optional<SigningKey> key;
  if (!args.sign_key.empty()) {
    MJ_ASSIGN(key, SigningKey::read_pem(args.sign_key));
  }
  Target here;
  here.isa = detect_isa();
  here.threads = threads_of(args.common);
  here.onednn = onednn::library_version();
  here.avx512_bf16 = cpu::missing(cpu::Bf16Unit::avx512_bf16).empty();
  here.amx_bf16 = cpu::missing(cpu::Bf16Unit::amx_bf16).empty();
  CompileOptions options;
  if (names_gpu(args)) {
    Result<std::shared_ptr<const CudaDevice>> device = CudaDevice::first();
    if (!device.ok() && args.target == "cuda") {
      return device.error().in("--target cuda (name an architecture to compile without a GPU: cuda-sm90)");
    }
    if (device.ok()) options.device = *device, here.gpu = gpu_target(options.device->facts());
  }
  MJ_ASSIGN(options.target, parse_target(args.target, here));
  if (!can_run(options.target.isa)) {
    return error(
        ErrorCode::environment,
        "--target {}: its weights are packed by kernels that this machine (cpu-{}) does not run; compile on such "
        "a machine, or for less",
        options.target.name(), name(here.isa));
  }
  const bool gpu_is_here = !options.target.gpu || options.target.gpu == here.gpu;
  options.target_is_here = options.target.isa <= here.isa && gpu_is_here && !args.estimate;
  // Of another machine's library, and of what more it has, nothing is known.
  if (options.target.isa > here.isa) {
    options.target.onednn.clear();
    options.target.avx512_bf16 = options.target.amx_bf16 = false;
  }
  options.fallback = nodes_of(args.fallback);
  options.precision = args.precision;
  MJ_ASSIGN(options.samples, read_samples(args.samples));
  MJ_ASSIGN(options.profile, parse_profile(args.profile));
  MJ_ASSIGN(options.profile_shapes.min, parse_shapes(args.min_shapes));
  MJ_ASSIGN(options.profile_shapes.opt, parse_shapes(args.opt_shapes));
  MJ_ASSIGN(options.profile_shapes.max, parse_shapes(args.max_shapes));
  options.seed = args.common.seed;
  options.verify = !args.no_verify;
  options.tolerance = args.tolerance;
  options.tune.seconds_in_all = args.tune_seconds;
  MJ_ASSIGN(options.tune.objective, parse_objective(args.objective));
  if (args.tune_joules) options.tune.joules_in_all = Joules{*args.tune_joules};
  if (args.max_latency_ms) {
    if (options.tune.objective != Objective::energy) {
      return error(ErrorCode::usage, "--max-latency-ms bounds what --objective energy may choose; add that");
    }
    options.max_latency_seconds = *args.max_latency_ms / 1e3;
  }
  MJ_ASSIGN(options.tune.meter, tune_meter(options));
  options.tune.forced = knob(Knob::tactic).value_or("");
  MJ_TRY(check_forced(options.tune.forced));
  options.cache_path = cache_path(args);
  if (!args.cache_dir.empty()) {
    std::error_code failed;
    std::filesystem::create_directories(args.cache_dir, failed);
    if (failed) return error(ErrorCode::environment, "--cache-dir {}: {}", args.cache_dir, failed.message());
  }
  options.options_text = options_text(args);
  Progress progress("compile", args.common.json == "-" || args.common.quiet ? "none" : args.common.progress);
  options.progress = [&](std::string_view stage, double done) { progress.update(done, stage); };

  MJ_ASSIGN(const Compiled compiled, compile(args.model, options));
  MJ_TRY(write_engine(args.output, compiled.manifest, compiled.measurements, {key ? &*key : nullptr}));
  progress.finish();

  const EngineTarget& target = compiled.manifest.targets[0];
  const CompileReport& r = compiled.report;
  say(args.common, fmt::format("{}: {} nodes became {} steps for {}", args.output, r.nodes, r.steps, target.name));
  say(args.common,
      fmt::format("  {:.1f} s: import {:.1f}, passes {:.1f}, tune {:.1f} ({} measured, {} from the cache), "
                  "verify {:.1f}",
                  r.seconds, r.import_seconds, r.pass_seconds, r.tune_seconds, r.measured, r.cache_hits,
                  r.verify_seconds));
  say_plugins(args.common, target.plan, {});
  if (r.latency_seconds) {
    say(args.common, fmt::format("  a run takes {:.4g} ms, --max-latency-ms allows {:.4g}", *r.latency_seconds * 1e3,
                                 *args.max_latency_ms));
  }
  if (r.tune_joules && r.measured)
    say(args.common, fmt::format("  tuning took {:.0f} J on the GPU", r.tune_joules->value));
  if (options.target.gpu && args.precision != "fp32") {
    say(args.common, fmt::format("  {} steps write {}", r.rounded, args.precision));
  } else if (args.precision != "fp32") {
    say(args.common, fmt::format("  {} steps multiply in {}{}", r.rounded, args.precision,
                                 r.rounded ? "" : ": nowhere was that faster than f32 and near enough to it"));
  }
  if (!r.kept_high.empty()) {
    const std::string_view why =
        options.target.gpu ? "stay in f32, whose range they need" : "more went back to f32 for the accuracy asked for";
    say(args.common,
        fmt::format("  {} {}: {}{}", r.kept_high.size(), why, r.kept_high[0], r.kept_high.size() > 1 ? ", ..." : ""));
  }
  if (target.verification.verified) {
    say(args.common,
        fmt::format("  verified on {} sample(s): relative L2 at most {:.2g} (allowed {:.2g})",
                    target.verification.samples, target.verification.max_error, target.verification.tolerance));
  } else {
    const bool tried = options.verify && options.target_is_here;
    const std::string why =
        target.verification.reference + (tried ? "; --samples FILE.npz verifies on inputs of yours" : "");
    say(args.common, "  UNVERIFIED: " + why);
    // Whoever wants no report still wants to know that there is no promise.
    if (args.common.quiet) fmt::print(stderr, "warning: {}: UNVERIFIED: {}\n", args.output, why);
  }
  nlohmann::ordered_json json = report_json(args, compiled, target);
  if (r.tune_joules) json["tune_joules"] = r.tune_joules->value;
  json["plugins"] = plugins_json(target.plan, {});
  if (r.latency_seconds) json["latency_ms"] = *r.latency_seconds * 1e3;
  MJ_TRY(write_json(args.common, json));
  return 0;
}

}  // namespace mj
