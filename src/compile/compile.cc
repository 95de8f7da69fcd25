// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "base/clock.h"
#include "base/machine.h"
#include "compile/fall_back.h"
#include "compile/latency_limit.h"
#include "compile/outgrown.h"
#include "compile/samples.h"
#include "compile/shaken.h"
#include "compile/verify.h"
#include "compile/written.h"
#include "engine/build/lower.h"
#include "engine/format/plugin_steps.h"
#include "runtime/layout.h"

namespace mj {
namespace {

// Adds the time until it dies to `sum`.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum) {}
  ~Stopwatch() { sum_ += seconds_since(start_); }

 private:
  double& sum_;
  Clock::time_point start_ = Clock::now();
};

std::vector<Port> ports(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<Port> ports;
  ports.reserve(ids.size());
  for (ValueId id : ids) ports.push_back({graph.value(id).name, graph.type(id), 0});
  return ports;
}

// A symbol that is some input's first dimension is a batch: 1. Every other one is a length: 128.
constexpr int64_t kTuneBatch = 1, kTuneLength = 128;
// Runs of loops' bodies on random inputs, all together. On such data a loop may never end.
constexpr int64_t kVerifyLoops = 10'000;
// Of runs that are timed against a limit; what is saved aims a little below it.
constexpr int kLatencyWarmRuns = 5, kLatencyRuns = 31, kLatencyAttempts = 4;
constexpr double kLatencyMargin = 1.1;

Bindings sizes(const Graph& graph, int64_t batch, int64_t length) {
  return sizes_at(ports(graph, graph.inputs), batch, length);
}

Bindings at_opt(Bindings sizes, const std::vector<SymbolRange>& profile) {
  for (const SymbolRange& range : profile) sizes[range.symbol] = range.opt;
  return sizes;
}

Bindings within(Bindings sizes, const std::vector<SymbolRange>& profile) {
  for (const SymbolRange& range : profile) {
    int64_t& size = sizes[range.symbol];
    size = std::clamp(size, range.min, range.max);
  }
  return sizes;
}

// Such outputs compare as equal whatever computed them.
bool all_empty(std::span<const Tensor> outputs) {
  return std::all_of(outputs.begin(), outputs.end(),
                     [](const Tensor& x) { return x.is_sequence() ? all_empty(x.items()) : x.size() == 0; });
}

bool all_finite(const Tensor& tensor) {
  if (tensor.is_sequence() || !is_float(tensor.dtype())) return true;
  const std::vector<double> values = tensor.to_f64();
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

// Steps that write elements of this type.
int count_writing(const Plan& plan, DType dtype) {
  return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(), [&](const Step& step) {
    return step.kind == Step::Kind::kernel && std::any_of(step.outputs.begin(), step.outputs.end(), [&](int id) {
             return id != kNoTensor && plan.tensors[static_cast<size_t>(id)].dtype == dtype;
           });
  }));
}

// The symbols that these shapes bind.
Result<Bindings> bound_by(std::span<const Port> inputs, const ProfileShapes::Shapes& shapes, std::string_view flag) {
  Bindings symbols;
  for (const auto& [name, dims] : shapes) {
    const auto port = std::find_if(inputs.begin(), inputs.end(), [&, &n = name](const Port& p) { return p.name == n; });
    if (port == inputs.end()) {
      std::string names;
      for (const Port& p : inputs) names += fmt::format("{}'{}'", names.empty() ? "" : ", ", p.name);
      return error(ErrorCode::usage, "{}: the model has no input '{}'; there are: {}", flag, name, names);
    }
    if (!port->type.is_tensor() || !port->type.shape) {
      return error(ErrorCode::usage, "{}: input '{}' is {}, which has no sizes to promise", flag, name,
                   to_string(port->type));
    }
    MJ_TRY(bind_shape(*port->type.shape, dims, fmt::format("{}: input '{}'", flag, name), symbols));
  }
  return symbols;
}

}  // namespace

