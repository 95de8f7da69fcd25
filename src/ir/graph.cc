// SPDX-License-Identifier: Apache-2.0
#include "ir/graph.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace mj {

struct Graph::Names {
  // Names that differ from one another.
  class Unique {
   public:
    // "base", or the first of "base.1", "base.2", ... that is free.
    std::string add(std::string_view base) {
      std::string name(base);
      if (taken_.insert(name).second) return name;
      // Thousands may have one base: the search goes on where the last one ended.
      int& n = next_[std::string(base)];
      do {
        name = fmt::format("{}.{}", base, ++n);
      } while (!taken_.insert(name).second);
      return name;
    }
    void take(const std::string& name) { taken_.insert(name); }
    void free(const std::string& name) {
      taken_.erase(name);
      next_.clear();
    }

   private:
    std::unordered_set<std::string> taken_;
    std::unordered_map<std::string, int> next_;
  };
  Unique values, symbols;
};

namespace {

// An operator whose sizes are texts (one with bind()), with symbols replaced in them.
Op substitute_sizes(const Op& op, const std::map<std::string, Dim, std::less<>>& values) {
  if (!op.info().bind) return op;
  std::vector<NamedField> fields = op.fields();
  for (NamedField& field : fields) {
    auto* texts = std::get_if<std::vector<std::string>>(&field.value);
    for (size_t i = 0; texts && i < texts->size(); ++i) {
      const Result<Dim> dim = Dim::parse((*texts)[i]);
      if (dim.ok()) (*texts)[i] = dim->substitute(values).to_string();
    }
  }
  Result<Op> made = make_op(op.name(), fields);
  CHECK(made.ok(), "{} with other sizes: {}", op.name(), made.error().message);
  return std::move(made).value();
}

}  // namespace

std::string Graph::unique_name(std::string_view base) {
  if (!names_) names_ = std::make_shared<Names>();
  return names_->values.add(base.empty() ? "v" : base);
}

void Graph::rename(ValueId id, std::string_view name) {
  names_->values.take(std::string(name));
  value(id).name = name;
}

Dim Graph::fresh_symbol(std::string_view hint) {
  if (!names_) names_ = std::make_shared<Names>();
  return Dim::symbol(names_->symbols.add(hint.empty() ? "d" : hint));
}

void Graph::share_names(const Graph& other) {
  CHECK(values_.empty(), "names are shared before the first value is added");
  CHECK(other.names_, "the outer graph has no names yet");
  names_ = other.names_;
}

const Node* Graph::producer(ValueId id) const {
  const NodeId node = value(id).producer;
  return node == kNoNode ? nullptr : &nodes_[static_cast<size_t>(node)];
}

std::vector<NodeId> Graph::order() const {
  std::vector<NodeId> ids;
  for (NodeId id = 0; id < node_count(); ++id) {
    if (!node(id).erased) ids.push_back(id);
  }
  return ids;
}

bool Graph::is_output(ValueId id) const { return std::find(outputs.begin(), outputs.end(), id) != outputs.end(); }

bool Graph::single_use(ValueId id) const { return value(id).users.size() == 1 && !is_output(id); }

ValueId Graph::add_value(std::string_view name, ValueInfo info, NodeId producer) {
  Value value;
  value.name = unique_name(name);
  value.info = std::move(info);
  value.producer = producer;
  if (value.type().shape) {
    for (const Dim& dim : *value.type().shape) {
      for (const std::string& symbol : dim.symbols()) names_->symbols.take(symbol);
    }
  }
  values_.push_back(std::move(value));
  return value_count() - 1;
}

ValueId Graph::add_input(std::string name, Type type) {
  const ValueId id = add_value(name, ValueInfo::of(std::move(type)), kNoNode);
  inputs.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string name, Tensor tensor) {
  return add_value(name.empty() ? "c" : name, ValueInfo::of(std::move(tensor)), kNoNode);
}

std::vector<ValueId> Graph::add_typed(Node node, std::vector<ValueInfo> infos, std::vector<std::string> output_names) {
  const NodeId id = node_count();
  output_names.resize(infos.size());
  for (ValueId input : node.inputs) {
    if (input != kAbsent) value(input).users.push_back(id);
  }
  node.outputs.clear();
  const std::string base(node.op ? node.op.name() : "pointwise");
  for (size_t i = 0; i < infos.size(); ++i) {
    const std::string& name = output_names[i];
    node.outputs.push_back(add_value(name.empty() ? base : name, std::move(infos[i]), id));
  }
  std::vector<ValueId> outputs = node.outputs;
  nodes_.push_back(std::move(node));
  return outputs;
}

