// SPDX-License-Identifier: Apache-2.0
// f(gather{axis=0}(t, i), c)  =>  gather(f(t, c), i)     pointwise f; t constant, c constant along all but t's row
//
// What is looked up is computed once, when compiling. Large tables stay as they are: the model would grow by them.
#include <algorithm>

#include "ops/gather.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

constexpr int64_t kMostElements = 1 << 20;

Outcome into(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (!node.op || !node.epilogue.empty() || !node.op.info().pointwise || node.outputs.size() != 1 ||
      !graph.type(m.root()).shape) {
    return Outcome::no();
  }
  ValueId looked_up = kAbsent;
  for (ValueId input : node.inputs) {
    const Node* producer = input == kAbsent ? nullptr : graph.producer(input);
    if (!producer || !producer->is("gather")) continue;
    if (looked_up != kAbsent && looked_up != input) return Outcome::no();
    looked_up = input;
  }
  if (looked_up == kAbsent) return Outcome::no();
  const Node gather = *graph.producer(looked_up);
  const Tensor table = graph.value(gather.inputs[0]).info.constant;
  if (!table.present() || table.dtype() != DType::f32 || table.rank() < 1 || gather.op.get_if<Gather>()->axis != 0 ||
      graph.type(m.root()).dtype != DType::f32) {
    return Outcome::no();
  }
  const auto users = static_cast<std::ptrdiff_t>(graph.value(looked_up).users.size());
  if (graph.is_output(looked_up) || users != std::count(node.inputs.begin(), node.inputs.end(), looked_up))
    return "what is looked up is used elsewhere too";
  if (table.size() > kMostElements) return "the table is large";
  if (!same_shape(graph.shape(looked_up), graph.shape(m.root()))) return Outcome::no();
  std::vector<Tensor> operands;
  for (ValueId input : node.inputs) {
    if (input == looked_up) {
      operands.push_back(table);
      continue;
    }
    const Tensor constant = input == kAbsent ? Tensor() : graph.value(input).info.constant;
    if (!constant.present()) return Outcome::no();
    std::vector<int64_t> dims = constant.dims();
    while (!dims.empty() && dims.front() == 1) dims.erase(dims.begin());
    if (std::ssize(dims) >= table.rank()) return "a constant varies along more than a row of the table";
    operands.push_back(constant.reshaped(dims));
  }
  return graph.add1(gather.op, {graph.add_constant(compute(node.op, operands)), gather.inputs[1]});
}

}  // namespace

Pass pointwise_into_table() { return rewrite_pass("pointwise_into_table", {{"into", any(), into}}); }

}  // namespace mj
