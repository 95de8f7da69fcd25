// SPDX-License-Identifier: Apache-2.0
#include "kernels/onednn/run_layer.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <string_view>

#include "base/log.h"
#include "kernels/onednn/run_module.h"

namespace mj::onednn {
namespace {

constexpr std::align_val_t kAlign{64};
// More sizes than any service cycles through; beyond, all are forgotten and made anew.
constexpr size_t kMostParts = 256;

// From here on memory comes from the system and goes back to it: packing a layer needs its weights twice for a moment,
// and in a heap the holes that this leaves between the layers add up to a quarter of the weights.
constexpr size_t kMappedBytes = 256 << 10;

Bytes allocate(size_t bytes) {
  if (bytes >= kMappedBytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return Bytes(static_cast<std::byte*>(memory), FreeBytes{bytes});
  }
  return Bytes(static_cast<std::byte*>(::operator new(std::max<size_t>(64, bytes), kAlign)));
}

// The library's last resort, slower than any row of ours.
bool is_slow(std::string_view implementation) { return implementation.starts_with("ref"); }

std::shared_ptr<Primitive> make(const Convolution& convolution) {
  const Table& table = *module().table;
  const auto start = std::chrono::steady_clock::now();
  char why[256] = "";
  std::shared_ptr<Primitive> primitive(table.create(&convolution, why, sizeof why), DestroyPrimitive());
  count_primitive(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (!primitive) {
    log_debug("oneDNN: {}", why);
  } else if (is_slow(table.implementation(primitive.get()))) {
    primitive.reset();
  } else {
    log_debug("oneDNN: {}x{}x{} to {}x{}x{} by {}", convolution.height, convolution.width, convolution.channels,
              convolution.output_height, convolution.output_width, convolution.outputs,
              table.implementation(primitive.get()));
  }
  return primitive;
}

}  // namespace

void FreeBytes::operator()(std::byte* memory) const {
  if (mapped)
    munmap(memory, mapped);
  else
    ::operator delete(memory, kAlign);
}
void DestroyPrimitive::operator()(Primitive* primitive) const {
  if (primitive) module().table->destroy(primitive);
}

Part Layer::part(Convolution size) {
  const std::lock_guard lock(mutex_);
  const std::vector<int64_t> key = {size.height,  size.width,    size.output_height, size.output_width,
                                    size.pad_top, size.pad_left, size.pad_bottom,    size.pad_right};
  if (const auto known = parts_.find(key); known != parts_.end()) return known->second;
  Convolution whole = form_;
  whole.height = size.height, whole.width = size.width;
  whole.output_height = size.output_height, whole.output_width = size.output_width;
  whole.pad_top = size.pad_top, whole.pad_left = size.pad_left;
  whole.pad_bottom = size.pad_bottom, whole.pad_right = size.pad_right;
  whole.outputs /= slices_;
  Part part{make(whole), nullptr};
  if (part.primitive) part.weights = weights_for(part.primitive);
  if (!part.weights) part.primitive.reset();
  if (parts_.size() >= kMostParts) parts_.clear();
  parts_.emplace(key, part);
  return part;
}

const std::vector<Bytes>* Layer::weights_for(const std::shared_ptr<Primitive>& primitive) {
  const Table& table = *module().table;
  for (const Form& form : forms_)
    if (table.same_weights(form.first.get(), primitive.get())) return &form.weights;
  const int64_t outputs = form_.outputs / form_.groups, rows = form_.kernel_h * form_.kernel_w * form_.channels;
  const Bytes plain = allocate(static_cast<size_t>(rows * outputs) * sizeof(float));
  float* const weights = reinterpret_cast<float*>(plain.get());
  unpack_(weights);
  Form form{primitive, {}};
  const int64_t columns = outputs / slices_;
  const Bytes slice = allocate(slices_ > 1 ? static_cast<size_t>(rows * columns) * sizeof(float) : 0);
  for (int64_t s = 0; s < slices_; ++s) {
    const float* from = weights;
    if (slices_ > 1) {
      float* to = reinterpret_cast<float*>(slice.get());
      for (int64_t i = 0; i < rows; ++i) std::copy_n(weights + i * outputs + s * columns, columns, to + i * columns);
      from = to;
    }
    form.weights.push_back(allocate(table.weights_bytes(primitive.get())));
    if (table.pack(primitive.get(), from, form.weights.back().get()) != 0) return nullptr;
  }
  forms_.push_back(std::move(form));
  return &forms_.back().weights;
}

}  // namespace mj::onednn
