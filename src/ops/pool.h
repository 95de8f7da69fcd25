// SPDX-License-Identifier: Apache-2.0
// max_pool, average_pool: over sliding windows of 1 to 3 spatial dims, [N,C,spatial...] or [N,spatial...,C].
#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace mj {

struct PoolFields {
  std::vector<int64_t> kernel_shape, strides, pads, dilations;
  bool ceil_mode = false;
  std::string auto_pad = "NOTSET";
  bool channels_last = false;

  static constexpr auto kShared = std::tuple{field(1, "kernel_shape", &PoolFields::kernel_shape),
                                             field(2, "strides", &PoolFields::strides),
                                             field(3, "pads", &PoolFields::pads),
                                             field(4, "dilations", &PoolFields::dilations),
                                             field(5, "ceil_mode", &PoolFields::ceil_mode),
                                             field(6, "auto_pad", &PoolFields::auto_pad)};

  WindowFields window() const { return {strides, pads, dilations, auto_pad}; }
  InferResult infer(const InferContext& context) const;
};

// Padding never wins; a window without any element gives -inf (the lowest integer).
struct MaxPool : PoolFields {
  static constexpr std::string_view kName = "max_pool";
  static constexpr auto kFields =
      std::tuple_cat(kShared, std::tuple{field(7, "channels_last", &PoolFields::channels_last)});

  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// Where max_pool's values stand, as i64 of the image's shape flattened; images of [N,C,spatial...] alone. Of equal
// values the first; -1 for a window without any element.
struct MaxPoolIndices : PoolFields {
  int64_t storage_order = 0;  // 1: the spatial dims of the index count column by column, the first one fastest

  static constexpr std::string_view kName = "max_pool_indices";
  static constexpr auto kFields =
      std::tuple_cat(kShared, std::tuple{field(7, "storage_order", &MaxPoolIndices::storage_order)});

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// Divides by the number of elements in the window, with count_include_pad by those of the padding as well.
struct AveragePool : PoolFields {
  bool count_include_pad = false;

  static constexpr std::string_view kName = "average_pool";
  static constexpr auto kFields =
      std::tuple_cat(kShared, std::tuple{field(7, "channels_last", &PoolFields::channels_last),
                                         field(8, "count_include_pad", &AveragePool::count_include_pad)});

  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
