// SPDX-License-Identifier: Apache-2.0
// Model against engine, or engine against engine: the left one is the reference. With --steps every tensor that both
// sides make is compared in order of execution, so that the first line above the tolerance names the guilty step.
//
// Both sides make a tensor if they name it, or if a step computes the model's nodes up to the same last one.
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "compile/compile.h"
#include "compile/samples.h"
#include "compile/verify.h"
#include "ops/cast.h"
#include "ops/transpose.h"
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

Result<Side> open_side(const std::string& path, const CompareArgs& args) {
  Side side;
  if (path.ends_with(".onnx")) {
    MJ_ASSIGN(const Model model, import_onnx(path, {.limits = {}, .fallback = nodes_of(args.fallback)}));
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
  MJ_ASSIGN(options.read, read_options(args.trusted_key));
  MJ_ASSIGN(const std::shared_ptr<Engine> engine, Engine::load(path, options));
  side.manifest.inputs = engine->inputs();
  side.manifest.outputs = engine->outputs();
  side.manifest.profiles = engine->file().manifest.profiles;
  side.program = std::shared_ptr<const Program>(engine, &engine->program());
  return side;
}

// What one output of a step held.
struct Made {
  std::string name;                 // of the tensor
  std::vector<std::string> origin;  // of the step
  size_t output;                    // of the step
  Tensor tensor;
};
using Making = std::vector<Made>;  // in order of execution

Result<std::vector<Tensor>> run_side(const Side& side, ThreadPool& pool, const std::vector<Tensor>& inputs, bool steps,
                                     Making& made) {
  Session session(side.program, pool, {});
  RunOptions options;
  if (steps) {
    options.observer = [&](size_t step, double, std::span<const TensorRef> outputs) {
      const Plan& plan = side.program->plan();
      for (size_t i = 0; i < outputs.size(); ++i) {
        const int id = plan.steps[step].outputs[i];
        if (id == kNoTensor) continue;
        const TensorRef& ref = outputs[i];
        Made& entry =
            made.emplace_back(Made{plan.tensors[static_cast<size_t>(id)].name, plan.steps[step].origin, i, Tensor()});
        if (ref.value) {
          entry.tensor = *ref.value;
          continue;
        }
        entry.tensor = Tensor::zeros(ref.dtype, {ref.dims.begin(), ref.dims.end()});
        if (entry.tensor.bytes()) {
          std::memcpy(entry.tensor.mutable_raw(), ref.data, static_cast<size_t>(entry.tensor.bytes()));
        }
      }
    };
  }
  std::vector<Tensor> outputs;
  MJ_TRY(session.run(inputs, outputs, options));
  return outputs;
}

// The tensors of one side, to be found by what another side made.
class Counterparts {
 public:
  explicit Counterparts(const Making& made) : made_(made) {
    for (size_t i = 0; i < made.size(); ++i) {
      by_name_.try_emplace(made[i].name, i);
      if (!made[i].origin.empty()) by_last_node_[{made[i].origin.back(), made[i].output}] = i;
    }
  }
  const Tensor* of(const Made& other) const {
    if (const auto at = by_name_.find(other.name); at != by_name_.end()) return &made_[at->second].tensor;
    // Of the nodes that the step computes, the one that ran last here.
    std::optional<size_t> latest;
    for (const std::string& node : other.origin) {
      const auto at = by_last_node_.find({node, other.output});
      if (at != by_last_node_.end()) latest = std::max(latest.value_or(0), at->second);
    }
    if (!latest) return nullptr;
    const std::vector<std::string>& origin = made_[*latest].origin;
    const bool same = origin.size() == 1 || origin == other.origin;
    return same ? &made_[*latest].tensor : nullptr;
  }

 private:
  const Making& made_;
  std::map<std::string, size_t> by_name_;
  std::map<std::pair<std::string, size_t>, size_t> by_last_node_;
};

// [N,C,...] as [N,...,C], which is how engines keep images.
std::optional<Tensor> turned(const Tensor& x) {
  if (x.is_sequence() || x.rank() < 3 || x.dtype() != DType::f32) return std::nullopt;
  Transpose transpose;
  transpose.perm.push_back(0);
  for (int64_t d = 2; d < x.rank(); ++d) transpose.perm.push_back(d);
  transpose.perm.push_back(1);
  Result<std::vector<Tensor>> moved = evaluate(Op(transpose), {&x, 1});
  return moved.ok() ? std::optional(std::move(moved->front())) : std::nullopt;
}

// As `want` has its elements, where that loses nothing: engines may keep 16 bits of what the model has in f32.
Tensor widened(const Tensor& got, const Tensor& want) {
  const bool narrow = got.dtype() == DType::f16 || got.dtype() == DType::bf16;
  if (!narrow || want.dtype() != DType::f32 || got.is_sequence()) return got;
  Result<std::vector<Tensor>> wide = evaluate(Op(Cast{DType::f32}), {&got, 1});
  return wide.ok() ? std::move(wide->front()) : got;
}

// How far the tensors are apart, or nothing where they cannot be compared.
std::optional<double> apart(const Tensor& made, const Tensor& want) {
  const Tensor got = widened(made, want);
  if (got.dtype() != want.dtype() || got.is_sequence() != want.is_sequence()) return std::nullopt;
  std::optional<double> least;
  if (got.dims() == want.dims()) least = relative_l2(got, want);
  const std::optional<Tensor> moved = least.value_or(1) > 0 ? turned(want) : std::nullopt;
  if (!moved || moved->dims() != got.dims()) return least;
  const double also = relative_l2(got, *moved);
  return least ? std::min(*least, also) : also;
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
  MJ_ASSIGN(const Side left, open_side(args.left, args));
  MJ_ASSIGN(const Side right, open_side(args.right, args));
  MJ_TRY(same_ports(args, left.manifest.inputs, right.manifest.inputs, "inputs"));
  MJ_TRY(same_ports(args, left.manifest.outputs, right.manifest.outputs, "outputs"));
  ThreadPool pool(threads_of(args.common));
  Making left_made, right_made;
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
  const Counterparts counterparts(left_made);
  size_t compared = 0;
  for (const Made& made : right_made) {
    const Tensor* want_here = counterparts.of(made);
    const std::optional<double> error = want_here ? apart(made.tensor, *want_here) : std::nullopt;
    if (error) report("step", made.name, *error);
    compared += error ? 1 : 0;
  }
  if (args.steps) {
    say(args.common, fmt::format("{} of {} tensors that steps make have a counterpart in {}", compared,
                                 right_made.size(), args.left));
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
                                  {"steps", {{"made", right_made.size()}, {"compared", compared}}},
                                  {"rows", rows}}));
  return equal ? 0 : static_cast<int>(ErrorCode::model);
}

}  // namespace mj
