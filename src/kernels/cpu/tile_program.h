// SPDX-License-Identifier: Apache-2.0
// TileProgram: a Body compiled to a list of vector loops over tiles that stay in L1. Immutable; shared by threads.
//
// Numbers are held as f32, bools as 0 and 1. Each operator rounds as in the body; only chains whose rounding is the
// same are merged (multiply-add in two roundings, add + clip, ...).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cpu/tile_primitives.h"
#include "problem/body.h"

namespace mj::cpu {

inline constexpr int64_t kTile = 512;  // floats: 2 KiB a value, so that a body's live values fit L1

class TileProgram {
 public:
  // Why the body cannot be compiled, or nothing.
  static std::optional<std::string> refuses(const Body& body);
  // A body that refuses() lets pass.
  TileProgram(const Body& body, Isa isa);

  int params() const { return params_; }
  int results() const { return results_; }
  // Does parameter i reach a result?
  bool reads(int i) const { return read_[static_cast<size_t>(i)]; }
  int64_t scratch_floats() const { return temporaries_ * kTile; }
  // Rough vector operations for each element, for cost models.
  double operations() const { return operations_; }

  // results[r][i] = body(params[0][i], ...) for i in [0, n), n <= kTile. params that are not read may be null.
  // results[r] may be params[0] for one r, and an only result any of the params; otherwise nothing overlaps. scratch
  // holds scratch_floats().
  void run(const float* const* params, float* const* results, int64_t n, float* scratch) const;

 private:
  // A value's place in the table of pointers: parameters, constants, results, temporaries.
  struct Step {
    void (*run)(const TileStep&) = nullptr;  // null: the operator's own scalar loop
    Op op;
    int in[3] = {};
    int out = 0;
    float a = 0, b = 0;
  };
  class Compiler;

  int params_ = 0, results_ = 0;
  std::vector<float> constants_;  // kTile copies of each
  int64_t temporaries_ = 0;
  double operations_ = 0;
  std::vector<bool> read_;
  std::vector<Step> steps_;
};

}  // namespace mj::cpu