Result<std::vector<SymbolRange>> profile_of(std::span<const Port> inputs, const ProfileShapes& shapes) {
  MJ_ASSIGN(Bindings min, bound_by(inputs, shapes.min, "--minShapes"));
  MJ_ASSIGN(Bindings opt, bound_by(inputs, shapes.opt, "--optShapes"));
  MJ_ASSIGN(Bindings max, bound_by(inputs, shapes.max, "--maxShapes"));
  opt.insert(max.begin(), max.end());
  opt.insert(min.begin(), min.end());
  std::vector<SymbolRange> ranges;
  for (const auto& [symbol, size] : opt) {
    const SymbolRange range{symbol, min.try_emplace(symbol, size).first->second, size,
                            max.try_emplace(symbol, size).first->second};
    if (range.min > range.opt || range.opt > range.max) {
      return error(ErrorCode::usage,
                   "--minShapes, --optShapes, --maxShapes: '{}' is {}, {} and {}, which does not rise", symbol,
                   range.min, range.opt, range.max);
    }
    ranges.push_back(range);
  }
  return ranges;
}

namespace {

// Of what the nodes of `graph` read.
int64_t constant_bytes(const Graph& graph) {
  std::set<ValueId> constants;
  for (const NodeId node : graph.order()) {
    for (const ValueId id : graph.node(node).inputs) {
      if (id != kAbsent && graph.value(id).is_constant()) constants.insert(id);
    }
  }
  int64_t bytes = 0;
  for (const ValueId id : constants) bytes += graph.value(id).info.constant.bytes();
  return bytes;
}

bool has_alternatives(const Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [](const Step& step) {
    return step.alternative || std::any_of(step.branches.begin(), step.branches.end(),
                                           [](const auto& branch) { return has_alternatives(*branch); });
  });
}

class Compilation {
 public:
  Compilation(const std::string& path, const CompileOptions& options)
      : path_(path),
        options_(options),
        profile_(options.profile),
        pool_(std::min(options.target.threads, default_threads())) {}

  Result<Compiled> run() {
    MJ_TRY(import());
    MJ_TRY(settle_profile());
    MJ_TRY(optimize_graph());
    MJ_TRY(build());
    if (!options_.verify) {
      why_unverified_ = "asked not to";
    } else if (!options_.target_is_here && !options_.target.gpu) {
      why_unverified_ = "not compiled on such a machine";
    } else {
      Result<void> verified = verify_against_oracle();
      if (!verified.ok() && missed_ && narrows_to()) {
        verified = keep_outgrown(verified.error());
      } else if (!verified.ok() && missed_) {
        verified = fall_back(verified.error());
      }
      MJ_TRY(verified);
    }
    progress("done", 1);
    return finish();
  }

 private:
  void progress(std::string_view stage, double done) const {
    if (options_.progress) options_.progress(stage, done);
  }

  Result<void> import() {
    progress("import", 0);
    Stopwatch watch(report_.import_seconds);
    MJ_ASSIGN(model_, import_onnx(path_, {.limits = {}, .fallback = options_.fallback}));
    report_.nodes = model_.graph.node_count();
    return {};
  }

  // From --profile and the shapes of inputs; each names sizes of the model, once.
  Result<void> settle_profile() {
    MJ_ASSIGN(const std::vector<SymbolRange> by_shapes,
              profile_of(ports(model_.graph, model_.graph.inputs), options_.profile_shapes));
    profile_.insert(profile_.end(), by_shapes.begin(), by_shapes.end());
    const Bindings known = sizes(model_.graph, 1, 1);
    std::set<std::string> seen;
    for (const SymbolRange& range : profile_) {
      if (!seen.insert(range.symbol).second)
        return error(ErrorCode::usage, "the profile gives dimension '{}' twice", range.symbol);
      if (known.contains(range.symbol)) continue;
      std::string names;
      for (const auto& [symbol, size] : known) names += (names.empty() ? "" : ", ") + symbol;
      return error(ErrorCode::usage, "--profile: the model has no dimension '{}'; it has: {}", range.symbol,
                   names.empty() ? "none" : names);
    }
    return {};
  }

