// SPDX-License-Identifier: Apache-2.0
#include "kernels/estimate.h"
#include "kernels/reduce/form.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  ReduceForm form;
  return reduce_form(problem, form);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  return streaming_seconds(problem, target, bindings, 2);
}

}  // namespace

extern const SelectRow select_reduce_f32;
const SelectRow select_reduce_f32 = {"reduce", "reduce_f32", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
