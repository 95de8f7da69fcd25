// SPDX-License-Identifier: Apache-2.0
// max_pool_bytes: maxima of u8 and i8 images, channels last.
#include "kernels/kernel.h"
#include "kernels/pool/shape.h"

namespace mj {
namespace {

class MaxPoolBytes final : public Kernel {
 public:
  MaxPoolBytes(const Problem& problem, Isa isa)
      : fields_(problem.op.as<MaxPool>()), is_signed_(problem.inputs[0].dtype == DType::i8), isa_(isa) {}

  Result<void> run(const RunArgs& args) const override {
    cpu::max_pool_bytes(args.pool, isa_, pool_shape(fields_, args.inputs[0].dims, args.outputs[0].dims),
                        args.inputs[0].data, is_signed_, args.outputs[0].data);
    return {};
  }

 private:
  PoolFields fields_;
  bool is_signed_;
  Isa isa_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  return std::unique_ptr<Kernel>(std::make_unique<MaxPoolBytes>(args.problem, args.isa));
}

}  // namespace

extern const RunRow run_max_pool_bytes;
const RunRow run_max_pool_bytes = {"max_pool_bytes", 1, Isa::portable, make};

}  // namespace mj
