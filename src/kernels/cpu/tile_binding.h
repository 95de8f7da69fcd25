// SPDX-License-Identifier: Apache-2.0
// TileBinding: a TileProgram with concrete tensors, over the row-major elements of one shape that its parameters are
// broadcast onto (aligned at the right, as NumPy does it). For one run; threads share it and work on ranges of
// elements.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kernels/cpu/tile_program.h"
#include "kernels/kernel.h"

namespace mj::cpu {

class TileBinding {
 public:
  // Results have exactly `dims`, in f32 or bool. Parameters that the program reads are f32, bool or integers. With
  // `streamed_first` parameter 0 and result 0 are left out here: run_on() hands them over piece by piece. An error
  // names the shapes that do not fit. `program` and `dims` outlive the binding; so does the tensors' memory.
  static Result<TileBinding> bind(const TileProgram& program, std::span<const int64_t> dims,
                                  std::span<const TensorRef> params, std::span<const TensorRef> results,
                                  bool streamed_first);

  TileBinding(TileBinding&&) = default;
  TileBinding& operator=(TileBinding&&) = default;

  int64_t size() const { return size_; }
  // Ranges that begin at multiples of this cost least.
  int64_t unit() const { return unit_; }
  // Elements [begin, end) of the results.
  void run(int64_t begin, int64_t end) const { run_range(nullptr, begin, end); }
  // values[0, end - begin) holds elements [begin, end) of parameter 0 and takes those of result 0.
  void run_on(float* values, int64_t begin, int64_t end) const { run_range(values, begin, end); }

 private:
  TileBinding() = default;

  enum class Kind { unused, streamed, stream, repeated, periodic, general };
  struct Param {
    Kind kind = Kind::unused;
    const void* data = nullptr;
    DType dtype = DType::none;
    int64_t period = 1;            // of a repeated or periodic one
    const float* tile = nullptr;   // a repeated one: unit_ elements of it in f32
    std::vector<int64_t> strides;  // of a general one, along layout_
  };
  struct Out {
    void* data = nullptr;
    DType dtype = DType::none;
  };

  void fill_tiles();
  void run_range(float* values, int64_t begin, int64_t end) const;
  void run_tile(float* values, int64_t begin, int64_t n, float* scratch) const;
  const float* fetch(const Param& p, int64_t begin, int64_t n, float* space) const;
  void gather(const Param& p, int64_t begin, int64_t n, float* out) const;

  const TileProgram* program_ = nullptr;
  int64_t size_ = 0;
  int64_t unit_ = kTile;
  int64_t block_ = 0;            // tiles do not cross multiples of it; 0: none
  std::vector<int64_t> layout_;  // dims, of which neighbours that all parameters walk alike are one
  std::vector<Param> params_;
  std::vector<Out> outs_;
  std::vector<float> tiles_;
  int64_t fetched_ = 0;  // parameters that may need space to be fetched into, and results to be narrowed
};

}  // namespace mj::cpu
