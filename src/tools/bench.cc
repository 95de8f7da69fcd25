// SPDX-License-Identifier: Apache-2.0
// Latency and energy are measured apart: a sensor wants seconds of steady load, a latency wants none of its noise.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "energy/carbon.h"
#include "energy/report.h"
#include "kernels/cpu/peak.h"
#include "problem/work.h"
#include "runtime/device_run.h"
#include "runtime/engine.h"
#include "tools/inputs.h"
#include "tools/load_engine.h"
#include "tools/output.h"
#include "tools/plugin_report.h"
#include "tools/statistics.h"
#include "tools/verbs.h"

namespace mj {
namespace {

constexpr size_t kInputSets = 8;  // of an energy run, if they fit into kInputSetBytes
constexpr int64_t kInputSetBytes = int64_t{1} << 29;

int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// For at least so many seconds and runs. How many it were.
Result<int64_t> run_for(Engine& engine, const std::vector<Tensor>& inputs, double seconds, int iterations,
                        std::vector<double>* milliseconds) {
  std::vector<Tensor> outputs;
  const auto start = Clock::now();
  int64_t runs = 0;
  for (; runs < iterations || seconds_since(start) < seconds; ++runs) {
    const auto begin = Clock::now();
    MJ_TRY(engine.run(inputs, outputs));
    if (milliseconds) milliseconds->push_back(seconds_since(begin) * 1e3);
  }
  return runs;
}

// Runs without copies: inputs and outputs lie on the device. Several are on their way at once, as a server would have
// it.
struct Resident {
  DeviceRun run;
  std::vector<DeviceRun::Memory> sets;
  size_t next = 0;
  static constexpr size_t kAhead = 8;

