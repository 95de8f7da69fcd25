// SPDX-License-Identifier: Apache-2.0
// Time of each step, longest first. Steps are timed one by one, so their sum leaves out what passes between them. Those
// of a GPU are replayed there (runtime/step_costs.h), and shown beside the time of the whole.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/clock.h"
#include "base/file.h"
#include "energy/report.h"
#include "problem/work.h"
#include "runtime/engine.h"
#include "runtime/step_costs.h"
#include "tools/inputs.h"
#include "tools/load_engine.h"
#include "tools/output.h"
#include "tools/plugin_report.h"
#include "tools/statistics.h"
#include "tools/verbs.h"

namespace mj {
namespace {

// A copy between host and device, or within either.
std::string copy_label(const Plan& plan, const Step& step) {
  const auto on_device = [&](int id) { return plan.tensors[static_cast<size_t>(id)].on_device; };
  const bool leaves = on_device(step.inputs[0]), arrives = on_device(step.outputs[0]);
  if (leaves == arrives) return "copy";
  return arrives ? "copy to device" : "copy from device";
}

std::string label(const Plan& plan, const Step& step) {
  if (step.kind == Step::Kind::copy) return copy_label(plan, step);
  if (step.kind == Step::Kind::check) return "check";
  if (step.kind == Step::Kind::branch) return "if";
  if (step.kind == Step::Kind::loop) return "loop";
  if (const auto* plugin = step.problem.op ? step.problem.op.get_if<PluginOp>() : nullptr) return plugin->label();
  const std::string op(step.problem.op ? step.problem.op.name() : "pointwise");
  const std::string fused = step.problem.op && !step.problem.epilogue.empty()
                                ? fmt::format("+{}", step.problem.epilogue.instructions.size())
                                : "";
  return op + fused;
}

std::string dims_text(const std::vector<int64_t>& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? "," : "") + std::to_string(dims[i]);
  return text + "]";
}

// chrome://tracing and Perfetto: one complete event a step, laid end to end by median times.
Result<void> write_trace(const std::string& path, const Program& program, const std::vector<double>& medians) {
  const Plan& plan = program.plan();
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  double at = 0;
  for (size_t i = 0; i < medians.size(); ++i) {
    events.push_back({{"name", label(plan, plan.steps[i])},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", 1},
                      {"ts", at * 1e6},
                      {"dur", medians[i] * 1e6},
                      {"args", {{"row", program.step(i).row}, {"nodes", plan.steps[i].origin}}}});
    at += medians[i];
  }
  return write_file_atomically(path, nlohmann::ordered_json{{"traceEvents", events}}.dump());
}

constexpr double kObservedSeconds = 2;  // of a GPU's engine, whose steps on the host are timed by waiting for them

// The counter for --energy, or why there is none, before anything is measured.
Result<std::unique_ptr<NvmlMeter>> meter_for(const ProfileArgs& args, const Engine& engine) {
  if (!args.energy) return std::unique_ptr<NvmlMeter>();
  if (!engine.program().device()) {
    return error(ErrorCode::unsupported,
                 "--energy: joules of single steps are measured on GPUs, and no step of this engine runs on one");
  }
  Result<std::unique_ptr<NvmlMeter>> meter = NvmlMeter::open(engine.program().device()->device()->facts().uuid);
  if (!meter.ok()) return meter.error().in("--energy");
  return meter;
}

Result<StepCosts> costs_of(const std::shared_ptr<Engine>& engine, const std::vector<Tensor>& inputs, NvmlMeter* meter,
                           const ProfileArgs& args) {
  StepCostOptions options;
  options.meter = meter;
  options.step_window_seconds = args.energy_seconds / options.step_windows;
  options.progress = [&](size_t done, size_t all) {
    if (done > 0) return;
    say(args.common, fmt::format("{} steps are weighed for about {:.0f} s each", all,
                                 args.energy_seconds + options.step_window_seconds));
  };
  return measure_step_costs(engine, inputs, options);
}

std::string energy_text(const StepCost& cost) {
  if (!cost.energy || !cost.energy->why_not.empty()) return "";
  std::string text = fmt::format("{:.4g} mJ", cost.energy->mean.value * 1e3);
  if (cost.energy->ci95) text += fmt::format(" +- {:.2g}", cost.energy->ci95->value * 1e3);
  return text;
}

nlohmann::ordered_json energy_json(const GpuEnergy& energy) {
  nlohmann::ordered_json json;
  if (energy.why_not.empty()) {
    json["joules"] = energy.mean.value;
    json["runs"] = energy.runs;
    json["window_seconds"] = energy.seconds;
  } else {
    json["why_not"] = energy.why_not;
  }
  json["source"] = "nvml-counter";
  add_gpu_energy(energy, json);
  return json;
}

// What a GPU's steps come to, beside all of them together.
void say_whole(const Common& common, const StepCosts& costs, double of_steps, bool weighed) {
  if (!costs.whole) {
    say(common, "steps run on the host too: there is no graph of the whole to compare with");
    return;
  }
  say(common, fmt::format("steps on the GPU, replayed one by one {:.4f} ms; as one graph {:.4f} ms, the difference is "
                          "what they gain or lose beside each other",
                          of_steps * 1e3, costs.whole->seconds * 1e3));
  if (!weighed || !costs.whole->energy) return;
  const GpuEnergy& whole = *costs.whole->energy;
  if (!whole.why_not.empty()) {
    say(common, "no joules: " + whole.why_not);
    return;
  }
  Joules sum{};
  for (const std::optional<StepCost>& step : costs.steps) {
    if (step && step->energy && step->energy->why_not.empty()) sum = sum + step->energy->mean;
  }
  say(common, fmt::format("as one graph {}, gross; weighed steps together {:.4g} mJ; GPU board by NVML",
                          energy_text(*costs.whole), sum.value * 1e3));
  for (const std::string& line : gpu_energy_lines(whole)) say(common, line);
}

bool crosses(const Plan& plan, const Step& step) {
  const auto on_device = [&](int id) { return plan.tensors[static_cast<size_t>(id)].on_device; };
  return step.kind == Step::Kind::copy && on_device(step.inputs[0]) != on_device(step.outputs[0]);
}

}  // namespace

