// SPDX-License-Identifier: Apache-2.0
// Runs generated CUDA C++ on the CPU: for tests where there is no GPU. The text is compiled by the machine's C++
// compiler; the threads of a block take turns at barriers and shuffles. It says whether the maths is right, nothing
// of races between barriers, nor of time. Text with PTX of its own cannot be run.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace mj {

class EmulatedModule {
 public:
  // `source` with its prelude. Errors: there is no compiler, it refuses the text, or its code does not run here.
  static Result<std::shared_ptr<EmulatedModule>> compile(const std::string& source);
  ~EmulatedModule();

  // As cuLaunchKernel: `args[i]` points to the value of parameter i.
  Result<void> launch(const std::string& function, std::array<unsigned, 3> grid, std::array<unsigned, 3> block,
                      int shared_bytes, void** args) const;

 private:
  explicit EmulatedModule(void* library) : library_(library) {}
  void* library_;
};

// Bytes of each parameter of a kernel in `source`.
std::vector<size_t> parameter_sizes(const std::string& source, const std::string& function);

// Is there a compiler whose code runs in this process?
bool can_emulate();

}  // namespace mj
