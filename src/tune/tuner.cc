// SPDX-License-Identifier: Apache-2.0
#include "tune/tuner.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/clock.h"
#include "base/log.h"
#include "device/cuda/nvrtc.h"
#include "tune/contest.h"
#include "tune/module_text.h"

namespace mj {
namespace {

// What one of these rows must win by. A library's rows pack again at load, beside the weights that the engine maps; and
// nothing is rounded that hardly saves time.
constexpr double kLibraryHandicap = 1.1, kRoundingHandicap = 1.05;

// Candidates for a GPU whose estimate is further than this from the best are not compiled and timed.
constexpr double kWorthTiming = 1.5;

// Runs at once, where it is throughput that counts: as many as a server may have under way.
constexpr int kRunsAtOnce = 4;

// Where joules count, they are measured of those that take at most so many times the best's time.
constexpr double kNearlyBest = 1.1;

// Measured before estimated before order of preference. Estimates count only where nothing was measured and all have
// one; the reference, which has none, stays last. Joules count only where there are any, and those without come after.
void rank(std::vector<Candidate>& candidates, std::span<const SelectRow* const> rows, Objective objective,
          Watts price) {
  constexpr double kNever = 1e30;
  auto is_reference = [](const Candidate& c) { return c.row == "reference"; };
  const bool by_estimate = std::all_of(candidates.begin(), candidates.end(), [&](const Candidate& c) {
    return is_reference(c) || (!c.seconds && c.estimated_seconds);
  });
  auto handicap = [&](const Candidate& c) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const SelectRow* r) { return r->name == c.row; });
    if (row == rows.end()) return 1.0;
    return (*row)->products ? kRoundingHandicap : (*row)->alternative.empty() ? 1.0 : kLibraryHandicap;
  };
  const bool by_joules = weighs(objective) && std::any_of(candidates.begin(), candidates.end(),
                                                          [](const Candidate& c) { return c.seconds && c.joules; });
  auto cost = [&](const Candidate& c) {
    if (by_estimate && !is_reference(c)) return handicap(c) * *c.estimated_seconds;
    if (!c.seconds || (by_joules && !c.joules)) return kNever;
    if (!by_joules) return handicap(c) * *c.seconds;
    if (objective == Objective::edp) return handicap(c) * c.joules->value * *c.seconds;
    return handicap(c) * (*c.joules + price * Seconds{*c.seconds}).value;
  };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const Candidate& a, const Candidate& b) { return cost(a) < cost(b); });
}

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> words;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (end > 0) words.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return words;
}

// What MJ_TACTIC says of one family.
struct Forced {
  std::vector<std::string_view> only, without;

  bool forbids(std::string_view row) const {
    const auto has = [&](std::string_view word) { return row.find(word) != std::string_view::npos; };
    return std::any_of(without.begin(), without.end(), has) ||
           (!only.empty() && std::find(only.begin(), only.end(), row) == only.end());
  }
};

Forced forced_for(std::string_view list, const std::string& family) {
  Forced forced;
  for (std::string_view word : words_of(list)) {
    if (word.starts_with("-")) forced.without.push_back(word.substr(1));
    if (word.starts_with(family + ":")) forced.only.push_back(word.substr(family.size() + 1));
  }
  return forced;
}

// What is at hand and decides how fast code runs on it.
std::string machine_of(const TuneOptions& options) {
  if (!options.target.gpu || !options.device) return "";
  const CudaFacts& facts = options.device->facts();
  std::string text =
      fmt::format(" gpu=({} {}x{}MHz {}bitx{}MHz driver={} nvrtc={} constants={}", facts.name, facts.multiprocessors,
                  facts.clock_khz / 1000, facts.memory_bus_bits, facts.memory_clock_khz / 1000, facts.driver_version,
                  options.compile_code ? "" : nvrtc_version(), options.gpu.cold_constants ? "cold" : "warm");
  if (options.meter) {
    if (const auto limit = options.meter->readings().power_limit_watts) text += fmt::format(" limit={:.0f}W", *limit);
  }
  if (options.objective != Objective::latency) text += fmt::format(" objective={}", name(options.objective));
  return text + ")";
}

Tensor code_tensor(std::span<const std::byte> code) {
  return Tensor::of<uint8_t>({static_cast<int64_t>(code.size())},
                             {reinterpret_cast<const uint8_t*>(code.data()), code.size()});
}

}  // namespace

std::string_view name(Objective objective) {
  switch (objective) {
    case Objective::latency:
      return "latency";
    case Objective::throughput:
      return "throughput";
    case Objective::energy:
      return "energy";
    case Objective::edp:
      return "edp";
  }
  return "";
}

