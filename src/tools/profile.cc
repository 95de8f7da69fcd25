// SPDX-License-Identifier: Apache-2.0
// Time of each step, best first. Steps are timed one by one, so their sum leaves out what passes between them; that
// remainder is shown as unattributed.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "energy/report.h"
#include "problem/work.h"
#include "runtime/engine.h"
#include "tools/inputs.h"
#include "tools/load_engine.h"
#include "tools/output.h"
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

}  // namespace

Result<int> run_profile(const ProfileArgs& args) {
  MJ_TRY(check_destination(args.trace));
  MJ_ASSIGN(const std::shared_ptr<Engine> engine, load_engine(args.engine, args.loading, args.common));
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
  for (int i = 0; i < args.iterations; ++i) MJ_TRY(engine->run(inputs, outputs, run));

  std::vector<double> medians;
  for (const std::vector<double>& times : seconds) medians.push_back(times.empty() ? 0 : statistics(times).median);
  const double sum = std::accumulate(medians.begin(), medians.end(), 0.0);
  std::vector<size_t> order(medians.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return medians[a] > medians[b]; });

  const bool on_gpu = engine->program().device() != nullptr;
  const Watts watts = modelled_power(engine->pool().threads());
  say(args.common, fmt::format("{} steps, {:.3f} ms in all{}", medians.size(), sum * 1e3,
                               on_gpu ? ", each waited for; a plain run puts them on the GPU together"
                                      : "; attributed energy is modelled from time"));
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
        fmt::format("{:>9.1f} us {:>5.1f} %  {:>12}  {:<18} {:<24} {:<20} {}", medians[i] * 1e6,
                    sum > 0 ? 100 * medians[i] / sum : 0,
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
    if (!on_gpu) rows.back()["modelled_joules"] = (watts * Seconds{medians[i]}).value;
    if (rate > 0) rows.back()[integers ? "gops" : "gflops"] = rate;
    if (step.problem.products) rows.back()["products"] = name(*step.problem.products);
  }
  say_onednn(args.common);
  if (!args.trace.empty()) MJ_TRY(write_trace(args.trace, engine->program(), medians));
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.profile/1"},
                                  {"environment", environment(engine->pool().threads())},
                                  {"milliseconds", sum * 1e3},
                                  {"onednn", onednn_json()},
                                  {"notices", engine->notices()},
                                  {"steps", rows}}));
  return 0;
}

}  // namespace mj