  Result<void> optimize_graph() {
    progress("passes", 0.1);
    Stopwatch watch(report_.pass_seconds);
    graph_ = model_.graph;
    PassContext context;
    context.target = options_.target;
    context.narrow = narrows_to();
    context.keep_f32 = keep_f32_;
    report_.passes = {};
    context.log = &report_.passes;
    MJ_TRY(optimize(graph_, context));
    report_.kept_high = report_.passes.kept_high;
    return {};
  }

  Result<void> build() {
    MJ_ASSIGN(plan_, lower_graph(rounds_to()));
    report_.steps = static_cast<int>(plan_->steps.size());
    report_.on_device = static_cast<int>(std::count_if(plan_->steps.begin(), plan_->steps.end(),
                                                       [](const Step& step) { return step.device.has_value(); }));
    return {};
  }

  // What products on CPUs may round their operands to.
  std::optional<DType> rounds_to() const {
    return options_.precision == "bf16" && !options_.target.gpu ? std::optional(DType::bf16) : std::nullopt;
  }

  // What lies in a GPU's memory between steps.
  std::optional<DType> narrows_to() const {
    if (!options_.target.gpu) return std::nullopt;
    if (options_.precision == "fp16") return DType::f16;
    return options_.precision == "bf16" ? std::optional(DType::bf16) : std::nullopt;
  }

  // The plan of the fused graph, whose products may be rounded to `products`.
  Result<std::shared_ptr<const Plan>> lower_graph(std::optional<DType> products) {
    Stopwatch watch(report_.tune_seconds);
    TacticCache cache;
    if (!options_.cache_path.empty()) {
      MJ_ASSIGN(cache, TacticCache::read(options_.cache_path));
    }
    TuneOptions tune = options_.tune;
    tune.target = options_.target;
    tune.opt = at_opt(sizes(graph_, kTuneBatch, kTuneLength), profile_);
    tune.default_size = kTuneLength;
    tune.measure = tune.measure && options_.target_is_here;
    tune.device = tune.measure ? options_.device : nullptr;
    tune.gpu.cold_constants = tune.target.gpu && constant_bytes(graph_) > tune.target.gpu->l2_bytes;
    const auto joules = [&] { return tune.meter ? tune.meter->read() : std::nullopt; };
    const std::optional<Joules> joules_before = joules();
    Tuner tuner(tune, cache, pool_);
    TuneOptions on_host = tune;
    on_host.target.gpu.reset();
    Tuner host_tuner(on_host, cache, pool_);
    int done = 0;
    const int nodes = std::max<int>(1, graph_.node_count());
    const auto choose_with = [&](Tuner& chooser) {
      return [&, products](const Problem& problem, std::span<const Tensor> constants) {
        progress("tune", 0.15 + 0.45 * std::min(1.0, done++ / static_cast<double>(nodes)));
        Problem asked = problem;
        asked.products = products;
        return chooser.choose(asked, constants);
      };
    };
    const auto lower_it = [&] { return lower(graph_, choose_with(tuner), choose_with(host_tuner)); };
    MJ_ASSIGN(Plan plan, lower_it());
    if (options_.max_latency_seconds && tune.device) MJ_TRY(keep_latency(plan, tuner, lower_it));
    std::vector<DeviceCode*> gpu_steps;
    for (Step& step : plan.steps) {
      if (step.device) gpu_steps.push_back(&*step.device);
    }
    tuner.join_modules(gpu_steps);
    report_.measured += tuner.measured() + host_tuner.measured();
    report_.cache_hits += tuner.cache_hits() + host_tuner.cache_hits();
    if (const std::optional<Joules> after = joules(); joules_before && after) {
      report_.tune_joules = report_.tune_joules.value_or(Joules{}) + (*after - *joules_before);
    }
    if (!options_.cache_path.empty()) MJ_TRY(cache.write(options_.cache_path));
    return std::make_shared<const Plan>(std::move(plan));
  }

