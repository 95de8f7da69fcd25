// SPDX-License-Identifier: Apache-2.0
#include "passes/pipeline.h"

#include "passes/passes.h"

namespace mj {

Stage canonicalize() {
  return {.name = "canonicalize",
          .passes = {infer_shapes(), fold_constants()},
          // Each round may know a dimension more, and so fold a branch or a shape more.
          .rounds = 8};
}

Stage simplify() { return {.name = "simplify", .passes = {common_subexpressions()}, .rounds = 8}; }

Stage recognize() { return {.name = "recognize", .passes = {}}; }

Stage merge() { return {.name = "merge", .passes = {}}; }

Stage layout() { return {.name = "layout", .passes = {}}; }

Stage fuse() { return {.name = "fuse", .passes = {}}; }

std::vector<Stage> pipeline() { return {canonicalize(), simplify(), recognize(), merge(), layout(), fuse()}; }

Result<void> optimize(Graph& graph, const PassContext& context) {
  for (const Stage& stage : pipeline()) MJ_TRY(run_stage(graph, stage, context));
  return {};
}

const Pass* find_pass(std::string_view name) {
  static const std::vector<Stage> stages = pipeline();
  for (const Stage& stage : stages) {
    for (const Pass& pass : stage.passes) {
      if (pass.name == name) return &pass;
    }
  }
  return nullptr;
}

}  // namespace mj
