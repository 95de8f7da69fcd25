// SPDX-License-Identifier: Apache-2.0
// Session: the mutable part of running a program: arena, layouts of the shapes seen lately. One thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "runtime/schedule.h"

namespace mj {

// Where arenas come from; replaceable by the user. allocate() returns memory aligned to 64 bytes, or null.
struct Allocator {
  void* (*allocate)(void* context, size_t bytes) = nullptr;
  void (*release)(void* context, void* memory) = nullptr;
  void* context = nullptr;
};

// Memory of the caller's for one output: at least `bytes`, aligned to the output's element. No data: none given.
struct Destination {
  void* data = nullptr;
  int64_t bytes = 0;
};

// How often bodies of loops may run, all together.
struct LoopBudget {
  int64_t limit;
  int64_t left = limit;  // counted down; below 0 where that was why a run failed
};

struct RunOptions {
  const std::atomic<bool>* cancelled = nullptr;  // looked at between steps
  LoopBudget* loops = nullptr;                   // null: bodies of loops run as often as they like
  // By output, or empty. The output is then a view of this memory; an output that does not fit is an error. It must
  // overlap neither an input nor another destination.
  std::span<const Destination> destinations;
  // Called after each step with its index in the plan, its seconds and its outputs (valid during the call only). Rows
  // of a batch then run together.
  std::function<void(size_t step, double seconds, std::span<const TensorRef> outputs)> observer;
  bool observe_data =
      true;  // false: the outputs' data may be addresses of a device's, nothing is copied for the observer
  // Called after each step that a device works on, when it has ended: `again` puts its work on the stream once more,
  // and may be called as often as one likes; what the step reads is still there, and what it writes ends up the same.
  // All of it must have ended when this returns. Rows of a batch then run together. Copies from and to the host are
  // among the steps only where the program is all on its device; to record them takes inputs and destinations in
  // page-locked memory.
  using Again = std::function<Result<void>()>;
  std::function<Result<void>(size_t step, const CudaStream& stream, const Again& again)> replay;
};

class Session {
 public:
  struct Options {
    LayoutOptions layout;
    Allocator allocator;
    size_t cached_schedules = 16;  // shapes remembered, least recently used dropped
  };

  Session(std::shared_ptr<const Program> program, ThreadPool& pool, const Options& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Inputs in the order of plan.inputs, with the plan's dtypes. `outer` holds symbols of an enclosing plan.
  // Sequences come and go as such; their items are shared and must own their bytes. An optional may be absent.
  // Where outputs[i] is present and of the right size, that memory is written; otherwise it is allocated.
  Result<void> run(std::span<const Tensor> inputs, std::vector<Tensor>& outputs, const RunOptions& options = {},
                   const Bindings& outer = {});

  // Of a program that is all on its device: puts a run on the session's stream and returns. Inputs and destinations are
  // addresses of the device's, aligned to 16 bytes; they are read and written where they are, without a copy. The first
  // run with such addresses records a graph (the last kBoundGraphs of a shape are kept), others only start it.
  Result<void> enqueue(std::span<const Tensor> inputs, std::span<const Destination> outputs);
  // Waits for all that enqueue() has put on the stream.
  Result<void> synchronize() const { return stream_ ? stream_.synchronize() : Result<void>(); }
  static constexpr size_t kBoundGraphs = 8;

  int64_t arena_bytes() const { return arena_bytes_; }
  int64_t device_arena_bytes() const { return device_arena_.bytes(); }
  // The schedule for these shapes, planned now if new.
  Result<const Schedule*> schedule_for(std::span<const std::vector<int64_t>> input_dims, const Bindings& outer,
                                       bool rows_may = true);

 private:
  struct BoundGraph {
    std::vector<const void*> addresses;  // of inputs, then of outputs
    CudaGraph graph;
    const void* arena;
  };
  struct CachedSchedule {
    std::vector<std::vector<int64_t>> input_dims;
    Bindings outer;
    bool rows_may;
    Schedule schedule;
    // Of a program that is all on the device, once run: the same again as one graph, from and to this host memory.
    CudaGraph graph;
    CudaPinned staging;
    const void* arena = nullptr;  // that the graph works in
    std::list<BoundGraph> bound;  // of enqueue(): most recent first
  };
  struct Frame;
  struct Staged;

  Result<void> reserve(int64_t bytes);
  Result<void> reserve_on_device(int64_t bytes);
  Result<void> run_rows(const Schedule& schedule, std::span<const Tensor> inputs, std::vector<Tensor>& outputs,
                        const RunOptions& options);
  // In this memory. Several threads may each run a layout without branches and loops.
  Result<void> execute(const Layout& layout, std::byte* arena, ThreadPool& pool, std::span<const Tensor> inputs,
                       std::vector<Tensor>& outputs, const RunOptions& options);
  Result<void> run_step(size_t index, Frame& frame, const RunOptions& options);
  Result<void> run_kernel(size_t index, Frame& frame);
  // With `beside`, memory of the device's, outputs that share memory with inputs go there.
  Result<void> run_on_device(size_t index, Frame& frame, std::byte* beside = nullptr);
  Result<void> replay(size_t index, Frame& frame, const RunOptions& options);
  Result<void> run_graph(CachedSchedule& cached, std::span<const Tensor> inputs, std::vector<Tensor>& outputs,
                         const RunOptions& options);
  Staged staged(const Layout& layout, std::span<const Tensor> inputs, void* memory) const;
  Result<void> capture(CachedSchedule& cached, std::span<const Tensor> inputs);
  Result<CudaGraph> capture_bound(const Layout& layout, std::span<const Tensor> inputs,
                                  std::span<const Destination> outputs);
  Result<void> run_copy(const Step& step, Frame& frame);
  Result<void> observe(size_t index, double seconds, Frame& frame, const RunOptions& options);
  Result<void> run_branch(size_t index, Frame& frame, const RunOptions& options);
  Result<void> run_loop_step(size_t index, Frame& frame, const RunOptions& options);
  Result<void> store_late(const Step& step, std::vector<Tensor> results, Frame& frame);
  Result<TensorRef> input(int tensor, Frame& frame);
  Result<Tensor> tensor(int tensor, Frame& frame);
  void place_on_heap(size_t tensor, Tensor value, Frame& frame);
  Result<std::optional<TensorRef>> output(int tensor, Frame& frame);
  Session& branch_session(size_t step, size_t branch);

  std::shared_ptr<const Program> program_;
  ThreadPool& pool_;
  Options options_;
  std::list<CachedSchedule> schedules_;             // most recent first
  std::vector<std::unique_ptr<ThreadPool>> alone_;  // of one thread each, for those that take rows
  void* arena_ = nullptr;
  int64_t arena_bytes_ = 0;
  CudaBuffer device_arena_;
  CudaStream stream_;         // of a program with steps on a device
  bool capturing_ = false;    // what is put on the stream is recorded, or waited for by somebody else
  std::vector<void*> bound_;  // of each tensor: the caller's device memory for it
  std::vector<std::vector<std::unique_ptr<Session>>> branches_;  // by step, then branch; made when first taken
};

}  // namespace mj
