// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/align.h"

namespace mj {
namespace {

using InputDims = std::vector<std::vector<int64_t>>;

// The same for so many rows.
InputDims with_rows(std::span<const std::vector<int64_t>> input_dims, const Batch& batch, int64_t rows) {
  InputDims dims(input_dims.begin(), input_dims.end());
  for (size_t i = 0; i < dims.size(); ++i) {
    if (batch.inputs[i]) dims[i][0] = rows;
  }
  return dims;
}

bool outputs_are_known(const Plan& plan, const Layout& layout) {
  return std::none_of(plan.outputs.begin(), plan.outputs.end(),
                      [&](int output) { return layout.late[static_cast<size_t>(output)]; });
}

// Rows one by one, if that can be.
Result<std::optional<Schedule>> by_rows(const Program& program, std::span<const std::vector<int64_t>> input_dims,
                                        const LayoutOptions& options) {
  const Plan& plan = program.plan();
  const Batch& batch = *program.batch();
  Schedule schedule;
  for (size_t i = 0; i < input_dims.size(); ++i) {
    const PlanTensor& input = plan.tensors[static_cast<size_t>(plan.inputs[i])];
    MJ_TRY(bind_shape(*input.shape, input_dims[i], fmt::format("input '{}'", input.name), schedule.symbols));
  }
  schedule.rows = schedule.symbols.at(batch.symbol);
  Bindings one_row = schedule.symbols;
  one_row[batch.symbol] = 1;
  schedule.alone = rows_alone(plan, batch, one_row, schedule.rows, options.threads);
  if (schedule.alone == 0) return std::optional<Schedule>();
  LayoutOptions one_thread = options;
  one_thread.threads = 1;
  Result<Layout> row = make_layout(program, with_rows(input_dims, batch, 1), {}, one_thread);
  if (!row.ok() || !outputs_are_known(plan, *row)) return std::optional<Schedule>();
  schedule.row_stride = aligned_bytes(row->arena_bytes);
  schedule.arena_bytes = options.threads * schedule.row_stride;
  schedule.largest_live_bytes = options.threads * row->largest_live_bytes;
  if (options.memory_limit && schedule.arena_bytes > options.memory_limit) return std::optional<Schedule>();
  schedule.row = std::move(row).value();
  if (schedule.alone == schedule.rows) return std::optional(std::move(schedule));
  MJ_ASSIGN(schedule.rest,
            make_layout(program, with_rows(input_dims, batch, schedule.rows - schedule.alone), {}, options));
  schedule.arena_bytes = std::max(schedule.arena_bytes, schedule.rest->arena_bytes);
  schedule.largest_live_bytes = std::max(schedule.largest_live_bytes, schedule.rest->largest_live_bytes);
  return std::optional(std::move(schedule));
}

}  // namespace

Result<Schedule> make_schedule(const Program& program, std::span<const std::vector<int64_t>> input_dims,
                               const Bindings& outer, const LayoutOptions& options, bool rows_may) {
  if (rows_may && program.batch() && outer.empty() && options.reuse_memory) {
    MJ_ASSIGN(std::optional<Schedule> schedule, by_rows(program, input_dims, options));
    if (schedule) return *std::move(schedule);
  }
  Schedule schedule;
  MJ_ASSIGN(schedule.rest, make_layout(program, input_dims, outer, options));
  schedule.symbols = schedule.rest->symbols;
  schedule.arena_bytes = schedule.rest->arena_bytes;
  schedule.largest_live_bytes = schedule.rest->largest_live_bytes;
  return schedule;
}

}  // namespace mj
