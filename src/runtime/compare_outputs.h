// SPDX-License-Identifier: Apache-2.0
// How far outputs are from those of a reference.
#pragma once

#include <span>
#include <vector>

#include "base/tensor.h"

namespace mj {

// ||a - b|| / ||b|| in double. NaNs must stand at the same places (0 then); integers and bools must be equal (else
// infinity), as must infinities. Of sequences, the worst of their tensors. Infinity when type or shape differ. Both all
// zero: 0.
double relative_l2(const Tensor& a, const Tensor& reference);

struct Comparison {
  std::vector<double> errors;  // of each output
  double worst = 0;
};

Comparison compare_outputs(std::span<const Tensor> outputs, std::span<const Tensor> reference);

}  // namespace mj
