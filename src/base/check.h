// SPDX-License-Identifier: Apache-2.0
// CHECK: an invariant of ours broke. Prints the reason and the place, then aborts. Never for the user's mistakes.
#pragma once

#include <fmt/core.h>

#include <string>

namespace mj {
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& reason);
}

#define CHECK(condition, ...)                                                         \
  do {                                                                                \
    if (!(condition)) [[unlikely]]                                                    \
      ::mj::check_failed(#condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
  } while (false)
