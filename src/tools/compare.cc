// SPDX-License-Identifier: Apache-2.0
// Model against engine, or engine against engine: the left one is the reference. With --steps every tensor that both
// sides name is compared in order of execution, so that the first line above the tolerance names the guilty step.
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "compile/compile.h"
#include "compile/samples.h"
#include "compile/verify.h"
#include "runtime/engine.h"
#include "tools/inputs.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {
namespace {

struct Side {
  Manifest manifest;  // ports and profiles; targets left out
  std::shared_ptr<const Program> program;
  std::shared_ptr<const void> owner;
};

Result<Side> open_side(const std::string& path, const std::string& trusted_key) {
  Side side;
  if (path.ends_with(".onnx")) {
    MJ_ASSIGN(const Model model, import_onnx(path));
    MJ_ASSIGN(Plan plan, oracle_plan(model));
    const std::vector<int64_t> limits = index_limits(model.graph);
    for (size_t i = 0; i < model.graph.inputs.size(); ++i) {
      const Value& value = model.graph.value(model.graph.inputs[i]);
      side.manifest.inputs.push_back({value.name, value.type(), limits[i]});
    }
    for (ValueId id : model.graph.outputs)
      side.manifest.outputs.push_back({model.graph.value(id).name, model.graph.type(id), 0});
    MJ_ASSIGN(side.program, Program::make(std::make_shared<const Plan>(std::move(plan)), detect_isa()));
    return side;
  }
  EngineOptions options;
  options.allow_unverified = true;
  MJ_ASSIGN(options.read, read_options(trusted_key));
  MJ_ASSIGN(const std::shared_ptr<Engine> engine, Engine::load(path, options));
  side.manifest.inputs = engine->inputs();
  side.manifest.outputs = engine->outputs();
  side.manifest.profiles = engine->file().manifest.profiles;
  side.program = std::shared_ptr<const Program>(engine, &engine->program());
  return side;
}

using Tensors = std::vector<std::pair<std::string, Tensor>>;  // by name, in order of execution

Result<std::vector<Tensor>> run_side(const Side& side, ThreadPool& pool, const std::vector<Tensor>& inputs, bool steps,
                                     Tensors& made) {
  Session session(side.program, pool, {});
  RunOptions options;
  if (steps) {
    options.observer = [&](size_t step, double, std::span<const TensorRef> outputs) {
      const Plan& plan = side.program->plan();
      for (size_t i = 0; i < outputs.size(); ++i) {
        const int id = plan.steps[step].outputs[i];
        if (id == kNoTensor) continue;
        const TensorRef& ref = outputs[i];
        if (ref.value) {
          made.emplace_back(plan.tensors[static_cast<size_t>(id)].name, *ref.value);
          continue;
        }
        Tensor copy = Tensor::zeros(ref.dtype, {ref.dims.begin(), ref.dims.end()});
        if (copy.bytes()) std::memcpy(copy.mutable_raw(), ref.data, static_cast<size_t>(copy.bytes()));
        made.emplace_back(plan.tensors[static_cast<size_t>(id)].name, std::move(copy));
      }
    };
  }
  std::vector<Tensor> outputs;
  MJ_TRY(session.run(inputs, outputs, options));
  return outputs;
}

Result<void> same_ports(const CompareArgs& args, const std::vector<Port>& a, const std::vector<Port>& b,
                        std::string_view what) {
  if (a.size() != b.size()) {
    return model_error("{} has {} {}, {} has {}", args.left, a.size(), what, args.right, b.size());
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].type.dtype != b[i].type.dtype || a[i].type.kind != b[i].type.kind) {
      return model_error("{} {} differs: '{}' {} and '{}' {}", what, i, a[i].name, to_string(a[i].type), b[i].name,
                         to_string(b[i].type));
    }
  }
  return {};
}

}  // namespace

Result<int> run_compare(const CompareArgs& args) {
  MJ_ASSIGN(const Side left, open_side(args.left, args.trusted_key));
  MJ_ASSIGN(const Side right, open_side(args.right, args.trusted_key));
  MJ_TRY(same_ports(args, left.manifest.inputs, right.manifest.inputs, "inputs"));
  MJ_TRY(same_ports(args, left.manifest.outputs, right.manifest.outputs, "outputs"));
  ThreadPool pool(threads_of(args.common));
  Tensors left_made, right_made;
  std::vector<Tensor> want, got;
  const auto run_both = [&](const std::vector<Tensor>& inputs) -> Result<void> {
    left_made.clear(), right_made.clear();
    MJ_ASSIGN(want, run_side(left, pool, inputs, args.steps, left_made));
    MJ_ASSIGN(got, run_side(right, pool, inputs, args.steps, right_made));
    return {};
  };
  MJ_TRY(with_inputs(right.manifest, {args.inputs, args.shapes}, args.common.seed, run_both));

  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  bool equal = true;
  auto report = [&](std::string_view kind, const std::string& name, double error) {
    const bool fine = error <= args.tolerance;
    say(args.common, fmt::format("{:<6} {:<48} relative L2 {:.3g}{}", kind, name, error, fine ? "" : "   DIFFERS"));
    rows.push_back({{"kind", kind}, {"name", name}, {"relative_l2", error}, {"fine", fine}});
  };
  const std::map<std::string, Tensor> reference(left_made.begin(), left_made.end());
  for (const auto& [name, tensor] : right_made) {
    const auto at = reference.find(name);
    if (at == reference.end()) continue;
    // A layout of our own has the same elements in another order: only equal shapes can be compared.
    if (at->second.dims() == tensor.dims()) report("step", name, relative_l2(tensor, at->second));
  }
  const Comparison comparison = compare_outputs(got, want);
  for (size_t i = 0; i < comparison.errors.size(); ++i) {
    report("output", right.manifest.outputs[i].name, comparison.errors[i]);
    equal = equal && comparison.errors[i] <= args.tolerance;
  }
  MJ_TRY(write_json(args.common, {{"schema", "millijoule.compare/1"},
                                  {"tolerance", args.tolerance},
                                  {"equal", equal},
                                  {"worst", comparison.worst},
                                  {"rows", rows}}));
  return equal ? 0 : static_cast<int>(ErrorCode::model);
}

}  // namespace mj
