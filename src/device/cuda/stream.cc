// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/stream.h"

#include <climits>

namespace mj {
namespace {

cuda::Ptr device_address(const void* address) { return reinterpret_cast<cuda::Ptr>(address); }

// Recording such launches into graphs is newer than they are.
bool can_overlap(const CudaFacts& facts) { return facts.sm >= 90 && facts.driver_version >= 12030; }

size_t copied_bytes(int64_t bytes) {
  CHECK(bytes >= 0, "a copy of {} bytes", bytes);
  return static_cast<size_t>(bytes);
}

}  // namespace

Result<CudaStream> CudaStream::create(std::shared_ptr<const CudaDevice> device) {
  MJ_TRY(device->make_current());
  cuda::Stream handle = nullptr;
  MJ_TRY(cuda_result(device->driver(), device->driver().stream_create(&handle, cuda::kStreamNonBlocking),
                     "creating a stream"));
  CudaStream stream;
  stream.stream_ = {std::move(device), handle};
  return stream;
}

Result<void> CudaStream::copy_in(void* to, const void* from, int64_t bytes) const {
  const size_t count = copied_bytes(bytes);
  if (count == 0) return {};
  MJ_TRY(stream_.device().make_current());
  const CudaDriver& driver = stream_.driver();
  return cuda_result(driver, driver.memcpy_htod_async(device_address(to), from, count, stream_.get()),
                     "copying to the GPU");
}

Result<void> CudaStream::copy_out(void* to, const void* from, int64_t bytes) const {
  const size_t count = copied_bytes(bytes);
  if (count == 0) return {};
  MJ_TRY(stream_.device().make_current());
  const CudaDriver& driver = stream_.driver();
  return cuda_result(driver, driver.memcpy_dtoh_async(to, device_address(from), count, stream_.get()),
                     "copying from the GPU");
}

Result<void> CudaStream::copy_within(void* to, const void* from, int64_t bytes) const {
  const size_t count = copied_bytes(bytes);
  if (count == 0) return {};
  MJ_TRY(stream_.device().make_current());
  const CudaDriver& driver = stream_.driver();
  return cuda_result(driver, driver.memcpy_dtod_async(device_address(to), device_address(from), count, stream_.get()),
                     "copying within the GPU");
}

Result<void> CudaStream::fill(void* to, uint8_t value, int64_t bytes) const {
  const size_t count = copied_bytes(bytes);
  if (count == 0) return {};
  MJ_TRY(stream_.device().make_current());
  const CudaDriver& driver = stream_.driver();
  return cuda_result(driver, driver.memset_d8_async(device_address(to), value, count, stream_.get()),
                     "filling memory of the GPU");
}

Result<void> CudaStream::launch(const CudaFunction& function, std::array<int64_t, 3> grid, std::array<int, 3> block,
                                int64_t shared_bytes, void** args, bool overlaps) const {
  CHECK(function.handle, "a launch of no function");
  CHECK(shared_bytes >= 0 && shared_bytes <= INT_MAX, "{} bytes of shared memory", shared_bytes);
  bool empty = false, large = false;
  for (size_t i = 0; i < 3; ++i) {
    CHECK(grid[i] >= 0 && block[i] > 0, "{}: axis {} of the launch is {} blocks of {}", function.name, i, grid[i],
          block[i]);
    empty |= grid[i] == 0;
    large |= grid[i] > (i == 0 ? INT_MAX : 65535);  // the same on every architecture so far
  }
  if (empty) return {};
  if (large) {
    return error(ErrorCode::unsupported,
                 "kernel '{}' would need {} x {} x {} blocks, more than a GPU takes in one launch", function.name,
                 grid[0], grid[1], grid[2]);
  }
  MJ_TRY(stream_.device().make_current());
  const CudaDriver& driver = stream_.driver();
  const auto size = [](auto count) { return static_cast<unsigned>(count); };
  cuda::Status status = cuda::kSuccess;
  if (overlaps && can_overlap(stream_.device().facts())) {
    cuda::LaunchAttribute attribute{cuda::kProgrammaticStreamSerialization, {}};
    attribute.value.programmatic = 1;
    const cuda::LaunchConfig config{{size(grid[0]), size(grid[1]), size(grid[2])},
                                    {size(block[0]), size(block[1]), size(block[2])},
                                    size(shared_bytes),
                                    stream_.get(),
                                    &attribute,
                                    1};
    status = driver.launch_kernel_ex(&config, function.handle, args, nullptr);
  } else {
    status = driver.launch_kernel(function.handle, size(grid[0]), size(grid[1]), size(grid[2]), size(block[0]),
                                  size(block[1]), size(block[2]), size(shared_bytes), stream_.get(), args, nullptr);
  }
  if (status == cuda::kSuccess) [[likely]]
    return {};
  return cuda_error(driver, status, fmt::format("launching kernel '{}'", function.name));
}

// Relaxed: a capture on this stream says nothing about what threads may do elsewhere (free a buffer, say).
Result<void> CudaStream::begin_capture() const {
  MJ_TRY(stream_.device().make_current());
  const CudaDriver& driver = stream_.driver();
  return cuda_result(driver, driver.stream_begin_capture(stream_.get(), cuda::kCaptureRelaxed),
                     "beginning to record a graph");
}

Result<CudaGraph> CudaStream::end_capture() const {
  constexpr std::string_view kDoing = "recording a graph";
  if (const Result<void> current = stream_.device().make_current(); !current.ok()) {
    abandon_capture();
    return current.error();
  }
  const CudaDriver& driver = stream_.driver();
  cuda::Graph recorded = nullptr;
  const cuda::Status ended = driver.stream_end_capture(stream_.get(), &recorded);
  const CudaHandle<cuda::Graph, &CudaDriver::graph_destroy> graph(stream_.shared_device(), recorded);
  MJ_TRY(cuda_result(driver, ended, kDoing));
  cuda::GraphExec exec = nullptr;
  MJ_TRY(cuda_result(driver, driver.graph_instantiate(&exec, recorded, 0), kDoing));
  CudaGraph ready;
  ready.exec_ = {stream_.shared_device(), exec};
  return ready;
}

void CudaStream::abandon_capture() const {
  const CudaDriver& driver = stream_.driver();
  (void)stream_.device().make_current();
  cuda::Graph recorded = nullptr;
  driver.stream_end_capture(stream_.get(), &recorded);
  if (recorded) driver.graph_destroy(recorded);
}

Result<CudaGraph> CudaStream::capture(FunctionRef<Result<void>()> work) const {
  MJ_TRY(begin_capture());
  if (Result<void> done = work(); !done.ok()) {
    abandon_capture();
    return done.error();
  }
  return end_capture();
}

Result<void> CudaStream::synchronize() const {
  MJ_TRY(stream_.device().make_current());
  const CudaDriver& driver = stream_.driver();
  return cuda_result(driver, driver.stream_synchronize(stream_.get()), "waiting for the GPU's work");
}

Result<void> CudaGraph::launch(const CudaStream& stream) const {
  MJ_TRY(exec_.device().make_current());
  return cuda_result(exec_.driver(), exec_.driver().graph_launch(exec_.get(), stream.get()), "launching a graph");
}

Result<CudaEvent> CudaEvent::create(std::shared_ptr<const CudaDevice> device) {
  MJ_TRY(device->make_current());
  cuda::Event handle = nullptr;
  MJ_TRY(cuda_result(device->driver(), device->driver().event_create(&handle, 0), "creating an event"));
  CudaEvent event;
  event.event_ = {std::move(device), handle};
  return event;
}

Result<void> CudaEvent::record(const CudaStream& stream) const {
  MJ_TRY(event_.device().make_current());
  return cuda_result(event_.driver(), event_.driver().event_record(event_.get(), stream.get()), "recording an event");
}

Result<void> CudaEvent::synchronize() const {
  MJ_TRY(event_.device().make_current());
  return cuda_result(event_.driver(), event_.driver().event_synchronize(event_.get()), "waiting for an event");
}

Result<double> CudaEvent::seconds(const CudaEvent& from, const CudaEvent& to) {
  MJ_TRY(to.synchronize());
  float milliseconds = 0;
  const CudaDriver& driver = to.event_.driver();
  MJ_TRY(cuda_result(driver, driver.event_elapsed_time(&milliseconds, from.event_.get(), to.event_.get()),
                     "asking for the time between two events"));
  return static_cast<double>(milliseconds) * 1e-3;
}

}  // namespace mj
