// SPDX-License-Identifier: Apache-2.0
#include "engine/format/plan_verify.h"

#include <algorithm>
#include <set>
#include <string>

#include "engine/format/constants.h"
#include "engine/format/problem_verify.h"

namespace mj {
namespace {

// For messages: the n-th thing with its name, "tensor 3 ('x')".
std::string nth(std::string_view what, size_t number, std::string_view name) {
  return fmt::format("{} {} ('{}')", what, number, name.substr(0, 100));
}

std::string type_text(const PlanTensor& tensor) { return to_string(tensor.type()); }
bool same_kind(const PlanTensor& a, const PlanTensor& b) { return a.dtype == b.dtype && a.form == b.form; }

class PlanVerifier {
 public:
  PlanVerifier(const Plan& plan, const PlanVerifier* outer)
      : plan_(plan), outer_(outer), depth_(outer ? outer->depth_ + 1 : 0) {}

  Result<void> run() {
    if (depth_ > kMaxPlanDepth) return model_error("branches and loops are nested deeper than {}", kMaxPlanDepth);
    made_.assign(plan_.tensors.size(), false);
    for (size_t i = 0; i < plan_.tensors.size(); ++i) MJ_TRY(named(i, check_tensor(i)));
    MJ_TRY(check_inputs());
    collect_symbols();
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const Step& step = plan_.steps[i];
      auto result = check_step(step);
      if (!result.ok()) return result.error().in(nth("step", i, step.origin.empty() ? "" : step.origin.front()));
    }
    for (int id : plan_.outputs) {
      MJ_TRY(check_use(id, "output list"));
      if (at(id).on_device) return model_error("output list: tensor {} is on the device", id);
    }
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (!plan_.tensors[i].shape) continue;
      const bool inside = !plan_.tensors[i].type().is_tensor();
      for (const Dim& dim : *plan_.tensors[i].shape) {
        if (!inside || dim != any_dim()) MJ_TRY(named(i, check_symbols(dim)));
      }
    }
    return {};
  }

 private:
  Result<void> named(size_t i, Result<void> result) const {
    if (result.ok()) return result;
    return result.error().in(nth("tensor", i, plan_.tensors[i].name));
  }
  const PlanTensor& at(int id) const { return plan_.tensors[static_cast<size_t>(id)]; }
#ifdef MJ_PLANT_BUG
  static constexpr size_t kBeyond = 1;  // fuzz/ checks that it finds this
#else
  static constexpr size_t kBeyond = 0;
#endif
  bool in_range(int id) const { return id >= 0 && static_cast<size_t>(id) < plan_.tensors.size() + kBeyond; }
  // An alias is made when its source is.
  bool is_made(int id) const { return made_[static_cast<size_t>(source_[static_cast<size_t>(id)])]; }

  Result<void> check_tensor(size_t i) {
    const PlanTensor& tensor = plan_.tensors[i];
    source_.push_back(static_cast<int>(i));
    if (tensor.dtype == DType::none) return model_error("it has no element type");
    std::vector<int64_t> dims;
    if (tensor.shape) {
      if (tensor.shape->size() > kMaxRank)
        return model_error("its rank {} is above {}", tensor.shape->size(), kMaxRank);
      for (const Dim& dim : *tensor.shape) {
        if (!dim.valid() || dim.constant().value_or(0) < 0) return model_error("dim '{}' is not one", dim);
        if (dim.constant()) dims.push_back(*dim.constant());
      }
    }
    if (tensor.kind == PlanTensor::Kind::constant) {
      if (!tensor.type().is_tensor()) return model_error("a constant cannot be {}", type_text(tensor));
      // Dims of the value that are fewer than the shape's (a symbol among them) differ too.
      if (!tensor.shape || tensor.constant.dtype() != tensor.dtype || tensor.constant.dims() != dims ||
          dims.size() != tensor.shape->size()) {
        return model_error("its value has not the type {}", type_text(tensor));
      }
      made_[i] = true;
    } else if (tensor.constant.present()) {
      return model_error("it has a value and is no constant");
    }
    if (tensor.on_device && (tensor.kind == PlanTensor::Kind::input || tensor.boxed() || depth_ > 0)) {
      return model_error("{} cannot be on the device", type_text(tensor));
    }
    if (tensor.kind == PlanTensor::Kind::alias) return check_alias(i);
    return {};
  }