Result<std::vector<ValueId>> Graph::add(Op op, std::vector<ValueId> inputs, int outputs,
                                        std::vector<std::string> output_names, std::vector<std::string> origin) {
  Node node;
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  node.origin = std::move(origin);
  const std::vector<ValueInfo> infos = input_infos(*this, node);
  const std::string hint = output_names.empty() ? std::string(node.op.name()) : output_names[0];
  InferContext context{node.op.name(), infos, outputs,
                       [&](std::string_view h) { return fresh_symbol(h.empty() ? std::string_view(hint) : h); }};
  InferResult inferred = node.op.infer(context);
  if (!inferred.ok()) {
    return node.origin.empty() ? inferred.error() : inferred.error().in(node.origin[0]);
  }
  CHECK(static_cast<int>(inferred->size()) >= outputs, "{} infers {} outputs of {}", node.op.name(), inferred->size(),
        outputs);
  inferred->resize(static_cast<size_t>(outputs));
  return add_typed(std::move(node), std::move(inferred).value(), std::move(output_names));
}

ValueId Graph::add1(Op op, std::vector<ValueId> inputs, std::vector<std::string> origin) {
  Result<std::vector<ValueId>> added = add(std::move(op), std::move(inputs), 1, {}, std::move(origin));
  CHECK(added.ok(), "a rewrite built a wrong node: {}", added.error().message);
  return added.value()[0];
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  std::vector<NodeId> users = std::move(value(from).users);
  value(from).users.clear();
  for (NodeId user : users) {
    // One entry in `users` stands for one use.
    for (ValueId& input : node(user).inputs) {
      if (input != from) continue;
      input = to;
      value(to).users.push_back(user);
      break;
    }
  }
  if (!is_output(from)) return;
  for (ValueId& output : outputs) {
    if (output == from) output = to;
  }
  const bool to_is_public = std::find(inputs.begin(), inputs.end(), to) != inputs.end();
  if (!to_is_public) std::swap(value(from).name, value(to).name);
}

void Graph::replace_input(NodeId id, size_t index, ValueId to) {
  ValueId& input = node(id).inputs[index];
  if (input == to) return;
  if (input != kAbsent) {
    std::vector<NodeId>& users = value(input).users;
    users.erase(std::find(users.begin(), users.end(), id));
  }
  input = to;
  if (to != kAbsent) value(to).users.push_back(id);
}

void Graph::erase(NodeId id) {
  Node& node = this->node(id);
  for (ValueId output : node.outputs) {
    CHECK(value(output).users.empty() && !is_output(output), "erased node's output '{}' is used", value(output).name);
  }
  for (ValueId input : node.inputs) {
    if (input == kAbsent) continue;
    std::vector<NodeId>& users = value(input).users;
    users.erase(std::find(users.begin(), users.end(), id));
  }
  node.erased = true;
  node.inputs.clear();
  node.regions.clear();
}

Result<void> Graph::infer_all() { return infer_all({}); }

// `learned`: symbols that stood for sizes only running could tell, and are known by now. Their names live on in fields
// that hold sizes as texts, so these are rewritten as the walk comes by.
Result<void> Graph::infer_all(std::map<std::string, Dim, std::less<>> learned) {
  std::set<std::string> given;  // by the inputs; never redefined
  for (ValueId id : inputs) {
    if (!type(id).is_tensor()) continue;
    for (const Dim& dim : type(id).shape.value_or(Shape{})) given.merge(dim.symbols());
  }
  const auto learn = [&](const Type& old, const Type& now) {
    const bool comparable = old.is_tensor() && old.rank() == now.rank();
    for (size_t d = 0; comparable && d < old.shape.value_or(Shape{}).size(); ++d) {
      const auto symbol = (*old.shape)[d].symbol_name();
      const Dim& size = (*now.shape)[d];
      if (symbol && !given.contains(std::string(*symbol)) && !size.symbols().contains(std::string(*symbol))) {
        learned.try_emplace(std::string(*symbol), size);
      }
    }
  };
  for (NodeId id : order()) {
    Node& node = this->node(id);
    if (node.op && !learned.empty()) node.op = substitute_sizes(node.op, learned);
    if (!node.regions.empty()) {
      for (Graph& region : node.regions) {
        for (size_t i = 0; i < region.inputs.size(); ++i) {
          ValueInfo& info = region.value(region.inputs[i]).info;
          if (i >= own_inputs(node)) {
            info = value(node.inputs[i + 1]).info;
          } else if (!learned.empty() && info.type.shape) {
            for (Dim& dim : *info.type.shape) dim = dim.substitute(learned);
          }
        }
        MJ_TRY(region.infer_all(learned));
      }
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        Type type = type_from_regions(*this, node, i);
        learn(value(node.outputs[i]).info.type, type);
        value(node.outputs[i]).info.type = std::move(type);
      }
      continue;
    }
    if (!node.op || !node.epilogue.empty()) continue;  // fused: their types were fixed when they were fused
    const std::vector<ValueInfo> infos = input_infos(*this, node);
    const std::string& hint = value(node.outputs[0]).name;
    std::set<std::string> fresh;  // made by this call: a dimension only running can tell
    InferContext context{node.op.name(), infos, static_cast<int>(node.outputs.size()), [&](std::string_view h) {
                           Dim dim = fresh_symbol(h.empty() ? std::string_view(hint) : h);
                           fresh.merge(dim.symbols());
                           return dim;
                         }};
    InferResult inferred = node.op.infer(context);
    if (!inferred.ok()) return inferred.error().in(node.origin.empty() ? hint : node.origin[0]);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      ValueInfo& old = value(node.outputs[i]).info;
      ValueInfo now = std::move((*inferred)[i]);
      if (!fresh.empty() && old.type.rank() >= 0 && old.type.rank() == now.type.rank()) {
        for (size_t d = 0; d < old.type.shape->size(); ++d) {
          const std::set<std::string> symbols = (*now.type.shape)[d].symbols();
          const bool made_here =
              std::any_of(symbols.begin(), symbols.end(), [&](const auto& s) { return fresh.contains(s); });
          if (made_here) (*now.type.shape)[d] = (*old.type.shape)[d];  // it keeps the symbol it had
        }
      }
      learn(old.type, now.type);
      old = std::move(now);
    }
  }
  return {};
}

