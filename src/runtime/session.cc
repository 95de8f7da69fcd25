// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/align.h"
#include "base/clock.h"
#include "engine/format/plan_verify.h"
#include "runtime/loop.h"
#include "runtime/output_memory.h"

namespace mj {
namespace {

constexpr std::align_val_t kArenaAlign{kCacheLine};

void* default_allocate(void*, size_t bytes) { return ::operator new(bytes, kArenaAlign, std::nothrow); }
void default_release(void*, void* memory) { ::operator delete(memory, kArenaAlign); }

std::vector<int64_t> dims_of(const TensorRef& ref) { return {ref.dims.begin(), ref.dims.end()}; }

int64_t bytes_of(const TensorRef& ref) { return ref.present() ? ref.size() * storage_bytes(ref.dtype) : 0; }

bool overlap(const TensorRef& a, const TensorRef& b) {
  const auto begin = [](const TensorRef& ref) { return reinterpret_cast<uintptr_t>(ref.data); };
  const auto end = [&](const TensorRef& ref) { return begin(ref) + static_cast<uintptr_t>(bytes_of(ref)); };
  return begin(a) < end(b) && begin(b) < end(a);
}

}  // namespace

// What one run knows: where each tensor is by now.
struct Session::Frame {
  const Layout& layout;
  std::byte* arena;
  ThreadPool& pool;
  Bindings symbols;
  std::vector<TensorRef> refs;             // of each tensor
  std::vector<std::vector<int64_t>> late;  // dims of the late ones
  std::vector<Tensor> heap;                // owners of late tensors, and inputs or outputs that must live on
};

Session::Session(std::shared_ptr<const Program> program, ThreadPool& pool, const Options& options)
    : program_(std::move(program)), pool_(pool), options_(options) {
  options_.layout.threads = pool.threads();
  if (!options_.allocator.allocate) options_.allocator = {default_allocate, default_release, nullptr};
  branches_.resize(program_->plan().steps.size());
}

Session::~Session() {
  if (arena_) options_.allocator.release(options_.allocator.context, arena_);
}

Result<void> Session::reserve(int64_t bytes) {
  if (bytes <= arena_bytes_) return {};
  if (arena_) options_.allocator.release(options_.allocator.context, arena_);
  arena_bytes_ = 0;
  arena_ = options_.allocator.allocate(options_.allocator.context, static_cast<size_t>(bytes));
  if (!arena_) return error(ErrorCode::environment, "out of memory: {} bytes for activations", bytes);
  arena_bytes_ = bytes;
  if (reinterpret_cast<uintptr_t>(arena_) % static_cast<size_t>(kArenaAlign) != 0) {
    return error(ErrorCode::environment, "the allocator returned memory that is not aligned to {} bytes",
                 static_cast<size_t>(kArenaAlign));
  }
  return {};
}

Result<void> Session::reserve_on_device(int64_t bytes) {
  if (!program_->device()) return {};
  const std::shared_ptr<const CudaDevice>& device = program_->device()->device();
  if (!stream_) {
    MJ_ASSIGN(stream_, CudaStream::create(device));
  }
  if (bytes <= device_arena_.bytes()) return {};
  device_arena_ = {};
  MJ_ASSIGN(device_arena_, CudaBuffer::allocate(device, bytes));
  return {};
}

Result<const Schedule*> Session::schedule_for(std::span<const std::vector<int64_t>> input_dims, const Bindings& outer,
                                              bool rows_may) {
  for (auto it = schedules_.begin(); it != schedules_.end(); ++it) {
    if (std::equal(input_dims.begin(), input_dims.end(), it->input_dims.begin(), it->input_dims.end()) &&
        it->outer == outer && it->rows_may == rows_may) {
      schedules_.splice(schedules_.begin(), schedules_, it);
      return &schedules_.front().schedule;
    }
  }
  MJ_ASSIGN(Schedule schedule, make_schedule(*program_, input_dims, outer, options_.layout, rows_may));
  schedules_.push_front(
      {{input_dims.begin(), input_dims.end()}, outer, rows_may, std::move(schedule), {}, {}, nullptr, {}});
  if (schedules_.size() > options_.cached_schedules) {
    MJ_TRY(synchronize());  // its graphs may still run
    schedules_.pop_back();
  }
  return &schedules_.front().schedule;
}

Result<void> Session::run(std::span<const Tensor> inputs, std::vector<Tensor>& outputs, const RunOptions& options,
                          const Bindings& outer) {
  const Plan& plan = program_->plan();
  CHECK(inputs.size() == plan.inputs.size(), "{} inputs for a plan of {}", inputs.size(), plan.inputs.size());
  CHECK(options.destinations.empty() || options.destinations.size() == plan.outputs.size(),
        "{} destinations for {} outputs", options.destinations.size(), plan.outputs.size());
  std::vector<std::vector<int64_t>> input_dims;
  for (const Tensor& input : inputs) input_dims.push_back(input.dims());
  MJ_ASSIGN(const Schedule* schedule, schedule_for(input_dims, outer, !options.observer && !options.replay));
  MJ_TRY(reserve(schedule->arena_bytes));
  outputs.resize(plan.outputs.size());
  MJ_TRY(reserve_on_device(schedule->rest ? schedule->rest->device_arena_bytes : 0));
  if (program_->device() && program_->device()->all_of_it() && !options.observer && !options.replay) {
    return run_graph(schedules_.front(), inputs, outputs, options);
  }
  if (schedule->alone > 0) return run_rows(*schedule, inputs, outputs, options);
  return execute(*schedule->rest, static_cast<std::byte*>(arena_), pool_, inputs, outputs, options);
}

Result<void> Session::run_rows(const Schedule& schedule, std::span<const Tensor> inputs, std::vector<Tensor>& outputs,
                               const RunOptions& options) {
  const Plan& plan = program_->plan();
  const std::vector<bool>& has_rows = program_->batch()->inputs;
  while (alone_.size() < static_cast<size_t>(pool_.threads())) alone_.push_back(std::make_unique<ThreadPool>(1));
  std::vector<Destination> whole;  // of each output
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto id = static_cast<size_t>(plan.outputs[i]);
    std::vector<int64_t> dims = schedule.row->dims[id];
    dims[0] = schedule.rows;
    MJ_ASSIGN(void* data, prepare(destination(options, i), plan.tensors[id], std::move(dims), outputs[i]));
    whole.push_back({data, outputs[i].bytes()});
  }
  const auto run_part = [&](const Layout& layout, std::byte* arena, ThreadPool& pool, int64_t first, int64_t count) {
    const auto bytes_of = [&](int64_t whole_bytes, int64_t rows) { return whole_bytes / schedule.rows * rows; };
    std::vector<Tensor> part;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!has_rows[i]) {
        part.push_back(inputs[i]);
        continue;
      }
      std::vector<int64_t> dims = inputs[i].dims();
      dims[0] = count;
      const auto* data = static_cast<const std::byte*>(inputs[i].raw()) + bytes_of(inputs[i].bytes(), first);
      part.push_back(Tensor::view(inputs[i].dtype(), std::move(dims), data, nullptr));
    }
    std::vector<Destination> to;
    for (const Destination& output : whole) {
      to.push_back(
          {static_cast<std::byte*>(output.data) + bytes_of(output.bytes, first), bytes_of(output.bytes, count)});
    }
    RunOptions inner;
    inner.cancelled = options.cancelled;
    inner.destinations = to;
    std::vector<Tensor> views(outputs.size());
    return execute(layout, arena, pool, part, views, inner);
  };
  auto* const arena = static_cast<std::byte*>(arena_);
  std::vector<Result<void>> done(static_cast<size_t>(schedule.alone));
  pool_.run(schedule.alone, [&](int64_t row, int thread) {
    const auto at = static_cast<size_t>(thread);
    done[static_cast<size_t>(row)] = run_part(*schedule.row, arena + thread * schedule.row_stride, *alone_[at], row, 1);
  });
  for (const Result<void>& each : done) MJ_TRY(each);
  if (!schedule.rest) return {};
  return run_part(*schedule.rest, arena, pool_, schedule.alone, schedule.rows - schedule.alone);
}