  Result<void> enqueue() {
    const DeviceRun::Memory& memory = sets[next++ % sets.size()];
    MJ_TRY(run.enqueue(memory.inputs, memory.outputs));
    return next % kAhead == 0 ? run.synchronize() : Result<void>();
  }
};

Result<Resident> make_resident(const std::shared_ptr<Engine>& engine, const std::vector<std::vector<Tensor>>& sets) {
  MJ_ASSIGN(DeviceRun run, DeviceRun::make(engine));
  Resident resident{std::move(run), {}, 0};
  for (const std::vector<Tensor>& inputs : sets) {
    MJ_ASSIGN(resident.sets.emplace_back(), resident.run.upload(inputs));
  }
  return resident;
}

// For so many seconds: each run waited for, and then runs back to back. Runs a second of the latter.
Result<double> run_resident(Resident& resident, double seconds, int iterations, std::vector<double>* milliseconds) {
  auto start = Clock::now();
  for (int64_t runs = 0; runs < iterations || seconds_since(start) < seconds / 2; ++runs) {
    const DeviceRun::Memory& memory = resident.sets[static_cast<size_t>(runs) % resident.sets.size()];
    const auto begin = Clock::now();
    MJ_TRY(resident.run.enqueue(memory.inputs, memory.outputs));
    MJ_TRY(resident.run.synchronize());
    if (milliseconds) milliseconds->push_back(seconds_since(begin) * 1e3);
  }
  start = Clock::now();
  int64_t runs = 0;
  for (; runs < iterations || seconds_since(start) < seconds / 2; ++runs) MJ_TRY(resident.enqueue());
  MJ_TRY(resident.run.synchronize());
  return static_cast<double>(runs) / seconds_since(start);
}

struct Work {
  double floats = 0, integers = 0;  // multiply-adds
};

// Of one run, or nothing where control flow or values decide it.
std::optional<Work> work_of(const Plan& plan, const Bindings& symbols) {
  Work work;
  for (const Step& step : plan.steps) {
    if (step.kind == Step::Kind::branch) return std::nullopt;
    if (step.kind != Step::Kind::kernel) continue;
    const std::optional<double> of_step = multiply_adds(step.problem, symbols);
    if (!of_step) return std::nullopt;
    (multiplies_integers(step.problem) ? work.integers : work.floats) += *of_step;
  }
  return work;
}

std::string shapes_text(const Engine& engine, const std::vector<Tensor>& inputs) {
  std::string text;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool is_array = inputs[i].present() && !inputs[i].is_sequence();
    text += fmt::format("{}{}={}", i ? ", " : "", engine.inputs()[i].name,
                        is_array ? fmt::format("{}[{}]", name(inputs[i].dtype()), fmt::join(inputs[i].dims(), "x"))
                                 : to_string(engine.inputs()[i].type));
  }
  return text;
}

int64_t bytes_of(const std::vector<Tensor>& inputs) {
  int64_t bytes = 0;
  for (const Tensor& input : inputs) {
    if (input.present() && !input.is_sequence()) bytes += input.bytes();
  }
  return bytes;
}

// `inputs`, and as many others like them as there may be: what a GPU takes depends on the bits that change.
Result<std::vector<std::vector<Tensor>>> input_sets(Engine& engine, const std::vector<Tensor>& inputs,
                                                    const BenchArgs& args) {
  std::vector<std::vector<Tensor>> sets = {inputs};
  if (!args.inputs.empty()) return sets;
  std::vector<Tensor> outputs;
  for (size_t i = 1; i < kInputSets && bytes_of(inputs) * static_cast<int64_t>(i + 1) <= kInputSetBytes; ++i) {
    const auto take = [&](const std::vector<Tensor>& drawn) -> Result<void> {
      MJ_TRY(engine.run(drawn, outputs));
      if (shapes_text(engine, drawn) == shapes_text(engine, inputs)) sets.push_back(drawn);
      return {};
    };
    MJ_TRY(with_inputs(engine.file().manifest, {args.inputs, args.shapes, args.batch}, args.common.seed + i, take));
  }
  return sets;
}

Result<EnergyReport> energy_of(Engine& engine, const std::vector<Tensor>& inputs, double seconds_a_run,
                               Resident* resident, const BenchArgs& args) {
  const DeviceProgram* gpu = engine.program().device();
  if (!gpu) {
    return measure_energy([&](double seconds) { return run_for(engine, inputs, seconds, 1, nullptr); }, seconds_a_run,
                          engine.pool().threads(), args.place);
  }
  if (args.energy_windows == 0) {
    EnergyReport none;
    none.why_not = "--energy-windows is 0";
    MJ_ASSIGN(none.factor, grid_factor(args.place));
    return none;
  }
  GpuEnergyOptions options;
  options.windows = args.energy_windows;
  std::vector<std::vector<Tensor>> sets;
  if (!resident) {
    MJ_ASSIGN(sets, input_sets(engine, inputs, args));
  }
  if (nvml_library().ok()) {
    say(args.common, fmt::format("energy is measured for about {:.0f} s, after the latency",
                                 options.settle_seconds + options.idle_seconds + options.warm_up_seconds +
                                     options.windows * options.window_seconds));
  }
  std::vector<Tensor> outputs;
  size_t next = 0;
  const auto run = [&] { return resident ? resident->enqueue() : engine.run(sets[next++ % sets.size()], outputs); };
  MJ_ASSIGN(EnergyReport report, measure_energy_of_gpu(gpu->device()->facts().uuid, run, options, args.place));
  report.input_sets = static_cast<int64_t>(resident ? resident->sets.size() : sets.size());
  return report;
}

struct DeviceBytes {
  int64_t weights = 0, arena = 0;
  std::optional<int64_t> above_context;  // all that the engine's end gave back to the device
};

// Takes the last reference to the engine and ends it. What others allocate at that moment is counted with it.
DeviceBytes device_bytes(std::shared_ptr<Engine> engine, const Engine::Demand& demand) {
  DeviceBytes bytes{engine->program().device()->constant_bytes(), demand.device_arena_bytes, std::nullopt};
  const std::shared_ptr<const CudaDevice> device = engine->program().device()->device();
  const Result<CudaDevice::Memory> with = device->memory();
  engine.reset();
  const Result<CudaDevice::Memory> without = device->memory();
  if (with.ok() && without.ok() && without->free_bytes > with->free_bytes) {
    bytes.above_context = without->free_bytes - with->free_bytes;
  }
  return bytes;
}

nlohmann::ordered_json device_json(const DeviceBytes& bytes) {
  nlohmann::ordered_json json = {{"weights_bytes", bytes.weights}, {"arena_bytes", bytes.arena}};
  if (bytes.above_context) json["above_context_bytes"] = *bytes.above_context;
  return json;
}

std::string device_line(const DeviceBytes& bytes) {
  const auto mib = [](int64_t b) { return static_cast<double>(b) / 0x1p20; };
  std::string text =
      fmt::format("memory of the device: weights {:.1f} MiB, arena {:.1f}", mib(bytes.weights), mib(bytes.arena));
  if (bytes.above_context) text += fmt::format(", in all {:.1f} above a bare context", mib(*bytes.above_context));
  return text;
}

}  // namespace

