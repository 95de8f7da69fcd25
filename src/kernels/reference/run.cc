// SPDX-License-Identifier: Apache-2.0
// The last row of every family: the operators' own reference kernels, then the epilogue, one operator at a time. It is
// also what the oracle is made of.
#include <cstring>

#include "kernels/kernel.h"

namespace mj {
namespace {

Tensor view(const TensorRef& ref) {
  if (ref.value) return *ref.value;
  if (!ref.present()) return {};
  return Tensor::view(ref.dtype, {ref.dims.begin(), ref.dims.end()}, ref.data, nullptr);
}

class Reference final : public Kernel {
 public:
  explicit Reference(const Problem& problem) : problem_(problem) {}

  Result<std::vector<Tensor>> run_unsized(std::span<const TensorRef> inputs, const Bindings& symbols,
                                          int outputs) const override {
    std::vector<Tensor> tensors;
    for (const TensorRef& input : inputs) tensors.push_back(view(input));
    const bool bound = problem_.op && problem_.op.info().bind;
    const Op op = bound ? problem_.op.info().bind(problem_.op.raw(), symbols) : problem_.op;
    if (problem_.epilogue.empty()) return evaluate(op, tensors, outputs);
    std::vector<Tensor> params;
    if (op) {
      const auto anchor = std::span<const Tensor>(tensors).first(static_cast<size_t>(problem_.anchor_inputs));
      MJ_ASSIGN(params, evaluate(op, anchor, 1));
    }
    params.insert(params.end(), tensors.begin() + (op ? problem_.anchor_inputs : 0), tensors.end());
    return evaluate(problem_.epilogue, params);
  }

  Result<void> run(const RunArgs& args) const override {
    MJ_ASSIGN(const std::vector<Tensor> results,
              run_unsized(args.inputs, args.symbols, static_cast<int>(args.outputs.size())));
    for (size_t i = 0; i < args.outputs.size(); ++i) {
      const TensorRef& out = args.outputs[i];
      if (!out.present()) continue;
      if (results[i].size() != out.size()) {
        return model_error("{}: output {} has {} elements, the plan has {}",
                           problem_.op ? problem_.op.name() : "pointwise", i, results[i].size(), out.size());
      }
      if (results[i].bytes()) std::memcpy(out.data, results[i].raw(), static_cast<size_t>(results[i].bytes()));
    }
    return {};
  }

 private:
  Problem problem_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<Reference>(args.problem));
}

}  // namespace

extern const RunRow run_reference;
const RunRow run_reference = {"reference", 1, Isa::portable, make};

}  // namespace mj
