// SPDX-License-Identifier: Apache-2.0
// NVIDIA's driver by our own declarations, loaded at run time: nothing of CUDA is linked or included, so one binary
// starts on machines with and without it. header_test.cc compares the declarations with cuda.h where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace mj {
namespace cuda {

// CUresult; drivers know many more.
enum Status : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kStubLibrary = 34,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kEccUncorrectable = 214,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kLaunchFailed = 719,
  kSystemDriverMismatch = 803,
  kCaptureUnsupported = 900,
  kCaptureInvalidated = 901,
  kCapturedEvent = 907,
};

enum DeviceAttribute : int {
  kClockKhz = 13,
  kMultiprocessors = 16,
  kMemoryClockKhz = 36,
  kMemoryBusBits = 37,
  kL2Bytes = 38,
  kCapabilityMajor = 75,
  kCapabilityMinor = 76,
  kSharedBytesPerBlockOptin = 97,
};
enum FunctionAttribute : int { kMaxDynamicSharedBytes = 8 };
enum CaptureMode : int { kCaptureGlobal = 0, kCaptureThreadLocal = 1, kCaptureRelaxed = 2 };
inline constexpr unsigned kStreamNonBlocking = 1;  // does not wait for the null stream

using Device = int;
using Ptr = uint64_t;  // an address in device memory
using Context = struct ContextTag*;
using Stream = struct StreamTag*;
using Event = struct EventTag*;
using Module = struct ModuleTag*;
using Function = struct FunctionTag*;
using Graph = struct GraphTag*;
using GraphExec = struct GraphExecTag*;
struct Uuid {
  unsigned char bytes[16];
};

enum LaunchAttributeId : int { kClusterDimension = 4, kProgrammaticStreamSerialization = 6 };
struct LaunchAttribute {
  LaunchAttributeId id;
  alignas(8) union {
    unsigned cluster[3];  // blocks, kClusterDimension
    int programmatic;     // 1: may start before the launch before it has ended, kProgrammaticStreamSerialization
    unsigned char pad[64];
  } value;
};
struct LaunchConfig {
  unsigned grid[3];   // blocks
  unsigned block[3];  // threads
  unsigned shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

}  // namespace cuda

// The calls as function pointers, so that tests can put others in their place (testing/fake_driver.h).
struct CudaDriver {
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

#define MJ_CUDA(member, symbol, parameters) Status(*member) parameters = nullptr;
#include "device/cuda/driver_symbols.inc"
#undef MJ_CUDA
};

inline constexpr int kOldestCudaDriver = 12000;  // as cuDriverGetVersion counts: 1000 * major + 10 * minor

// The driver, initialised. Loaded at the first call and kept; later calls give the same answer. Thread-safe.
Result<const CudaDriver*> cuda_driver();

// Its two halves. The library stays loaded also on failure.
Result<CudaDriver> load_cuda_driver(const std::string& library);
Result<void> start_cuda_driver(const CudaDriver& driver);

std::string cuda_version_text(int version);  // "12.4"

}  // namespace mj
