// SPDX-License-Identifier: Apache-2.0
#include "tune/tuner.h"

#include <algorithm>
#include <chrono>
#include <random>

namespace mj {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Noise for floats; zeros for integers, which are always in range as indices.
void fill(Tensor& tensor, uint32_t seed) {
  if (tensor.dtype() != DType::f32) return;
  std::minstd_rand random(seed + 1);
  for (float& x : tensor.mutable_data<float>()) {
    x = static_cast<float>(random()) / static_cast<float>(std::minstd_rand::max()) * 2 - 1;
  }
}

std::optional<std::vector<int64_t>> sizes(const Shape& shape, const Bindings& opt, int64_t default_size) {
  Bindings bindings = opt;
  for (const Dim& dim : shape) {
    for (const std::string& symbol : dim.symbols()) bindings.try_emplace(symbol, default_size);
  }
  Result<std::vector<int64_t>> dims = evaluate(shape, bindings);
  return dims.ok() ? std::optional(std::move(dims).value()) : std::nullopt;
}

// Measured before estimated before order of preference. Estimates count only where nothing was measured and all have
// one; the reference, which has none, stays last.
void rank(std::vector<Candidate>& candidates) {
  constexpr double kNever = 1e30;
  auto is_reference = [](const Candidate& c) { return c.row == "reference"; };
  const bool by_estimate = std::all_of(candidates.begin(), candidates.end(), [&](const Candidate& c) {
    return is_reference(c) || (!c.seconds && c.estimated_seconds);
  });
  auto cost = [&](const Candidate& c) {
    return by_estimate && !is_reference(c) ? *c.estimated_seconds : c.seconds.value_or(kNever);
  };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const Candidate& a, const Candidate& b) { return cost(a) < cost(b); });
}

}  // namespace

Tuner::Tuner(TuneOptions options, TacticCache& cache, ThreadPool& pool)
    : options_(std::move(options)), cache_(cache), pool_(pool) {}

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
  for (const SelectRow* row : rows_for(problem))
    rows += fmt::format("{}{}/{}", rows.empty() ? "" : " ", row->name, row->version);
  return fmt::format("{} @ [{}] on {} threads={} onednn={} rows=({}) {}", to_string(problem), sizes,
                     options_.target.name(), options_.target.threads, options_.target.onednn, rows, options_.forced);
}

std::vector<Tuner::Option> Tuner::options_for(const Problem& problem, Choice& choice) const {
  std::vector<Option> found;
  const std::string& forced = options_.forced;
  const std::string own = family(problem) + ":";
  for (const SelectRow* row : rows_for(problem)) {
    const bool is_reference = row->family == "any";
    Refusal refusal = row->refuses(problem, options_.target);
    if (!refusal && !is_reference && forced.starts_with("-") &&
        row->name.find(forced.substr(1)) != std::string_view::npos) {
      refusal = "left out by MJ_TACTIC=" + forced;
    }
    // The reference stays where the forced row refuses: a choice always exists.
    if (!refusal && forced.starts_with(own) && forced.substr(own.size()) != row->name &&
        (!is_reference || !found.empty())) {
      refusal = "MJ_TACTIC=" + forced;
    }
    if (refusal) {
      choice.refused.push_back({std::string(row->name), *refusal});
      continue;
    }
    if (is_reference && !found.empty()) {
      found.push_back({row, ""});  // listed as a runner-up, not timed
      continue;
    }
    for (std::string& config : row->configs(problem, options_.target)) found.push_back({row, std::move(config)});
  }
  return found;
}

