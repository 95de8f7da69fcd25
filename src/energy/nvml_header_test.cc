// SPDX-License-Identifier: Apache-2.0
// Our declarations against NVIDIA's, where a toolkit is installed.
#if __has_include(<nvml.h>)
#include <gtest/gtest.h>
#include <nvml.h>

#include <type_traits>

#include "energy/nvml.h"

namespace mj {
namespace {

template <class Theirs, class Ours>
constexpr bool kSameNvmlCall = false;
template <class R, class... Theirs, class S, class... Ours>
requires(sizeof...(Theirs) == sizeof...(Ours)) constexpr bool kSameNvmlCall<R (*)(Theirs...), S (*)(Ours...)> =
    sizeof(R) == sizeof(S) &&
    ((sizeof(Theirs) == sizeof(Ours) && std::is_pointer_v<Theirs> == std::is_pointer_v<Ours>)&&...);

#define MJ_NVML(result, member, symbol, parameters) \
  static_assert(kSameNvmlCall<decltype(&::symbol), decltype(Nvml::member)>, #symbol);
#include "energy/nvml_symbols.inc"
#undef MJ_NVML

static_assert(sizeof(nvml::Memory) == sizeof(nvmlMemory_t) &&
              offsetof(nvml::Memory, used) == offsetof(nvmlMemory_t, used));
static_assert(sizeof(nvml::Utilization) == sizeof(nvmlUtilization_t));
static_assert(static_cast<int>(nvml::kSmClock) == static_cast<int>(NVML_CLOCK_SM));
static_assert(static_cast<int>(nvml::kInsufficientSize) == static_cast<int>(NVML_ERROR_INSUFFICIENT_SIZE));
static_assert(static_cast<int>(nvml::kFunctionNotFound) == static_cast<int>(NVML_ERROR_FUNCTION_NOT_FOUND));
static_assert(static_cast<int>(nvml::kGpuIsLost) == static_cast<int>(NVML_ERROR_GPU_IS_LOST));
static_assert(static_cast<int>(nvml::kVersionMismatch) == static_cast<int>(NVML_ERROR_LIB_RM_VERSION_MISMATCH));
static_assert(nvml::kPowerCap == nvmlClocksThrottleReasonSwPowerCap);

}  // namespace
}  // namespace mj
#endif