Result<Objective> parse_objective(std::string_view text) {
  for (const Objective objective : {Objective::latency, Objective::throughput, Objective::energy, Objective::edp}) {
    if (text == name(objective)) return objective;
  }
  return error(ErrorCode::usage, "--objective: '{}' is not known; use latency, throughput, energy or edp", text);
}

Result<void> check_forced(std::string_view forced) {
  for (std::string_view word : words_of(forced)) {
    const auto rows = all_select_rows();
    const bool known = std::any_of(rows.begin(), rows.end(), [&](const SelectRow* row) {
      if (word.starts_with("-")) return word.size() > 1 && row->name.find(word.substr(1)) != std::string_view::npos;
      const size_t colon = word.find(':');
      if (colon == std::string_view::npos || word.substr(colon + 1) != row->name) return false;
      return row->family == "any" || row->family == word.substr(0, colon);
    });
    if (!known) {
      return error(ErrorCode::usage,
                   "MJ_TACTIC: no row answers to '{}'; write FAMILY:ROW, or -WORD of rows to leave "
                   "out; `millijoule tactics` lists them",
                   word);
    }
  }
  return {};
}

Tuner::Tuner(TuneOptions options, TacticCache& cache, ThreadPool& pool)
    : options_(std::move(options)), cache_(cache), pool_(pool), machine_(machine_of(options_)) {
  if (options_.objective == Objective::throughput) options_.gpu.at_once = kRunsAtOnce;
  if (options_.meter && options_.joules_in_all) joules_at_start_ = options_.meter->read();
}

bool Tuner::within_budget(double seconds) const {
  if (seconds >= options_.seconds_in_all) return false;
  if (!options_.joules_in_all) return true;
  const std::optional<Joules> now = options_.meter ? options_.meter->read() : std::nullopt;
  return now && joules_at_start_ && *now - *joules_at_start_ < *options_.joules_in_all;
}

std::string Tuner::key(const Problem& problem) const {
  std::string sizes;
  std::vector<std::string> seen;
  for (const Operand& operand : problem.inputs) {
    for (const Dim& dim : operand.shape) {
      for (const std::string& symbol : dim.symbols()) {
        if (std::find(seen.begin(), seen.end(), symbol) != seen.end()) continue;
        seen.push_back(symbol);
        const auto at = options_.opt.find(symbol);
        sizes += fmt::format("{}{}", sizes.empty() ? "" : ",",
                             at == options_.opt.end() ? options_.default_size : at->second);
      }
    }
  }
  std::string rows;
  for (const SelectRow* row : rows_for(problem, options_.target))
    rows += fmt::format("{}{}/{}", rows.empty() ? "" : " ", row->name, row->version);
  std::string units;
  if (problem.products) {
    units = fmt::format(" avx512_bf16={:d} amx_bf16={:d}", options_.target.avx512_bf16, options_.target.amx_bf16);
  }
  return fmt::format("{} @ [{}] on {} threads={} onednn={}{}{} rows=({}) {}", to_string(problem), sizes,
                     options_.target.name(), options_.target.threads, options_.target.onednn, units, machine_, rows,
                     options_.forced);
}

Bindings Tuner::sizes_for(const Problem& problem) const {
  Bindings sizes = options_.opt;
  for (const auto* operands : {&problem.inputs, &problem.outputs})
    for (const Operand& operand : *operands)
      for (const Dim& dim : operand.shape)
        for (const std::string& symbol : dim.symbols()) sizes.try_emplace(symbol, options_.default_size);
  return sizes;
}

// What is worth a try depends on sizes: kernels for GPUs take those that the engine is tuned for.
std::vector<std::string> Tuner::configs_of(const SelectRow& row, const Problem& problem) const {
  if (!row.generate) return row.configs(problem, options_.target);
  std::map<std::string, Dim, std::less<>> values;
  for (const auto& [symbol, size] : sizes_for(problem)) values[symbol] = size;
  Problem sized = problem;
  for (auto* operands : {&sized.inputs, &sized.outputs}) {
    for (Operand& operand : *operands) {
      for (Dim& dim : operand.shape) {
        if (!dim.is_constant()) dim = dim.substitute(values);
      }
    }
  }
  return row.configs(sized, options_.target);
}

