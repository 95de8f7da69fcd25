// SPDX-License-Identifier: Apache-2.0
// What lies in memory between steps becomes n = context.narrow (f16 or bf16); maths on elements stays f32:
//
//   f(x)           =>  f'(x')                  f' = cast{n}(f(cast{f32}(x')))
//   conv(x, w) f   =>  conv(x', w') f'         sums are the rows' affair, the result is rounded as the operator says
//   transpose(x)   =>  transpose(x')           or transpose(x) {cast{n}} where x stays f32
//
// Inputs and outputs of the graph stay f32, as does what the GPU does not run, what cannot be rounded (value_ranges.h)
// and what the caller keeps; between them stand casts, in the bodies of neighbours where these have any.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "ops/attention.h"
#include "ops/cast.h"
#include "passes/bodies.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/value_ranges.h"

namespace mj {
namespace {

enum class Role {
  other,    // stays as it is
  body,     // pointwise: reads and writes either type
  product,  // worth a cast of what it reads
  line,     // reads either type, is bound by memory
  view,     // has its input's type; without a body
};

// What GPUs have rows for.
constexpr std::array<std::string_view, 5> kProducts = {"conv", "conv_transpose", "gemm", "matmul", "attention"};
constexpr std::array<std::string_view, 18> kLines = {
    "softmax",    "log_softmax",  "layer_norm",  "rms_norm",          "instance_norm",  "group_norm",
    "max_pool",   "average_pool", "reduce_mean", "reduce_max",        "reduce_min",     "reduce_l2",
    "reduce_sum", "reduce_l1",    "reduce_prod", "reduce_sum_square", "reduce_log_sum", "reduce_log_sum_exp"};
constexpr std::array<std::string_view, 16> kMoves = {
    "transpose", "concat",    "slice",  "slice_to",       "gather",         "gather_nd", "gather_elements", "pad",
    "expand",    "expand_to", "resize", "depth_to_space", "space_to_depth", "tile",      "trilu",           "rotary"};
constexpr std::array<std::string_view, 6> kViews = {"split",   "reshape",   "reshape_to",
                                                    "squeeze", "unsqueeze", "identity"};
// Their results grow with the number of summands, beyond what f16 holds.
constexpr std::array<std::string_view, 4> kGrowing = {"reduce_sum", "reduce_l1", "reduce_prod", "reduce_sum_square"};
// An error of their operand is not small beside a period.
constexpr std::array<std::string_view, 3> kPeriodic = {"sin", "cos", "tan"};

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, const Op& op) {
  return std::find(names.begin(), names.end(), op.name()) != names.end();
}

bool is_periodic(const Node& node) {
  if (node.op && is_one_of(kPeriodic, node.op)) return true;
  return std::any_of(node.epilogue.instructions.begin(), node.epilogue.instructions.end(),
                     [](const BodyInstruction& instruction) { return is_one_of(kPeriodic, instruction.op); });
}

size_t own_inputs_of(const Node& node) {
  if (!node.op) return 0;
  return node.epilogue.empty() ? node.inputs.size() : static_cast<size_t>(node.anchor_inputs);
}

// The body with parameters and results of these types, 16 bits where it has f32.
Body with_edges(const Body& body, const std::vector<DType>& params, const std::vector<DType>& results) {
  Body out;
  out.params = params;
  std::vector<int> values;
  for (size_t i = 0; i < params.size(); ++i) {
    const int param = static_cast<int>(i);
    values.push_back(params[i] == body.params[i] ? param : out.append(Cast{body.params[i]}, {param}));
  }
  for (const BodyInstruction& instruction : body.instructions) {
    std::vector<int> args;
    for (const int arg : instruction.args) args.push_back(values[static_cast<size_t>(arg)]);
    values.push_back(out.append(instruction.op, std::move(args)));
  }
  std::map<int, int> rounded;
  for (size_t i = 0; i < results.size(); ++i) {
    int value = values[static_cast<size_t>(body.results[i])];
    if (out.dtype(value) != results[i]) {
      const auto [known, is_new] = rounded.try_emplace(value, 0);
      if (is_new) known->second = out.append(Cast{results[i]}, {value});
      value = known->second;
    }
    out.results.push_back(value);
  }
  return out;
}

class Narrowing {
 public:
  Narrowing(Graph& graph, const PassContext& context)
      : graph_(graph), context_(context), to_(*context.narrow), ranges_(graph, to_), order_(graph.order()) {
    const auto values = static_cast<size_t>(graph.value_count());
    wanted_.resize(values);
    for (size_t i = 0; i < values; ++i) held_.push_back({static_cast<ValueId>(i), kAbsent, false});
    plans_.resize(static_cast<size_t>(graph.node_count()));
    for (const ValueId id : graph.inputs) {
      if (!graph.type(id).shape) continue;
      for (const Dim& dim : graph.shape(id)) symbols_.merge(dim.symbols());
    }
  }

