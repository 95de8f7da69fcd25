// SPDX-License-Identifier: Apache-2.0
// One layer in the module's hands: its weights in the library's form, and a primitive for each size of image it has
// met. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/onednn/table.h"

namespace mj::onednn {

struct FreeBytes {
  size_t mapped = 0;  // bytes; 0: from the heap
  void operator()(std::byte* memory) const;
};
using Bytes = std::unique_ptr<std::byte, FreeBytes>;  // aligned to 64

struct DestroyPrimitive {
  void operator()(Primitive* primitive) const;
};

// A primitive with the weights it reads.
struct Part {
  std::shared_ptr<Primitive> primitive;
  const std::vector<Bytes>* weights;  // of each column slice
};

class Layer {
 public:
  // Writes the layer's weights, [group][kernel row][kernel column][channel of the group][output of the group].
  using Unpack = std::function<void(float* weights)>;

  // `outputs` and `groups` of the whole layer; the outputs are cut into equal column slices (one, where there are
  // groups), each of which is a primitive's.
  Layer(const Convolution& form, int64_t column_slices, Unpack unpack)
      : form_(form), slices_(column_slices), unpack_(std::move(unpack)) {}

  // For one column slice of an image of this size: heights, widths and padding of `form` are left to it. Without a
  // primitive: the library has no fast one.
  Part part(Convolution size);

 private:
  struct Form {
    std::shared_ptr<Primitive> first;  // that asked for it
    std::vector<Bytes> weights;
  };
  const std::vector<Bytes>* weights_for(const std::shared_ptr<Primitive>& primitive);

  Convolution form_;
  int64_t slices_;
  Unpack unpack_;
  std::mutex mutex_;
  std::map<std::vector<int64_t>, Part> parts_;
  std::deque<Form> forms_;
};

}  // namespace mj::onednn
