// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include <algorithm>
#include <array>

namespace mj {

#define MJ_KERNEL(name) extern const SelectRow select_##name;
#define MJ_GPU_KERNEL(name) MJ_KERNEL(name)
#include "kernels/rows.inc"
#undef MJ_KERNEL

std::span<const SelectRow* const> all_select_rows() {
  static const std::array rows = {
#define MJ_KERNEL(name) &select_##name,
#include "kernels/rows.inc"
#undef MJ_KERNEL
#undef MJ_GPU_KERNEL
  };
  return rows;
}

std::vector<const SelectRow*> rows_of(std::string_view family) {
  std::vector<const SelectRow*> rows;
  for (const SelectRow* row : all_select_rows()) {
    if (row->family == family || row->family == "any") rows.push_back(row);
  }
  return rows;
}

std::vector<const SelectRow*> rows_for(const Problem& problem, const Target& target) {
  std::vector<const SelectRow*> rows = rows_of(boxed(problem) ? "any" : family(problem));
  std::erase_if(rows, [&](const SelectRow* row) {
    return (row->products && row->products != problem.products) || (row->generate && !target.gpu);
  });
  std::stable_partition(rows.begin(), rows.end(), [](const SelectRow* row) { return row->generate != nullptr; });
  return rows;
}

std::vector<std::string> one_config(const Problem&, const Target&) { return {""}; }
std::optional<double> no_estimate(const Problem&, const Target&, const Bindings&) { return std::nullopt; }
Result<Packed> pack_nothing(const Problem&, const Target&, std::string_view, std::span<const Tensor>) {
  return Packed{};
}

}  // namespace mj
