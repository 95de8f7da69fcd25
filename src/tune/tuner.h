// SPDX-License-Identifier: Apache-2.0
// Tuner: problem → candidates (refusals recorded) → estimate → measure → choose.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/select.h"
#include "tune/cache.h"

namespace mj {

struct TuneOptions {
  Target target;
  bool measure = true;  // false: the device is not at hand, choose by estimate or order of preference
  Bindings opt;         // sizes to tune at; a symbol that is missing counts as `default_size`
  int64_t default_size = 1;
  double seconds_a_candidate = 0.02;
  double seconds_in_all = 60;  // --tune-seconds; later problems are chosen by order of preference
  // MJ_TACTIC, words between commas: "family:row" forces (several of a family: one of them), "-word" leaves out rows
  // with that word in their name.
  std::string forced;
  // CUDA C++ to code for target.gpu; `name` is the kernel's. Null: by NVRTC.
  std::function<Result<std::vector<std::byte>>(const std::string& source, int sm, const std::string& name)>
      compile_code;
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
  std::vector<Option> options_for(const Problem& problem, Choice& choice) const;
  Result<DeviceCode> device_code(const SelectRow& row, const Problem& problem, std::string_view config);
  Alternative alternative_of(const SelectRow& row, const Problem& problem, const Packed& packed) const;
  // Seconds of each option; nothing where the sizes to tune at do not fit together.
  Result<std::optional<std::vector<double>>> measure(const Problem& problem, std::span<const Option> options,
                                                     std::span<const Tensor> constants);

  TuneOptions options_;
  TacticCache& cache_;
  ThreadPool& pool_;
  double seconds_ = 0;
  int measured_ = 0, cache_hits_ = 0;
  std::map<std::string, Tensor> code_;  // by source
};

}  // namespace mj
