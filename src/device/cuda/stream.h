// SPDX-License-Identifier: Apache-2.0
// Work for a device, in order: streams, the graphs recorded from them, and the events that time them.
//
// A stream, graph or event is used by one thread at a time. A fault of a kernel shows at a later call.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/function_ref.h"
#include "device/cuda/device.h"
#include "device/cuda/module.h"

namespace mj {

class CudaGraph;

class CudaStream {
 public:
  CudaStream() = default;
  static Result<CudaStream> create(std::shared_ptr<const CudaDevice> device);

  explicit operator bool() const { return static_cast<bool>(stream_); }

  // `to` and `from` are addresses of the device's, or the host's (from in copy_in, to in copy_out). Host memory must
  // stay as it is until the stream was waited for, and for a recorded copy as long as its graph is launched.
  Result<void> copy_in(void* to, const void* from, int64_t bytes) const;
  Result<void> copy_out(void* to, const void* from, int64_t bytes) const;
  Result<void> copy_within(void* to, const void* from, int64_t bytes) const;  // they do not overlap
  Result<void> fill(void* to, uint8_t value, int64_t bytes) const;

  // `grid` in blocks (nothing is launched where one is 0), `block` in threads; args[i] points to the i-th parameter,
  // which is copied before this returns. With `overlaps` it may start before the launch before it has ended
  // (programmatic dependent launch), where GPU and driver can do that: from sm_90 on the kernel must wait by itself.
  Result<void> launch(const CudaFunction& function, std::array<int64_t, 3> grid, std::array<int, 3> block,
                      int64_t shared_bytes, void** args, bool overlaps = false) const;

  // Between the two, work is recorded instead of done; synchronize() is an error and spoils the recording.
  Result<void> begin_capture() const;
  Result<CudaGraph> end_capture() const;
  void abandon_capture() const;  // back to doing the work; nothing is kept
  // What `work` puts on this stream; when it fails, its error.
  Result<CudaGraph> capture(FunctionRef<Result<void>()> work) const;

  Result<void> synchronize() const;

  cuda::Stream get() const { return stream_.get(); }

 private:
  CudaHandle<cuda::Stream, &CudaDriver::stream_destroy> stream_;
};

// What was captured, ready to run any number of times. The code and memory that it names must live on.
class CudaGraph {
 public:
  CudaGraph() = default;
  explicit operator bool() const { return static_cast<bool>(exec_); }
  Result<void> launch(const CudaStream& stream) const;

 private:
  friend class CudaStream;
  CudaHandle<cuda::GraphExec, &CudaDriver::graph_exec_destroy> exec_;
};

class CudaEvent {
 public:
  CudaEvent() = default;
  static Result<CudaEvent> create(std::shared_ptr<const CudaDevice> device);

  Result<void> record(const CudaStream& stream) const;
  Result<void> synchronize() const;  // waits until the stream has come to where it was recorded last
  // Device time between two recorded events; waits for `to`. The driver resolves about half a microsecond.
  static Result<double> seconds(const CudaEvent& from, const CudaEvent& to);

 private:
  CudaHandle<cuda::Event, &CudaDriver::event_destroy> event_;
};

}  // namespace mj