std::vector<Tuner::Option> Tuner::options_for(const Problem& problem, Choice& choice) const {
  std::vector<Option> found;
  Forced forced = forced_for(options_.forced, family(problem));
  const std::vector<const SelectRow*> rows = rows_for(problem, options_.target);
  // Rows of a precision that the problem does not allow force nothing.
  const auto names = [](const std::vector<const SelectRow*>& among, std::string_view word) {
    return std::any_of(among.begin(), among.end(), [&](const SelectRow* row) { return row->name == word; });
  };
  std::erase_if(forced.only,
                [&](std::string_view word) { return names(rows_of(family(problem)), word) && !names(rows, word); });
  for (const SelectRow* row : rows) {
    const bool is_reference = row->family == "any";
    Refusal refusal = row->refuses(problem, options_.target);
    // The reference stays where the forced row refuses: a choice always exists.
    if (!refusal && (!is_reference || !found.empty()) && forced.forbids(row->name)) {
      refusal = "left out by MJ_TACTIC=" + options_.forced;
    }
    if (refusal) {
      choice.refused.push_back({std::string(row->name), *refusal});
      continue;
    }
    if (is_reference && !found.empty()) {
      found.push_back({row, ""});  // listed as a runner-up, not timed
      continue;
    }
    for (std::string& config : configs_of(*row, problem)) found.push_back({row, std::move(config)});
  }
  // What a GPU can do stays there: rows of the host would wait for copies, which nothing here knows of.
  const auto on_gpu = [](const Option& option) { return option.row->generate != nullptr; };
  if (std::any_of(found.begin(), found.end(), on_gpu)) std::erase_if(found, std::not_fn(on_gpu));
  return found;
}

Result<void> Tuner::measure(const Problem& problem, std::span<const Option> options, std::span<const Tensor> constants,
                            std::span<Candidate> candidates) {
  const Bindings bindings = sizes_for(problem);
  const auto fits = [&](const Operand& operand) {
    return operand.dtype == DType::none || evaluate(operand.shape, bindings).ok();
  };
  if (!std::all_of(problem.inputs.begin(), problem.inputs.end(), fits) ||
      !std::all_of(problem.outputs.begin(), problem.outputs.end(), fits)) {
    return {};
  }
  if (options[0].row->generate) return measure_on_gpu(problem, options, constants, bindings, candidates);
  MJ_ASSIGN(Contest contest, Contest::make(problem, constants, bindings, pool_));
  for (const Option& option : options) MJ_TRY(contest.add(*option.row, option.config, options_.target));
  measured_ += static_cast<int>(options.size());
  MJ_ASSIGN(const std::vector<double> seconds, contest.run(options_.seconds_a_candidate));
  for (size_t i = 0; i < seconds.size(); ++i) candidates[i].seconds = seconds[i];
  return {};
}

Result<void> Tuner::measure_on_gpu(const Problem& problem, std::span<const Option> options,
                                   std::span<const Tensor> constants, const Bindings& bindings,
                                   std::span<Candidate> candidates) {
  std::vector<size_t> entries(options.size());
  std::iota(entries.begin(), entries.end(), size_t{0});
  const auto promise = [&](size_t i) { return candidates[i].estimated_seconds.value_or(0); };
  std::stable_sort(entries.begin(), entries.end(), [&](size_t a, size_t b) { return promise(a) < promise(b); });
  entries.resize(std::min(entries.size(), options_.most_on_gpu));
  std::erase_if(entries, [&, limit = kWorthTiming * promise(entries[0])](size_t i) { return promise(i) > limit; });

  std::vector<Option> entered;
  for (const size_t i : entries) entered.push_back(options[i]);
  std::vector<Result<DeviceCode>> code = device_code(problem, entered);
  // What this compiler refuses is out, unless it refuses all.
  const auto taken = std::find_if(code.begin(), code.end(), [](const Result<DeviceCode>& one) { return one.ok(); });
  if (taken == code.end()) return code[0].error();
  for (size_t i = code.size(); i-- > 0;) {
    if (code[i].ok()) continue;
    log_warning("left out: {}", code[i].error().message);
    const auto at = static_cast<std::ptrdiff_t>(i);
    code.erase(code.begin() + at);
    entered.erase(entered.begin() + at);
    entries.erase(entries.begin() + at);
  }
  std::vector<Result<Packed>> packed(entered.size(), Packed{});
  pool_.run(static_cast<int64_t>(entered.size()), [&](int64_t task, int) {
    const auto i = static_cast<size_t>(task);
    packed[i] = entered[i].row->pack(problem, options_.target, entered[i].config, constants);
  });
  MJ_ASSIGN(const auto contest, GpuContest::make(options_.device, problem, constants, bindings, options_.gpu));
  for (size_t i = 0; i < entered.size(); ++i) {
    if (!packed[i].ok()) return packed[i].error();
    const std::string& config = entered[i].config;
    MJ_TRY(contest->add(fmt::format("{}{}{}", entered[i].row->name, config.empty() ? "" : " ", config),
                        std::move(*code[i]), *packed[i]));
  }
  measured_ += static_cast<int>(entered.size());
  MJ_ASSIGN(const std::vector<double> seconds, contest->run());
  for (size_t i = 0; i < entries.size(); ++i) candidates[entries[i]].seconds = seconds[i];
  return weighs(options_.objective) ? weigh(*contest, entries, candidates) : Result<void>();
}

