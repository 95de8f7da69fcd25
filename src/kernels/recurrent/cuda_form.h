// SPDX-License-Identifier: Apache-2.0
// What the CUDA rows of LSTM and GRU share: first x W' + b for all steps as one product, then a block for each sequence
// and direction goes over the steps.
#pragma once

#include "kernels/cuda/tile_text.h"
#include "ops/recurrent.h"

namespace mj {

inline constexpr int kRecurrentThreads = 1024;  // of a block

struct RecurrentCudaForm {
  int64_t directions = 1, inputs = 0, hidden = 0;
  Dim steps, sequences;
  int64_t gates = 0;  // columns of a direction's gates, side by side
};

bool has_input(const Problem& problem, size_t i);
// `gates` is for the row to fill in. The dims of W and R are known.
RecurrentCudaForm recurrent_cuda_form(const Problem& problem, const RecurrentFields& op);

// x W' + b [steps * sequences, directions * gates] to the workspace's beginning: packed tensor 0 is W as [inputs,
// directions * gates], 2 the bias.
TiledProduct recurrent_inputs(std::string_view name, const RecurrentCudaForm& form);
// One: the steps take most of the time. Without a split, as the product's results go to no output.
std::vector<std::string> recurrent_configs(const TiledProduct& inputs, const Target& target);
// A step reads all of R through the second cache, and waits for `step_seconds`, which nobody has measured yet.
std::optional<double> recurrent_seconds(const Problem& problem, const RecurrentCudaForm& form,
                                        const TiledProduct& inputs, const Target& target, const Bindings& bindings,
                                        double step_seconds);

// Defines sigmoid(x), steps, sequences, directions, hidden, thread, sequence, direction and `shared`.
void begin_recurrent_steps(KernelText& kernel, const RecurrentCudaForm& form);
// Defines length and backward.
void write_recurrent_order(KernelText& kernel, const RecurrentFields& op);
// Defines from_x, what recurrent_inputs() made of step `t`.
void write_recurrent_inputs(KernelText& kernel, const RecurrentFields& op, const RecurrentCudaForm& form);
// Where the state of (direction, sequence) begins in Y_h; which line of Y holds step `t`.
std::string recurrent_state_text(const RecurrentFields& op);
std::string recurrent_line_text(const RecurrentFields& op);
// Output `i`, or nothing where it is not asked for.
std::string asked_output(KernelText& kernel, size_t i);

}  // namespace mj
