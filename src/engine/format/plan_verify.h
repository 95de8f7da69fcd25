// SPDX-License-Identifier: Apache-2.0
// What a manifest and its plans must satisfy before anything walks them; they may come from a hostile file.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "engine/format/manifest.h"

namespace mj {

inline constexpr int kMaxPlanDepth = 16;  // of branches and loops within each other

// After this: every number (tensor, body value, branch) is in range; every tensor is made once and before its use;
// every symbol is bound somewhere; operands agree with their tensors in dtype and dims; a kernel's outputs have the
// dtypes, and as far as that is known now the dims, that its operator and body give for its inputs.
//
// What depends on the shapes of a run stays with the executor: that all dims evaluate and are not negative, that inputs
// (also those of branches) fit their declared types, that a row's packed tensors are as large as it expects; and, by a
// call of verify_dims(), the rest.
Result<void> verify(const Plan& plan);
// For the dims of one run, of each tensor: an alias has the size of its source, and a kernel's outputs have the dims
// that its operator and body give for its inputs. Kernels write what their operator says, so this is what keeps them
// inside their memory. Those of late tensors are not known yet: a step that reads one waits until it runs.
// `alike`: of alike_steps(), or empty; a step like an earlier one of the same dims is not looked at again.
Result<void> verify_dims(const Plan& plan, std::span<const std::vector<int64_t>> dims, const std::vector<bool>& late,
                         std::span<const int> alike = {});
// For each step, the first one that computes the same, given inputs of the same dims; at most itself. Layers repeat.
std::vector<int> alike_steps(const Plan& plan);
// The same for one kernel step by the time it runs.
using KnownDims = FunctionRef<std::optional<std::span<const int64_t>>(int tensor)>;
Result<void> verify_dims(const Plan& plan, const Step& step, KnownDims dims);

// Also: every target's plan has the engine's ports; names, profiles and samples make sense.
Result<void> verify(const Manifest& manifest);

}  // namespace mj