Result<void> Session::execute(const Layout& layout, std::byte* arena, ThreadPool& pool, std::span<const Tensor> inputs,
                              std::vector<Tensor>& outputs, const RunOptions& options) {
  const Plan& plan = program_->plan();
  const size_t tensors = plan.tensors.size();
  Frame frame{layout, arena, pool, layout.symbols, std::vector<TensorRef>(tensors), {}, std::vector<Tensor>(tensors)};
  frame.late.resize(tensors);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto id = static_cast<size_t>(plan.inputs[i]);
    place_on_heap(id, inputs[i], frame);
  }
  std::vector<int> direct(tensors, -1);          // root tensor -> the output whose buffer it lives in
  std::vector<void*> buffers(tensors, nullptr);  // root tensor -> that buffer
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const auto id = static_cast<size_t>(plan.outputs[i]);
    const auto root = static_cast<size_t>(program_->root(plan.outputs[i]));
    if (layout.offset[root] != Layout::kOutput || direct[root] >= 0) continue;
    direct[root] = static_cast<int>(i);
    MJ_ASSIGN(buffers[root], prepare(destination(options, i), plan.tensors[id], layout.dims[id], outputs[i]));
  }
  for (size_t i = 0; i < tensors; ++i) {
    const PlanTensor& tensor = plan.tensors[i];
    if (frame.refs[i].present() || layout.late[i]) continue;
    const auto root = static_cast<size_t>(program_->root(static_cast<int>(i)));
    TensorRef ref{nullptr, layout.dims[i], tensor.dtype};
    const PlanTensor& origin = plan.tensors[root];
    if (tensor.boxed()) {
      const bool given = origin.kind == PlanTensor::Kind::constant || origin.kind == PlanTensor::Kind::input;
      const Tensor& from = origin.kind == PlanTensor::Kind::constant ? origin.constant : frame.heap[root];
      if (given) place_on_heap(i, from.reshaped(layout.dims[i]), frame);
      continue;
    }
    if (!bound_.empty() && bound_[root]) {
      ref.data = bound_[root];
    } else if (origin.kind == PlanTensor::Kind::constant) {
      ref.data =
          origin.on_device ? program_->device()->address(origin.constant) : const_cast<void*>(origin.constant.raw());
    } else if (origin.kind == PlanTensor::Kind::input) {
      ref.data = frame.refs[root].data;
    } else if (layout.offset[root] == Layout::kOutput) {
      ref.data = buffers[root];
    } else if (layout.offset[root] >= 0) {
      auto* const base = origin.on_device ? static_cast<std::byte*>(device_arena_.data()) : arena;
      ref.data = base + layout.offset[root];
    } else {
      continue;  // on the heap, once its step has run
    }
    frame.refs[i] = ref;
  }

  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (options.cancelled && options.cancelled->load(std::memory_order_relaxed)) {
      return model_error("the run was cancelled after {} of {} steps", s, plan.steps.size());
    }
    MJ_TRY(run_step(s, frame, options));
    for (int id : layout.release[s]) frame.heap[static_cast<size_t>(id)] = {};
  }

  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const auto root = static_cast<size_t>(program_->root(plan.outputs[i]));
    MJ_ASSIGN(const TensorRef ref, this->input(plan.outputs[i], frame));
    if (direct[root] == static_cast<int>(i)) {
      outputs[i] = outputs[i].reshaped({ref.dims.begin(), ref.dims.end()});
      continue;
    }
    const Destination to = destination(options, i);
    if (ref.value && !to.data) {
      outputs[i] = *ref.value;
      continue;
    }
    const PlanTensor& tensor = plan.tensors[static_cast<size_t>(plan.outputs[i])];
    MJ_ASSIGN(void* data, prepare(to, tensor, dims_of(ref), outputs[i]));
    if (outputs[i].bytes()) std::memcpy(data, ref.data, static_cast<size_t>(outputs[i].bytes()));
  }
  return {};
}

