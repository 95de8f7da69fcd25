// SPDX-License-Identifier: Apache-2.0
#include "tune/tuner.h"

#include <algorithm>
#include <functional>

#include "base/clock.h"
#include "device/cuda/nvrtc.h"
#include "tune/contest.h"

namespace mj {
namespace {

// What one of these rows must win by. A library's rows pack again at load, beside the weights that the engine maps; and
// nothing is rounded that hardly saves time.
constexpr double kLibraryHandicap = 1.1, kRoundingHandicap = 1.05;

// Measured before estimated before order of preference. Estimates count only where nothing was measured and all have
// one; the reference, which has none, stays last.
void rank(std::vector<Candidate>& candidates, std::span<const SelectRow* const> rows) {
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
  auto cost = [&](const Candidate& c) {
    return handicap(c) * (by_estimate && !is_reference(c) ? *c.estimated_seconds : c.seconds.value_or(kNever));
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

}  // namespace

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
  for (const SelectRow* row : rows_for(problem, options_.target))
    rows += fmt::format("{}{}/{}", rows.empty() ? "" : " ", row->name, row->version);
  std::string units;
  if (problem.products) {
    units = fmt::format(" avx512_bf16={:d} amx_bf16={:d}", options_.target.avx512_bf16, options_.target.amx_bf16);
  }
  return fmt::format("{} @ [{}] on {} threads={} onednn={}{} rows=({}) {}", to_string(problem), sizes,
                     options_.target.name(), options_.target.threads, options_.target.onednn, units, rows,
                     options_.forced);
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
    for (std::string& config : row->configs(problem, options_.target)) found.push_back({row, std::move(config)});
  }
  // What a GPU can do stays there: rows of the host would wait for copies, which nothing here knows of.
  const auto on_gpu = [](const Option& option) { return option.row->generate != nullptr; };
  if (std::any_of(found.begin(), found.end(), on_gpu)) std::erase_if(found, std::not_fn(on_gpu));
  return found;
}

Result<std::optional<std::vector<double>>> Tuner::measure(const Problem& problem, std::span<const Option> options,
                                                          std::span<const Tensor> constants) {
  Bindings bindings = options_.opt;
  for (const auto* operands : {&problem.inputs, &problem.outputs})
    for (const Operand& operand : *operands)
      for (const Dim& dim : operand.shape)
        for (const std::string& symbol : dim.symbols()) bindings.try_emplace(symbol, options_.default_size);
  Result<Contest> contest = Contest::make(problem, constants, bindings, pool_);
  if (!contest.ok()) return std::optional<std::vector<double>>();  // the default sizes do not fit together
  for (const Option& option : options) MJ_TRY(contest.value().add(*option.row, option.config, options_.target));
  measured_ += static_cast<int>(options.size());
  MJ_ASSIGN(std::vector<double> seconds, contest.value().run(options_.seconds_a_candidate));
  return std::optional(std::move(seconds));
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

Result<DeviceCode> Tuner::device_code(const SelectRow& row, const Problem& problem, std::string_view config) {
  const Generated generated = row.generate(problem, options_.target, config);
  Tensor& code = code_[generated.source];
  if (!code.present()) {
    const std::string source = std::string(kernel_prelude()) + generated.source;
    const int sm = options_.target.gpu->sm;
    const std::string name = generated.launches.empty() ? std::string(row.name) : generated.launches[0].function;
    MJ_ASSIGN(const std::vector<std::byte> bytes, options_.compile_code ? options_.compile_code(source, sm, name)
                                                                        : compile_cuda(source, {sm, false}, name));
    code = Tensor::of<uint8_t>({static_cast<int64_t>(bytes.size())},
                               {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  return DeviceCode{code, generated.launches, generated.workspace_bytes, generated.in_place};
}

Result<Chosen> Tuner::choose(const Problem& asked, std::span<const Tensor> constants) {
  const auto start = Clock::now();
  Problem problem = asked;
  const std::vector<const SelectRow*> offered = rows_for(problem, options_.target);
  if (std::none_of(offered.begin(), offered.end(), [](const SelectRow* row) { return row->products.has_value(); })) {
    problem.products.reset();
  }
  const std::string key = this->key(problem);
  Chosen chosen;
  const SelectRow* row = nullptr;
  if (std::optional<Choice> cached = cache_.find(key)) {
    // A cache is a file that anyone may have edited: only what the row itself offers is believed.
    for (const SelectRow* candidate : rows_for(problem, options_.target)) {
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
    for (const Option& option : found) {
      choice.candidates.push_back({std::string(option.row->name), option.config, std::nullopt,
                                   option.row->estimate(problem, options_.target, options_.opt), std::nullopt});
    }
    // The reference as a fallback is listed, not timed.
    const bool has_fallback = found.size() > 1 && found.back().row->family == "any";
    const std::span<const Option> contestants(found.data(), found.size() - (has_fallback ? 1 : 0));
    bool decided = true;  // nothing left that a later build could measure
    const bool on_gpu = found[0].row->generate != nullptr;
    if (contestants.size() > 1 && on_gpu) {
      decided = false;  // by estimate
    } else if (contestants.size() > 1) {
      decided = options_.measure && seconds_ + seconds_since(start) < options_.seconds_in_all;
      if (decided) {
        MJ_ASSIGN(const std::optional<std::vector<double>> seconds, measure(problem, contestants, constants));
        for (size_t i = 0; seconds && i < seconds->size(); ++i) choice.candidates[i].seconds = (*seconds)[i];
      }
    }
    rank(choice.candidates, rows_for(problem, options_.target));
    const Candidate& best = choice.candidates[0];
    choice.row = best.row;
    choice.config = best.config;
    for (const SelectRow* candidate : rows_for(problem, options_.target)) {
      if (candidate->name == best.row) row = candidate;
    }
    choice.version = row->version;
    if (decided) cache_.put(key, choice);
    chosen.choice = std::move(choice);
  }
  MJ_ASSIGN(chosen.packed, row->pack(problem, options_.target, chosen.choice.config, constants));
  chosen.products = row->products;
  if (row->generate) {
    MJ_ASSIGN(chosen.device, device_code(*row, problem, chosen.choice.config));
  }
  if (!row->alternative.empty()) chosen.alternative = alternative_of(*row, problem, chosen.packed);
  seconds_ += seconds_since(start);
  return chosen;
}

}  // namespace mj
