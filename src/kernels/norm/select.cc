// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/body_epilogue.h"
#include "kernels/estimate.h"
#include "kernels/norm/form.h"

namespace mj {
namespace {

Refusal refuses_rows(const Problem& problem, const Target&) { return row_norm_refusal(problem); }
Refusal refuses_channels(const Problem& problem, const Target&) { return channel_norm_refusal(problem); }

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  return streaming_seconds(problem, target, bindings, 8);
}

}  // namespace

extern const SelectRow select_row_norm_f32;
const SelectRow select_row_norm_f32 = {"norm", "row_norm_f32", 1, refuses_rows, one_config, estimate, pack_nothing};

extern const SelectRow select_channel_norm_f32;
const SelectRow select_channel_norm_f32 = {"norm",     "channel_norm_f32", 1,           refuses_channels,
                                           one_config, estimate,           pack_nothing};

}  // namespace mj