Result<void> Session::run_step(size_t index, Frame& frame, const RunOptions& options) {
  const Step& step = program_->plan().steps[index];
  const auto start = Clock::now();
  switch (step.kind) {
    case Step::Kind::kernel: {
      Result<void> done = step.device ? run_on_device(index, frame) : run_kernel(index, frame);
      if (!done.ok()) return step.origin.empty() ? done.error() : done.error().in(step.origin[0]);
      break;
    }
    case Step::Kind::branch:
      MJ_TRY(run_branch(index, frame, options));
      break;
    case Step::Kind::loop: {
      Result<void> done = run_loop_step(index, frame, options);
      if (!done.ok()) return step.origin.empty() ? done.error() : done.error().in(step.origin[0]);
      break;
    }
    case Step::Kind::copy:
      MJ_TRY(run_copy(step, frame));
      break;
    case Step::Kind::check: {
      MJ_ASSIGN(const int64_t left, step.left.evaluate(frame.symbols));
      MJ_ASSIGN(const int64_t right, step.right.evaluate(frame.symbols));
      if (left != right) return model_error("{}: {} is {}, {} is {}", step.message, step.left, left, step.right, right);
      break;
    }
  }
  if (!options.observer && !options.replay) return {};
  if (program_->device()) MJ_TRY(stream_.synchronize());
  const double seconds = seconds_since(start);
  if (options.replay) MJ_TRY(replay(index, frame, options));
  return options.observer ? observe(index, seconds, frame, options) : Result<void>();
}

