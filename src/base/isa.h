// SPDX-License-Identifier: Apache-2.0
// Which vector instructions the CPU kernels use. Every family is compiled once per Isa and picked at run time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mj {

enum class Isa : uint8_t { portable, avx2, avx512 };  // each runs what stands before it

std::string_view name(Isa isa);
std::optional<Isa> parse_isa(std::string_view text);

// True if this build holds kernels for `isa` and this machine (with its operating system) can run them.
bool can_run(Isa isa);

// The best Isa of this machine, or the lower one that the environment variable MJ_ISA names (portable, avx2, avx512).
// An unknown or unsupported name is ignored. Read once; thread-safe.
Isa detect_isa();

}  // namespace mj
