// SPDX-License-Identifier: Apache-2.0
// Our declarations against NVIDIA's, where a toolkit is installed.
#if __has_include(<cuda.h>)
#include <cuda.h>
#include <gtest/gtest.h>

#include <type_traits>

#include "device/cuda/driver.h"

namespace mj {
namespace {

template <class Theirs, class Ours>
constexpr bool kSameParameter =
    sizeof(Theirs) == sizeof(Ours) && std::is_pointer_v<Theirs> ==
                                          std::is_pointer_v<Ours>&& std::is_floating_point_v<Theirs> ==
                                          std::is_floating_point_v<Ours>;
template <class Theirs, class Ours>
constexpr bool kSameCall = false;
template <class... Theirs, class... Ours>
requires(sizeof...(Theirs) ==
         sizeof...(Ours)) constexpr bool kSameCall<CUresult (*)(Theirs...), cuda::Status (*)(Ours...)> =
    (kSameParameter<Theirs, Ours> && ...);

#define MJ_CUDA(member, symbol, parameters) \
  static_assert(kSameCall<decltype(&::symbol), decltype(CudaDriver::member)>, #symbol);
#include "device/cuda/driver_symbols.inc"
#undef MJ_CUDA

static_assert(sizeof(cuda::LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(offsetof(cuda::LaunchConfig, grid) == offsetof(CUlaunchConfig, gridDimX));
static_assert(offsetof(cuda::LaunchConfig, block) == offsetof(CUlaunchConfig, blockDimX));
static_assert(offsetof(cuda::LaunchConfig, shared_bytes) == offsetof(CUlaunchConfig, sharedMemBytes));
static_assert(offsetof(cuda::LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
static_assert(offsetof(cuda::LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
static_assert(offsetof(cuda::LaunchConfig, attribute_count) == offsetof(CUlaunchConfig, numAttrs));
static_assert(sizeof(cuda::LaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(offsetof(cuda::LaunchAttribute, id) == offsetof(CUlaunchAttribute, id));
static_assert(offsetof(cuda::LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
static_assert(sizeof(cuda::LaunchAttribute::value) == sizeof(CUlaunchAttributeValue));
static_assert(sizeof(cuda::Uuid) == sizeof(CUuuid));
static_assert(sizeof(cuda::Ptr) == sizeof(CUdeviceptr) && sizeof(cuda::Device) == sizeof(CUdevice));

#define SAME(ours, theirs) static_assert(static_cast<int>(ours) == static_cast<int>(theirs))
SAME(cuda::kSuccess, CUDA_SUCCESS);
SAME(cuda::kInvalidValue, CUDA_ERROR_INVALID_VALUE);
SAME(cuda::kOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
SAME(cuda::kNotInitialized, CUDA_ERROR_NOT_INITIALIZED);
SAME(cuda::kStubLibrary, CUDA_ERROR_STUB_LIBRARY);
SAME(cuda::kNoDevice, CUDA_ERROR_NO_DEVICE);
SAME(cuda::kInvalidDevice, CUDA_ERROR_INVALID_DEVICE);
SAME(cuda::kInvalidImage, CUDA_ERROR_INVALID_IMAGE);
SAME(cuda::kInvalidContext, CUDA_ERROR_INVALID_CONTEXT);
SAME(cuda::kEccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE);
SAME(cuda::kInvalidHandle, CUDA_ERROR_INVALID_HANDLE);
SAME(cuda::kNotFound, CUDA_ERROR_NOT_FOUND);
SAME(cuda::kNotReady, CUDA_ERROR_NOT_READY);
SAME(cuda::kIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS);
SAME(cuda::kLaunchFailed, CUDA_ERROR_LAUNCH_FAILED);
SAME(cuda::kSystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
SAME(cuda::kCaptureUnsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
SAME(cuda::kCaptureInvalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
SAME(cuda::kCapturedEvent, CUDA_ERROR_CAPTURED_EVENT);
SAME(cuda::kClockKhz, CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
SAME(cuda::kMultiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(cuda::kMemoryClockKhz, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
SAME(cuda::kMemoryBusBits, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
SAME(cuda::kL2Bytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
SAME(cuda::kCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(cuda::kCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(cuda::kSharedBytesPerBlockOptin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(cuda::kMaxDynamicSharedBytes, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(cuda::kCaptureGlobal, CU_STREAM_CAPTURE_MODE_GLOBAL);
SAME(cuda::kCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
SAME(cuda::kCaptureRelaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(cuda::kStreamNonBlocking, CU_STREAM_NON_BLOCKING);
SAME(cuda::kClusterDimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
SAME(cuda::kProgrammaticStreamSerialization, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
#undef SAME

TEST(CudaHeader, AgreesWithOurDeclarations) { SUCCEED() << "CUDA " << CUDA_VERSION; }

}  // namespace
}  // namespace mj
#endif
