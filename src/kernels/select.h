// SPDX-License-Identifier: Apache-2.0
// The build half of a tactic: does it take the problem, in which configurations, how long would it take, and the packed
// form of the constants that it consumes.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cuda/kernel_text.h"
#include "kernels/kernel.h"
#include "problem/choice.h"

namespace mj {

// A reason why not, or nothing. Reasons are sentences about the problem: "k is not a multiple of 64".
using Refusal = std::optional<std::string>;

struct Packed {
  std::vector<Tensor> tensors;  // stored in the engine, handed to RunRow::make in this order
  std::vector<int> consumed;    // inputs of the problem that the kernel no longer reads
};

// What tuning hands to lowering.
struct Chosen {
  Choice choice;
  Packed packed;
  std::optional<Alternative> alternative;  // if the chosen row has one
  std::optional<DType> products;           // of the chosen row
  std::optional<DeviceCode> device;        // if the chosen row is for GPUs
};

struct SelectRow {
  std::string_view family;
  std::string_view name;
  int version;
  Refusal (*refuses)(const Problem& problem, const Target& target);
  // At least one; "" for the only one.
  std::vector<std::string> (*configs)(const Problem& problem, const Target& target);
  // Seconds for these values of the symbols by a simple model (operations / peak + bytes / bandwidth).
  std::optional<double> (*estimate)(const Problem& problem, const Target& target, const Bindings& bindings);
  // `constants[i]` is present where problem.inputs[i].constant.
  Result<Packed> (*pack)(const Problem& problem, const Target& target, std::string_view config,
                         std::span<const Tensor> constants);
  // Of a row that lives from a library or from instructions that few machines have: our own row that takes every
  // problem that this one takes. A step stores it as the way to run without. Both pack alike, so that the file holds
  // one form for both.
  std::string_view alternative = {};
  // What it rounds the operands of products to. Such a row is offered only for problems that allow it.
  std::optional<DType> products = std::nullopt;
  // Of a row for GPUs: its kernels, for a problem that it does not refuse. Null for rows that run on the host.
  // Constants reach the kernels as inputs, or as what pack() makes of them.
  Generated (*generate)(const Problem& problem, const Target& target, std::string_view config) = nullptr;
};

std::span<const SelectRow* const> all_select_rows();
// The rows of a family in order of preference; the reference row is always last.
std::vector<const SelectRow*> rows_of(std::string_view family);
// Those of the problem's family for that target that round no more than the problem allows; the reference alone where
// there are no bytes to give to others. For a GPU its own rows come first, then the host's.
std::vector<const SelectRow*> rows_for(const Problem& problem, const Target& target);

// Defaults for rows that need nothing special.
std::vector<std::string> one_config(const Problem&, const Target&);
std::optional<double> no_estimate(const Problem&, const Target&, const Bindings&);
Result<Packed> pack_nothing(const Problem&, const Target&, std::string_view, std::span<const Tensor>);

}  // namespace mj