// Candidate entries[i] is contestant i.
Result<void> Tuner::weigh(GpuContest& contest, std::span<const size_t> entries, std::span<Candidate> candidates) {
  CHECK(options_.meter, "objective '{}' without a meter", name(options_.objective));
  double best = *candidates[entries[0]].seconds;
  for (const size_t i : entries) best = std::min(best, *candidates[i].seconds);
  for (size_t i = 0; i < entries.size(); ++i) {
    Candidate& candidate = candidates[entries[i]];
    if (*candidate.seconds > kNearlyBest * best) continue;
    MJ_ASSIGN(const GpuEnergy energy, contest.weigh(i, *options_.meter, options_.weighing));
    if (!energy.why_not.empty()) {
      return error(ErrorCode::environment, "--objective {}: {}", name(options_.objective), energy.why_not);
    }
    candidate.joules = energy.mean;
  }
  return {};
}

// Packed alike, so it costs the file nothing.
Alternative Tuner::alternative_of(const SelectRow& row, const Problem& problem, const Packed& packed) const {
  for (const SelectRow* own : rows_of(family(problem))) {
    if (own->name != row.alternative) continue;
    CHECK(!own->refuses(problem, options_.target), "'{}' refuses what '{}' takes", own->name, row.name);
    return {std::string(own->name), own->version, own->configs(problem, options_.target)[0], packed.tensors};
  }
  CHECK(false, "'{}' has no alternative '{}'", row.name, row.alternative);
}

Result<std::vector<std::byte>> Tuner::compile(const std::string& source, const std::string& name) const {
  const int sm = options_.target.gpu->sm;
  const std::string whole = std::string(kernel_prelude()) + source;
  return options_.compile_code ? options_.compile_code(whole, sm, name) : compile_cuda(whole, CudaArch::of(sm), name);
}

std::vector<Result<DeviceCode>> Tuner::device_code(const Problem& problem, std::span<const Option> options) {
  struct Job {
    const std::string *source, *name;
    std::string place;
    Result<std::vector<std::byte>> code;
  };
  std::vector<Generated> all;
  for (const Option& option : options) all.push_back(option.row->generate(problem, options_.target, option.config));
  std::vector<Job> jobs;
  const std::string no_name;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!code_.try_emplace(all[i].source).second) continue;
    const std::string& config = options[i].config;
    jobs.push_back({&all[i].source, all[i].launches.empty() ? &no_name : &all[i].launches[0].function,
                    fmt::format("{}{}{}", options[i].row->name, config.empty() ? "" : " ", config),
                    std::vector<std::byte>()});
  }
  pool_.run(static_cast<int64_t>(jobs.size()), [&](int64_t task, int) {
    Job& job = jobs[static_cast<size_t>(task)];
    job.code = compile(*job.source, *job.name);
  });
  std::map<std::string, Error> failed;  // by source
  for (const Job& job : jobs) {
    if (job.code.ok()) {
      code_[*job.source] = code_tensor(*job.code);
    } else {
      code_.erase(*job.source);
      failed.emplace(*job.source, job.code.error().in(job.place));
    }
  }
  std::vector<Result<DeviceCode>> code(all.size(), DeviceCode{});
  for (size_t i = 0; i < all.size(); ++i) {
    Generated& g = all[i];
    if (const auto error = failed.find(g.source); error != failed.end()) {
      code[i] = error->second;
    } else {
      *code[i] = {code_.at(g.source), std::move(g.launches), g.workspace_bytes, std::move(g.in_place)};
    }
  }
  return code;
}

