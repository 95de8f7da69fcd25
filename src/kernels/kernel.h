// SPDX-License-Identifier: Apache-2.0
// The run half of a tactic: host code that computes one step. The other half (refusals, configs, estimate, packing) is
// kernels/select.h; a deployment links this half only.
//
// How a row is made: a line MJ_KERNEL(name) in its family's kernels.inc; `const RunRow run_<name>` in the family's
// run*.cc and `const SelectRow select_<name>` in its select*.cc. The order of kernels.inc is the order of preference.
// A row for GPUs is a line MJ_GPU_KERNEL(name) and has a SelectRow only: what it generates is compiled into the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dim.h"
#include "base/result.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "problem/problem.h"
#include "problem/target.h"

namespace mj {

// A dense row-major array somewhere in memory. Not owned. An absent or packed-away input has dtype none and no data.
// Strings, sequences and optionals have no bytes to point at: `value` holds them (an optional may be absent there), and
// only the reference row is given them.
struct TensorRef {
  void* data = nullptr;
  std::span<const int64_t> dims;
  DType dtype = DType::none;
  const Tensor* value = nullptr;

  bool present() const { return dtype != DType::none; }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

struct RunArgs {
  std::span<const TensorRef> inputs;   // in the order of problem.inputs
  std::span<const TensorRef> outputs;  // allocated; may share memory with nothing else but what in_place() allows
  const Bindings& symbols;             // values of the plan's symbols
  std::span<std::byte> workspace;      // at least workspace_bytes(), aligned to 64, contents undefined
  ThreadPool& pool;
};

// Immutable once made: one Kernel serves all sessions and threads.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // Scratch for these concrete shapes. `inputs` and `outputs` carry dims, no data.
  virtual int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                                  int threads) const {
    (void)inputs, (void)outputs, (void)threads;
    return 0;
  }
  // May output `output` lie in the memory of input `input`, if both have the same dims and element type? Only where
  // each element is read for the last time before its successor is written, whoever works on the others meanwhile.
  virtual bool in_place(size_t input, size_t output) const {
    (void)input, (void)output;
    return false;
  }
  // Errors are the request's fault (an index out of range); everything else was refused at build time.
  // Deterministic: bitwise the same answer for the same inputs, whatever the thread count.
  virtual Result<void> run(const RunArgs& args) const = 0;
  // For outputs whose shape only running can tell. Only the reference row implements it.
  virtual Result<std::vector<Tensor>> run_unsized(std::span<const TensorRef> inputs, const Bindings& symbols,
                                                  int outputs) const;
};

struct MakeArgs {
  const Problem& problem;
  std::string_view config;         // as SelectRow::configs spelled it
  std::span<const Tensor> packed;  // what SelectRow::pack returned; views into the engine, kept alive by their owner
  Isa isa;                         // of the machine that runs it; at least what the row needs
  // If given, for a kernel that keeps a copy: says that these bytes of `packed` will hardly be read again. From any
  // thread, as long as the kernel lives.
  std::function<void(std::span<const std::byte>)> release = nullptr;
};

struct RunRow {
  std::string_view name;
  int version;
  Isa needs;  // the least instruction set
  Result<std::unique_ptr<Kernel>> (*make)(const MakeArgs& args);
  // Of a row that lives from a library or from instructions beyond `needs`: why they are missing here; empty if they
  // are not. Null for the other rows.
  std::string (*missing)() = nullptr;
  std::optional<DType> products = std::nullopt;  // Problem::products of the steps that it computes
};

// Null if this build has no such row.
const RunRow* find_run_row(std::string_view name);
std::span<const RunRow* const> all_run_rows();

}  // namespace mj