Result<void> Session::replay(size_t index, Frame& frame, const RunOptions& options) {
  const Step& step = program_->plan().steps[index];
  const auto on_device = [&](int id) { return program_->plan().tensors[static_cast<size_t>(id)].on_device; };
  if (step.kind == Step::Kind::copy) {
    const bool leaves = on_device(step.inputs[0]), arrives = on_device(step.outputs[0]);
    if (!leaves && !arrives) return {};
    // Host memory of steps in between may not be page-locked, which a recorded copy needs.
    if (leaves != arrives && !program_->device()->all_of_it()) return {};
    capturing_ = true;
    const Result<void> done = options.replay(index, stream_, [&] { return run_copy(step, frame); });
    capturing_ = false;
    return done;
  }
  if (!step.device) return {};
  int64_t bytes = 0;
  for (int id : step.outputs) {
    if (id != kNoTensor) bytes += aligned_bytes(bytes_of(frame.refs[static_cast<size_t>(id)]), kDeviceAlign);
  }
  CudaBuffer beside;
  if (!step.device->in_place.empty()) {
    MJ_ASSIGN(beside, CudaBuffer::allocate(program_->device()->device(), bytes));
  }
  auto* const to = static_cast<std::byte*>(beside.data());
  return options.replay(index, stream_, [&] { return run_on_device(index, frame, to); });
}

