// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

namespace mj {
namespace {

Refusal refuses(const Problem&, const Target&) { return std::nullopt; }

}  // namespace

extern const SelectRow select_reference;
const SelectRow select_reference = {"any", "reference", 1, refuses, one_config, no_estimate, pack_nothing};

}  // namespace mj