  bool run() {
    for (const NodeId id : order_) plan(id);
    for (size_t i = order_.size(); i-- > 0;) want(order_[i]);
    bool changed = false;
    for (const NodeId id : order_) changed |= rewrite(id);
    const std::vector<ValueId> outputs = graph_.outputs;
    for (const ValueId id : outputs) {
      if (graph_.is_output(id)) graph_.replace_uses(id, as_wide(id));
    }
    for (size_t i = replaced_.size(); i-- > 0;) graph_.erase(replaced_[i]);
    return changed;
  }

 private:
  struct NodePlan {
    Role role = Role::other;
    bool low = false;  // may its anchor read 16 bits?
  };
  // A value in f32 and in 16 bits, where there is such a one yet, and which of them its node makes.
  struct Held {
    ValueId wide, narrow;
    bool is_narrow;
  };

  NodePlan& plan_of(NodeId id) { return plans_[static_cast<size_t>(id)]; }
  bool is_f32(ValueId id) const {
    const Type& type = graph_.type(id);
    return type.is_tensor() && type.dtype == DType::f32;
  }
  Held& held(ValueId id) { return held_[static_cast<size_t>(id)]; }
  bool is_narrow(ValueId id) { return held(id).narrow != kAbsent && !graph_.value(id).is_constant(); }

  // Inputs of the anchor that have its result's element type.
  std::vector<size_t> elements(const Node& node) const {
    std::vector<size_t> found;
    const Attention* attention = node.op ? node.op.get_if<Attention>() : nullptr;
    for (size_t i = 0; i < own_inputs_of(node); ++i) {
      const bool beside = (attention && i == attention->mask_input()) || (node.is("resize") && i > 0);
      if (node.inputs[i] != kAbsent && is_f32(node.inputs[i]) && !beside) found.push_back(i);
    }
    return found;
  }

  bool sized_ahead(ValueId id) const {
    if (id == kAbsent) return true;
    const Type& type = graph_.type(id);
    return type.is_tensor() && type.shape && std::all_of(type.shape->begin(), type.shape->end(), [&](const Dim& dim) {
             const std::set<std::string> used = dim.symbols();
             return std::includes(symbols_.begin(), symbols_.end(), used.begin(), used.end());
           });
  }

  static Role role_of(const Node& node) {
    if (!node.regions.empty()) return Role::other;
    if (node.is_pointwise() && !node.is("identity")) {
      return node.op && !node.epilogue.empty() ? Role::other : Role::body;
    }
    if (is_one_of(kViews, node.op)) return Role::view;
    if (node.outputs.size() != 1) return Role::other;
    if (is_one_of(kProducts, node.op)) return Role::product;
    return is_one_of(kLines, node.op) || is_one_of(kMoves, node.op) ? Role::line : Role::other;
  }

  bool is_kept(const Node& node) const {
    return std::any_of(node.origin.begin(), node.origin.end(),
                       [&](const std::string& name) { return context_.keep_f32.contains(name); });
  }

  // Why all of it stays as it is, or nothing.
  std::string why_f32(const Node& node) const {
    const bool grows = to_ == DType::f16 && is_one_of(kGrowing, node.op);
    if (grows && node.epilogue.empty()) return "a sum may outgrow f16";
    const auto ahead = [&](ValueId id) { return sized_ahead(id); };
    const bool sized = std::all_of(node.inputs.begin(), node.inputs.end(), ahead) &&
                       std::all_of(node.outputs.begin(), node.outputs.end(), ahead);
    return sized ? "" : "its size is known only when it runs";
  }

  // Why its anchor does not compute in 16 bits, or nothing.
  std::string why_not_low(const Node& node, const std::vector<size_t>& elements) const {
    if (to_ == DType::f16 && is_one_of(kGrowing, node.op)) return "a sum may outgrow f16";
    if (is_periodic(node)) return "it takes sines of its result";
    for (const size_t i : elements) {
      if (std::string why = why_unfit(ranges_[node.inputs[i]], to_); !why.empty()) return "an operand " + why;
    }
    std::vector<ValueInfo> infos = input_infos(graph_, node);
    infos.resize(own_inputs_of(node));
    for (const size_t i : elements) infos[i] = ValueInfo::of(Type::tensor(to_, graph_.shape(node.inputs[i])));
    const InferContext rule{node.op.name(), infos, static_cast<int>(node.outputs.size()),
                            [](std::string_view hint) { return Dim::symbol(std::string(hint)); }};
    const InferResult result = node.op.infer(rule);
    if (!result.ok()) return result.error().message;
    return (*result)[0].type.dtype == to_ ? "" : "its result has another type than its operands";
  }

