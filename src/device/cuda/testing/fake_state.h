// SPDX-License-Identifier: Apache-2.0
// What the fake driver holds, and its calls: one member function for each of driver_symbols.inc, under one lock.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "device/cuda/testing/fake_driver.h"

namespace mj {

struct FakeDriver::State {
  using Status = cuda::Status;
  using Device = cuda::Device;
  using DeviceAttribute = cuda::DeviceAttribute;
  using FunctionAttribute = cuda::FunctionAttribute;
  using CaptureMode = cuda::CaptureMode;
  using Ptr = cuda::Ptr;
  using Context = cuda::Context;
  using Stream = cuda::Stream;
  using Event = cuda::Event;
  using Module = cuda::Module;
  using Function = cuda::Function;
  using Graph = cuda::Graph;
  using GraphExec = cuda::GraphExec;
  using Uuid = cuda::Uuid;
  using LaunchConfig = cuda::LaunchConfig;
  using Work = std::function<Status()>;
  using Recorded = std::vector<Work>;

  // Host memory with a red zone on either side.
  class Block {
   public:
    explicit Block(size_t bytes);
    char* data() const;
    size_t bytes() const { return bytes_; }
    bool intact() const;

   private:
    struct Free {
      void operator()(char* memory) const;
    };
    size_t bytes_;
    std::unique_ptr<char, Free> memory_;
  };
  struct FakeStream {
    bool capturing = false, spoilt = false;
    Recorded recorded;
  };
  struct FakeEvent {
    double recorded_at = -1;  // seconds; negative: never
    bool captured = false;
  };
  struct FakeFunction {
    Module module = nullptr;
    std::string name;
    unsigned most_shared_bytes = 48 << 10;
  };

  explicit State(FakeDriver& owner);

  // Counts the call, and does it unless it is to fail.
  Status call(const char* name, const Work& work);
  // Does it now, or records it where the stream is capturing.
  Status on_stream(Stream stream, Work work);
  Status launch(Function function, const LaunchConfig& config, void** args);
  Status run_launch(FakeLaunch launch);
  bool holds(Ptr memory, size_t bytes) const;  // within one live buffer
  Status give_back(std::map<Ptr, Block>& blocks, Ptr memory);
  template <class Handle>
  static Handle new_handle() {
    return reinterpret_cast<Handle>(new_number());  // NOLINT(performance-no-int-to-ptr)
  }
  static uintptr_t new_number();

#define MJ_CUDA(member, symbol, parameters) Status member parameters;
#include "device/cuda/driver_symbols.inc"
#undef MJ_CUDA

  FakeDriver& owner;
  CudaDriver table;
  mutable std::recursive_mutex mutex;
  std::vector<std::string> calls;
  int64_t calls_to_failure = 0;  // 0: none is to come
  Status failure = cuda::kSuccess;
  Status lost = cuda::kSuccess;  // what every call answers after an error that takes the context with it
  bool failing = false;          // the call under way will say that it failed

  double now = 0;  // seconds
  std::vector<FakeLaunch> launches;
  std::map<int, std::pair<Context, int>> contexts;  // of each device, with how often it is retained
  std::map<Ptr, Block> buffers, pinned;
  int64_t allocated = 0, most_allocated = 0;  // bytes
  std::map<Stream, FakeStream> streams;
  std::map<Event, FakeEvent> events;
  std::map<Module, std::vector<std::byte>> modules;
  std::map<Function, FakeFunction> functions;
  std::map<Graph, Recorded> graphs;
  std::map<GraphExec, Recorded> execs;
  std::string damage;
};

}  // namespace mj
