// SPDX-License-Identifier: Apache-2.0
#include "runtime/layout.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/checked.h"
#include "engine/format/plan_verify.h"

namespace mj {
namespace {

// No machine has more; sums of offsets below it cannot overflow.
constexpr int64_t kMostBytes = int64_t{1} << 47;

int64_t align_up(int64_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

// A stretch of memory that is needed from step `first` to step `last`.
struct Block {
  int64_t bytes;
  int first, last;
  int64_t offset = 0;
};

// Greedy by size: the largest first, each at the lowest offset that is free all through its life.
// Within a few percent of the largest live set on the networks we know; printed by `inspect`.
int64_t place(std::vector<Block>& blocks) {
  std::vector<size_t> order(blocks.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<const Block*> placed;  // by offset
  int64_t end = 0;
  for (size_t i : order) {
    Block& block = blocks[i];
    int64_t at = 0;
    for (const Block* other : placed) {
      if (other->last < block.first || block.last < other->first) continue;
      if (at + block.bytes <= other->offset) break;
      at = std::max(at, other->offset + other->bytes);
    }
    block.offset = at;
    end = std::max(end, at + block.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &block,
                                   [](const Block* a, const Block* b) { return a->offset < b->offset; }),
                  &block);
  }
  return end;
}

int64_t largest_live(const std::vector<Block>& blocks, size_t steps) {
  std::vector<int64_t> change(steps + 1, 0);
  for (const Block& block : blocks) {
    change[static_cast<size_t>(block.first)] += block.bytes;
    change[static_cast<size_t>(block.last) + 1] -= block.bytes;
  }
  int64_t live = 0, most = 0;
  for (int64_t delta : change) most = std::max(most, live += delta);
  return most;
}

std::vector<TensorRef> refs_of(const std::vector<int>& ids, const Plan& plan, const Layout& layout) {
  std::vector<TensorRef> refs;
  for (int id : ids) {
    if (id == kNoTensor) {
      refs.emplace_back();
    } else {
      refs.push_back({nullptr, layout.dims[static_cast<size_t>(id)], plan.tensors[static_cast<size_t>(id)].dtype});
    }
  }
  return refs;
}

bool any_late(const std::vector<int>& ids, const Layout& layout) {
  return std::any_of(ids.begin(), ids.end(),
                     [&](int id) { return id != kNoTensor && layout.late[static_cast<size_t>(id)]; });
}

}  // namespace

Result<void> bind_shape(const Shape& shape, std::span<const int64_t> dims, std::string_view what, Bindings& symbols) {
  auto mismatch = [&](std::string_view why) {
    return model_error("{}: got shape [{}], expected {}{}", what, fmt::join(dims, ","), to_string(shape), why);
  };
  if (shape.size() != dims.size()) return mismatch(fmt::format(" of rank {}", shape.size()));
  for (size_t i = 0; i < dims.size(); ++i) {
    const std::optional<std::string_view> symbol = shape[i].symbol_name();
    if (!symbol) continue;
    const auto [at, is_new] = symbols.try_emplace(std::string(*symbol), dims[i]);
    if (at->second != dims[i]) return mismatch(fmt::format(" with {} = {} elsewhere", *symbol, at->second));
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    if (shape[i].symbol_name()) continue;
    Result<int64_t> want = shape[i].evaluate(symbols);
    if (want.ok() && *want != dims[i]) return mismatch(fmt::format(": dimension {} must be {}", i, *want));
  }
  return {};
}

Result<Layout> make_layout(const Program& program, std::span<const std::vector<int64_t>> input_dims,
                           const Bindings& outer, const LayoutOptions& options) {
  const Plan& plan = program.plan();
  const size_t tensors = plan.tensors.size(), steps = plan.steps.size();
  Layout layout;
  CHECK(input_dims.size() == plan.inputs.size(), "shapes of {} inputs for a plan of {}", input_dims.size(),
        plan.inputs.size());
  layout.symbols = outer;
  layout.dims.resize(tensors);
  layout.late.assign(tensors, false);
  layout.offset.assign(tensors, Layout::kElsewhere);
  layout.release.resize(steps);
  layout.workspace_offset.assign(steps, 0);
  layout.workspace_bytes.assign(steps, 0);

  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const PlanTensor& input = plan.tensors[static_cast<size_t>(plan.inputs[i])];
    layout.dims[static_cast<size_t>(plan.inputs[i])] = input_dims[i];
    layout.late[static_cast<size_t>(plan.inputs[i])] = !input.type().is_tensor();
    if (input.shape && input.type().is_tensor())
      MJ_TRY(bind_shape(*input.shape, input_dims[i], fmt::format("input '{}'", input.name), layout.symbols));
  }
  std::vector<bool> is_input(tensors, false);
  for (int id : plan.inputs) is_input[static_cast<size_t>(id)] = true;
  for (size_t i = 0; i < tensors; ++i) {
    const PlanTensor& tensor = plan.tensors[i];
    if (is_input[i]) continue;
    if (tensor.kind == PlanTensor::Kind::constant) {
      layout.dims[i] = tensor.constant.dims();
      continue;
    }
    const bool known =
        tensor.shape && tensor.type().is_tensor() &&
        std::all_of(tensor.shape->begin(), tensor.shape->end(), [&](const Dim& dim) {
          const std::set<std::string> symbols = dim.symbols();
          return std::all_of(symbols.begin(), symbols.end(), [&](const auto& s) { return layout.symbols.contains(s); });
        });
    layout.late[i] = !known;
    if (!known) continue;
    for (const Dim& dim : *tensor.shape) {
      Result<int64_t> size = dim.evaluate(layout.symbols);
      if (!size.ok()) return size.error().in(fmt::format("tensor '{}'", tensor.name));
      if (*size < 0) return model_error("tensor '{}': dimension {} is {} for these inputs", tensor.name, dim, *size);
      layout.dims[i].push_back(*size);
    }
    Result<int64_t> bytes = tensor_bytes(tensor.dtype, layout.dims[i]);
    if (!bytes.ok()) return bytes.error().in(fmt::format("tensor '{}'", tensor.name));
    if (*bytes > kMostBytes) {
      return model_error("tensor '{}': {} bytes for these inputs are more than any machine has", tensor.name, *bytes);
    }
  }

