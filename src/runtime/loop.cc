// SPDX-License-Identifier: Apache-2.0
#include "runtime/loop.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "ops/sequences.h"

namespace mj {
namespace {

// Items of the same shape, one behind the other.
class Stack {
 public:
  explicit Stack(const PlanTensor& item) : item_(item) {}

  // `most`: how many there may be in all.
  Result<void> add(const Tensor& item, int64_t most) {
    if (count_ == 0) dims_ = item.dims();
    if (item.dims() != dims_) {
      return model_error("output '{}' is [{}] in run {} and [{}] in those before; it is stacked, so it must not change",
                         item_.name, fmt::join(item.dims(), ","), count_, fmt::join(dims_, ","));
    }
    if (item.dtype() == DType::string) {
      texts_.insert(texts_.end(), item.string_data().begin(), item.string_data().end());
    } else {
      if (count_ == capacity_) MJ_TRY(grow(item.bytes(), most));
      auto* place = static_cast<std::byte*>(items_.mutable_raw());
      if (item.bytes()) std::memcpy(place + count_ * item.bytes(), item.raw(), static_cast<size_t>(item.bytes()));
    }
    ++count_;
    return {};
  }

  Result<Tensor> finish(const Bindings& symbols) && {
    if (count_ == 0) {
      for (const Dim& dim : item_.shape.value_or(Shape{})) {
        const Result<int64_t> size = dim.evaluate(symbols);
        dims_.push_back(size.ok() ? std::max<int64_t>(*size, 0) : 0);
      }
    }
    std::vector<int64_t> dims = with_front(count_);
    if (item_.dtype == DType::string) return Tensor::strings(std::move(dims), std::move(texts_));
    if (count_ == capacity_ && items_.present()) return items_;
    Tensor exact = Tensor::zeros(item_.dtype, std::move(dims));
    if (exact.bytes()) std::memcpy(exact.mutable_raw(), items_.raw(), static_cast<size_t>(exact.bytes()));
    return exact;
  }

 private:
  std::vector<int64_t> with_front(int64_t count) const {
    std::vector<int64_t> dims{count};
    dims.insert(dims.end(), dims_.begin(), dims_.end());
    return dims;
  }

  // To all there may be where that is little, else to twice as many.
  Result<void> grow(int64_t item_bytes, int64_t most) {
    constexpr int64_t kLittle = int64_t{64} << 20, kFirst = int64_t{64} << 10;
    const int64_t twice = capacity_ > INT64_MAX / 2 ? INT64_MAX : 2 * capacity_;
    const int64_t each = std::max<int64_t>(item_bytes, 1);
    capacity_ = most <= kLittle / each ? most : std::min(most, std::max({kFirst / each, twice, int64_t{1}}));
    const Result<int64_t> bytes = tensor_bytes(item_.dtype, with_front(capacity_));
    if (!bytes.ok()) return bytes.error().in(fmt::format("output '{}'", item_.name));
    if (*bytes > kMaxEvaluateBytes) return model_error("output '{}': {} bytes are too many", item_.name, *bytes);
    Tensor larger = Tensor::zeros(item_.dtype, with_front(capacity_));
    if (const int64_t held = count_ * item_bytes) {
      std::memcpy(larger.mutable_raw(), items_.raw(), static_cast<size_t>(held));
    }
    items_ = std::move(larger);
    return {};
  }

  const PlanTensor& item_;
  std::vector<int64_t> dims_;
  int64_t count_ = 0, capacity_ = 0;
  Tensor items_;  // room for `capacity_`
  std::vector<std::string> texts_;
};

Result<bool> condition_of(const Tensor& tensor) {
  if (tensor.dtype() == DType::boolean && tensor.size() == 1) return tensor.data<bool>()[0];
  return model_error("the condition must be one bool, it has {} elements of {}", tensor.size(), name(tensor.dtype()));
}

bool has_bytes(const Tensor& tensor) {
  return tensor.present() && !tensor.is_sequence() && tensor.dtype() != DType::string;
}

}  // namespace

Result<std::vector<Tensor>> run_loop(LoopRun run, Session& body) {
  const Plan& plan = *run.step.branches[0];
  const auto carried = static_cast<size_t>(run.step.carried);
  std::vector<Stack> stacks;
  for (size_t i = 1 + carried; i < plan.outputs.size(); ++i) {
    stacks.emplace_back(plan.tensors[static_cast<size_t>(plan.outputs[i])]);
  }
  RunOptions options;
  options.cancelled = run.cancelled;
  options.loops = run.loops;
  // What one run reads lies where the run before last has written.
  std::vector<Tensor> results[2], inputs;
  int64_t n = 0;
  for (; run.go_on && n < run.most; ++n) {
    if (run.cancelled && run.cancelled->load(std::memory_order_relaxed)) {
      return model_error("the run was cancelled after {} runs of a loop", n);
    }
    if (run.loops && --run.loops->left < 0) {
      return model_error("its body ran {} times and would go on, but bodies of loops may run no more than {} times", n,
                         run.loops->limit);
    }
    inputs.assign(1, Tensor::scalar(n));
    inputs.insert(inputs.end(), run.carried.begin(), run.carried.end());
    inputs.insert(inputs.end(), run.captured.begin(), run.captured.end());
    std::vector<Tensor>& outputs = results[n % 2];
    MJ_TRY(body.run(inputs, outputs, options, run.symbols));
    MJ_ASSIGN(run.go_on, condition_of(outputs[0]));
    std::copy_n(outputs.begin() + 1, carried, run.carried.begin());
    for (size_t i = 0; i < stacks.size(); ++i) MJ_TRY(stacks[i].add(outputs[1 + carried + i], run.most));
  }
  if (n == 0) {
    for (Tensor& tensor : run.carried) tensor = has_bytes(tensor) ? copied(tensor) : tensor;
  }
  for (Stack& stack : stacks) {
    MJ_ASSIGN(run.carried.emplace_back(), std::move(stack).finish(run.symbols));
  }
  return std::move(run.carried);
}

}  // namespace mj
