// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/bf16.h"

#include "base/check.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mj::cpu {

namespace portable {
extern const Bf16Kernels kBf16Kernels;
}

#if defined(__x86_64__)

namespace avx2 {
extern const Bf16Kernels kBf16Kernels;
}
namespace avx512 {
extern const Bf16Kernels kBf16Kernels;
}
namespace avx512_bf16 {
extern const Bf16Kernels kBf16Kernels;
}
namespace amx_bf16 {
extern const Bf16Kernels kBf16Kernels;
}

namespace {

// Leaf 7 of cpuid: a register of a subleaf, 0 where there is none.
struct Leaf7 {
  explicit Leaf7(unsigned subleaf) {
    unsigned most = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &most, &b, &c, &d) || subleaf > most) return;
    __get_cpuid_count(7, subleaf, &eax, &b, &c, &edx);
  }
  unsigned eax = 0, edx = 0;
};

std::string find_missing_avx512() {
  if (!can_run(Isa::avx512)) return "this machine has no AVX-512";
  constexpr unsigned kAvx512Bf16 = 1u << 5;
  return Leaf7(1).eax & kAvx512Bf16 ? "" : "this machine has no avx512_bf16";
}

std::string find_missing_amx() {
  if (std::string reason = find_missing_avx512(); !reason.empty()) return reason;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  if ((Leaf7(0).edx & (kAmxBf16 | kAmxTile)) != (kAmxBf16 | kAmxTile)) return "this machine has no amx_bf16";
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) {
    return "the operating system does not let this process use AMX tiles";
  }
  return "";
}

}  // namespace

std::string missing(Bf16Unit unit) {
  static const std::string avx512 = find_missing_avx512();
  if (unit == Bf16Unit::avx512_bf16) return avx512;
  if (unit == Bf16Unit::none) return "";
  static const std::string amx = find_missing_amx();
  return amx;
}

#else

std::string missing(Bf16Unit unit) { return unit == Bf16Unit::none ? "" : "it is an instruction of x86-64"; }

#endif

std::string_view name(Bf16Unit unit) {
  return unit == Bf16Unit::amx_bf16 ? "amx_bf16" : unit == Bf16Unit::avx512_bf16 ? "avx512_bf16" : "none";
}

const Bf16Kernels& bf16_kernels(Isa isa, Bf16Unit unit) {
  CHECK(can_run(isa), "this machine cannot run {} kernels", mj::name(isa));
  const std::string reason = missing(unit);
  CHECK(reason.empty(), "no {} kernels: {}", name(unit), reason);
#if defined(__x86_64__)
  if (unit == Bf16Unit::amx_bf16) return amx_bf16::kBf16Kernels;
  if (unit == Bf16Unit::avx512_bf16) return avx512_bf16::kBf16Kernels;
  if (isa == Isa::avx512) return avx512::kBf16Kernels;
  if (isa == Isa::avx2) return avx2::kBf16Kernels;
#endif
  return portable::kBf16Kernels;
}

}  // namespace mj::cpu
