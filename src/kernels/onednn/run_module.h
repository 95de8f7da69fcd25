// SPDX-License-Identifier: Apache-2.0
// The oneDNN module, found at run time: libmj_onednn.so beside the program or library that holds this code, in the
// neighbouring lib/, or where the dynamic linker looks. MJ_ONEDNN names another file, or is "off".
#pragma once

#include <cstdint>
#include <string>

#include "kernels/onednn/table.h"

namespace mj::onednn {

struct Module {
  const Table* table = nullptr;  // null: there is none to be used
  std::string file;              // that was loaded, or looked for last
  std::string why_not;           // when there is no table
};

// Looked for once, at the first call; stays loaded. Thread-safe.
const Module& module();
// "2.6.3", or empty without a module: what Target::onednn holds.
std::string library_version();

// What this process has made so far.
struct Use {
  int64_t primitives = 0;
  double seconds = 0;  // that making them took
};
Use use();
void count_primitive(double seconds);

}  // namespace mj::onednn