Result<std::optional<double>> Tuner::measure(const Option& option, const Problem& problem,
                                             std::span<const Tensor> constants) {
  MJ_ASSIGN(Packed packed, option.row->pack(problem, options_.target, option.config, constants));
  const RunRow* run = find_run_row(option.row->name);
  CHECK(run, "row '{}' has no run half", option.row->name);
  MJ_ASSIGN(std::unique_ptr<Kernel> kernel, run->make({problem, option.config, packed.tensors, options_.target.isa}));

  std::vector<Tensor> in, out;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const Operand& operand = problem.inputs[i];
    const bool consumed =
        std::find(packed.consumed.begin(), packed.consumed.end(), static_cast<int>(i)) != packed.consumed.end();
    if (operand.dtype == DType::none || consumed) {
      in.emplace_back();
    } else if (i < constants.size() && constants[i].present()) {
      in.push_back(constants[i]);
    } else {
      const auto dims = sizes(operand.shape, options_.opt, options_.default_size);
      if (!dims) return std::optional<double>();
      in.push_back(Tensor::zeros(operand.dtype, *dims));
      fill(in.back(), static_cast<uint32_t>(i));
    }
  }
  for (const Operand& operand : problem.outputs) {
    const auto dims = sizes(operand.shape, options_.opt, options_.default_size);
    if (!dims) return std::optional<double>();
    out.push_back(Tensor::zeros(operand.dtype, *dims));
  }
  auto ref = [](const Tensor& t) { return TensorRef{const_cast<void*>(t.raw()), t.dims(), t.dtype()}; };
  std::vector<TensorRef> inputs, outputs;
  for (const Tensor& t : in) inputs.push_back(ref(t));
  for (const Tensor& t : out) outputs.push_back(ref(t));
  Tensor scratch = Tensor::zeros(DType::u8, {kernel->workspace_bytes(inputs, outputs, pool_.threads())});
  const RunArgs args{inputs, outputs, options_.opt, std::as_writable_bytes(scratch.mutable_data<uint8_t>()), pool_};

  MJ_TRY(kernel->run(args));  // warms caches and pages
  double best = 1e30;
  const auto start = Clock::now();
  for (int i = 0; i < 3 || (i < 1000 && since(start) < options_.seconds_a_candidate); ++i) {
    const auto begin = Clock::now();
    MJ_TRY(kernel->run(args));
    best = std::min(best, since(begin));
    if (since(start) > 20 * options_.seconds_a_candidate) break;
  }
  return std::optional(best);
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

Result<Chosen> Tuner::choose(const Problem& problem, std::span<const Tensor> constants) {
  const auto start = Clock::now();
  const std::string key = this->key(problem);
  Chosen chosen;
  const SelectRow* row = nullptr;
  if (std::optional<Choice> cached = cache_.find(key)) {
    // A cache is a file that anyone may have edited: only what the row itself offers is believed.
    for (const SelectRow* candidate : rows_for(problem)) {
      if (candidate->name != cached->row || candidate->version != cached->version) continue;
      if (candidate->refuses(problem, options_.target)) continue;
      const std::vector<std::string> configs = candidate->configs(problem, options_.target);
      if (std::find(configs.begin(), configs.end(), cached->config) != configs.end()) row = candidate;
    }
    if (row) chosen.choice = *cached, ++cache_hits_;
  }
  if (!row) {
    Choice choice;
    const std::vector<Option> found = options_for(problem, choice);
    const bool contest = found.size() > 1 && !(found.size() == 2 && found[1].row->family == "any");
    bool decided = true;  // nothing left that a later build could measure
    for (const Option& option : found) {
      Candidate candidate{std::string(option.row->name), option.config, std::nullopt, std::nullopt, std::nullopt};
      candidate.estimated_seconds = option.row->estimate(problem, options_.target, options_.opt);
      const bool is_fallback = option.row->family == "any" && found.size() > 1;
      if (contest && !is_fallback) {
        if (options_.measure && seconds_ + since(start) < options_.seconds_in_all) {
          MJ_ASSIGN(candidate.seconds, measure(option, problem, constants));
          ++measured_;
        } else {
          decided = false;
        }
      }
      choice.candidates.push_back(std::move(candidate));
    }
    rank(choice.candidates);
    const Candidate& best = choice.candidates[0];
    choice.row = best.row;
    choice.config = best.config;
    for (const SelectRow* candidate : rows_for(problem)) {
      if (candidate->name == best.row) row = candidate;
    }
    choice.version = row->version;
    if (decided) cache_.put(key, choice);
    chosen.choice = std::move(choice);
  }
  MJ_ASSIGN(chosen.packed, row->pack(problem, options_.target, chosen.choice.config, constants));
  if (!row->alternative.empty()) chosen.alternative = alternative_of(*row, problem, chosen.packed);
  seconds_ += since(start);
  return chosen;
}

}  // namespace mj