Result<int> run_bench(const BenchArgs& args) {
  const auto start = Clock::now();
  MJ_ASSIGN(std::shared_ptr<Engine> engine, load_engine(args.engine, args.loading, args.common));
  const double load_ms = seconds_since(start) * 1e3;
  MJ_TRY(grid_factor(args.place));  // before minutes of measuring
  std::vector<Tensor> inputs;
  Engine::Demand demand{};
  double new_shape_ms = 0, first_answer_ms = 0;
  const auto answer = [&](const std::vector<Tensor>& drawn) -> Result<void> {
    inputs = drawn;
    std::vector<std::vector<int64_t>> dims;
    for (const Tensor& input : inputs) dims.push_back(input.dims());
    const auto asked = Clock::now();
    MJ_ASSIGN(demand, engine->warm(dims));
    new_shape_ms = seconds_since(asked) * 1e3;
    MJ_TRY(run_for(*engine, inputs, 0, 1, nullptr));
    first_answer_ms = load_ms + seconds_since(asked) * 1e3;
    return {};
  };
  MJ_TRY(with_inputs(engine->file().manifest, {args.inputs, args.shapes, args.batch}, args.common.seed, answer));
  std::vector<double> latencies;
  std::optional<Resident> resident;
  std::optional<double> back_to_back;  // runs a second
  const bool transfers = args.data_transfers || !engine->program().device();
  if (transfers) {
    MJ_TRY(run_for(*engine, inputs, args.warm_up, 1, nullptr));
    MJ_TRY(run_for(*engine, inputs, args.duration, args.iterations, &latencies));
  } else {
    MJ_ASSIGN(const std::vector<std::vector<Tensor>> sets, input_sets(*engine, inputs, args));
    MJ_ASSIGN(resident, make_resident(engine, sets));
    MJ_TRY(run_resident(*resident, args.warm_up, 1, nullptr));
    MJ_ASSIGN(back_to_back, run_resident(*resident, args.duration, args.iterations, &latencies));
  }
  const LatencyStatistics latency = statistics(latencies);
  const int64_t batch = inputs.empty() || inputs.front().rank() == 0 ? 1 : inputs.front().dims()[0];
  MJ_ASSIGN(EnergyReport energy,
            energy_of(*engine, inputs, latency.median / 1e3, resident ? &*resident : nullptr, args));
  resident.reset();
  MJ_ASSIGN(const std::vector<double> step_seconds, plugin_step_seconds(*engine, inputs));
  energy.inferences = std::max<int64_t>(batch, 1);

  const double per_second = static_cast<double>(batch) * back_to_back.value_or(1 / (latency.mean / 1e3));
  nlohmann::ordered_json env = environment(engine->pool().threads());
  const bool on_gpu = engine->program().device() != nullptr;
  if (!args.common.json.empty() && !on_gpu) env["peak_gflops"] = cpu::measure_peak_gflops(engine->pool(), detect_isa());
  nlohmann::ordered_json results = {{"shapes", shapes_text(*engine, inputs)},
                                    {"batch", batch},
                                    {"runs", latencies.size()},
                                    {"latency_ms", latency_json(latencies)},
                                    {"throughput_per_s", per_second},
                                    {"data_transfers", transfers},
                                    {"load_ms", load_ms},
                                    {"load", load_json(engine->load_times())},
                                    {"first_answer_ms", first_answer_ms},
                                    {"new_shape_ms", new_shape_ms},
                                    {"rows_alone", demand.rows_alone},
                                    {"arena_bytes", demand.arena_bytes},
                                    {"largest_live_bytes", demand.largest_live_bytes},
                                    {"peak_memory_bytes", peak_memory_bytes()},
                                    {"onednn", onednn_json()},
                                    {"notices", engine->notices()},
                                    {"plugins", plugins_json(engine->program().plan(), step_seconds)}};
  const Work work = work_of(engine->program().plan(), demand.symbols).value_or(Work{});
  const double per_multiply_add = 2e-9 / (latency.median / 1e3);
  if (work.floats > 0) results["gflops"] = per_multiply_add * work.floats;
  if (work.integers > 0) results["gops"] = per_multiply_add * work.integers;
  if (args.samples) results["samples_ms"] = latencies;
  if (on_gpu) {
    const CudaFacts& facts = engine->program().device()->device()->facts();
    env["gpu"] = facts.name;
    env["gpu_uuid"] = facts.uuid;
    env["driver_cuda"] = cuda_version_text(facts.driver_version);
  }

  say(args.common, fmt::format("{} on {}, {} threads, {}", args.engine, engine->target().name, engine->pool().threads(),
                               shapes_text(*engine, inputs)));
  say(args.common, fmt::format("load {:.1f} ms, first answer {:.1f} ms, {:.3f} ms of it to plan for new shapes",
                               load_ms, first_answer_ms, new_shape_ms));
  if (on_gpu) say(args.common, load_line(engine->load_times()));
  if (demand.rows_alone > 0) {
    say(args.common, fmt::format("{} of {} rows of the batch by one thread each", demand.rows_alone, batch));
  }
  say(args.common, fmt::format("throughput {:.2f} /s", per_second));
  if (work.floats > 0) say(args.common, fmt::format("products {:.1f} GFLOP/s", per_multiply_add * work.floats));
  if (work.integers > 0)
    say(args.common, fmt::format("integer products {:.1f} GOP/s", per_multiply_add * work.integers));
  say(args.common,
      fmt::format("latency ms: min {:.3f}, mean {:.3f}, median {:.3f}, p90 {:.3f}, p95 {:.3f}, p99 {:.3f} ({} runs)",
                  latency.min, latency.mean, latency.median, latency.p90, latency.p95, latency.p99, latencies.size()));
  for (const std::string& line : energy_lines(energy)) say(args.common, line);
  say(args.common, fmt::format("memory: arena {:.1f} MiB (largest live set {:.1f}), process peak {:.1f} MiB",
                               static_cast<double>(demand.arena_bytes) / 0x1p20,
                               static_cast<double>(demand.largest_live_bytes) / 0x1p20,
                               static_cast<double>(peak_memory_bytes()) / 0x1p20));
  say_plugins(args.common, engine->program().plan(), step_seconds);
  if (on_gpu) {
    const DeviceBytes bytes = device_bytes(std::move(engine), demand);
    results["device"] = device_json(bytes);
    say(args.common, device_line(bytes));
  }
  say_onednn(args.common);
  // Not the deviation: of ten thousand short runs, one that was interrupted would decide.
  const double spread = latency.p90 / latency.median - 1;
  if (spread > 0.1) {
    say(args.common,
        fmt::format("advice: p90 is {:.0f} % above the median; other load on this machine?", 100 * spread));
  }
  MJ_TRY(write_json(
      args.common,
      {{"schema", "millijoule.bench/1"}, {"environment", env}, {"results", results}, {"energy", energy_json(energy)}}));
  if (args.max_spread && spread > *args.max_spread) {
    return error(ErrorCode::unstable, "p90 is {:.0f} % above the median, --max-spread allows {:.0f} %", 100 * spread,
                 100 * *args.max_spread);
  }
  return 0;
}

}  // namespace mj