void Tuner::join_modules(std::span<DeviceCode* const> steps) {
  const auto start = Clock::now();
  std::map<const void*, const std::string*> source_of;  // by code
  for (const auto& [source, code] : code_) source_of[code.raw()] = &source;
  std::vector<KernelSource> sources;
  std::map<const void*, size_t> places;  // in `sources`, by code
  for (const DeviceCode* step : steps) {
    const auto known = source_of.find(step->code.raw());
    CHECK(known != source_of.end(), "a step with code of another tuner");
    if (!places.try_emplace(step->code.raw(), sources.size()).second) continue;
    KernelSource& source = sources.emplace_back(KernelSource{*known->second, {}});
    for (const Launch& launch : step->launches) source.functions.push_back(launch.function);
  }
  if (sources.size() <= kMostModules) return;
  const std::vector<ModuleText> texts = module_texts(sources);
  std::vector<Result<std::vector<std::byte>>> compiled(texts.size(), std::vector<std::byte>());
  pool_.run(static_cast<int64_t>(texts.size()), [&](int64_t task, int) {
    const auto i = static_cast<size_t>(task);
    compiled[i] = compile(texts[i].source, fmt::format("module {}", i + 1));
  });
  struct Part {
    Tensor code;
    const std::map<std::string, std::string>* names = nullptr;
  };
  std::vector<Part> parts(sources.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!compiled[i].ok()) {
      log_warning("{} kernels stay in modules of their own, loading will take longer: {}", texts[i].parts.size(),
                  compiled[i].error().message);
      continue;
    }
    const Tensor code = code_tensor(*compiled[i]);
    for (size_t p = 0; p < texts[i].parts.size(); ++p) parts[texts[i].parts[p]] = {code, &texts[i].names[p]};
  }
  for (DeviceCode* step : steps) {
    const Part& part = parts[places.at(step->code.raw())];
    if (!part.names) continue;
    step->code = part.code;
    for (Launch& launch : step->launches) launch.function = part.names->at(launch.function);
  }
  seconds_ += seconds_since(start);
}

Result<Chosen> Tuner::choose(const Problem& asked, std::span<const Tensor> constants) {
  const auto start = Clock::now();
  Problem problem = asked;
  const std::vector<const SelectRow*> offered = rows_for(problem, options_.target);
  if (std::none_of(offered.begin(), offered.end(), [](const SelectRow* row) { return row->products.has_value(); })) {
    problem.products.reset();
  }
  // The first of the candidates; nothing where no row of its name is offered.
  const auto take_best = [&](Choice& choice) -> const SelectRow* {
    choice.row = choice.candidates[0].row;
    choice.config = choice.candidates[0].config;
    for (const SelectRow* row : offered) {
      if (row->name != choice.row) continue;
      choice.version = row->version;
      return row;
    }
    return nullptr;
  };
  const std::string key = this->key(problem);
  Chosen chosen;
  const SelectRow* row = nullptr;
  if (std::optional<Choice> cached = cache_.find(key)) {
    if (price_.value > 0 && !cached->candidates.empty()) {
      rank(cached->candidates, offered, options_.objective, price_);
      take_best(*cached);
    }
    // A cache is a file that anyone may have edited: only what the row itself offers is believed.
    for (const SelectRow* candidate : offered) {
      if (candidate->name != cached->row || candidate->version != cached->version) continue;
      if (candidate->refuses(problem, options_.target)) continue;
      const std::vector<std::string> configs = configs_of(*candidate, problem);
      if (std::find(configs.begin(), configs.end(), cached->config) != configs.end()) row = candidate;
    }
    if (row) chosen.choice = *cached, ++cache_hits_;
  }
  if (!row) {
    Choice choice;
    const std::vector<Option> found = options_for(problem, choice);
    for (const Option& option : found) {
      choice.candidates.push_back({std::string(option.row->name), option.config, std::nullopt,
                                   option.row->estimate(problem, options_.target, options_.opt), std::nullopt});
    }
    // The reference as a fallback is listed, not timed.
    const bool has_fallback = found.size() > 1 && found.back().row->family == "any";
    const std::span<const Option> contestants(found.data(), found.size() - (has_fallback ? 1 : 0));
    bool decided = true;  // nothing left that a later build could measure
    if (contestants.size() > 1) {
      const bool at_hand = options_.measure && (found[0].row->generate == nullptr || options_.device);
      decided = at_hand && within_budget(seconds_ + seconds_since(start));
      if (decided) MJ_TRY(measure(problem, contestants, constants, choice.candidates));
    }
    rank(choice.candidates, offered, options_.objective, {});
    row = take_best(choice);
    if (decided) cache_.put(key, choice);
    chosen.choice = std::move(choice);
  }
  MJ_ASSIGN(chosen.packed, row->pack(problem, options_.target, chosen.choice.config, constants));
  chosen.products = row->products;
  if (row->generate) {
    const Option option{row, chosen.choice.config};
    MJ_ASSIGN(chosen.device, std::move(device_code(problem, {&option, 1})[0]));
  }
  if (!row->alternative.empty()) chosen.alternative = alternative_of(*row, problem, chosen.packed);
  seconds_ += seconds_since(start);
  return chosen;
}

}  // namespace mj