Result<void> Session::run_copy(const Step& step, Frame& frame) {
  MJ_ASSIGN(const TensorRef from, input(step.inputs[0], frame));
  MJ_ASSIGN(const std::optional<TensorRef> to, output(step.outputs[0], frame));
  if (from.value) {
    place_on_heap(static_cast<size_t>(step.outputs[0]), *from.value, frame);
    return {};
  }
  CHECK(to, "a copy's output is sized before it runs");
  if (to->size() != from.size()) return model_error("a copy of {} elements to {}", from.size(), to->size());
  const int64_t bytes = to->size() * storage_bytes(to->dtype);
  const auto on_device = [&](int id) { return program_->plan().tensors[static_cast<size_t>(id)].on_device; };
  const bool leaves = on_device(step.inputs[0]), arrives = on_device(step.outputs[0]);
  if (bytes == 0 || (!bound_.empty() && to->data == from.data)) return {};
  if (leaves && !arrives && !bound_.empty()) return stream_.copy_within(to->data, from.data, bytes);
  if (leaves && arrives) return stream_.copy_within(to->data, from.data, bytes);
  if (arrives) return stream_.copy_in(to->data, from.data, bytes);
  if (leaves) {
    MJ_TRY(stream_.copy_out(to->data, from.data, bytes));
    return capturing_ ? Result<void>() : stream_.synchronize();
  }
  std::memcpy(to->data, from.data, static_cast<size_t>(bytes));
  return {};
}

// What lies on the device is shown as a copy, or not at all.
Result<void> Session::observe(size_t index, double seconds, Frame& frame, const RunOptions& options) {
  const Plan& plan = program_->plan();
  std::vector<TensorRef> outputs;
  std::vector<Tensor> copies;
  for (int id : plan.steps[index].outputs) {
    TensorRef& ref = outputs.emplace_back(id == kNoTensor ? TensorRef{} : frame.refs[static_cast<size_t>(id)]);
    if (id == kNoTensor || !plan.tensors[static_cast<size_t>(id)].on_device || !options.observe_data) continue;
    Tensor& copy = copies.emplace_back(Tensor::unset(ref.dtype, dims_of(ref)));
    if (copy.bytes()) MJ_TRY(stream_.copy_out(copy.mutable_raw(), ref.data, copy.bytes()));
    ref.data = copy.mutable_raw();
  }
  if (!copies.empty()) MJ_TRY(stream_.synchronize());
  options.observer(index, seconds, outputs);
  return {};
}

Result<void> Session::run_on_device(size_t index, Frame& frame, std::byte* beside) {
  const Step& step = program_->plan().steps[index];
  std::vector<TensorRef> inputs, outputs;
  for (int id : step.inputs) {
    MJ_ASSIGN(inputs.emplace_back(), input(id, frame));
  }
  for (int id : step.outputs) {
    TensorRef& output = outputs.emplace_back(id == kNoTensor ? TensorRef{} : frame.refs[static_cast<size_t>(id)]);
    const bool in_place =
        std::any_of(inputs.begin(), inputs.end(), [&](const TensorRef& x) { return overlap(x, output); });
    if (!beside || !in_place) continue;
    output.data = beside;
    beside += aligned_bytes(bytes_of(output), kDeviceAlign);
  }
  auto* const workspace = static_cast<std::byte*>(device_arena_.data()) + frame.layout.workspace_offset[index];
  return program_->device()->launch(index, stream_, inputs, outputs, frame.symbols, workspace);
}

// Where a tensor lies that an earlier step made.
Result<TensorRef> Session::input(int tensor, Frame& frame) {
  if (tensor == kNoTensor) return TensorRef{};
  const auto at = static_cast<size_t>(tensor);
  if (frame.refs[at].present()) return frame.refs[at];
  const PlanTensor& plan = program_->plan().tensors[at];
  CHECK(plan.kind == PlanTensor::Kind::alias, "tensor '{}' is read before it is made", plan.name);
  if (!plan.is_tensor()) {
    MJ_ASSIGN(const TensorRef root, input(program_->root(tensor), frame));
    place_on_heap(at, *root.value, frame);
    return frame.refs[at];
  }
  CHECK(plan.shape, "alias '{}' has a shape", plan.name);
  if (frame.layout.late[at]) {
    MJ_ASSIGN(frame.late[at], evaluate(*plan.shape, frame.symbols));
  } else {
    frame.late[at] = frame.layout.dims[at];
  }
  MJ_ASSIGN(const TensorRef root, input(program_->root(tensor), frame));
  const TensorRef ref{root.data, frame.late[at], plan.dtype};
  if (root.size() != ref.size()) {
    return model_error("'{}': {} elements cannot have shape {}", plan.name, root.size(), to_string(*plan.shape));
  }
  frame.refs[at] = ref;
  if (root.value) place_on_heap(at, root.value->reshaped(frame.late[at]), frame);
  return frame.refs[at];
}