  // What a run takes, by the machine's clock: the median.
  Result<double> seconds_a_run(const Plan& plan) {
    std::vector<Tensor> inputs, outputs;
    std::vector<Port> in = ports(model_.graph, model_.graph.inputs);
    if (!options_.samples.empty()) {
      MJ_ASSIGN(inputs, options_.samples[0].make(in));
    } else {
      const Bindings at = at_opt(sizes(model_.graph, kTuneBatch, kTuneLength), profile_);
      const std::vector<int64_t> limits = index_limits(model_.graph, at);
      for (size_t i = 0; i < in.size(); ++i) in[i].index_limit = limits[i];
      MJ_ASSIGN(inputs, random_inputs(in, at, kTuneLength, options_.seed));
    }
    MJ_ASSIGN(auto program,
              Program::make(std::make_shared<const Plan>(plan), options_.target.isa, nullptr, on_device()));
    Session session(std::move(program), pool_, {});
    const auto machine = [start = start_] { return seconds_since(start); };
    std::vector<double> seconds;
    for (int i = 0; i < kLatencyWarmRuns + kLatencyRuns; ++i) {
      const double before = options_.now ? options_.now() : machine();
      MJ_TRY(session.run(inputs, outputs));
      if (i >= kLatencyWarmRuns) seconds.push_back((options_.now ? options_.now() : machine()) - before);
    }
    std::nth_element(seconds.begin(), seconds.begin() + kLatencyRuns / 2, seconds.end());
    return seconds[kLatencyRuns / 2];
  }

  // Lowers the plan again, with dearer seconds, until a run takes no longer than it may.
  Result<void> keep_latency(Plan& plan, Tuner& tuner, const std::function<Result<Plan>()>& lower_again) {
    const double limit = *options_.max_latency_seconds;
    const Plan cheapest = plan;
    MJ_ASSIGN(double seconds, seconds_a_run(plan));
    double to_save = 0;
    for (int attempt = 0; seconds > limit; ++attempt) {
      to_save += kLatencyMargin * (seconds - limit);
      const std::optional<Watts> price = attempt < kLatencyAttempts ? price_to_save(cheapest, to_save) : std::nullopt;
      tuner.set_price(price.value_or(kAnyPrice));
      MJ_ASSIGN(plan, lower_again());
      MJ_ASSIGN(seconds, seconds_a_run(plan));
      if (seconds <= limit || price) continue;
      return model_error(
          "--max-latency-ms {:.4g}: with the fastest choices a run takes {:.4g} ms on this GPU; no engine was written",
          limit * 1e3, seconds * 1e3);
    }
    report_.latency_seconds = seconds;
    return {};
  }

  Result<void> verify_against_oracle() {
    progress("verify", 0.6);
    Stopwatch watch(report_.verify_seconds);
    worst_ = tolerance_ = 0;
    verified_samples_ = 0;
    MJ_ASSIGN(const Written written, with_written(model_.graph));
    MJ_ASSIGN(Plan plan, lower(written.graph, choose_reference));
    if (written.rounds_maths) {
      auto other = std::make_shared<const Plan>(shaken(plan, options_.seed));
      MJ_ASSIGN(shaken_, Program::make(std::move(other), options_.target.isa));
    }
    MJ_ASSIGN(auto oracle, Program::make(std::make_shared<const Plan>(std::move(plan)), options_.target.isa));
    Programs programs;
    if (!left_to_first_load()) {
      MJ_ASSIGN(programs.emplace_back(), Program::make(plan_, options_.target.isa, nullptr, on_device()));
    }
    if (has_alternatives(*plan_) && !left_to_first_load()) {
      ProgramOptions own_rows = on_device();
      own_rows.libraries = false;
      MJ_ASSIGN(auto own, Program::make(plan_, options_.target.isa, nullptr, own_rows));
      programs.push_back(std::move(own));
    }
    std::vector<Port> in = ports(model_.graph, model_.graph.inputs);
    for (const SampleInputs& sample : options_.samples) {
      MJ_ASSIGN(const std::vector<Tensor> inputs, sample.make(in));
      Result<std::vector<Tensor>> want = run_once(oracle, pool_, inputs, false);
      if (!want.ok()) return want.error().in(fmt::format("sample '{}'", sample.name));
      MJ_TRY(check_written(written, *want));
      MJ_TRY(judge(programs, inputs, *want, fmt::format("sample '{}'", sample.name)));
    }
    if (!options_.samples.empty()) return {};

    std::vector<Bindings> tried;
    for (const TrialSizes& trial : trial_sizes(in, {2, 1})) {
      const Bindings small = within(trial.symbols, profile_);
      if (std::find(tried.begin(), tried.end(), small) != tried.end()) continue;
      const std::vector<int64_t> limits = index_limits(model_.graph, small);
      for (size_t i = 0; i < in.size(); ++i) in[i].index_limit = limits[i];
      MJ_ASSIGN(const std::vector<Tensor> inputs, random_inputs(in, small, trial.length, options_.seed));
      LoopBudget loops{kVerifyLoops};
      Result<std::vector<Tensor>> want = run_once(oracle, pool_, inputs, false, &loops);
      if (loops.left < 0) {
        why_unverified_ = want.error().message + " on random inputs; give --samples on which they end";
        return {};
      }
      if (want.ok()) MJ_TRY(check_written(written, *want));
      if (want.ok() && !all_empty(*want)) return judge(programs, inputs, *want, "random inputs");
      if (tried.empty()) {
        why_unverified_ = want.ok() ? "on small inputs the model has no output to compare" : want.error().message;
      }
      tried.push_back(small);
    }
    return {};
  }

