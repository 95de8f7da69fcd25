// SPDX-License-Identifier: Apache-2.0
// lstm(x, w, r, b, lengths, 0, 0)  =>  lstm(x, w, r, b, lengths)     states that are zeros are what it begins with
// rnn and gru likewise, which have one
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

constexpr size_t kFirstState = 5;

bool is_zero(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  while (node && (node->is("expand_to") || node->is("reshape_to"))) {
    id = node->inputs[0];
    node = graph.producer(id);
  }
  const Value& value = graph.value(id);
  if (!value.is_constant() || value.type().dtype != DType::f32) return false;
  for (float x : value.info.constant.data<float>()) {
    if (x != 0) return false;
  }
  return true;
}

Outcome drop(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  const size_t states = node.is("lstm") ? 2 : 1;
  std::vector<ValueId> inputs = node.inputs;
  bool any = false;
  for (size_t i = kFirstState; i < std::min(inputs.size(), kFirstState + states); ++i) {
    if (inputs[i] == kAbsent) continue;
    if (!is_zero(graph, inputs[i])) return "a state is not zero";
    inputs[i] = kAbsent;
    any = true;
  }
  if (!any) return Outcome::no();
  while (inputs.back() == kAbsent) inputs.pop_back();
  const std::vector<ValueId> old = node.outputs;
  const Result<std::vector<ValueId>> made = graph.add(node.op, inputs, static_cast<int>(old.size()));
  CHECK(made.ok(), "{}", made.error().message);
  for (size_t i = 0; i < old.size(); ++i) graph.replace_uses(old[i], (*made)[i]);
  return Outcome::in_place();
}

}  // namespace

Pass drop_zero_state() {
  return rewrite_pass("drop_zero_state", {{"drop", either({node("lstm"), node("gru"), node("rnn")}), drop}});
}

}  // namespace mj
