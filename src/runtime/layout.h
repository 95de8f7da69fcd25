// SPDX-License-Identifier: Apache-2.0
// Layout: a program's memory for one set of concrete shapes: the dims of every tensor and its place in the arena.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/program.h"

namespace mj {

struct Layout {
  static constexpr int64_t kLate = -1;       // on the heap, made by its step: sized only while running
  static constexpr int64_t kElsewhere = -2;  // a constant, an input of the caller's
  static constexpr int64_t kOutput = -3;     // straight into the caller's output buffer

  Bindings symbols;                        // that the inputs bind
  std::vector<std::vector<int64_t>> dims;  // of each tensor; meaningless while late
  std::vector<bool> late;                  // dims known only when its step has run; sequences and optionals always
  std::vector<int64_t> offset;             // of each root tensor in its arena, or kLate, kElsewhere, kOutput
  std::vector<std::vector<int>> release;   // heap tensors that nobody needs after a step
  std::vector<int64_t> workspace_offset;   // of each step
  std::vector<int64_t> workspace_bytes;
  int64_t arena_bytes = 0;
  int64_t largest_live_bytes = 0;  // the lower bound: what is alive at the worst step
  int64_t device_arena_bytes = 0;  // of a second arena, in the memory of the GPU, where tensors on it lie
};

struct LayoutOptions {
  bool reuse_memory = true;  // false: every temporary on the heap, for the oracle and for step-by-step comparison
  int threads = 1;
  int64_t memory_limit = 0;  // of the arena, in bytes; 0: none
};

// `input_dims` in the order of plan.inputs. `outer` holds symbols that an enclosing plan has bound.
// Errors name the input, its expected and its actual shape.
Result<Layout> make_layout(const Program& program, std::span<const std::vector<int64_t>> input_dims,
                           const Bindings& outer, const LayoutOptions& options);

// Binds the plain symbols of `shape` to `dims`, checks what is already known. `what` names the tensor for errors.
Result<void> bind_shape(const Shape& shape, std::span<const int64_t> dims, std::string_view what, Bindings& symbols);

}  // namespace mj
