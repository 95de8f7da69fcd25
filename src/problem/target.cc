// SPDX-License-Identifier: Apache-2.0
#include "problem/target.h"

namespace mj {

std::string Target::name() const { return "cpu-" + std::string(mj::name(isa)); }

Result<Target> parse_target(std::string_view text, const Target& here) {
  if (text == "cpu") return here;
  for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    Target target = here;
    target.isa = isa;
    if (text == target.name()) return target;
  }
  return error(ErrorCode::usage, "--target: '{}' is not known; use cpu, cpu-portable, cpu-avx2 or cpu-avx512", text);
}

}  // namespace mj
