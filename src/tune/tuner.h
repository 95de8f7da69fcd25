// SPDX-License-Identifier: Apache-2.0
// Tuner: problem → candidates (refusals recorded) → estimate → measure → choose.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/select.h"
#include "tune/cache.h"
#include "tune/gpu_contest.h"

namespace mj {

// What a choice has least of: seconds of a run that has the GPU to itself, seconds of the GPU where several runs are
// under way, joules of a run, or joules times seconds. Energy is measured, never modelled: it needs a meter.
enum class Objective : uint8_t { latency, throughput, energy, edp };
inline bool weighs(Objective objective) { return objective == Objective::energy || objective == Objective::edp; }
std::string_view name(Objective objective);
Result<Objective> parse_objective(std::string_view text);

struct TuneOptions {
  Target target;
  bool measure = true;  // false: the device is not at hand, choose by estimate or order of preference
  Bindings opt;         // sizes to tune at; a symbol that is missing counts as `default_size`
  int64_t default_size = 1;
  double seconds_a_candidate = 0.02;
  double seconds_in_all = 60;  // --tune-seconds; later problems are chosen by order of preference
  // --tune-joules, by the meter: gross, all that the board takes while the tuner lives. Later problems likewise, and
  // those at which the meter cannot be read.
  std::optional<Joules> joules_in_all = std::nullopt;
  // MJ_TACTIC, words between commas: "family:row" forces (several of a family: one of them), "-word" leaves out rows
  // with that word in their name.
  std::string forced;
  // CUDA C++ to code for target.gpu; `name` is the kernel's. Null: by NVRTC.
  std::function<Result<std::vector<std::byte>>(const std::string& source, int sm, const std::string& name)>
      compile_code;

  // The GPU of the target, for candidates to be timed on; null: they are chosen by estimate.
  std::shared_ptr<const CudaDevice> device;
  GpuContestOptions gpu;
  size_t most_on_gpu = 16;                   // of a problem's candidates are timed: those with the best estimates
  Objective objective = Objective::latency;  // of steps on the GPU
  std::shared_ptr<NvmlMeter> meter;          // of the device; needed for objectives that weigh, and for joules_in_all
  // Of each candidate that is nearly as fast as the best.
  GpuEnergyOptions weighing = {.settle_seconds = 0,
                               .idle_seconds = 0,
                               .warm_up_seconds = 0.3,
                               .window_seconds = 0.5,
                               .windows = 4,
                               .now = nullptr,
                               .wait = nullptr};
};

// An error that names the word of `forced` which no row answers to.
Result<void> check_forced(std::string_view forced);

class Tuner {
 public:
  // `pool` times the candidates as the engine will run them. Cache and pool must outlive the tuner.
  Tuner(TuneOptions options, TacticCache& cache, ThreadPool& pool);

  // problem.products says what rows may round to, whether or not the problem has any.
  // With target.gpu a row for GPUs where one takes the problem.
  Result<Chosen> choose(const Problem& problem, std::span<const Tensor> constants);

  // From now on, with the objective energy, a second costs as much as these joules a second: what was weighed is chosen
  // anew by joules and price, out of the cache.
  void set_price(Watts price) { price_ = price; }

  // Puts the kernels of these steps, which choose() made, into at most kMostModules modules, since the engine loads
  // module by module. Code that does not compile beside other code stays alone, with a warning.
  void join_modules(std::span<DeviceCode* const> steps);

  double seconds() const { return seconds_; }
  int measured() const { return measured_; }
  int cache_hits() const { return cache_hits_; }
  int compiled() const { return static_cast<int>(code_.size()); }  // different kernels

 private:
  struct Option {
    const SelectRow* row;
    std::string config;
  };
  std::string key(const Problem& problem) const;
  // Of every symbol in the problem: what the engine is tuned for.
  Bindings sizes_for(const Problem& problem) const;
  std::vector<std::string> configs_of(const SelectRow& row, const Problem& problem) const;
  std::vector<Option> options_for(const Problem& problem, Choice& choice) const;
  Result<std::vector<std::byte>> compile(const std::string& source, const std::string& name) const;
  // Of each option; what is not compiled yet is compiled side by side.
  std::vector<Result<DeviceCode>> device_code(const Problem& problem, std::span<const Option> options);
  bool within_budget(double seconds) const;
  Alternative alternative_of(const SelectRow& row, const Problem& problem, const Packed& packed) const;
  // Puts down what each option takes; nothing where the sizes to tune at do not fit together.
  Result<void> measure(const Problem& problem, std::span<const Option> options, std::span<const Tensor> constants,
                       std::span<Candidate> candidates);
  Result<void> measure_on_gpu(const Problem& problem, std::span<const Option> options,
                              std::span<const Tensor> constants, const Bindings& bindings,
                              std::span<Candidate> candidates);
  Result<void> weigh(GpuContest& contest, std::span<const size_t> entries, std::span<Candidate> candidates);

  TuneOptions options_;
  TacticCache& cache_;
  ThreadPool& pool_;
  std::string machine_;  // what times on its GPU depend on, as part of a key
  double seconds_ = 0;
  std::optional<Joules> joules_at_start_;
  Watts price_{};
  int measured_ = 0, cache_hits_ = 0;
  std::map<std::string, Tensor> code_;  // by source
};

}  // namespace mj