  void plan(NodeId id) {
    const Node& node = graph_.node(id);
    const auto is_f32_here = [&](ValueId value) { return value != kAbsent && is_f32(value); };
    if (!std::any_of(node.outputs.begin(), node.outputs.end(), is_f32_here) &&
        !std::any_of(node.inputs.begin(), node.inputs.end(), is_f32_here)) {
      return;
    }
    const Role role = role_of(node);
    if (role == Role::other) {
      context_.why_not(graph_, node, fmt::format("{} has no kernel of 16 bits", node.op.name()));
      return;
    }
    if (is_kept(node)) {
      keep_high(node, "numbers outgrow 16 bits here");
      return;
    }
    if (std::string why = why_f32(node); !why.empty()) {
      context_.why_not(graph_, node, why);
      return;
    }
    const std::vector<size_t> data = elements(node);
    if (role != Role::body && data.empty()) return;
    plan_of(id).role = role;
    if (role == Role::body) return;
    const std::string why = why_not_low(node, data);
    plan_of(id).low = why.empty();
    if (!why.empty()) keep_high(node, why);
  }

  void keep_high(const Node& node, const std::string& why) {
    context_.why_not(graph_, node, why);
    if (!context_.log || node.origin.empty()) return;
    std::vector<std::string>& kept = context_.log->kept_high;
    if (std::find(kept.begin(), kept.end(), node.origin[0]) == kept.end()) kept.push_back(node.origin[0]);
  }

  // Says of a node's inputs whether it would rather read 16 bits; those of what follows are known.
  void want(NodeId id) {
    const Node& node = graph_.node(id);
    const NodePlan& plan = plan_of(id);
    if (plan.role == Role::other) return;
    const auto wants = [&](ValueId value) { wanted_[static_cast<size_t>(value)] = true; };
    const auto is_wanted = [&](ValueId value) { return bool{wanted_[static_cast<size_t>(value)]}; };
    const bool passes_on = plan.role != Role::view || std::any_of(node.outputs.begin(), node.outputs.end(), is_wanted);
    if (plan.low && passes_on) {
      for (const size_t i : elements(node)) wants(node.inputs[i]);
    }
    if (const ValueId mask = mask_of(node); mask != kAbsent && rounds_mask(mask)) wants(mask);
    if (is_periodic(node)) return;
    for (size_t i = plan.role == Role::body ? 0 : own_inputs_of(node); i < node.inputs.size(); ++i) {
      wants(node.inputs[i]);
    }
  }

  static ValueId mask_of(const Node& node) {
    const Attention* attention = node.op ? node.op.get_if<Attention>() : nullptr;
    const bool has = attention && attention->mask_input() < own_inputs_of(node);
    return has ? node.inputs[attention->mask_input()] : kAbsent;
  }
  // A mask of the user's may hold anything; rounded to -inf, a row that is masked throughout would become NaN.
  bool rounds_mask(ValueId id) const { return is_f32(id) && ranges_[id].known && fits(ranges_[id], to_); }

  // `low`: its anchor reads 16 bits.
  bool becomes_narrow(NodeId id, ValueId output, bool low) {
    if (!is_f32(output)) return false;
    if (plan_of(id).role == Role::view) return low;
    if (!wanted_[static_cast<size_t>(output)] || graph_.is_output(output)) return false;
    const std::string why = why_unfit(ranges_[output], to_);
    if (!why.empty()) keep_high(graph_.node(id), "its result " + why);
    return why.empty();
  }

  // Does the anchor read 16 bits, given what those before it have become?
  bool reads_low(NodeId id, const std::vector<size_t>& elements) {
    const NodePlan& plan = plan_of(id);
    const Node& node = graph_.node(id);
    if (!plan.low || plan.role == Role::product) return plan.low;
    const auto constant = [&](size_t i) { return graph_.value(node.inputs[i]).is_constant(); };
    if (plan.role == Role::line && std::all_of(elements.begin(), elements.end(), constant)) return true;  // a table
    return std::any_of(elements.begin(), elements.end(), [&](size_t i) { return is_narrow(node.inputs[i]); });
  }

