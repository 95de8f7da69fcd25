// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/epilogue.h"

namespace mj {

cpu::EpilogueFields gemm_fields(const GemmForm& form) {
  if (form.adds_matrix) return cpu::EpilogueFields::none;
  return form.adds_bias ? cpu::EpilogueFields::no_bias : cpu::EpilogueFields::all;
}

cpu::Epilogue gemm_epilogue(const GemmForm& form, const cpu::BodyEpilogue::Bound& bound, const Tensor& bias,
                            std::span<const TensorRef> inputs, int64_t n) {
  cpu::Epilogue e = bound.epilogue();
  if (form.adds_bias) e.bias = bias.present() ? static_cast<const float*>(bias.raw()) : inputs[2].as<const float>();
  if (form.adds_matrix) {
    e.residual = inputs[2].as<const float>();
    e.ld_residual = n;
  }
  return e;
}

}  // namespace mj
