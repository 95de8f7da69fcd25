// SPDX-License-Identifier: Apache-2.0
// What each operator can be computed by: found out by asking, of every operator and element type, its shape rule and
// the refusals of all rows about problems that are typical of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "ops/op.h"

namespace mj {

struct RowSupport {
  std::string_view row;
  std::vector<DType> dtypes;  // of the operands whose type varies: those that it takes
};

struct OpSupport {
  const OpInfo* op = nullptr;
  std::vector<DType> reference;  // what its shape rule takes; empty: no probe tells
  std::vector<RowSupport> cpu, cuda;
};

// In the order of all_ops(), for the best CPU and GPU that we know.
std::vector<OpSupport> op_support();

// "f64 f32 integers bool": whole kinds by one word.
std::string dtypes_text(const std::vector<DType>& dtypes);

}  // namespace mj
