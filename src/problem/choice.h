// SPDX-License-Identifier: Apache-2.0
// Choice: the tactic that a step runs, why, and what else was on the table.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "base/units.h"

namespace mj {

struct Candidate {
  std::string row;                          // name in a kernels.inc
  std::string config;                       // "key=value,..." as the row's configs() spelled it; empty for its only one
  std::optional<double> seconds;            // measured; absent if only estimated
  std::optional<double> estimated_seconds;  // by the row's own model
  std::optional<Joules> modelled_joules;
  std::optional<Joules> joules = std::nullopt;  // measured, of a run

  bool operator==(const Candidate&) const = default;
};

struct Refused {
  std::string row, reason;
  bool operator==(const Refused&) const = default;
};

struct Choice {
  std::string row;
  int version = 1;  // of the row; an engine names it, and a loader without it refuses
  std::string config;
  std::vector<Candidate> candidates;  // best first; the chosen one leads
  std::vector<Refused> refused;

  bool operator==(const Choice&) const = default;
};

// How a step runs where the library of its chosen row is missing.
struct Alternative {
  std::string row;
  int version = 1;
  std::string config;
  std::vector<Tensor> packed;

  bool operator==(const Alternative& other) const {  // by contents
    return row == other.row && version == other.version && config == other.config &&
           std::equal(packed.begin(), packed.end(), other.packed.begin(), other.packed.end(), identical);
  }
};

}  // namespace mj
