// SPDX-License-Identifier: Apache-2.0
// Plan: what an executor runs, as plain data. Built by engine/build, stored by plan_wire.cc, run by runtime/.
//
// All indices are into the vectors of the same Plan. Shapes are Dims over symbols; a symbol is bound by the shape of an
// input, or by the step that makes it (a data-dependent size, the branches of an if).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "base/type.h"
#include "problem/choice.h"
#include "problem/launch.h"
#include "problem/problem.h"
#include "problem/target.h"

namespace mj {

inline constexpr int kNoTensor = -1;

struct PlanTensor {
  enum class Kind : uint8_t {
    input = 1,      // the caller's
    constant = 2,   // `constant` holds it
    temporary = 3,  // in the arena
    alias = 4,      // the bytes of `alias_of` under another shape of the same size
  };

  std::string name;
  Kind kind = Kind::temporary;
  DType dtype = DType::none;
  std::optional<Shape> shape;  // nullopt: rank unknown until it runs; such tensors live on the heap
  int alias_of = kNoTensor;
  Tensor constant;                       // a view into the engine's weights once loaded
  Type::Kind form = Type::Kind::tensor;  // of the value; constants are tensors
  bool on_device = false;                // in the memory of the target's GPU; never an input or output of the plan

  Type type() const { return {form, dtype, shape}; }
  bool is_tensor() const { return form == Type::Kind::tensor; }
  bool boxed() const { return !is_tensor() || dtype == DType::string; }  // lives on the heap
  bool operator==(const PlanTensor& other) const;
};

struct Plan;

struct Step {
  enum class Kind : uint8_t {
    kernel = 1,  // a row computes `problem`
    branch = 2,  // if: inputs[0] is the condition, the others are captured; branches[0] or [1] runs
    copy = 3,    // inputs[0] to outputs[0]: to or from the device, or where an output must be memory of its own
    check = 4,   // the two dims must be equal
    // Runs branches[0] while the condition holds, at most so many times.
    // inputs: most (i64) and condition (bool), kNoTensor: no limit, always; then what is carried, what is captured
    // the branch's inputs: the iteration (i64 scalar), carried, captured; its outputs: condition, carried, items
    // outputs: carried, then the items of all runs stacked along a new first axis
    loop = 5,
  };

  Kind kind = Kind::kernel;
  std::vector<int> inputs;          // tensors; kNoTensor where an optional input is absent or was packed away
  std::vector<int> outputs;         // tensors
  std::vector<std::string> origin;  // names of the model's nodes that it computes

  Problem problem;             // of a kernel
  Choice choice;               // of a kernel
  std::vector<Tensor> packed;  // of a kernel: views into the engine's packed weights once loaded
  // Of a kernel that runs on the device: all its tensors are there. Absent: it runs on the host, and so are they.
  std::optional<DeviceCode> device;
  // Of a kernel whose row lives from a library: how to run without. It reads the same inputs.
  std::optional<Alternative> alternative;

  std::vector<std::shared_ptr<const Plan>> branches;  // of a branch: then, else; of a loop: its body
  int carried = 0;                                    // of a loop

  Dim left, right;      // of a check
  std::string message;  // of a check: what the user should know

  bool operator==(const Step& other) const;
};

struct Plan {
  std::string name;
  std::vector<PlanTensor> tensors;
  std::vector<Step> steps;   // in order of execution
  std::vector<int> inputs;   // tensors of kind input
  std::vector<int> outputs;  // any kind; may repeat, may be inputs or constants

  bool operator==(const Plan&) const = default;
};

}  // namespace mj
