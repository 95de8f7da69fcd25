// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "kernels/kernel.h"

namespace mj {

#define MJ_GPU_KERNEL(name)  // generated: no code of ours runs at run time
#define MJ_KERNEL(name) extern const RunRow run_##name;
#include "kernels/rows.inc"
#undef MJ_KERNEL

std::span<const RunRow* const> all_run_rows() {
  static const std::array rows = {
#define MJ_KERNEL(name) &run_##name,
#include "kernels/rows.inc"
#undef MJ_KERNEL
  };
  return rows;
}

const RunRow* find_run_row(std::string_view name) {
  for (const RunRow* row : all_run_rows()) {
    if (row->name == name) return row;
  }
  return nullptr;
}

Result<std::vector<Tensor>> Kernel::run_unsized(std::span<const TensorRef>, const Bindings&, int) const {
  return model_error("a kernel was asked for outputs of unknown shape");
}

}  // namespace mj
