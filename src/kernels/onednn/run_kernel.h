// SPDX-License-Identifier: Apache-2.0
// The kernel of every row of the library: a layer in slices, and our own row for the sizes that the library has no fast
// code for.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "kernels/kernel.h"
#include "kernels/onednn/run_sliced.h"

namespace mj::onednn {

struct LayerStep {
  Convolution form;  // all but the element types
  bool flat = false;
  Cut cut;
  Tensor packed;  // weights as our own row packed them, and how to unpack them as Layer::Unpack asks
  std::function<void(const float* packed, float* plain)> unpack;
  std::function<SlicedLayer::Size(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs)> size;
  bool adds_bias = false;  // of its own, besides the epilogue's
  Tensor bias;             // present: packed ahead; otherwise the third input
};
std::unique_ptr<Kernel> make_kernel(const MakeArgs& args, LayerStep step, std::unique_ptr<Kernel> own);

// For RunRow::missing.
std::string missing();

}  // namespace mj::onednn
