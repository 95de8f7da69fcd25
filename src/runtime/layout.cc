// SPDX-License-Identifier: Apache-2.0
#include "runtime/layout.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/align.h"
#include "base/checked.h"
#include "engine/format/plan_verify.h"
#include "runtime/placement.h"

namespace mj {
namespace {

// No machine has more; sums of offsets below it cannot overflow.
constexpr int64_t kMostBytes = int64_t{1} << 47;

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

// What kernels count on for where a tensor begins.
int64_t alignment(bool on_device) { return on_device ? kDeviceAlign : kCacheLine; }

// What each symbolic dim of the program is for these symbols; nothing while a symbol is missing.
std::vector<std::optional<Result<int64_t>>> evaluate_dims(const Program& program, const Bindings& symbols) {
  std::vector<std::optional<Result<int64_t>>> values;
  for (const Program::SymbolicDim& each : program.symbolic_dims()) {
    const bool known = std::all_of(each.symbols.begin(), each.symbols.end(),
                                   [&](const std::string& symbol) { return symbols.contains(symbol); });
    values.emplace_back();
    if (known) values.back() = each.dim.evaluate(symbols);
  }
  return values;
}

bool any_late(const std::vector<int>& ids, const Layout& layout) {
  return std::any_of(ids.begin(), ids.end(),
                     [&](int id) { return id != kNoTensor && layout.late[static_cast<size_t>(id)]; });
}

// For each tensor the root in whose memory it lies: its own, or that of an input of its step that nobody reads any more
// and where the kernel may write it.
std::vector<int> hosts(const Program& program, const Layout& layout, const std::vector<int>& last) {
  const Plan& plan = program.plan();
  std::vector<int> host(plan.tensors.size());
  for (size_t i = 0; i < host.size(); ++i) host[i] = static_cast<int>(i);
  const auto in_arena = [&](int id) { return layout.offset[static_cast<size_t>(id)] >= 0; };
  const auto same_type = [&](int a, int b) {
    return plan.tensors[static_cast<size_t>(a)].dtype == plan.tensors[static_cast<size_t>(b)].dtype &&
           layout.dims[static_cast<size_t>(a)] == layout.dims[static_cast<size_t>(b)];
  };
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    if (step.kind != Step::Kind::kernel || any_late(step.inputs, layout)) continue;
    const auto may_share = [&](size_t input, size_t output) {
      if (!step.device) return program.step(s).kernel->in_place(input, output);
      const std::array<int, 2> pair = {static_cast<int>(input), static_cast<int>(output)};
      return std::find(step.device->in_place.begin(), step.device->in_place.end(), pair) != step.device->in_place.end();
    };
    std::vector<int> taken;
    for (size_t o = 0; o < step.outputs.size(); ++o) {
      const int out = step.outputs[o];
      if (out == kNoTensor || !in_arena(out)) continue;
      for (int in : step.inputs) {
        const int root = in == kNoTensor ? kNoTensor : program.root(in);
        if (root == kNoTensor || !in_arena(root) || last[static_cast<size_t>(root)] != static_cast<int>(s)) continue;
        if (std::find(taken.begin(), taken.end(), root) != taken.end()) continue;
        // However often it is read, under whatever shape: each time the kernel must allow it.
        bool allowed = true;
        for (size_t i = 0; i < step.inputs.size() && allowed; ++i) {
          const int id = step.inputs[i];
          if (id == kNoTensor || program.root(id) != root) continue;
          allowed = same_type(id, out) && may_share(i, o);
        }
        if (!allowed) continue;
        taken.push_back(root);
        host[static_cast<size_t>(out)] = host[static_cast<size_t>(root)];
        break;
      }
    }
  }
  return host;
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
    layout.late[static_cast<size_t>(plan.inputs[i])] = !input.is_tensor();
    if (input.shape && input.is_tensor())
      MJ_TRY(bind_shape(*input.shape, input_dims[i], fmt::format("input '{}'", input.name), layout.symbols));
  }
  const auto values = evaluate_dims(program, layout.symbols);
  std::vector<bool> is_input(tensors, false);
  for (int id : plan.inputs) is_input[static_cast<size_t>(id)] = true;
  for (size_t i = 0; i < tensors; ++i) {
    const PlanTensor& tensor = plan.tensors[i];
    if (is_input[i]) continue;
    if (tensor.kind == PlanTensor::Kind::constant) {
      layout.dims[i] = tensor.constant.dims();
      continue;
    }
    const std::span<const Program::Size> sizes = program.sizes(static_cast<int>(i));
    const bool known =
        tensor.shape && tensor.is_tensor() && std::all_of(sizes.begin(), sizes.end(), [&](const Program::Size& size) {
          return size.symbolic < 0 || values[static_cast<size_t>(size.symbolic)];
        });
    layout.late[i] = !known;
    if (!known && tensor.on_device)
      return model_error("tensor '{}' is on the device, but has no size yet", tensor.name);
    if (!known) continue;
    for (size_t d = 0; d < sizes.size(); ++d) {
      const Result<int64_t> size =
          sizes[d].symbolic < 0 ? sizes[d].value : *values[static_cast<size_t>(sizes[d].symbolic)];
      if (!size.ok()) return size.error().in(fmt::format("tensor '{}'", tensor.name));
      if (*size < 0) {
        return model_error("tensor '{}': dimension {} is {} for these inputs", tensor.name, (*tensor.shape)[d], *size);
      }
      layout.dims[i].push_back(*size);
    }
    Result<int64_t> bytes = tensor_bytes(tensor.dtype, layout.dims[i]);
    if (!bytes.ok()) return bytes.error().in(fmt::format("tensor '{}'", tensor.name));
    if (*bytes > kMostBytes) {
      return model_error("tensor '{}': {} bytes for these inputs are more than any machine has", tensor.name, *bytes);
    }
  }