  // Outputs are too far off since products are rounded: of the steps that round, as few as possible go back to f32, the
  // worst first. How bad a step is shows in a plan where it alone rounds. Gives `why` back where that does not help.
  Result<void> fall_back(const Error& why) {
    const std::shared_ptr<const Plan> low = plan_;
    std::vector<size_t> steps = rounding_steps(*low);
    if (steps.empty()) return why;
    MJ_ASSIGN(const std::shared_ptr<const Plan> high, lower_graph(std::nullopt));
    if (!interchangeable(*low, *high)) return why;
    const Sample sample = *missed_;
    std::map<size_t, double> errors;
    for (const size_t step : steps) {
      auto alone = std::make_shared<const Plan>(with_steps(*high, *low, std::span(&step, 1)));
      MJ_ASSIGN(auto program, Program::make(std::move(alone), options_.target.isa));
      MJ_ASSIGN(const std::vector<Tensor> got, run_once(std::move(program), pool_, sample.inputs, true));
      errors[step] = compare_outputs(got, sample.outputs).worst;
    }
    std::stable_sort(steps.begin(), steps.end(), [&](size_t a, size_t b) { return errors[a] > errors[b]; });
    const auto try_without = [&](size_t count) {
      plan_ = std::make_shared<const Plan>(with_steps(*low, *high, std::span(steps).first(count)));
      return verify_against_oracle();
    };
    size_t misses = 0, passes = steps.size();
    while (misses + 1 < passes) {
      const size_t middle = (misses + passes) / 2;
      (try_without(middle).ok() ? passes : misses) = middle;
    }
    for (size_t i = 0; i < passes; ++i) report_.kept_high.push_back(place_of(low->steps[steps[i]]));
    return try_without(passes);
  }

  // Outputs are too far off since tensors have 16 bits: where numbers outgrew these on the way, f32 they stay. Gives
  // `why` back where none did.
  Result<void> keep_outgrown(const Error& why) {
    Graph graph = model_.graph;
    PassContext context;
    context.target = options_.target;
    MJ_TRY(optimize(graph, context));
    MJ_ASSIGN(Plan plan, lower(graph, choose_reference));
    MJ_ASSIGN(auto program, Program::make(std::make_shared<const Plan>(std::move(plan)), options_.target.isa));
    MJ_ASSIGN(keep_f32_, outgrown(std::move(program), pool_, missed_->inputs, *narrows_to()));
    if (keep_f32_.empty()) return why;
    MJ_TRY(optimize_graph());
    MJ_TRY(build());
    return verify_against_oracle();
  }

  ProgramOptions on_device() const {
    ProgramOptions options;
    options.device = options_.device;
    return options;
  }

  // A plan for a GPU that is not here: the file takes inputs and the oracle's outputs along.
  bool left_to_first_load() const { return options_.target.gpu && !options_.target_is_here; }

