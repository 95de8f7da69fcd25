// SPDX-License-Identifier: Apache-2.0
#include "base/isa.h"

#include <fmt/core.h>

#include <cstdio>

#include "base/knobs.h"

namespace mj {
namespace {

constexpr Isa kAll[] = {Isa::avx512, Isa::avx2, Isa::portable};

Isa best_isa() {
  for (Isa isa : kAll)
    if (can_run(isa)) return isa;
  return Isa::portable;
}

Isa choose_isa() {
  const Isa best = best_isa();
  const auto wanted = knob(Knob::isa);
  if (!wanted) return best;
  const auto isa = parse_isa(*wanted);
  if (isa && can_run(*isa)) return *isa;
  fmt::print(stderr, "millijoule: MJ_ISA={} {}; going on with {}\n", *wanted,
             isa ? "does not run on this machine" : "is none of portable, avx2, avx512", name(best));
  return best;
}

}  // namespace

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return "portable";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "portable";
}

std::optional<Isa> parse_isa(std::string_view text) {
  for (Isa isa : kAll)
    if (mj::name(isa) == text) return isa;
  return std::nullopt;
}

// The compiler's cpuid helper also checks that the operating system saves the wide registers.
bool can_run(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return true;
#if defined(__x86_64__)
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && can_run(Isa::avx2);
#else
    default:
      break;
#endif
  }
  return false;
}

Isa detect_isa() {
  static const Isa isa = choose_isa();
  return isa;
}

}  // namespace mj
