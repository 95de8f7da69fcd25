// SPDX-License-Identifier: Apache-2.0
// Launch: the start of a kernel on a device, as plain data: what a step of a plan needs besides its tensors. There is
// no code of ours behind it at run time but one loop over launches.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/dim.h"
#include "base/tensor.h"

namespace mj {

struct LaunchArg {
  enum class Kind : uint8_t {
    input = 1,      // the address of the step's input `index`
    output = 2,     // the address of its output `index`
    packed = 3,     // the address of its packed tensor `index`
    workspace = 4,  // the address of its workspace, `value` bytes in
    size = 5,       // `value`, as an i32
  };

  Kind kind = Kind::size;
  int index = 0;
  Dim value;

  bool operator==(const LaunchArg&) const = default;
};

struct Launch {
  std::string function;                  // in the code
  std::array<Dim, 3> grid = {1, 1, 1};   // in blocks; where one is 0, nothing is to be done
  std::array<int, 3> block = {1, 1, 1};  // in threads
  int shared_bytes = 0;                  // dynamic shared memory of a block
  std::vector<LaunchArg> args;
  // The kernel itself waits for the launch before it, so it may be started before that one has ended.
  bool overlaps = false;

  bool operator==(const Launch&) const = default;
};

// All that a step does on a device.
struct DeviceCode {
  Tensor code;                   // u8: what the device loads (a cubin)
  std::vector<Launch> launches;  // one after the other
  Dim workspace_bytes;           // undefined contents before the first launch
  // Outputs that may lie in the memory of an input, if dims and element type are the same: {input, output}.
  std::vector<std::array<int, 2>> in_place;

  bool operator==(const DeviceCode& other) const {  // code by contents
    return identical(code, other.code) && launches == other.launches && workspace_bytes == other.workspace_bytes &&
           in_place == other.in_place;
  }
};

}  // namespace mj