bool Graph::normalize() {
  std::vector<bool> live_node(nodes_.size(), false), live_value(values_.size(), false);
  std::vector<ValueId> work(outputs.begin(), outputs.end());
  for (ValueId id : inputs) live_value[static_cast<size_t>(id)] = true;
  while (!work.empty()) {
    const ValueId id = work.back();
    work.pop_back();
    live_value[static_cast<size_t>(id)] = true;
    const NodeId producer = value(id).producer;
    if (producer == kNoNode || live_node[static_cast<size_t>(producer)]) continue;
    live_node[static_cast<size_t>(producer)] = true;
    for (ValueId output : node(producer).outputs) live_value[static_cast<size_t>(output)] = true;
    for (ValueId input : node(producer).inputs) {
      if (input != kAbsent) work.push_back(input);
    }
  }

  // Depth first in the present order: stable, and iterative since graphs come from files.
  std::vector<NodeId> sorted;
  std::vector<uint8_t> state(nodes_.size(), 0);
  for (NodeId root = 0; root < node_count(); ++root) {
    if (!live_node[static_cast<size_t>(root)] || state[static_cast<size_t>(root)]) continue;
    std::vector<std::pair<NodeId, size_t>> stack{{root, 0}};
    state[static_cast<size_t>(root)] = 1;
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      if (next == node(id).inputs.size()) {
        sorted.push_back(id);
        stack.pop_back();
        continue;
      }
      const ValueId input = node(id).inputs[next++];
      const NodeId producer = input == kAbsent ? kNoNode : value(input).producer;
      if (producer == kNoNode || state[static_cast<size_t>(producer)]) continue;
      state[static_cast<size_t>(producer)] = 1;
      stack.emplace_back(producer, 0);
    }
  }

  const bool dropped =
      sorted.size() != nodes_.size() || std::count(live_value.begin(), live_value.end(), true) != std::ssize(values_);
  std::vector<ValueId> new_id(values_.size(), kAbsent);
  std::vector<Value> values;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (!live_value[i]) {
      names_->values.free(values_[i].name);
      continue;
    }
    new_id[i] = static_cast<ValueId>(values.size());
    values.push_back(std::move(values_[i]));
    values.back().users.clear();
  }
  std::vector<Node> nodes;
  auto renumber = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id != kAbsent) id = new_id[static_cast<size_t>(id)];
    }
  };
  for (NodeId id : sorted) {
    Node moved = std::move(node(id));
    renumber(moved.inputs);
    renumber(moved.outputs);
    const auto place = static_cast<NodeId>(nodes.size());
    for (ValueId output : moved.outputs) values[static_cast<size_t>(output)].producer = place;
    for (ValueId input : moved.inputs) {
      if (input != kAbsent) values[static_cast<size_t>(input)].users.push_back(place);
    }
    nodes.push_back(std::move(moved));
  }
  renumber(inputs);
  renumber(outputs);
  values_ = std::move(values);
  nodes_ = std::move(nodes);
  return dropped;
}

std::vector<ValueInfo> input_infos(const Graph& graph, const Node& node) {
  std::vector<ValueInfo> infos;
  infos.reserve(node.inputs.size());
  for (ValueId id : node.inputs) infos.push_back(id == kAbsent ? ValueInfo{} : graph.value(id).info);
  return infos;
}

}  // namespace mj
