// SPDX-License-Identifier: Apache-2.0
// A CUDA driver in host memory, for tests of everything above it: it checks what it is given, counts calls, and fails
// the one it is told to.
//
// Device memory is host memory (so tests and emulated kernels read and write it by address), full of 0xff at first and
// with red zones on either side. Streams do their work at once. Code is any bytes; what a kernel does is on_launch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/cuda/device.h"
#include "device/cuda/driver.h"

namespace mj {

struct FakeLaunch {
  std::string function;
  std::span<const std::byte> code;  // of the module, while it is loaded
  std::array<unsigned, 3> grid = {}, block = {};
  unsigned shared_bytes = 0;
  bool overlaps = false;  // programmatic stream serialization
  void** args = nullptr;  // as the kernel gets them; dangling in launches()
};

// One at a time in a process, and nothing made with its driver() may outlive it. Thread-safe.
class FakeDriver {
 public:
  FakeDriver();
  ~FakeDriver();
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  const CudaDriver& driver() const;

  // Set before use. By default one device with the facts of a small sm_90 card of 1 GiB.
  CudaFacts facts;
  int devices = 1;  // all alike
  cuda::Status init_status = cuda::kSuccess;
  // Does what a kernel does; one call at a time. Without it launches are only recorded.
  std::function<void(const FakeLaunch&)> on_launch;
  // The sizes of a kernel's parameters in bytes (args is null then). The driver reads them from the code to keep the
  // parameters of captured launches; a capture of a launch with args needs it.
  std::function<std::vector<size_t>(const FakeLaunch&)> parameter_bytes;
  // Whether the code has a function of that name; by default every name exists.
  std::function<bool(std::span<const std::byte> code, const std::string& name)> has_function;

  // Lets the n-th call from now (1: the next) of any function fail. Calls that give something back still do so.
  void fail_nth(int64_t n, cuda::Status status = cuda::kOutOfMemory);
  int64_t calls() const;                        // so far
  std::vector<std::string> call_names() const;  // members of CudaDriver

  // Everything launched so far, by graphs too, in order.
  std::vector<FakeLaunch> launches() const;
  int64_t allocated_bytes() const;  // of device memory, now
  int64_t most_allocated_bytes() const;

  // Device time passes: by one microsecond a call, and by this.
  void advance(double seconds);

  // What was not given back, and red zones written to; empty when all is well.
  std::string left() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mj