// The same as a tensor that views or shares it; absent for kNoTensor.
Result<Tensor> Session::tensor(int tensor, Frame& frame) {
  MJ_ASSIGN(const TensorRef ref, input(tensor, frame));
  if (ref.value) return *ref.value;
  return ref.present() ? Tensor::view(ref.dtype, dims_of(ref), ref.data, nullptr) : Tensor();
}

void Session::place_on_heap(size_t at, Tensor value, Frame& frame) {
  const PlanTensor& plan = program_->plan().tensors[at];
  Tensor& home = frame.heap[at];
  home = std::move(value);
  frame.refs[at] = {const_cast<void*>(home.raw()), home.dims(), plan.dtype, plan.boxed() ? &home : nullptr};
}

// Memory for a step's output; nothing if the step makes it: only running can tell its size, or it has no bytes.
Result<std::optional<TensorRef>> Session::output(int tensor, Frame& frame) {
  if (tensor == kNoTensor) return std::optional(TensorRef{});
  const auto at = static_cast<size_t>(tensor);
  if (frame.refs[at].present()) return std::optional(frame.refs[at]);
  const PlanTensor& plan = program_->plan().tensors[at];
  if (!plan.shape || plan.boxed()) return std::optional<TensorRef>();
  Result<std::vector<int64_t>> dims = frame.layout.late[at] ? evaluate(*plan.shape, frame.symbols)
                                                            : Result<std::vector<int64_t>>(frame.layout.dims[at]);
  if (!dims.ok()) return std::optional<TensorRef>();
  MJ_ASSIGN(frame.heap[at], allocate(plan, std::move(dims).value()));
  frame.refs[at] = {frame.heap[at].mutable_raw(), frame.heap[at].dims(), plan.dtype};
  return std::optional(frame.refs[at]);
}

Result<void> Session::run_kernel(size_t index, Frame& frame) {
  const Step& step = program_->plan().steps[index];
  const Kernel& kernel = *program_->step(index).kernel;
  std::vector<TensorRef> inputs, outputs;
  bool any_late = false;
  for (int id : step.inputs) {
    MJ_ASSIGN(inputs.emplace_back(), input(id, frame));
    any_late = any_late || (id != kNoTensor && frame.layout.late[static_cast<size_t>(id)]);
  }
  for (int id : step.outputs) {
    MJ_ASSIGN(const std::optional<TensorRef> ref, output(id, frame));
    if (!ref) {
      MJ_ASSIGN(std::vector<Tensor> results,
                kernel.run_unsized(inputs, frame.symbols, static_cast<int>(step.outputs.size())));
      return store_late(step, std::move(results), frame);
    }
    outputs.push_back(*ref);
    any_late = any_late || (id != kNoTensor && frame.layout.late[static_cast<size_t>(id)]);
  }
  std::span<std::byte> workspace(frame.arena + frame.layout.workspace_offset[index],
                                 static_cast<size_t>(frame.layout.workspace_bytes[index]));
  Tensor late_workspace;
  if (any_late) {
    // What make_layout() has checked for the other steps: the kernel writes no more than its outputs hold.
    MJ_TRY(verify_dims(program_->plan(), step,
                       [&](int id) { return std::optional(frame.refs[static_cast<size_t>(id)].dims); }));
    late_workspace = Tensor::unset(DType::u8, {kernel.workspace_bytes(inputs, outputs, frame.pool.threads())});
    workspace = std::as_writable_bytes(late_workspace.mutable_data<uint8_t>());
  }
  return kernel.run({inputs, outputs, frame.symbols, workspace, frame.pool});
}

