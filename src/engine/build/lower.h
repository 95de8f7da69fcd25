// SPDX-License-Identifier: Apache-2.0
// Lowering: a graph becomes a plan, one step a node. Reshapes and the like become aliases and cost nothing.
#pragma once

#include <functional>

#include "engine/format/plan.h"
#include "ir/graph.h"
#include "kernels/select.h"

namespace mj {

// Picks the tactic of a problem and packs its constants. `constants[i]` is present where problem.inputs[i].constant.
using Chooser = std::function<Result<Chosen>(const Problem& problem, std::span<const Tensor> constants)>;

// `choose` may answer with code for a device; copies to and from it are put in. What cannot run there, since its sizes
// are known late or it stands in a branch or a loop, asks `choose_on_host`; null: all ask `choose`.
Result<Plan> lower(const Graph& graph, const Chooser& choose, const Chooser& choose_on_host = nullptr);

// Reference rows only, nothing packed: how the oracle is built.
Result<Chosen> choose_reference(const Problem& problem, std::span<const Tensor> constants);

Problem problem_of(const Graph& graph, const Node& node);

}  // namespace mj