  Result<void> check_alias(size_t i) {
    const PlanTensor& tensor = plan_.tensors[i];
    if (tensor.alias_of < 0 || static_cast<size_t>(tensor.alias_of) >= i) {
      return model_error("it is an alias of tensor {}, which does not stand before it", tensor.alias_of);
    }
    source_[i] = source_[static_cast<size_t>(tensor.alias_of)];
    const PlanTensor& from = at(tensor.alias_of);
    if (!same_kind(from, tensor)) return model_error("{} cannot be an alias of {}", type_text(tensor), type_text(from));
    if (from.on_device != tensor.on_device) return model_error("it is an alias of what lies in another memory");
    if (!tensor.type().is_tensor()) return {};
    if (from.shape && tensor.shape && equal(element_count(*from.shape), element_count(*tensor.shape)) == Tri::no) {
      return model_error("{} has not the size of {}, which it is an alias of", type_text(tensor), type_text(from));
    }
    return {};
  }

  Result<void> check_inputs() {
    for (int id : plan_.inputs) {
      if (!in_range(id) || at(id).kind != PlanTensor::Kind::input || is_made(id)) {
        return model_error("input list: tensor {} is no input or stands there twice", id);
      }
      made_[static_cast<size_t>(id)] = true;
    }
    return {};
  }

  // Bare symbols in the shapes of inputs, and of what steps make: dims that only running can tell.
  void collect_symbols() {
    for (int id : plan_.inputs) bind(at(id));
    for (const Step& step : plan_.steps) {
      for (int id : step.outputs) {
        if (in_range(id)) bind(at(id));
      }
    }
  }
  void bind(const PlanTensor& tensor) {
    if (!tensor.shape || !tensor.type().is_tensor()) return;
    for (const Dim& dim : *tensor.shape) {
      if (dim.symbol_name()) symbols_.emplace(*dim.symbol_name());
    }
  }
  bool sees(std::string_view symbol) const { return symbols_.contains(symbol) || (outer_ && outer_->sees(symbol)); }
  Result<void> check_symbols(const Dim& dim) const {
    for (const std::string& symbol : dim.symbols()) {
      if (!sees(symbol)) return model_error("nothing binds symbol '{}' of dim '{}'", symbol, dim);
    }
    return {};
  }

  Result<void> check_use(int id, std::string_view what) const {
    if (!in_range(id)) return model_error("{}: tensor {} of {}", what, id, plan_.tensors.size());
    if (is_made(id)) return {};
    return model_error("{}: {} is used before it is made", what, nth("tensor", static_cast<size_t>(id), at(id).name));
  }
  Result<void> check_make(int id) {
    if (!in_range(id)) return model_error("output: tensor {} of {}", id, plan_.tensors.size());
    if (at(id).kind != PlanTensor::Kind::temporary || is_made(id)) {
      return model_error("output: {} cannot be written or is written twice",
                         nth("tensor", static_cast<size_t>(id), at(id).name));
    }
    made_[static_cast<size_t>(id)] = true;
    return {};
  }

  Result<void> check_step(const Step& step) {
    const bool is_kernel = step.kind == Step::Kind::kernel, is_loop = step.kind == Step::Kind::loop;
    const size_t branches = step.kind == Step::Kind::branch ? 2 : is_loop ? 1 : 0;
    if ((!is_kernel && (!step.packed.empty() || step.alternative || step.device)) || step.branches.size() != branches ||
        (!is_loop && step.carried != 0)) {
      return model_error("it holds what another kind of step should");
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if ((is_kernel || (is_loop && i < 2)) && step.inputs[i] == kNoTensor) continue;
      MJ_TRY(check_use(step.inputs[i], "input"));
    }
    for (int id : step.outputs) {
      if (id != kNoTensor || step.kind == Step::Kind::copy) MJ_TRY(check_make(id));
    }
    if (step.kind != Step::Kind::copy) MJ_TRY(check_places(step));
    switch (step.kind) {
      case Step::Kind::kernel:
        return check_kernel(step);
      case Step::Kind::branch:
        return check_branch(step);
      case Step::Kind::copy:
        return check_copy(step);
      case Step::Kind::check:
        return check_equality(step);
      case Step::Kind::loop:
        return check_loop(step);
    }
    return model_error("it is of kind {}", static_cast<int>(step.kind));
  }

