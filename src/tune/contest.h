// SPDX-License-Identifier: Apache-2.0
// Kernels that solve one problem, timed in turn on the same data.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernel.h"
#include "kernels/select.h"

namespace mj {

class Contest {
 public:
  // Inputs are noise, or the constants where they are known. An error where `bindings` lack a symbol of the problem.
  // All arguments must outlive the contest.
  static Result<Contest> make(const Problem& problem, std::span<const Tensor> constants, const Bindings& bindings,
                              ThreadPool& pool);

  Result<void> add(const SelectRow& row, const std::string& config, const Target& target);

  // Typical seconds of one run, in the order of `add`. The contestants take turns in rounds of about a millisecond, so
  // that a machine that is slow for a while is slow for all; a round shows its best run, and the figure is the lower
  // quartile of the rounds. One that is far behind drops out.
  Result<std::vector<double>> run(double seconds_each);

 private:
  Contest(const Problem& problem, std::span<const Tensor> constants, const Bindings& bindings, ThreadPool& pool)
      : problem_(&problem), constants_(constants), bindings_(&bindings), pool_(&pool) {}
  struct Contestant {
    std::vector<Tensor> constants;  // packed
    std::unique_ptr<Kernel> kernel;
    std::vector<TensorRef> inputs;
    Tensor workspace;
    std::vector<double> rounds;
  };
  Result<double> time_once(Contestant& contestant);
  Result<void> take_turn(Contestant& contestant);

  const Problem* problem_;
  std::span<const Tensor> constants_;
  const Bindings* bindings_;
  ThreadPool* pool_;
  std::vector<Tensor> inputs_, outputs_;
  std::vector<TensorRef> output_refs_;
  std::vector<Contestant> contestants_;
};

}  // namespace mj
