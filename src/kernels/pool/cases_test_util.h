// SPDX-License-Identifier: Apache-2.0
// Cases for the tests of the pool rows.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/row_test_util.h"

namespace mj {

template <class Pool>
RowCase pool(Pool op, std::vector<int64_t> x) {
  RowCase c;
  c.problem.op = std::move(op);
  c.inputs = {random_tensor(1, std::move(x))};
  return c;
}

template <class Pool>
Pool with(std::vector<int64_t> kernel, std::vector<int64_t> strides, std::vector<int64_t> pads, bool channels_last) {
  Pool op;
  op.kernel_shape = std::move(kernel);
  op.strides = std::move(strides);
  op.pads = std::move(pads);
  op.channels_last = channels_last;
  return op;
}

}  // namespace mj
