// SPDX-License-Identifier: Apache-2.0
#include "passes/rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "passes/edit.h"

namespace mj {
namespace {

// Nodes that wait to be looked at, each at most once.
class Worklist {
 public:
  void push(NodeId id) {
    if (id == kNoNode) return;
    if (static_cast<size_t>(id) >= waiting_.size()) waiting_.resize(static_cast<size_t>(id) + 1, false);
    if (waiting_[static_cast<size_t>(id)]) return;
    waiting_[static_cast<size_t>(id)] = true;
    queue_.push_back(id);
  }
  bool empty() const { return queue_.empty(); }
  NodeId pop() {
    const NodeId id = queue_.front();
    queue_.pop_front();
    waiting_[static_cast<size_t>(id)] = false;
    return id;
  }

 private:
  std::deque<NodeId> queue_;
  std::vector<bool> waiting_;
};

bool may_start_at(const Rewrite& rewrite, const Node& node) {
  const std::vector<std::string_view> ops = root_ops(rewrite.pattern);
  return ops.empty() || std::find(ops.begin(), ops.end(), node.op.name()) != ops.end();
}

std::vector<std::string> origins(const Graph& graph, const Match& match) {
  std::vector<std::string> all;
  std::vector<NodeId> nodes = match.nodes();
  nodes.push_back(graph.value(match.root()).producer);
  for (NodeId id : nodes) add_origins(graph.node(id), all);
  return all;
}

// Tries one rewrite on one node; true if the graph changed.
bool try_rewrite(Graph& graph, const Rewrite& rewrite, NodeId id, const PassContext& context) {
  const ValueId root = graph.node(id).outputs[0];
  std::string near_miss;
  const std::optional<Match> found = match(graph, rewrite.pattern, root, context.log ? &near_miss : nullptr);
  if (!found) {
    if (!near_miss.empty()) context.why_not(graph, graph.node(id), rewrite.name + ": " + near_miss);
    return false;
  }
  std::vector<std::string> origin = origins(graph, *found);
  const NodeId first_new = graph.node_count();
  Outcome outcome = rewrite.apply(graph, *found, context);
  if (!outcome.changed) {
    CHECK(graph.node_count() == first_new, "{} added nodes although it declined", rewrite.name);
    if (!outcome.why_not.empty()) context.why_not(graph, graph.node(id), rewrite.name + ": " + outcome.why_not);
    return false;
  }
  // The copy that keeps an output's name apart from an input's is all there can be.
  if (outcome.value != kAbsent && graph.node(id).is("identity") && loses_name(graph, root, outcome.value)) return false;
  if (outcome.value != kAbsent) {
    const Type &was = graph.type(root), &is = graph.type(outcome.value);
    CHECK(was.dtype == is.dtype && was.rank() == is.rank(), "{} replaces {} by {}", rewrite.name, to_string(was),
          to_string(is));
    replace_value(graph, root, outcome.value);
  }
  if (first_new < graph.node_count()) add_dead_origins(graph, id, origin);
  for (NodeId made = first_new; made < graph.node_count(); ++made) {
    if (graph.node(made).origin.empty()) graph.node(made).origin = origin;
  }
  return true;
}

}  // namespace

Result<bool> apply_rewrites(Graph& graph, std::span<const Rewrite> rewrites, const PassContext& context) {
  Worklist work;
  for (NodeId id : graph.order()) work.push(id);
  bool changed = false;
  // Each rewrite is meant to shrink something. A set that undoes each other's work would run for ever.
  int64_t budget = 1000 + 20 * static_cast<int64_t>(graph.node_count());
  while (!work.empty()) {
    const NodeId id = work.pop();
    if (graph.node(id).erased || erase_dead(graph, id)) continue;
    for (const Rewrite& rewrite : rewrites) {
      if (!may_start_at(rewrite, graph.node(id))) continue;
      const std::vector<ValueId> outputs = graph.node(id).outputs;
      const NodeId first_new = graph.node_count();
      std::vector<NodeId> affected;
      for (ValueId output : outputs) {
        const std::vector<NodeId>& users = graph.value(output).users;
        affected.insert(affected.end(), users.begin(), users.end());
      }
      if (!try_rewrite(graph, rewrite, id, context)) continue;
      CHECK(--budget > 0, "the rewrites of {} do not settle: {} fires again and again", context.pass, rewrite.name);
      changed = true;
      for (NodeId made = first_new; made < graph.node_count(); ++made) work.push(made);
      for (NodeId user : affected) work.push(user);
      // What fed the old node has one use less, and patterns ask for single uses.
      for (ValueId input : graph.node(id).inputs) {
        if (input == kAbsent) continue;
        work.push(graph.value(input).producer);
        for (NodeId user : graph.value(input).users) work.push(user);
      }
      if (!erase_dead(graph, id)) work.push(id);
      break;
    }
  }
  return changed;
}

Pass rewrite_pass(std::string name, std::vector<Rewrite> rewrites) {
  return {std::move(name), [rewrites = std::move(rewrites)](Graph& graph, const PassContext& context) {
            return apply_rewrites(graph, rewrites, context);
          }};
}

}  // namespace mj
