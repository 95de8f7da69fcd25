// SPDX-License-Identifier: Apache-2.0
#include "runtime/program.h"

#include <unordered_map>

#include "engine/format/plan_verify.h"

namespace mj {
namespace {

// `packed` and the rest of a choice or of an alternative.
struct Way {
  const std::string& row;
  int version;
  const std::string& config;
  const std::vector<Tensor>& packed;
};

// Why this machine cannot go the chosen way although the file is sound, or empty.
std::string missing_library(const Step& step, const ProgramOptions& options) {
  if (!step.alternative) return "";
  if (!options.libraries) return "own rows were asked for";
  const RunRow* row = find_run_row(step.choice.row);
  if (!row || row->version != step.choice.version) return "this build does not have it";
  return row->missing ? row->missing() : "";
}

void count(const Step& step, const std::string& reason, std::vector<Fallback>& fallbacks) {
  for (Fallback& known : fallbacks) {
    if (known.row != step.choice.row || known.alternative != step.alternative->row) continue;
    ++known.steps;
    return;
  }
  fallbacks.push_back({step.choice.row, step.alternative->row, reason, 1});
}

Result<std::unique_ptr<Kernel>> make_kernel(const Step& step, const Way& way, Isa isa, const ProgramOptions& options) {
  const std::string place = step.origin.empty() ? to_string(step.problem.op) : step.origin[0];
  if (boxed(step.problem) && step.choice.row != "reference") {
    return model_error("{}: kernel '{}' takes no strings, sequences or optionals", place, step.choice.row);
  }
  const RunRow* row = find_run_row(way.row);
  if (!row || row->version != way.version) {
    return error(ErrorCode::environment,
                 "{}: the engine wants kernel '{}' version {}, this build has {}; compile the model again", place,
                 way.row, way.version, row ? fmt::format("version {}", row->version) : "none of that name");
  }
  if (row->products != step.problem.products) {
    const auto text = [](std::optional<DType> type) { return type ? name(*type) : "f32"; };
    return model_error("{}: kernel '{}' multiplies in {}, the step says {}", place, row->name, text(row->products),
                       text(step.problem.products));
  }
  if (row->needs > isa) {
    return error(ErrorCode::environment, "{}: kernel '{}' needs {}, this machine has {}; compile for this target",
                 place, row->name, name(row->needs), name(isa));
  }
  Result<std::unique_ptr<Kernel>> kernel = row->make({step.problem, way.config, way.packed, isa, options.release});
  if (!kernel.ok()) return kernel.error().in(place);
  return kernel;
}

}  // namespace

std::string to_string(const Fallback& f) {
  return fmt::format("{} {} by {} in place of {}: {}", f.steps, f.steps == 1 ? "step runs" : "steps run", f.alternative,
                     f.row, f.reason);
}

void Program::collect_sizes(const Plan& plan) {
  std::unordered_map<Dim, int> places;
  for (const PlanTensor& tensor : plan.tensors) {
    std::vector<Size>& sizes = sizes_.emplace_back();
    for (const Dim& dim : tensor.shape.value_or(Shape())) {
      if (const std::optional<int64_t> value = dim.constant()) {
        sizes.push_back({*value, -1});
        continue;
      }
      const auto [place, is_new] = places.try_emplace(dim, static_cast<int>(symbolic_.size()));
      if (is_new) {
        const std::set<std::string> symbols = dim.symbols();
        symbolic_.push_back({dim, {symbols.begin(), symbols.end()}});
      }
      sizes.push_back({0, place->second});
    }
  }
}

Result<std::shared_ptr<const Program>> Program::make(std::shared_ptr<const Plan> plan, Isa isa,
                                                     std::shared_ptr<const void> owner, const ProgramOptions& options) {
  auto program = std::make_shared<Program>();
  program->owner_ = std::move(owner);
  for (size_t i = 0; i < plan->tensors.size(); ++i) {
    int root = static_cast<int>(i);
    while (plan->tensors[static_cast<size_t>(root)].kind == PlanTensor::Kind::alias) {
      root = plan->tensors[static_cast<size_t>(root)].alias_of;
    }
    program->roots_.push_back(root);
  }
  program->alike_ = alike_steps(*plan);
  program->collect_sizes(*plan);
  if (!uses_device(*plan)) program->batch_ = find_batch(*plan);
  if (uses_device(*plan)) {
    if (!options.device) return error(ErrorCode::environment, "the engine needs a GPU, there is none here");
    MJ_ASSIGN(program->device_, DeviceProgram::make(*plan, options.device, options.pool));
  }
  for (const Step& step : plan->steps) {
    ProgramStep made;
    if (step.device) made.row = step.choice.row;
    if (step.kind == Step::Kind::kernel && !step.device) {
      const std::string missing = missing_library(step, options);
      const Way way = missing.empty() ? Way{step.choice.row, step.choice.version, step.choice.config, step.packed}
                                      : Way{step.alternative->row, step.alternative->version, step.alternative->config,
                                            step.alternative->packed};
      if (!missing.empty() && options.libraries) count(step, missing, program->fallbacks_);
      made.row = way.row;
      MJ_ASSIGN(made.kernel, make_kernel(step, way, isa, options));
    }
    for (const std::shared_ptr<const Plan>& branch : step.branches) {
      MJ_ASSIGN(std::shared_ptr<const Program> inner, make(branch, isa, program->owner_, options));
      for (const Fallback& fallback : inner->fallbacks_) program->fallbacks_.push_back(fallback);
      made.branches.push_back(std::move(inner));
    }
    program->steps_.push_back(std::move(made));
  }
  program->plan_ = std::move(plan);
  return std::shared_ptr<const Program>(std::move(program));
}

}  // namespace mj
