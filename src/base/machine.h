// SPDX-License-Identifier: Apache-2.0
// What machine this is, for reports.
#pragma once

#include <string>

namespace mj {

std::string cpu_model();     // "AMD EPYC 7B13"; "unknown CPU" where it cannot be read
std::string machine_name();  // cpu_model() and the instruction set in use

}  // namespace mj
