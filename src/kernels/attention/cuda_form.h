// SPDX-License-Identifier: Apache-2.0
// What the CUDA rows of attention know of a problem.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kernels/cuda/kernel_text.h"
#include "kernels/select.h"
#include "ops/attention.h"

namespace mj {

// Element (s, d) of head h of image b is at first + b * batch + h * head + s * row + d.
struct AttentionHeads {
  Dim first = 0, batch, head, row;
};

struct AttentionCudaForm {
  int64_t heads = 1, key_heads = 1, depth = 0, v_depth = 0;
  Dim images, queries, keys;
  AttentionHeads q, k, v, y;
  size_t k_input = 0, v_input = 0;
  std::optional<size_t> mask_input;
  float scale = 1;
};

Refusal attention_cuda_refusal(const Problem& problem);
// Of a problem that is not refused.
AttentionCudaForm attention_cuda_form(const Problem& problem);

// Where head `head` (an expression) of image `image` begins.
std::string head_text(KernelText& kernel, const AttentionHeads& heads, std::string_view head);
// What is added to the score of (image, head, query, key).
std::string mask_text(KernelText& kernel, const AttentionCudaForm& form);

}  // namespace mj