  // Kernels write what their operator says; this keeps them inside the memory that the plan gives them.
  MJ_TRY(verify_dims(plan, layout.dims, layout.late, program.alike()));

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

  constexpr int64_t kInArena = 0;  // until it has its place
  for (size_t i = 0; i < tensors; ++i) {
    if (plan.tensors[i].kind != PlanTensor::Kind::temporary || first[i] == kNever) continue;
    const bool by_sub_plan = !plan.steps[static_cast<size_t>(first[i])].branches.empty();
    const bool on_heap = !options.reuse_memory && !plan.tensors[i].on_device;
    if (layout.late[i] || by_sub_plan || on_heap || plan.tensors[i].boxed()) {
      layout.offset[i] = Layout::kLate;
      if (last[i] < static_cast<int>(steps))
        layout.release[static_cast<size_t>(last[i])].push_back(static_cast<int>(i));
      continue;
    }
    layout.offset[i] = is_output[i] ? Layout::kOutput : kInArena;
  }
  const std::vector<int> host = hosts(program, layout, last);

  // Host memory first, then that of the device: each has blocks of its own.
  std::vector<Block> blocks, device_blocks;
  std::vector<int> block_of(tensors, -1);
  const auto blocks_of = [&](bool on_device) -> std::vector<Block>& { return on_device ? device_blocks : blocks; };
  for (size_t i = 0; i < tensors; ++i) {
    if (layout.offset[i] != kInArena) continue;
    std::vector<Block>& list = blocks_of(plan.tensors[i].on_device);
    int& block = block_of[static_cast<size_t>(host[i])];
    if (block < 0) {
      block = static_cast<int>(list.size());
      const int64_t bytes = *tensor_bytes(plan.tensors[i].dtype, layout.dims[i]);
      list.push_back({aligned_bytes(bytes, alignment(plan.tensors[i].on_device)), first[i], last[i]});
    }
    block_of[i] = block;
    Block& lives = list[static_cast<size_t>(block)];
    lives.first = std::min(lives.first, first[i]);
    lives.last = std::max(lives.last, last[i]);
  }
  std::vector<std::pair<size_t, int>> workspaces;  // step, block
  for (size_t s = 0; s < steps; ++s) {
    const Step& step = plan.steps[s];
    if (step.kind != Step::Kind::kernel || any_late(step.inputs, layout) || any_late(step.outputs, layout)) continue;
    if (step.device) {
      MJ_ASSIGN(layout.workspace_bytes[s], step.device->workspace_bytes.evaluate(layout.symbols));
      if (layout.workspace_bytes[s] < 0 || layout.workspace_bytes[s] > kMostBytes) {
        return model_error("a step's workspace of {} bytes", layout.workspace_bytes[s]);
      }
    } else {
      layout.workspace_bytes[s] = program.step(s).kernel->workspace_bytes(
          refs_of(step.inputs, plan, layout), refs_of(step.outputs, plan, layout), options.threads);
    }
    if (layout.workspace_bytes[s] == 0) continue;
    std::vector<Block>& list = blocks_of(step.device.has_value());
    workspaces.emplace_back(s, static_cast<int>(list.size()));
    const int64_t bytes = aligned_bytes(layout.workspace_bytes[s], alignment(step.device.has_value()));
    list.push_back({bytes, static_cast<int>(s), static_cast<int>(s)});
  }
  for (const std::vector<Block>* list : {&blocks, &device_blocks}) {
    int64_t sum = 0;
    for (const Block& block : *list) {
      if (__builtin_add_overflow(sum, block.bytes, &sum) || sum > int64_t{1} << 60) {
        return model_error("these inputs need more memory than any machine has");
      }
    }
  }
  layout.largest_live_bytes = largest_live(blocks, steps + 1);
  layout.arena_bytes = place(blocks, layout.largest_live_bytes);
  layout.device_arena_bytes = place(device_blocks, largest_live(device_blocks, steps + 1));
  const auto offset = [&](bool on_device, int block) {
    return blocks_of(on_device)[static_cast<size_t>(block)].offset;
  };
  for (size_t i = 0; i < tensors; ++i) {
    if (block_of[i] >= 0) layout.offset[i] = offset(plan.tensors[i].on_device, block_of[i]);
  }
  for (const auto& [step, block] : workspaces) {
    layout.workspace_offset[step] = offset(plan.steps[step].device.has_value(), block);
  }
  if (options.memory_limit && layout.arena_bytes > options.memory_limit) {
    return error(ErrorCode::environment, "these shapes need {} bytes of memory, the limit is {}", layout.arena_bytes,
                 options.memory_limit);
  }
  return layout;
}

}  // namespace mj
