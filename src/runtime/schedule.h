// SPDX-License-Identifier: Apache-2.0
// Schedule: how a run of given shapes goes. Where the rows of a batch do not depend on each other (runtime/batch.h),
// each thread takes whole rows, one after the other, and all threads together run what is left over.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/layout.h"

namespace mj {

struct Schedule {
  Bindings symbols;            // that the inputs bind
  int64_t rows = 0;            // of the batch; 0 where `alone` is
  int64_t alone = 0;           // how many threads take one by one, the first ones,
  std::optional<Layout> row;   // each in this way; nothing where there are none
  std::optional<Layout> rest;  // of the others, or of the whole run; nothing where there are none
  int64_t row_stride = 0;      // from one thread's arena to the next
  int64_t arena_bytes = 0;
  int64_t largest_live_bytes = 0;  // the lower bound
};

// As make_layout(), whose errors it has. `rows_may` false: all rows go together.
Result<Schedule> make_schedule(const Program& program, std::span<const std::vector<int64_t>> input_dims,
                               const Bindings& outer, const LayoutOptions& options, bool rows_may = true);

}  // namespace mj
