// SPDX-License-Identifier: Apache-2.0
#include "runtime/batch.h"

#include <algorithm>

#include "problem/rows.h"
#include "problem/work.h"

namespace mj {
namespace {

// A core that makes 50e9 multiply-adds a second then reads 6 GB of weights a second, which every machine has for it.
constexpr double kMultiplyAddsPerByte = 8;
// About 2 us, next to which the start of a step is short.
constexpr double kMultiplyAddsPerStep = 1e5;

bool contains(const Dim& dim, const std::string& symbol) { return dim.symbols().contains(symbol); }

class Rows {
 public:
  Rows(const Plan& plan, const std::string& symbol)
      : plan_(plan), symbol_(symbol), split_(plan.tensors.size(), false) {}

  bool run() {
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      const PlanTensor& tensor = plan_.tensors[i];
      if (!tensor.shape || tensor.boxed() || tensor.dtype == DType::string) return false;
      split_[i] = !tensor.shape->empty() && tensor.shape->front() == Dim::symbol(symbol_);
      for (size_t d = split_[i] ? 1 : 0; d < tensor.shape->size(); ++d) {
        if (contains((*tensor.shape)[d], symbol_)) return false;
      }
    }
    for (const PlanTensor& tensor : plan_.tensors) {
      if (tensor.kind == PlanTensor::Kind::alias && is_split(tensor.alias_of) != is_split(id(tensor))) return false;
    }
    return std::all_of(plan_.outputs.begin(), plan_.outputs.end(), [&](int output) { return is_split(output); }) &&
           std::all_of(plan_.steps.begin(), plan_.steps.end(), [&](const Step& step) { return follows(step); });
  }
  bool is_split(int tensor) const { return tensor != kNoTensor && split_[static_cast<size_t>(tensor)]; }

 private:
  int id(const PlanTensor& tensor) const { return static_cast<int>(&tensor - plan_.tensors.data()); }

  bool follows(const Step& step) const {
    if (step.kind == Step::Kind::check) return !contains(step.left, symbol_) && !contains(step.right, symbol_);
    if (step.kind == Step::Kind::copy) return is_split(step.inputs[0]) == is_split(step.outputs[0]);
    if (step.kind != Step::Kind::kernel) return false;
    std::vector<bool> split;
    for (int input : step.inputs) split.push_back(is_split(input));
    const auto has_rows = [&](int tensor) { return is_split(tensor); };
    const bool reads = std::any_of(step.inputs.begin(), step.inputs.end(), has_rows);
    const bool makes = std::any_of(step.outputs.begin(), step.outputs.end(), has_rows);
    if (!reads && !makes) return !mentions(step.problem, symbol_);
    for (int output : step.outputs) {
      if (output != kNoTensor && !is_split(output)) return false;
    }
    // Only an operator that makes rows of none may know how many they are.
    return (!reads || !mentions(step.problem, symbol_)) && row_wise(step.problem, split);
  }

  const Plan& plan_;
  const std::string& symbol_;
  std::vector<bool> split_;  // by tensor
};

int64_t weights_of(const Plan& plan) {
  int64_t bytes = 0;
  for (const Step& step : plan.steps) {
    if (step.kind != Step::Kind::kernel || multiply_adds(step.problem, {}) == 0) continue;
    for (const Tensor& packed : step.packed) bytes += packed.bytes();
    for (int input : step.inputs) {
      if (input != kNoTensor) bytes += plan.tensors[static_cast<size_t>(input)].constant.bytes();
    }
  }
  return bytes;
}

}  // namespace

std::optional<Batch> find_batch(const Plan& plan) {
  std::optional<std::string_view> symbol;
  for (int input : plan.inputs) {
    const std::optional<Shape>& shape = plan.tensors[static_cast<size_t>(input)].shape;
    if (!symbol && shape && !shape->empty()) symbol = shape->front().symbol_name();
  }
  if (!symbol) return std::nullopt;
  Batch batch{std::string(*symbol), {}, weights_of(plan)};
  Rows rows(plan, batch.symbol);
  if (!rows.run()) return std::nullopt;
  for (int input : plan.inputs) batch.inputs.push_back(rows.is_split(input));
  return batch;
}

int64_t rows_alone(const Plan& plan, const Batch& batch, const Bindings& one_row, int64_t rows, int threads) {
  if (rows < 2 || rows < threads) return 0;
  double work = 0;
  for (const Step& step : plan.steps) {
    if (step.kind == Step::Kind::kernel) work += multiply_adds(step.problem, one_row).value_or(0);
  }
  const bool worth = work >= kMultiplyAddsPerByte * static_cast<double>(batch.weight_bytes) &&
                     work >= kMultiplyAddsPerStep * static_cast<double>(plan.steps.size());
  return worth ? rows / threads * threads : 0;
}

}  // namespace mj
