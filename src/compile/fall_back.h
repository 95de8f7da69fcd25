// SPDX-License-Identifier: Apache-2.0
// Steps of a plan that round the operands of their products, put back one by one to a plan that does not.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/format/plan.h"

namespace mj {

// Indices of the plan's own steps that round, or one of whose branches does.
std::vector<size_t> rounding_steps(const Plan& plan);
// Kernel steps that round, branches included.
int count_rounding(const Plan& plan);

// Are the two plans of one graph, and may a step of one stand in the other?
bool interchangeable(const Plan& a, const Plan& b);
// `plan` with the steps of `other` at these indices; the two are interchangeable.
Plan with_steps(const Plan& plan, const Plan& other, std::span<const size_t> indices);

// The names of the model's nodes that the step computes.
std::string place_of(const Step& step);

}  // namespace mj