  ValueId as_wide(ValueId id) {
    if (held(id).wide == kAbsent) held(id).wide = cast_to(DType::f32, held(id).narrow);
    return held(id).wide;
  }
  ValueId as_narrow(ValueId id) {
    if (held(id).narrow != kAbsent) return held(id).narrow;
    const Tensor& constant = graph_.value(id).info.constant;
    const ValueId made = constant.present()
                             ? graph_.add_constant(graph_.value(id).name, compute(Cast{to_}, {&constant, 1}))
                             : cast_to(to_, held(id).wide);
    return held(id).narrow = made;
  }
  ValueId cast_to(DType dtype, ValueId id) {
    const Node* producer = graph_.producer(id);
    return graph_.add1(Cast{dtype}, {id}, producer ? producer->origin : std::vector<std::string>{});
  }
  ValueId as_is(ValueId id) { return held(id).is_narrow ? held(id).narrow : held(id).wide; }

  bool rewrite(NodeId id) {
    const Role role = plan_of(id).role;
    const Node node = graph_.node(id);
    if (role == Role::other) {
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] != kAbsent) graph_.replace_input(id, i, as_wide(node.inputs[i]));
      }
      return false;
    }
    const bool low = role != Role::body && reads_low(id, elements(node));
    std::vector<ValueInfo> results;
    for (const ValueId output : node.outputs) {
      results.push_back(graph_.value(output).info);
      if (becomes_narrow(id, output, low)) results.back().type.dtype = to_;
    }
    const size_t own = role == Role::body ? 0 : own_inputs_of(node);
    Node made = node;
    take_own_inputs(node, own, low, made);
    for (size_t i = own; i < made.inputs.size(); ++i) made.inputs[i] = as_is(node.inputs[i]);
    const auto same_type = [&](const ValueInfo& info, ValueId output) { return info.type == graph_.type(output); };
    if (made.inputs == node.inputs && std::equal(results.begin(), results.end(), node.outputs.begin(), same_type)) {
      return false;
    }
    if (role == Role::body && node.op) made = as_body(node);
    if (role != Role::view) set_edges(made, own, low, results);
    const std::vector<ValueId> outputs = graph_.add_typed(std::move(made), results);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const bool narrow = results[i].type.dtype == to_ && is_f32(node.outputs[i]);
      held(node.outputs[i]) = narrow ? Held{kAbsent, outputs[i], true} : Held{outputs[i], kAbsent, false};
    }
    replaced_.push_back(id);
    return true;
  }

  // A pointwise operator as a body over values as they are by now.
  Node as_body(const Node& node) {
    BodyBuilder builder;
    builder.append(graph_, node);
    Node made;
    made.epilogue = builder.finish(node.outputs);
    for (const ValueId id : builder.params()) made.inputs.push_back(as_is(id));
    made.origin = node.origin;
    return made;
  }

  void take_own_inputs(const Node& node, size_t own, bool low, Node& made) {
    const std::vector<size_t> data = elements(node);
    for (size_t i = 0; i < own; ++i) {
      const ValueId input = node.inputs[i];
      if (input == kAbsent) continue;
      const bool is_data = std::find(data.begin(), data.end(), i) != data.end();
      const bool is_mask = !is_data && input == mask_of(node);
      const bool rounds = low && (is_data || (is_mask && (is_narrow(input) || rounds_mask(input))));
      made.inputs[i] = rounds ? as_narrow(input) : as_wide(input);
    }
  }

  // Casts where the types of operands and results have changed.
  void set_edges(Node& made, size_t own, bool low, const std::vector<ValueInfo>& results) const {
    std::vector<DType> params, types;
    for (const ValueInfo& result : results) types.push_back(result.type.dtype);
    const DType anchor = low ? to_ : DType::f32;
    if (own > 0) params.push_back(anchor);
    for (size_t i = own; i < made.inputs.size(); ++i) params.push_back(graph_.type(made.inputs[i]).dtype);
    if (made.epilogue.empty() && types[0] == anchor) return;
    if (made.epilogue.empty()) {
      made.epilogue = Body{{DType::f32}, {}, {0}};
      made.anchor_inputs = static_cast<int>(own);
    }
    made.epilogue = with_edges(made.epilogue, params, types);
  }

  Graph& graph_;
  const PassContext& context_;
  const DType to_;
  const ValueRanges ranges_;
  const std::vector<NodeId> order_;
  std::set<std::string> symbols_;  // that are bound before the first node
  std::vector<NodePlan> plans_;
  std::vector<bool> wanted_;
  std::vector<Held> held_;  // by the value as it was
  std::vector<NodeId> replaced_;
};

}  // namespace

Pass narrow() {
  return {"narrow", [](Graph& graph, const PassContext& context) -> Result<bool> {
            if (!context.narrow || context.in_region) return false;
            return Narrowing(graph, context).run();
          }};
}

}  // namespace mj