Result<int> run_profile(const ProfileArgs& args) {
  MJ_TRY(check_destination(args.trace));
  MJ_ASSIGN(const std::shared_ptr<Engine> engine, load_engine(args.engine, args.loading, args.common));
  MJ_ASSIGN(const std::unique_ptr<NvmlMeter> meter, meter_for(args, *engine));
  std::vector<Tensor> inputs, outputs;
  Engine::Demand demand{};
  const auto answer = [&](const std::vector<Tensor>& drawn) -> Result<void> {
    inputs = drawn;
    std::vector<std::vector<int64_t>> dims;
    for (const Tensor& input : inputs) dims.push_back(input.dims());
    MJ_ASSIGN(demand, engine->warm(dims));
    return engine->run(inputs, outputs);
  };
  MJ_TRY(with_inputs(engine->file().manifest, {args.inputs, args.shapes, args.batch}, args.common.seed, answer));
  const Plan& plan = engine->program().plan();
  std::vector<std::vector<double>> seconds(plan.steps.size());
  std::vector<std::string> shapes(plan.steps.size());
  RunOptions run;
  run.observer = [&](size_t step, double time, std::span<const TensorRef> out) {
    seconds[step].push_back(time);
    if (!out.empty()) shapes[step] = dims_text({out[0].dims.begin(), out[0].dims.end()});
  };
  const bool on_gpu = engine->program().device() != nullptr;
  run.observe_data = !on_gpu;
  const bool host_steps = !on_gpu || !engine->program().device()->all_of_it();
  const auto start = Clock::now();
  for (int i = 0; i < args.iterations; ++i) {
    MJ_TRY(engine->run(inputs, outputs, run));
    if (!host_steps || (on_gpu && seconds_since(start) > kObservedSeconds)) break;
  }
  StepCosts costs;
  if (on_gpu) {
    MJ_ASSIGN(costs, costs_of(engine, inputs, meter.get(), args));
  }
  costs.steps.resize(plan.steps.size());

  std::vector<double> medians;
  double on_gpu_seconds = 0;  // without copies from and to the host
  for (size_t i = 0; i < seconds.size(); ++i) {
    medians.push_back(seconds[i].empty() ? 0 : statistics(seconds[i]).median);
    if (!costs.steps[i]) continue;
    medians[i] = costs.steps[i]->seconds;
    if (!crosses(plan, plan.steps[i])) on_gpu_seconds += medians[i];
  }
  const double sum = std::accumulate(medians.begin(), medians.end(), 0.0);
  std::vector<size_t> order(medians.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return medians[a] > medians[b]; });

  const Watts watts = modelled_power(engine->pool().threads());
  say(args.common, fmt::format("{} steps, {:.3f} ms in all{}", medians.size(), sum * 1e3,
                               on_gpu ? "" : "; attributed energy is modelled from time"));
  if (on_gpu) say_whole(args.common, costs, on_gpu_seconds, args.energy);
  if (demand.rows_alone > 0) {
    say(args.common, "all rows of the batch together, step by step; a plain run gives each thread rows of its own");
  }
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (size_t i : order) {
    const Step& step = plan.steps[i];
    const std::optional<double> work = multiply_adds(step.problem, demand.symbols);
    const double rate = work && medians[i] > 0 ? 2e-9 * *work / medians[i] : 0;
    const bool integers = multiplies_integers(step.problem);
    say(args.common,
        fmt::format("{:>9.{}f} us {:>5.1f} %  {}{:>12}  {:<18} {:<24} {:<20} {}", medians[i] * 1e6, on_gpu ? 2 : 1,
                    sum > 0 ? 100 * medians[i] / sum : 0,
                    args.energy ? fmt::format("{:>20}  ", costs.steps[i] ? energy_text(*costs.steps[i]) : "") : "",
                    rate > 0 ? fmt::format("{:.1f} {}", rate, integers ? "GOP/s" : "GFLOP/s") : "", label(plan, step),
                    shapes[i], engine->program().step(i).row, step.origin.empty() ? "" : step.origin[0]));
    const std::string_view row = engine->program().step(i).row;
    rows.push_back({{"step", i},
                    {"op", label(plan, step)},
                    {"shape", shapes[i]},
                    {"row", row},
                    {"config", row == step.choice.row ? step.choice.config : step.alternative->config},
                    {"median_us", medians[i] * 1e6},
                    {"share", sum > 0 ? medians[i] / sum : 0},
                    {"nodes", step.origin}});
    if (on_gpu) rows.back()["replayed"] = costs.steps[i].has_value();
    if (costs.steps[i] && costs.steps[i]->energy) rows.back()["energy"] = energy_json(*costs.steps[i]->energy);
    if (!on_gpu) rows.back()["modelled_joules"] = (watts * Seconds{medians[i]}).value;
    if (rate > 0) rows.back()[integers ? "gops" : "gflops"] = rate;
    if (step.problem.products) rows.back()["products"] = name(*step.problem.products);
  }
  say_plugins(args.common, plan, medians);
  say_onednn(args.common);
  if (!args.trace.empty()) MJ_TRY(write_trace(args.trace, engine->program(), medians));
  nlohmann::ordered_json json = {{"schema", "millijoule.profile/1"},
                                 {"environment", environment(engine->pool().threads())},
                                 {"milliseconds", sum * 1e3}};
  if (on_gpu) {
    json["environment"]["gpu"] = engine->program().device()->device()->facts().name;
    json["gpu_milliseconds"] = on_gpu_seconds * 1e3;
    if (costs.whole) json["graph_milliseconds"] = costs.whole->seconds * 1e3;
    if (costs.whole && costs.whole->energy) json["graph_energy"] = energy_json(*costs.whole->energy);
  }
  json["onednn"] = onednn_json();
  json["notices"] = engine->notices();
  json["plugins"] = plugins_json(plan, medians);
  json["steps"] = std::move(rows);
  MJ_TRY(write_json(args.common, json));
  return 0;
}

}  // namespace mj