  double least_tolerance() const {
    return options_.tolerance.value_or(default_tolerance(options_.precision, options_.target.gpu.has_value()));
  }

  // The plan as chosen and, if libraries serve it, by its alternatives alone.
  using Programs = std::vector<std::shared_ptr<const Program>>;

  // An oracle that is further than that from itself vouches for nothing: there the yardstick ends.
  static constexpr double kMostApart = 0.05;

  // What each output may be off, given the oracle's.
  Result<std::vector<double>> allowed(std::span<const Tensor> inputs, std::span<const Tensor> want) {
    std::vector<double> allowed(want.size(), least_tolerance());
    if (!shaken_) return allowed;
    MJ_ASSIGN(std::vector<Tensor> other, run_once(shaken_, pool_, inputs, false));
    other.resize(want.size());
    const Comparison apart = compare_outputs(other, want);
    for (size_t k = 0; k < allowed.size(); ++k) {
      // Outputs of bytes have no distance: those must be equal as ever.
      if (std::isfinite(apart.errors[k])) {
        allowed[k] = std::max(allowed[k], std::min(2 * apart.errors[k], kMostApart));
      }
    }
    return allowed;
  }

  // Runs them on inputs for which the oracle's outputs are known; an error when they differ by more than allowed.
  Result<void> judge(const Programs& programs, std::span<const Tensor> inputs, std::span<const Tensor> want,
                     std::string_view which) {
    progress("verify", 0.8);
    MJ_ASSIGN(const std::vector<double> limits, allowed(inputs, want));
    for (double limit : limits) tolerance_ = std::max(tolerance_, limit);
    if (left_to_first_load()) {
      for_first_load_.push_back(Sample{{inputs.begin(), inputs.end()}, {want.begin(), want.end()}});
      why_unverified_ = "built without its device; verified where it is loaded first, on the file's samples";
      return {};
    }
    for (size_t p = 0; p < programs.size(); ++p) {
      MJ_ASSIGN(const std::vector<Tensor> got, run_once(programs[p], pool_, inputs, true));
      const Comparison comparison = compare_outputs(got, want);
      for (size_t k = 0; k < comparison.errors.size(); ++k) {
        if (comparison.errors[k] <= limits[k]) continue;
        missed_ = Sample{{inputs.begin(), inputs.end()}, {want.begin(), want.end()}};
        if (narrows_to() && all_finite(want[k]) && !all_finite(got[k])) {
          return model_error(
              "output '{}' is infinite or NaN on {} where the reference is finite: numbers between its layers are too "
              "large for {}; no engine was written. {}",
              model_.graph.value(model_.graph.outputs[k]).name, which, options_.precision,
              options_.precision == "fp16" ? "--precision bf16 holds them" : "--precision fp32 holds them");
        }
        return model_error(
            "output '{}' differs from the reference by {:.3g} relative L2 on {}{}, allowed is {:.3g}; no engine "
            "was written. `millijoule compare MODEL ENGINE` finds the step; MJ_PASSES=-name switches a pass off",
            model_.graph.value(model_.graph.outputs[k]).name, comparison.errors[k], which,
            p ? " by own rows in place of the libraries'" : "", limits[k]);
      }
      worst_ = std::max(worst_, comparison.worst);
    }
    ++verified_samples_;
    return {};
  }

