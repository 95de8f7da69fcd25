// SPDX-License-Identifier: Apache-2.0
#include "kernels/onednn/run_kernel.h"

#include <algorithm>

#include "kernels/onednn/run_module.h"

namespace mj::onednn {
namespace {

class LayerKernel final : public Kernel {
 public:
  LayerKernel(LayerStep step, Layer::Unpack unpack, std::unique_ptr<Kernel> own, cpu::BodyEpilogue epilogue)
      : size_(std::move(step.size)),
        adds_bias_(step.adds_bias),
        bias_(std::move(step.bias)),
        layer_(step.form, step.flat, step.cut, std::move(unpack)),
        own_(std::move(own)),
        epilogue_(std::move(epilogue)) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                          int threads) const override {
    const int64_t own = own_->workspace_bytes(inputs, outputs, threads);
    return inputs[0].size() ? std::max(own, layer_.workspace_bytes(size_(inputs, outputs), threads).value_or(0)) : own;
  }

  Result<void> run(const RunArgs& args) const override {
    if (args.inputs[0].size() == 0 || args.outputs[0].size() == 0) return own_->run(args);
    MJ_ASSIGN(const auto bound, epilogue_.bind(args.inputs, args.outputs));
    const float* bias = bound.epilogue().bias;
    if (adds_bias_) bias = bias_.present() ? static_cast<const float*>(bias_.raw()) : args.inputs[2].as<const float>();
    MJ_ASSIGN(const bool done, layer_.run(args.pool,
                                          {size_(args.inputs, args.outputs), args.inputs[0].as<const float>(),
                                           args.outputs[0].as<float>(), bias, bound},
                                          args.workspace.data()));
    return done ? Result<void>() : own_->run(args);
  }

 private:
  decltype(LayerStep::size) size_;
  bool adds_bias_;
  Tensor bias_;
  SlicedLayer layer_;
  std::unique_ptr<Kernel> own_;
  cpu::BodyEpilogue epilogue_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const MakeArgs& args, LayerStep step, std::unique_ptr<Kernel> own) {
  cpu::BodyEpilogue epilogue(args.problem, args.isa,
                             step.adds_bias ? cpu::EpilogueFields::none : cpu::EpilogueFields::bias);
  Convolution& form = step.form;
  form.image_type = form.weights_type = form.result_type = static_cast<int32_t>(DType::f32);
  if (step.adds_bias || epilogue.takes_bias()) form.bias_type = form.image_type;
  const auto unpack = [packed = step.packed, unpack = step.unpack, release = args.release](float* plain) {
    unpack(static_cast<const float*>(packed.raw()), plain);
    if (release) release({static_cast<const std::byte*>(packed.raw()), static_cast<size_t>(packed.bytes())});
  };
  return std::make_unique<LayerKernel>(std::move(step), unpack, std::move(own), std::move(epilogue));
}

std::string missing() { return module().why_not; }

}  // namespace mj::onednn
