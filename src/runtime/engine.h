// SPDX-License-Identifier: Apache-2.0
// Engine: a loaded engine file, ready to run. Immutable and shared; run() may be called from many threads at once, each
// call borrows a session from a pool.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/cuda/device.h"
#include "engine/format/engine_file.h"
#include "runtime/session.h"

namespace mj {

struct EngineOptions {
  int threads = 0;         // of the pool that all runs share; 0: default_threads(), which is also the most
  Isa isa = detect_isa();  // use targets up to this
  bool allow_unverified = false;
  bool gpu = true;                                     // false: the targets for CPUs alone
  std::shared_ptr<const CudaDevice> device = nullptr;  // the GPU to use; null: the first one of the machine
  Allocator allocator;                                 // of arenas
  int64_t memory_limit = 0;                            // of one arena, in bytes; 0: none
  int64_t loop_limit = 0;  // of RunOptions::loops where a run gives none; 0: what the knob MJ_LOOPS says
  ReadOptions read;        // signature policy
};

// Where the time of Engine::load went, in seconds.
struct LoadTimes {
  double file = 0;          // mapping, verifying and parsing it
  double device_open = 0;   // starting the driver and making the context of the GPU, beside the file
  double device_wait = 0;   // of that, what the file left
  DeviceLoadTimes program;  // code and constants
  double samples = 0;       // running those of the file, of a target that is verified here
  double all = 0;
};

class Engine {
 public:
  // Verifies every byte of the file, takes the best target for this machine, makes its kernels. Compiles nothing.
  static Result<std::shared_ptr<Engine>> load(const std::string& path, const EngineOptions& options = {});

  const std::vector<Port>& inputs() const { return file_.manifest.inputs; }
  const std::vector<Port>& outputs() const { return file_.manifest.outputs; }
  const LoadedEngine& file() const { return file_; }
  const EngineTarget& target() const { return file_.manifest.targets[target_]; }
  const Program& program() const { return *program_; }
  // What the user should know of this engine on this machine, one line each; load() has logged them as warnings.
  std::vector<std::string> notices() const;
  ThreadPool& pool() { return pool_; }
  const LoadTimes& load_times() const { return load_times_; }

  // Inputs and outputs in the order of the ports. Outputs that are present, writable and of the right type and shape
  // are written in place. Errors name the input. A shape outside every profile is an error that prints the profiles.
  Result<void> run(std::span<const Tensor> inputs, std::vector<Tensor>& outputs, const RunOptions& options = {});

  // What a run with given shapes takes.
  struct Demand {
    int64_t arena_bytes, largest_live_bytes;
    int64_t device_arena_bytes;
    int64_t rows_alone;  // of the batch: each by one thread
    Bindings symbols;    // of the plan, that the shapes bind
  };
  // Plans for these shapes now rather than at the first run.
  Result<Demand> warm(std::span<const std::vector<int64_t>> input_dims);

 private:
  friend class DeviceRun;
  Engine(LoadedEngine file, size_t target, const EngineOptions& options, int threads);
  Result<void> verify_on_samples();
  Result<void> check_inputs(std::span<const Tensor> inputs) const;
  std::unique_ptr<Session> borrow();
  void give_back(std::unique_ptr<Session> session);

  LoadedEngine file_;
  size_t target_;
  EngineOptions options_;
  ThreadPool pool_;
  std::shared_ptr<const Program> program_;
  LoadTimes load_times_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;
};

// The best target of `manifest` for this machine: one for its GPU (compute capability `sm`, 0: there is none), else the
// most capable that `isa` can run. An error lists what the file serves.
Result<size_t> pick_target(const Manifest& manifest, Isa isa, int sm = 0);

}  // namespace mj