  Result<Compiled> finish() {
    Compiled compiled;
    Manifest& manifest = compiled.manifest;
    manifest.inputs = ports(model_.graph, model_.graph.inputs);
    const std::vector<int64_t> limits = index_limits(model_.graph);
    for (size_t i = 0; i < limits.size(); ++i) manifest.inputs[i].index_limit = limits[i];
    manifest.outputs = ports(graph_, graph_.outputs);
    if (!profile_.empty()) manifest.profiles.push_back({"default", profile_});

    EngineTarget target;
    target.name = options_.target.name();
    if (options_.target.gpu)
      target.requirements.emplace_back(
          fmt::format("compute capability {}.{}", options_.target.gpu->sm / 10, options_.target.gpu->sm % 10));
    if (options_.target.isa != Isa::portable) target.requirements.emplace_back(name(options_.target.isa));
    target.precision = options_.precision;
    target.verification.verified = verified_samples_ > 0;
    target.verification.samples = verified_samples_;
    target.verification.machine = machine_name();
    target.verification.reference = verified_samples_ ? "the model at O0, reference kernels" : why_unverified_;
    if (verified_samples_ && has_alternatives(*plan_)) {
      target.verification.reference += ", with its libraries and by own rows in their place";
    }
    target.verification.max_error = worst_;
    target.verification.tolerance = std::max(tolerance_, least_tolerance());
    target.plan = *plan_;
    manifest.samples = for_first_load_;
    manifest.plugins = plugin_uses(*plan_);
    manifest.targets.push_back(std::move(target));
    report_.rounded = narrows_to() ? count_writing(*plan_, *narrows_to()) : count_rounding(*plan_);
    if (rounds_to() || narrows_to()) manifest.accuracy = accuracy();

    manifest.provenance.model_digest = model_.hash;
    manifest.provenance.model_file = std::filesystem::path(path_).filename();
    manifest.provenance.producer = "millijoule";
    manifest.provenance.producer_version = MJ_VERSION;
    manifest.provenance.options = options_.options_text;
    manifest.provenance.seed = options_.seed;
    report_.seconds = seconds_since(start_);
    compiled.report = std::move(report_);
    compiled.report.graph = std::move(graph_);
    return compiled;
  }

  AccuracyCard accuracy() const {
    AccuracyCard card;
    card.metric = "relative L2 of the worst output";
    card.samples = verified_samples_;
    card.gate = std::max(tolerance_, least_tolerance());
    if (verified_samples_ > 0) card.after = worst_;
    card.passed = verified_samples_ > 0;
    card.kept_high = report_.kept_high;
    if (options_.samples.empty() && verified_samples_ > 0) card.taints.emplace_back("random inputs");
    return card;
  }

  const std::string& path_;
  const CompileOptions& options_;
  std::vector<SymbolRange> profile_;
  const Clock::time_point start_ = Clock::now();
  ThreadPool pool_;
  Model model_;
  Graph graph_;
  std::shared_ptr<const Plan> plan_;
  CompileReport report_;
  std::set<std::string> keep_f32_;         // names of nodes that 16 bits do not serve
  std::shared_ptr<const Program> shaken_;  // the oracle's yardstick, where one is needed
  double worst_ = 0, tolerance_ = 0;
  int verified_samples_ = 0;
  std::optional<Sample> missed_;  // the inputs, and the oracle's outputs, on which the plan was too far off
  std::string why_unverified_;
  std::vector<Sample> for_first_load_;
};

}  // namespace

double default_tolerance(std::string_view precision, bool on_gpu) {
  if (precision == "bf16") return on_gpu ? 0.03 : 0.02;
  return precision == "fp16" ? 0.01 : 1e-4;
}

Result<Plan> oracle_plan(const Model& model) {
  Graph graph = model.graph;
  MJ_TRY(define_quantized(graph, {}));
  return lower(graph, choose_reference);
}

Result<Compiled> compile(const std::string& model_path, const CompileOptions& options) {
  constexpr std::array<std::string_view, 3> kKnown = {"fp32", "fp16", "bf16"};
  constexpr std::array<std::string_view, 5> kToCome = {"tf32", "fp8", "int8", "int4", "auto"};
  const auto among = [&](const auto& names) {
    return std::find(names.begin(), names.end(), options.precision) != names.end();
  };
  if (!among(kKnown)) {
    if (among(kToCome)) {
      return error(ErrorCode::unsupported, "--precision {}: this version compiles fp32, fp16 and bf16 only",
                   options.precision);
    }
    return error(ErrorCode::usage, "--precision: '{}' is not known; use fp32, fp16 or bf16", options.precision);
  }
  if (options.precision == "fp16" && !options.target.gpu) {
    return error(ErrorCode::usage, "--precision fp16: only GPUs have kernels of it; add --target cuda, or use bf16");
  }
  return Compilation(model_path, options).run();
}

}  // namespace mj
