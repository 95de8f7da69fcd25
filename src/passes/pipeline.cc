// SPDX-License-Identifier: Apache-2.0
#include "passes/pipeline.h"

#include <algorithm>

#include "base/knobs.h"
#include "passes/passes.h"

namespace mj {

Stage integers() { return {.name = "integers", .passes = {sink_dequantize(), recognize_quantized()}, .rounds = 8}; }

Stage canonicalize() {
  return {.name = "canonicalize",
          .passes = {infer_shapes(), fold_constants(), specialise_if(), fold_shapes(), gather_to_slice(),
                     eliminate_identity()},
          // Each round may know a dimension more, and so fold a branch or a shape more.
          .rounds = 8};
}

Stage simplify() {
  return {.name = "simplify",
          .passes = {common_subexpressions(), eliminate_identity(), cast_chain(), pow_to_mul(), div_constant(),
                     compare_positions(), gather_in_order(),
                     // What a convolution or gemm can take into its weights is gone before the rest becomes maths.
                     fold_conv_batch_norm(), fold_gemm_batch_norm(), lower_batch_norm(), fold_conv_scale(),
                     fold_matmul_scale(), gemm_to_matmul(), slice_conv(), conv_before_resize(),
                     // Norms are recognized by their last axis, which transposes may move.
                     recognize_layer_norm(), transpose_cancel(), transpose_sink(), reshape_cancel(),
                     merge_transposed_dims(), sink_expand(), join_concat(), fold_constants()},
          .rounds = 8};
}

Stage recognize() {
  return {.name = "recognize",
          .passes = {recognize_activations(), recognize_layer_norm(), recognize_group_norm(), recognize_softmax(),
                     recognize_rotary(), recognize_attention(), one_hot_to_gather(), pointwise_into_table(),
                     drop_zero_state(),
                     // Attention leaves movement of its operands and its result that meets what is around it.
                     common_subexpressions(), transpose_cancel(), transpose_sink(), reshape_cancel(),
                     merge_transposed_dims(), eliminate_identity()},
          .rounds = 8};
}

Stage merge() { return {.name = "merge", .passes = {merge_qkv(), split_linear()}}; }

Stage layout() {
  return {.name = "layout",
          .passes = {conv_transpose_to_conv(), patches_to_matmul(), channels_last(), transpose_cancel(),
                     transpose_sink(), transpose_cancel(), compose_transposes(), transpose_past_reshape(),
                     reshape_cancel(), eliminate_identity(), fold_constants()},
          .rounds = 8};
}

Stage settle() {
  return {.name = "settle",
          // What has not cancelled by now stays.
          .passes = {transpose_to_reshape(), common_subexpressions(), pointwise_past_concat(), reshape_cancel(),
                     join_concat(), eliminate_identity()},
          .rounds = 4};
}

Stage fuse() {
  return {.name = "fuse",
          // Chains gather first, so that an anchor takes a whole one at once.
          .passes = {fuse_pointwise(), fuse_epilogue()},
          .rounds = 8};
}

Stage chain() {
  return {.name = "chain",
          // Convolutions with all that follows them.
          .passes = {fuse_conv_depthwise(), fuse_scaled_conv()}};
}

// Over steps as they are: only what a step writes is rounded. Then what tensor cores ask of such steps.
Stage precision() { return {.name = "precision", .passes = {narrow(), read_planes(), pad_channels()}}; }

namespace {

// A name that MJ_PASSES gets wrong would leave nothing out, and say nothing.
Result<void> check_pass_names() {
  std::string_view list = knob(Knob::passes).value_or("");
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view word = list.substr(0, end);
    if (!word.starts_with("-") || !find_pass(word.substr(1))) {
      return error(ErrorCode::usage, "MJ_PASSES: '{}' is not -NAME of a pass; HACKING.md says what a pass is called",
                   word);
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return {};
}

}  // namespace

std::vector<Stage> pipeline() {
  return {integers(), canonicalize(), simplify(), recognize(), merge(),
          layout(),   settle(),       fuse(),     chain(),     precision()};
}

Result<void> define_quantized(Graph& graph, const PassContext& context) {
  return run_stage(graph, integers(), context);
}

Result<void> optimize(Graph& graph, const PassContext& context) {
  MJ_TRY(check_pass_names());
  for (const Stage& stage : pipeline()) {
    if (context.target.gpu && stage.name == "chain") continue;  // GPUs have no rows for chains of convolutions yet
    if (!context.narrow && stage.name == "precision") continue;
    MJ_TRY(run_stage(graph, stage, context));
  }
  const std::string wrong = verify(graph);
  CHECK(wrong.empty(), "the passes broke the graph: {}; MJ_DEBUG=3 says which", wrong);
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
