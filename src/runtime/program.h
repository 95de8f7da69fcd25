// SPDX-License-Identifier: Apache-2.0
// Program: a Plan with its kernels made. Immutable; shared by every session.
#pragma once

#include <memory>
#include <vector>

#include "base/isa.h"
#include "engine/format/plan.h"
#include "kernels/kernel.h"

namespace mj {

struct ProgramStep {
  std::unique_ptr<Kernel> kernel;                              // of a kernel step
  std::vector<std::shared_ptr<const class Program>> branches;  // of a branch step
};

class Program {
 public:
  // Makes every kernel. `owner` keeps the bytes alive that the plan's constants view. Errors: a row this build does not
  // have, or an instruction set this machine does not have.
  static Result<std::shared_ptr<const Program>> make(std::shared_ptr<const Plan> plan, Isa isa,
                                                     std::shared_ptr<const void> owner = nullptr);

  const Plan& plan() const { return *plan_; }
  const ProgramStep& step(size_t i) const { return steps_[i]; }
  // The tensor whose memory `tensor` lives in, through all aliases.
  int root(int tensor) const { return roots_[static_cast<size_t>(tensor)]; }

 private:
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<const void> owner_;
  std::vector<ProgramStep> steps_;
  std::vector<int> roots_;
};

}  // namespace mj
