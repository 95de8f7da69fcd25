// SPDX-License-Identifier: Apache-2.0
// transpose_copy: any permutation of any type that has a size.
#include "kernels/cpu/strided_copy.h"
#include "kernels/kernel.h"
#include "ops/transpose.h"

namespace mj {
namespace {

class TransposeCopy final : public Kernel {
 public:
  explicit TransposeCopy(const Transpose& op) : op_(op) {}

  Result<void> run(const RunArgs& args) const override {
    const TensorRef &in = args.inputs[0], &out = args.outputs[0];
    cpu::StridedCopy copy;
    copy.dims.assign(out.dims.begin(), out.dims.end());
    copy.dst_strides = cpu::dense_strides(out.dims);
    const std::vector<int64_t> strides = cpu::dense_strides(in.dims);
    for (int64_t axis : op_.order(static_cast<int64_t>(in.dims.size()))) {
      copy.src_strides.push_back(strides[static_cast<size_t>(axis)]);
    }
    copy.src = in.data;
    copy.dst = out.data;
    copy.element_bytes = storage_bytes(in.dtype);
    cpu::strided_copy(args.pool, std::move(copy));
    return {};
  }

 private:
  const Transpose op_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<TransposeCopy>(args.problem.op.as<Transpose>()));
}

}  // namespace

extern const RunRow run_transpose_copy;
const RunRow run_transpose_copy = {"transpose_copy", 1, Isa::portable, make};

}  // namespace mj
