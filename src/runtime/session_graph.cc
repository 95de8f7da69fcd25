// SPDX-License-Identifier: Apache-2.0
// Runs of programs that are all on their device: recorded once for each shape (and, from the caller's device memory,
// for each set of addresses), then started as one graph.
#include <algorithm>
#include <cstring>

#include "base/align.h"
#include "ops/data_movement.h"
#include "runtime/output_memory.h"
#include "runtime/session.h"

namespace mj {

// The pieces of one block of host memory that stand for inputs and outputs, one after the other.
struct Session::Staged {
  std::vector<Tensor> inputs;
  std::vector<Destination> outputs;
  int64_t bytes = 0;
};

Session::Staged Session::staged(const Layout& layout, std::span<const Tensor> inputs, void* memory) const {
  const Plan& plan = program_->plan();
  Staged staged;
  auto* const base = static_cast<std::byte*>(memory);
  const auto next = [&](int64_t bytes) {
    std::byte* const place = base ? base + staged.bytes : nullptr;
    staged.bytes += aligned_bytes(bytes);
    return place;
  };
  for (const Tensor& input : inputs) {
    staged.inputs.push_back(Tensor::view(input.dtype(), input.dims(), next(input.bytes()), nullptr));
  }
  for (int id : plan.outputs) {
    const auto at = static_cast<size_t>(id);
    const int64_t bytes = product(layout.dims[at]) * storage_bytes(plan.tensors[at].dtype);
    staged.outputs.push_back({next(bytes), bytes});
  }
  return staged;
}

Result<void> Session::capture(CachedSchedule& cached, std::span<const Tensor> inputs) {
  const Layout& layout = *cached.schedule.rest;
  cached.graph = {};
  MJ_ASSIGN(cached.staging, CudaPinned::allocate(program_->device()->device(), staged(layout, inputs, nullptr).bytes));
  const Staged staged = this->staged(layout, inputs, cached.staging.data());
  RunOptions inner;
  inner.destinations = staged.outputs;
  std::vector<Tensor> views(staged.outputs.size());
  capturing_ = true;
  Result<CudaGraph> graph = stream_.capture(
      [&] { return execute(layout, static_cast<std::byte*>(arena_), pool_, staged.inputs, views, inner); });
  capturing_ = false;
  MJ_ASSIGN(cached.graph, std::move(graph));
  cached.arena = device_arena_.data();
  return {};
}

Result<void> Session::run_graph(CachedSchedule& cached, std::span<const Tensor> inputs, std::vector<Tensor>& outputs,
                                const RunOptions& options) {
  const Plan& plan = program_->plan();
  if (options.cancelled && options.cancelled->load(std::memory_order_relaxed)) {
    return model_error("the run was cancelled before its first step");
  }
  if (!cached.graph || cached.arena != device_arena_.data()) MJ_TRY(capture(cached, inputs));
  const Layout& layout = *cached.schedule.rest;
  const Staged staged = this->staged(layout, inputs, cached.staging.data());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].bytes() == 0) continue;
    std::memcpy(const_cast<void*>(staged.inputs[i].raw()), inputs[i].raw(), static_cast<size_t>(inputs[i].bytes()));
  }
  MJ_TRY(cached.graph.launch(stream_));
  MJ_TRY(stream_.synchronize());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto at = static_cast<size_t>(plan.outputs[i]);
    MJ_ASSIGN(void* data, prepare(destination(options, i), plan.tensors[at], layout.dims[at], outputs[i]));
    if (outputs[i].bytes()) std::memcpy(data, staged.outputs[i].data, static_cast<size_t>(outputs[i].bytes()));
  }
  return {};
}

// Copies to and from the device fall away where the tensor on the device can lie in the caller's memory. An output that
// is a constant, an input, or the same tensor as another output is copied within the device.
Result<CudaGraph> Session::capture_bound(const Layout& layout, std::span<const Tensor> inputs,
                                         std::span<const Destination> outputs) {
  const Plan& plan = program_->plan();
  bound_.assign(plan.tensors.size(), nullptr);
  for (const Step& step : plan.steps) {
    if (step.kind != Step::Kind::copy) continue;
    const int from = step.inputs[0], to = step.outputs[0];
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (plan.inputs[i] == from) bound_[static_cast<size_t>(program_->root(to))] = const_cast<void*>(inputs[i].raw());
    }
    const auto root = static_cast<size_t>(program_->root(from));
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (plan.outputs[i] == to && !bound_[root] && layout.offset[root] >= 0) bound_[root] = outputs[i].data;
    }
  }
  RunOptions inner;
  inner.destinations = outputs;
  std::vector<Tensor> views(outputs.size());
  capturing_ = true;
  Result<CudaGraph> graph =
      stream_.capture([&] { return execute(layout, static_cast<std::byte*>(arena_), pool_, inputs, views, inner); });
  capturing_ = false;
  bound_.clear();
  return graph;
}

Result<void> Session::enqueue(std::span<const Tensor> inputs, std::span<const Destination> outputs) {
  CHECK(program_->device() && program_->device()->all_of_it(),
        "steps on the host; DeviceRun::make refuses such engines");
  std::vector<std::vector<int64_t>> input_dims;
  std::vector<const void*> addresses;
  for (const Tensor& input : inputs) input_dims.push_back(input.dims()), addresses.push_back(input.raw());
  for (const Destination& output : outputs) addresses.push_back(output.data);
  for (const void* address : addresses) {
    if (reinterpret_cast<uintptr_t>(address) % 16 != 0)
      return error(ErrorCode::usage, "device memory at {} is not aligned to 16 bytes", address);
  }
  MJ_ASSIGN(const Schedule* schedule, schedule_for(input_dims, {}));
  MJ_TRY(reserve(schedule->arena_bytes));
  MJ_TRY(reserve_on_device(schedule->rest->device_arena_bytes));
  std::list<BoundGraph>& bound = schedules_.front().bound;
  const auto known = std::find_if(bound.begin(), bound.end(), [&](const BoundGraph& graph) {
    return graph.addresses == addresses && graph.arena == device_arena_.data();
  });
  if (known != bound.end()) {
    bound.splice(bound.begin(), bound, known);
  } else {
    MJ_ASSIGN(CudaGraph graph, capture_bound(*schedule->rest, inputs, outputs));
    bound.push_front({std::move(addresses), std::move(graph), device_arena_.data()});
    if (bound.size() > kBoundGraphs) {
      MJ_TRY(stream_.synchronize());  // the oldest may still run
      bound.pop_back();
    }
  }
  return bound.front().graph.launch(stream_);
}

}  // namespace mj
