// SPDX-License-Identifier: Apache-2.0
#include "runtime/program.h"

namespace mj {
namespace {

Result<std::unique_ptr<Kernel>> make_kernel(const Step& step, Isa isa) {
  const std::string place = step.origin.empty() ? to_string(step.problem.op) : step.origin[0];
  if (boxed(step.problem) && step.choice.row != "reference") {
    return model_error("{}: kernel '{}' takes no strings, sequences or optionals", place, step.choice.row);
  }
  const RunRow* row = find_run_row(step.choice.row);
  if (!row || row->version != step.choice.version) {
    return error(ErrorCode::environment,
                 "{}: the engine wants kernel '{}' version {}, this build has {}; compile the model again", place,
                 step.choice.row, step.choice.version,
                 row ? fmt::format("version {}", row->version) : "none of that name");
  }
  if (row->needs > isa) {
    return error(ErrorCode::environment, "{}: kernel '{}' needs {}, this machine has {}; compile for this target",
                 place, row->name, name(row->needs), name(isa));
  }
  Result<std::unique_ptr<Kernel>> kernel = row->make({step.problem, step.choice.config, step.packed, isa});
  if (!kernel.ok()) return kernel.error().in(place);
  return kernel;
}

}  // namespace

Result<std::shared_ptr<const Program>> Program::make(std::shared_ptr<const Plan> plan, Isa isa,
                                                     std::shared_ptr<const void> owner) {
  auto program = std::make_shared<Program>();
  program->owner_ = std::move(owner);
  for (size_t i = 0; i < plan->tensors.size(); ++i) {
    int root = static_cast<int>(i);
    while (plan->tensors[static_cast<size_t>(root)].kind == PlanTensor::Kind::alias) {
      root = plan->tensors[static_cast<size_t>(root)].alias_of;
    }
    program->roots_.push_back(root);
  }
  for (const Step& step : plan->steps) {
    ProgramStep made;
    if (step.kind == Step::Kind::kernel) {
      MJ_ASSIGN(made.kernel, make_kernel(step, isa));
    }
    for (const std::shared_ptr<const Plan>& branch : step.branches) {
      MJ_ASSIGN(std::shared_ptr<const Program> inner, make(branch, isa, program->owner_));
      made.branches.push_back(std::move(inner));
    }
    program->steps_.push_back(std::move(made));
  }
  program->plan_ = std::move(plan);
  return std::shared_ptr<const Program>(std::move(program));
}

}  // namespace mj
