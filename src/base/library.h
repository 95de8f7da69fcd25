// SPDX-License-Identifier: Apache-2.0
// Where shared libraries of ours lie.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mj {

// The path of `file` beside the program or library that this code is linked into, or in ../lib from there.
std::optional<std::string> beside_this_code(std::string_view file);

}  // namespace mj
