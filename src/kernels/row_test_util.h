// SPDX-License-Identifier: Apache-2.0
// Runs one row on one problem as an engine would (pack, make, run) and compares with the reference row.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/select.h"

namespace mj {

struct RowCase {
  Problem problem;             // inputs and outputs may be left empty: they come from `inputs` and the reference
  std::vector<Tensor> inputs;  // concrete; absent tensors for absent optional inputs
  std::vector<bool> constant;  // which of them are known at build time; may be shorter
};

// Fills problem.inputs, then problem.outputs from what the reference computes.
std::vector<Tensor> complete(RowCase& c);

// What the row offers for a complete problem.
std::vector<std::string> configs_of(const std::string& row, const RowCase& c, Isa isa);

// The row's outputs. Fails the test if the row refuses or errs. An empty config is the row's first.
std::vector<Tensor> run_row(const std::string& row, const RowCase& c, Isa isa, int threads,
                            const std::string& config = "");

// Fails unless |got - want| <= tolerance * (1 + |want|) everywhere and NaNs and infinities agree.
void expect_close(const std::vector<Tensor>& want, const std::vector<Tensor>& got, double tolerance,
                  const std::string& what);

// In every configuration, on every Isa of this machine, on 1 and 2 threads (bitwise the same), against the reference.
void expect_row_matches(const std::string& row, RowCase c, double tolerance);
// The message of the error that running ends with, or "ran".
std::string run_row_error(const std::string& row, const RowCase& c, Isa isa);
// The row's reason, or "takes it".
std::string refusal_of(const std::string& row, RowCase c);

// Ends the case with + each term (biases, residuals), then `last` if it is an operator.
void add_epilogue(RowCase& c, const std::vector<Tensor>& terms, Op last);

Tensor random_tensor(uint32_t seed, std::vector<int64_t> dims);
// Its elements as f16, bf16, ..., rounded to nearest even.
Tensor cast_to(const Tensor& tensor, DType dtype);

}  // namespace mj
