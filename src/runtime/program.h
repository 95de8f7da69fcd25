// SPDX-License-Identifier: Apache-2.0
// Program: a Plan with its kernels made. Immutable; shared by every session.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/isa.h"
#include "engine/format/plan.h"
#include "kernels/kernel.h"
#include "runtime/batch.h"
#include "runtime/device_program.h"

namespace mj {

struct ProgramStep {
  std::unique_ptr<Kernel> kernel;                              // of a kernel step on the host
  std::string_view row;                                        // that made it: the choice's or the alternative's
  std::vector<std::shared_ptr<const class Program>> branches;  // of a branch step
};

// Steps that run by their alternative, since the library of their row is missing.
struct Fallback {
  std::string row, alternative, reason;
  int steps = 0;
};
// "53 steps run by conv_f32 in place of conv_onednn_f32: ..."
std::string to_string(const Fallback& fallback);

struct ProgramOptions {
  bool libraries = true;                                              // false: every alternative, without notice
  std::function<void(std::span<const std::byte>)> release = nullptr;  // as in MakeArgs; outlives the program
  std::shared_ptr<const CudaDevice> device = nullptr;                 // for steps that run there
  ThreadPool* pool = nullptr;                                         // whose threads may help; null: none
};

class Program {
 public:
  // Makes every kernel. `owner` keeps the bytes alive that the plan's constants view. Errors: a row this build does not
  // have, or an instruction set this machine does not have.
  static Result<std::shared_ptr<const Program>> make(std::shared_ptr<const Plan> plan, Isa isa,
                                                     std::shared_ptr<const void> owner = nullptr,
                                                     const ProgramOptions& options = {});

  const Plan& plan() const { return *plan_; }
  const ProgramStep& step(size_t i) const { return steps_[i]; }
  // Branches included; in the order of their first steps.
  const std::vector<Fallback>& fallbacks() const { return fallbacks_; }
  const DeviceProgram* device() const { return device_.get(); }  // null: all of it runs on the host
  // The tensor whose memory `tensor` lives in, through all aliases.
  int root(int tensor) const { return roots_[static_cast<size_t>(tensor)]; }
  // As alike_steps() says.
  std::span<const int> alike() const { return alike_; }

  // Nothing where rows of a batch depend on each other.
  const std::optional<Batch>& batch() const { return batch_; }

  // The dims of all tensors, each symbolic one but once: what planning for new shapes works out.
  struct Size {
    int64_t value = 0;
    int symbolic = -1;  // instead: of symbolic_dims()
  };
  struct SymbolicDim {
    Dim dim;
    std::vector<std::string> symbols;
  };
  // Empty where the tensor's rank is unknown.
  std::span<const Size> sizes(int tensor) const { return sizes_[static_cast<size_t>(tensor)]; }
  std::span<const SymbolicDim> symbolic_dims() const { return symbolic_; }

 private:
  void collect_sizes(const Plan& plan);

  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<const void> owner_;
  std::vector<ProgramStep> steps_;
  std::vector<int> roots_, alike_;
  std::vector<std::vector<Size>> sizes_;
  std::vector<SymbolicDim> symbolic_;
  std::optional<Batch> batch_;
  std::unique_ptr<const DeviceProgram> device_;
  std::vector<Fallback> fallbacks_;
};

}  // namespace mj