  // Kernels write what their operator says; this keeps them inside the memory that the plan gives them.
  MJ_TRY(verify_dims(plan, layout.dims, layout.late));

  // Lives: from the step that makes a root to the last step that reads it or any alias of it.
  constexpr int kNever = -1;
  std::vector<int> first(tensors, kNever), last(tensors, kNever);
  for (size_t s = 0; s < steps; ++s) {
    for (int id : plan.steps[s].outputs) {
      if (id == kNoTensor) continue;
      const auto root = static_cast<size_t>(program.root(id));
      if (first[root] == kNever) first[root] = static_cast<int>(s);
      last[root] = std::max(last[root], static_cast<int>(s));
    }
    for (int id : plan.steps[s].inputs) {
      if (id != kNoTensor) last[static_cast<size_t>(program.root(id))] = static_cast<int>(s);
    }
  }
  for (int id : plan.outputs) last[static_cast<size_t>(program.root(id))] = static_cast<int>(steps);

  std::vector<bool> is_output(tensors, false);
  for (int id : plan.outputs) is_output[static_cast<size_t>(program.root(id))] = true;

  std::vector<Block> blocks;
  std::vector<int64_t*> destination;
  for (size_t i = 0; i < tensors; ++i) {
    if (plan.tensors[i].kind != PlanTensor::Kind::temporary || first[i] == kNever) continue;
    const bool by_sub_plan = !plan.steps[static_cast<size_t>(first[i])].branches.empty();
    if (layout.late[i] || by_sub_plan || !options.reuse_memory || plan.tensors[i].boxed()) {
      layout.offset[i] = Layout::kLate;
      if (last[i] < static_cast<int>(steps))
        layout.release[static_cast<size_t>(last[i])].push_back(static_cast<int>(i));
      continue;
    }
    if (is_output[i]) {
      layout.offset[i] = Layout::kOutput;
      continue;
    }
    blocks.push_back({align_up(*tensor_bytes(plan.tensors[i].dtype, layout.dims[i])), first[i], last[i]});
    destination.push_back(&layout.offset[i]);
  }
  for (size_t s = 0; s < steps; ++s) {
    const Step& step = plan.steps[s];
    if (step.kind != Step::Kind::kernel || any_late(step.inputs, layout) || any_late(step.outputs, layout)) continue;
    layout.workspace_bytes[s] = program.step(s).kernel->workspace_bytes(
        refs_of(step.inputs, plan, layout), refs_of(step.outputs, plan, layout), options.threads);
    if (layout.workspace_bytes[s] == 0) continue;
    blocks.push_back({align_up(layout.workspace_bytes[s]), static_cast<int>(s), static_cast<int>(s)});
    destination.push_back(&layout.workspace_offset[s]);
  }
  int64_t sum = 0;
  for (const Block& block : blocks) {
    if (__builtin_add_overflow(sum, block.bytes, &sum) || sum > int64_t{1} << 60) {
      return model_error("these inputs need more memory than any machine has");
    }
  }
  layout.arena_bytes = place(blocks);
  layout.largest_live_bytes = largest_live(blocks, steps + 1);
  for (size_t i = 0; i < blocks.size(); ++i) *destination[i] = blocks[i].offset;
  if (options.memory_limit && layout.arena_bytes > options.memory_limit) {
    return error(ErrorCode::environment, "these shapes need {} bytes of memory, the limit is {}", layout.arena_bytes,
                 options.memory_limit);
  }
  return layout;
}

}  // namespace mj
