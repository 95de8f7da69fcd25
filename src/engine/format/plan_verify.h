// SPDX-License-Identifier: Apache-2.0
// What a manifest and its plans must satisfy before anything walks them; they may come from a hostile file.
#pragma once

#include "base/result.h"
#include "engine/format/manifest.h"

namespace mj {

inline constexpr int kMaxPlanDepth = 16;  // of branches within branches

// After this: every number (tensor, body value, branch) is in range; every tensor is made once and before its use;
// every symbol is bound somewhere; operands agree with their tensors in dtype and dims; a kernel's outputs have the
// dtypes, and as far as that is known now the dims, that its operator and body give for its inputs.
//
// What depends on the shapes of a run stays with the executor, which must check it when it plans for them: that all
// dims evaluate and are not negative, that inputs (also those of branches) fit their declared types, that an alias has
// the size of its source, that a kernel's outputs have the dims that its operator gives; and a row must check that
// packed tensors are as large as it expects.
Result<void> verify(const Plan& plan);
// Also: every target's plan has the engine's ports; names, profiles and samples make sense.
Result<void> verify(const Manifest& manifest);

}  // namespace mj
