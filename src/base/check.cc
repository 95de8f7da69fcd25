// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mj {

void check_failed(const char* condition, const char* file, int line, const std::string& reason) {
  std::fprintf(stderr, "millijoule: internal error: %s (%s is false, %s:%d)\n", reason.c_str(), condition, file, line);
  std::abort();
}

}  // namespace mj
