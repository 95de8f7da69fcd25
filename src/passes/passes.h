// SPDX-License-Identifier: Apache-2.0
// Every pass, by its file's name. The order stands in pipeline.cc.
#pragma once

#include "passes/pass.h"

namespace mj {

Pass cast_chain();
Pass channels_last();
Pass common_subexpressions();
Pass compare_positions();
Pass compose_transposes();
Pass conv_before_resize();
Pass conv_transpose_to_conv();
Pass div_constant();
Pass drop_zero_state();
Pass eliminate_identity();
Pass fold_constants();
Pass fold_conv_batch_norm();
Pass fold_conv_scale();
Pass fold_gemm_batch_norm();
Pass fold_matmul_scale();
Pass fold_shapes();
Pass fuse_conv_depthwise();
Pass fuse_epilogue();
Pass fuse_pointwise();
Pass fuse_scaled_conv();
Pass gather_in_order();
Pass gather_to_slice();
Pass gemm_to_matmul();
Pass infer_shapes();
Pass join_concat();
Pass lower_batch_norm();
Pass merge_qkv();
Pass merge_transposed_dims();
Pass narrow();
Pass pad_channels();
Pass one_hot_to_gather();
Pass patches_to_matmul();
Pass pointwise_into_table();
Pass pointwise_past_concat();
Pass pow_to_mul();
Pass read_planes();
Pass recognize_activations();
Pass recognize_attention();
Pass recognize_group_norm();
Pass recognize_layer_norm();
Pass recognize_quantized();
Pass recognize_rotary();
Pass recognize_softmax();
Pass reshape_cancel();
Pass sink_dequantize();
Pass sink_expand();
Pass slice_conv();
Pass specialise_if();
Pass split_linear();
Pass transpose_cancel();
Pass transpose_past_reshape();
Pass transpose_sink();
Pass transpose_to_reshape();

}  // namespace mj