Session& Session::branch_session(size_t step, size_t branch) {
  auto& sessions = branches_[step];
  sessions.resize(2);
  if (!sessions[branch]) {
    sessions[branch] = std::make_unique<Session>(program_->step(step).branches[branch], pool_, options_);
  }
  return *sessions[branch];
}

Result<void> Session::run_branch(size_t index, Frame& frame, const RunOptions& options) {
  const Step& step = program_->plan().steps[index];
  MJ_ASSIGN(const TensorRef condition, input(step.inputs[0], frame));
  if (condition.dtype != DType::boolean || condition.size() != 1) {
    return model_error("if: the condition must be one bool, it has {} elements of {}", condition.size(),
                       name(condition.dtype));
  }
  const size_t taken = *condition.as<bool>() ? 0 : 1;
  std::vector<Tensor> captured;
  for (size_t i = 1; i < step.inputs.size(); ++i) {
    MJ_ASSIGN(captured.emplace_back(), tensor(step.inputs[i], frame));
  }
  std::vector<Tensor> results;
  RunOptions inner;
  inner.cancelled = options.cancelled;
  inner.loops = options.loops;
  MJ_TRY(branch_session(index, taken).run(captured, results, inner, frame.symbols));
  return store_late(step, std::move(results), frame);
}

Result<void> Session::run_loop_step(size_t index, Frame& frame, const RunOptions& options) {
  const Step& step = program_->plan().steps[index];
  LoopRun run{.step = step,
              .carried = {},
              .captured = {},
              .symbols = frame.symbols,
              .cancelled = options.cancelled,
              .loops = options.loops};
  MJ_ASSIGN(const TensorRef most, input(step.inputs[0], frame));
  MJ_ASSIGN(const TensorRef condition, input(step.inputs[1], frame));
  if ((most.present() && most.size() != 1) || (condition.present() && condition.size() != 1)) {
    return model_error("the most runs and the condition must be one number and one bool, they have {} and {} elements",
                       most.size(), condition.size());
  }
  if (most.present()) run.most = *most.as<int64_t>();
  if (condition.present()) run.go_on = *condition.as<bool>();
  for (size_t i = 2; i < step.inputs.size(); ++i) {
    const bool carried = i < 2 + static_cast<size_t>(step.carried);
    MJ_ASSIGN((carried ? run.carried : run.captured).emplace_back(), tensor(step.inputs[i], frame));
  }
  MJ_ASSIGN(std::vector<Tensor> results, run_loop(std::move(run), branch_session(index, 0)));
  return store_late(step, std::move(results), frame);
}

// Results that a step allocated itself: their sizes bind symbols.
Result<void> Session::store_late(const Step& step, std::vector<Tensor> results, Frame& frame) {
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    if (step.outputs[i] == kNoTensor) continue;
    const auto at = static_cast<size_t>(step.outputs[i]);
    const PlanTensor& tensor = program_->plan().tensors[at];
    const bool absent = tensor.type().is_optional() && !results[i].present();
    if (!absent && results[i].dtype() != tensor.dtype) {
      return model_error("'{}': got {}, expected {}", tensor.name, name(results[i].dtype()), to_string(tensor.type()));
    }
    if (tensor.shape && tensor.is_tensor()) {
      MJ_TRY(bind_shape(*tensor.shape, results[i].dims(), fmt::format("'{}'", tensor.name), frame.symbols));
    }
    const TensorRef planned = frame.refs[at];
    if (planned.present()) {  // a branch whose result has a place already, such as an output of the plan
      CHECK(planned.size() == results[i].size(), "'{}': a branch gives another size than planned", tensor.name);
      std::memcpy(planned.data, results[i].raw(), static_cast<size_t>(results[i].bytes()));
      continue;
    }
    place_on_heap(at, std::move(results[i]), frame);
  }
  return {};
}

}  // namespace mj
