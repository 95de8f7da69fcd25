// SPDX-License-Identifier: Apache-2.0
// BodyEpilogue: the epilogue Body of a Problem as something a CPU kernel can apply to its finished results.
//
// In a row:   refuses():       if (auto reason = cpu::BodyEpilogue::refuses(problem)) return reason;
//             constructor:     epilogue_(problem, isa, cpu::EpilogueFields::all)
//             run():           MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
//                              gemm.epilogue = bound.epilogue();          // GEMM and convolution, or
//                              bound.apply(y + begin, begin, n);          // any other: after writing n results
//
// The anchor's result must stand in outputs[0], dense and row-major in the output's own dims; for epilogue() a column
// is an index of the last axis and a row counts all the others. The body's order of roundings is kept exactly.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/tile_binding.h"
#include "kernels/kernel.h"
#include "problem/problem.h"

namespace mj::cpu {

// Which fields of cpu::Epilogue may be used for what the body starts with.
enum class EpilogueFields {
  none,     // apply() does it all
  no_bias,  // the anchor has a bias of its own, which the caller puts into Epilogue::bias
  bias,     // only that; apply() does the rest
  all,
};

class BodyEpilogue {
 public:
  // One run's epilogue. Used by the threads of a run at the same time.
  class Bound {
   public:
    // For GEMM and convolution; refers to this object, which must stay where it is meanwhile.
    Epilogue epilogue() const;
    // values[0, n) hold elements [begin, begin + n) of the anchor's result in outputs[0]. What epilogue() does by
    // its fields is left out: with EpilogueFields::none that is nothing.
    void apply(float* values, int64_t begin, int64_t n) const {
      if (binding_) binding_->run_on(values, begin, begin + n);
    }
    bool empty() const { return !binding_; }

   private:
    friend class BodyEpilogue;
    Epilogue fields_;
    int64_t columns_ = 1;
    std::optional<TileBinding> binding_;
  };

  // Why the epilogue cannot be applied by tiles, or nothing. A problem without an epilogue is never refused.
  static std::optional<std::string> refuses(const Problem& problem);
  BodyEpilogue(const Problem& problem, Isa isa, EpilogueFields fields);

  // Will epilogue() have a bias?
  bool takes_bias() const { return bias_ >= 0; }

  // `inputs` and `outputs` are those of RunArgs. An error names shapes that do not broadcast.
  Result<Bound> bind(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs) const;

 private:
  void take_fields(const Problem& problem, EpilogueFields fields, Body& body);

  int anchor_inputs_ = 0;
  bool empty_ = true;
  int bias_ = -1, residual_ = -1;  // parameters of the body, or -1
  bool clip_ = false;
  float lo_ = 0, hi_ = 0;
  std::optional<TileProgram> program_;  // what the fields leave over
};

}  // namespace mj::cpu
