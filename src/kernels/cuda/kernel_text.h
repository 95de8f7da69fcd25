// SPDX-License-Identifier: Apache-2.0
// KernelText: the CUDA C++ of one kernel together with the launch that starts it, so that the two cannot disagree on
// parameters. What it makes includes no header; NVRTC compiles it, and tests compile it for the CPU (emulate.h).
//
//   KernelText kernel("relu", problem);
//   const std::string x = kernel.input(0), y = kernel.output(0), n = kernel.size(count);
//   kernel.line("const long long i = blockIdx.x * 256ll + threadIdx.x;");
//   kernel.line("if (i < {}) {}[i] = fmaxf({}[i], 0.0f);", n, y, x);
//   Generated generated = kernel.finish({ceil_div(count, 256)}, {256});
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "problem/launch.h"
#include "problem/problem.h"

namespace mj {

// What a row for a device makes of a problem: to be compiled, and stored in the step.
struct Generated {
  std::string source;  // CUDA C++
  std::vector<Launch> launches;
  Dim workspace_bytes;
  std::vector<std::array<int, 2>> in_place;  // as in DeviceCode
};

// How elements lie in memory, and what maths is done in: "float" for f32, f16 (kept as unsigned short), bf16; "double";
// "long long" for signed and "unsigned long long" for unsigned integers; "bool".
std::string_view c_storage(DType dtype);  // empty: no CUDA row handles it
std::string_view c_maths(DType dtype);
// An expression of c_maths() from one of c_storage(), and back (rounding to nearest even, wrapping integers).
std::string c_load(DType dtype, std::string_view expression);
std::string c_store(DType dtype, std::string_view expression);
// Floats as hexadecimal, so that nothing is lost; inf and nan by name.
std::string c_literal(float value);

class KernelText {
 public:
  // `name` should say what it does, as profilers show it. The problem must outlive this.
  KernelText(std::string name, const Problem& problem);

  // Parameters: each returns the name of a parameter, the same one each time. Pointers are const for inputs, and
  // __restrict__ unless in_place() was said before.
  std::string input(size_t index);
  std::string output(size_t index);
  // `type` as C spells it: "float", "unsigned short".
  std::string packed(int index, std::string_view type);
  std::string workspace(const Dim& offset, std::string_view type);
  // A literal where the dim is known; otherwise an int parameter.
  std::string size(const Dim& dim);

  // Says that output `output` may lie where input `input` does; call it before the first input() or output().
  void in_place(int input, int output);
  // By default a kernel begins with wait_for_previous(): until then it may run beside the launch before it, and must
  // touch nothing that changes. This one calls it itself, in every thread.
  void waits_itself() { waits_itself_ = true; }
  // `blocks` neighbours along x form a cluster (sm_90 and later); shared memory is dynamic then.
  void cluster(int blocks) { cluster_ = blocks; }
  // At least so many blocks shall run on a multiprocessor at a time: bounds the registers.
  void blocks_together(int blocks) { blocks_together_ = blocks; }
  void reserve_workspace(const Dim& bytes) { workspace_bytes_ = bytes; }

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    lines_ += "  " + fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  void text(std::string_view lines) { lines_ += lines; }  // as it is; braces need no doubling
  void helper(std::string_view text) {                    // before the kernel: functions, types; each once
    if (helpers_.find(text) == std::string::npos) helpers_ += text;
  }

  const Problem& problem() const { return problem_; }

  // `threads` in a block; the kernel is compiled for just that many.
  Generated finish(std::array<Dim, 3> grid, std::array<int, 3> threads, int shared_bytes = 0) &&;

 private:
  std::string parameter(LaunchArg arg, std::string type, std::string name);

  struct Parameter {
    LaunchArg arg;
    std::string type, name;
  };
  std::string name_;
  const Problem& problem_;
  std::vector<Parameter> parameters_;
  std::vector<std::array<int, 2>> in_place_;
  Dim workspace_bytes_ = 0;
  bool waits_itself_ = false;
  int cluster_ = 1, blocks_together_ = 1;
  std::string lines_, helpers_;
};

// One after the other; workspaces share their memory, which is as large as the largest needs.
Generated join(Generated first, Generated second);

// Types and functions that every kernel may use: half and bf16 conversions, warp and block reductions.
std::string_view kernel_prelude();

}  // namespace mj