  Result<void> check_kernel(const Step& step) const {
    const Problem& problem = step.problem;
    if (step.inputs.size() != problem.inputs.size() || step.outputs.size() != problem.outputs.size()) {
      return model_error("{} inputs and {} outputs for a problem of {} and {}", step.inputs.size(), step.outputs.size(),
                         problem.inputs.size(), problem.outputs.size());
    }
    if (step.choice.row.empty()) return model_error("it names no kernel");
    if (step.alternative && step.alternative->row.empty()) return model_error("its alternative names no kernel");
    std::vector<ValueInfo> inputs(step.inputs.size());
    std::vector<Type> outputs(step.outputs.size());
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const Operand& operand = problem.inputs[i];
      if (step.inputs[i] == kNoTensor) {
        if (operand.dtype != DType::none && !operand.constant) return model_error("input {} is missing", i);
        inputs[i].type = operand.type();
        continue;
      }
      MJ_TRY(check_operand(operand, step.inputs[i]));
      inputs[i].type = at(step.inputs[i]).type();
      inputs[i].constant = at(step.inputs[i]).constant;
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      if (step.outputs[i] == kNoTensor) continue;
      MJ_TRY(check_operand(problem.outputs[i], step.outputs[i]));
      outputs[i] = at(step.outputs[i]).type();
    }
    MJ_TRY(verify(problem));
    return verify_types(problem, inputs, outputs);
  }

  // All tensors of a step lie where it runs.
  Result<void> check_places(const Step& step) const {
    for (const auto* ids : {&step.inputs, &step.outputs}) {
      for (int id : *ids) {
        if (id == kNoTensor || at(id).on_device == step.device.has_value()) continue;
        return model_error("{} is not in the memory where it runs",
                           nth("tensor", static_cast<size_t>(id), at(id).name));
      }
    }
    if (!step.device) return {};
    if (step.kind != Step::Kind::kernel || step.alternative) return model_error("a device runs kernels alone");
    return check_device(step, *step.device);
  }

  // What is given to the driver: which checks nothing that the code then relies on.
  Result<void> check_device(const Step& step, const DeviceCode& device) const {
    if (device.code.dtype() != DType::u8 || device.code.size() == 0) return model_error("it has no code");
    MJ_TRY(check_symbols(device.workspace_bytes));
    for (const auto& [input, output] : device.in_place) {
      if (!in_list(input, step.inputs.size()) || !in_list(output, step.outputs.size())) {
        return model_error("input {} and output {} cannot share memory", input, output);
      }
    }
    for (const Launch& launch : device.launches) {
      auto result = check_launch(step, launch);
      if (!result.ok()) return result.error().in(fmt::format("launch of '{}'", launch.function.substr(0, 100)));
    }
    return {};
  }

  Result<void> check_launch(const Step& step, const Launch& launch) const {
    int64_t threads = 1;
    for (size_t d = 0; d < 3; ++d) {
      if (launch.block[d] < 1 || launch.block[d] > kMostThreads) return model_error("{} threads", launch.block[d]);
      threads *= launch.block[d];
      MJ_TRY(check_symbols(launch.grid[d]));
    }
    if (threads > kMostThreads) return model_error("{} threads in a block, at most {}", threads, kMostThreads);
    if (launch.shared_bytes < 0 || launch.shared_bytes > kMostShared) {
      return model_error("{} bytes of shared memory", launch.shared_bytes);
    }
    for (const LaunchArg& arg : launch.args) {
      using Kind = LaunchArg::Kind;
      const size_t size = arg.kind == Kind::input    ? step.inputs.size()
                          : arg.kind == Kind::output ? step.outputs.size()
                          : arg.kind == Kind::packed ? step.packed.size()
                                                     : 1;
      if (!in_list(arg.index, size)) return model_error("it has no operand {}", arg.index);
      MJ_TRY(check_symbols(arg.value));
    }
    return {};
  }
  static bool in_list(int index, size_t size) { return index >= 0 && static_cast<size_t>(index) < size; }
  static constexpr int kMostThreads = 1024, kMostShared = 256 << 10;

  Result<void> check_operand(const Operand& operand, int id) const {
    const PlanTensor& tensor = at(id);
    bool same = operand.dtype == tensor.dtype && operand.kind == tensor.form;
    if (tensor.shape) {
      same &= std::equal(operand.shape.begin(), operand.shape.end(), tensor.shape->begin(), tensor.shape->end(),
                         [](const Dim& a, const Dim& b) { return a == b || equal(a, b) == Tri::yes; });
    }
    if (same) return {};
    return model_error("its problem has {} where {} is {}", to_string(operand.type()),
                       nth("tensor", static_cast<size_t>(id), tensor.name), type_text(tensor));
  }

  Result<void> check_copy(const Step& step) const {
    if (step.inputs.size() != 1 || step.outputs.size() != 1) return model_error("a copy has one input and one output");
    const PlanTensor &from = at(step.inputs[0]), &to = at(step.outputs[0]);
    if (same_kind(from, to) && from.shape == to.shape) return {};
    return model_error("it copies {} to {}", type_text(from), type_text(to));
  }

  Result<void> check_equality(const Step& step) const {
    if (!step.inputs.empty() || !step.outputs.empty() || !step.left.valid() || !step.right.valid()) {
      return model_error("a check has two dims, no inputs and no outputs");
    }
    MJ_TRY(check_symbols(step.left));
    return check_symbols(step.right);
  }

  Result<void> check_branch(const Step& step) const {
    if (step.inputs.empty() || at(step.inputs[0]).dtype != DType::boolean || !at(step.inputs[0]).type().is_tensor()) {
      return model_error("its first input must be a bool, the condition");
    }
    for (size_t b = 0; b < step.branches.size(); ++b) {
      auto result = check_branch(step, *step.branches[b]);
      if (!result.ok()) return result.error().in(b == 0 ? "then" : "else");
    }
    return {};
  }

  Result<void> check_branch(const Step& step, const Plan& branch) const {
    MJ_TRY(PlanVerifier(branch, this).run());
    if (branch.inputs.size() + 1 != step.inputs.size() || branch.outputs.size() != step.outputs.size()) {
      return model_error("{} inputs and {} outputs where {} and {} are passed", branch.inputs.size(),
                         branch.outputs.size(), step.inputs.size() - 1, step.outputs.size());
    }
    const auto same = [&](int outer, int inner) {
      return outer == kNoTensor || same_kind(at(outer), branch.tensors[static_cast<size_t>(inner)]);
    };
    for (size_t i = 0; i < branch.inputs.size(); ++i) {
      if (!same(step.inputs[i + 1], branch.inputs[i])) return model_error("input {} is of another type", i);
    }
    for (size_t i = 0; i < branch.outputs.size(); ++i) {
      if (!same(step.outputs[i], branch.outputs[i])) return model_error("output {} is of another type", i);
    }
    return {};
  }

  Result<void> check_loop(const Step& step) const {
    const auto carried = static_cast<size_t>(step.carried);
    if (step.carried < 0 || step.inputs.size() < 2 + carried || step.outputs.size() < carried) {
      return model_error("{} inputs and {} outputs are too few to carry {}", step.inputs.size(), step.outputs.size(),
                         step.carried);
    }
    const auto is = [&](int id, DType dtype) { return at(id).dtype == dtype && at(id).type().is_tensor(); };
    if (step.inputs[0] != kNoTensor && !is(step.inputs[0], DType::i64)) {
      return model_error("its first input must be i64, the most runs");
    }
    if (step.inputs[1] != kNoTensor && !is(step.inputs[1], DType::boolean)) {
      return model_error("its second input must be a bool, the condition");
    }
    auto result = check_body(step, *step.branches[0]);
    return result.ok() ? result : result.error().in("body");
  }

  Result<void> check_body(const Step& step, const Plan& body) const {
    MJ_TRY(PlanVerifier(body, this).run());
    if (body.inputs.size() + 1 != step.inputs.size() || body.outputs.size() != step.outputs.size() + 1) {
      return model_error("{} inputs and {} outputs where {} and {} are passed", body.inputs.size(), body.outputs.size(),
                         step.inputs.size() - 1, step.outputs.size() + 1);
    }
    const auto inside = [&](int id) -> const PlanTensor& { return body.tensors[static_cast<size_t>(id)]; };
    if (inside(body.inputs[0]).type() != Type::tensor(DType::i64, {})) {
      return model_error("its first input must be an i64 scalar, the iteration");
    }
    if (inside(body.outputs[0]).dtype != DType::boolean || !inside(body.outputs[0]).type().is_tensor()) {
      return model_error("its first output must be a bool, the condition");
    }
    // What may not be there takes what is there.
    const auto fits = [](const PlanTensor& from, const PlanTensor& to) {
      return from.dtype == to.dtype && (from.form == to.form || from.type().as_optional().kind == to.form);
    };
    for (size_t i = 1; i < body.inputs.size(); ++i) {
      if (!fits(at(step.inputs[i + 1]), inside(body.inputs[i]))) return model_error("input {} is of another type", i);
    }
    for (size_t i = 1; i < body.outputs.size(); ++i) {
      const bool is_carried = i <= static_cast<size_t>(step.carried);
      const PlanTensor& made = inside(body.outputs[i]);
      const int result = step.outputs[i - 1];
      const bool handed_on = !is_carried || fits(made, inside(body.inputs[i]));
      const bool stacked = is_carried || made.type().is_tensor();
      const bool given = result == kNoTensor || (is_carried ? fits(inside(body.inputs[i]), at(result)) &&
                                                                  fits(at(step.inputs[i + 1]), at(result))
                                                            : same_kind(made, at(result)));
      if (!handed_on || !stacked || !given) return model_error("output {} is of another type", i);
    }
    return {};
  }

  const Plan& plan_;
  const PlanVerifier* const outer_;
  const int depth_;
  std::vector<int> source_;  // of an alias, through all aliases; of another tensor, itself
  std::vector<bool> made_;   // by source
  std::set<std::string, std::less<>> symbols_;
};

}  // namespace

Result<void> verify(const Plan& plan) { return PlanVerifier(plan, nullptr).run(); }

}  // namespace mj
