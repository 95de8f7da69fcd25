// SPDX-License-Identifier: Apache-2.0
// What libmj_onednn.so offers: a table of C functions, so that neither side sees the other's compiler or library. The
// number below changes with every change of this file; a module of another number is not used.
//
// One primitive is a convolution of one image, NHWC in and out; a product of r rows is the convolution of an image of
// height 1 and width r with a 1x1 window. All functions may be called from any thread, and one primitive by many
// threads at once; each runs on the calling thread alone and leaves its OpenMP settings as it found them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mj::onednn {

inline constexpr uint32_t kTableVersion = 1;
inline constexpr char kTableSymbol[] = "mj_onednn_table";

extern "C" {

struct Convolution {
  int64_t channels, height, width;                                         // of the image
  int64_t outputs, output_height, output_width;                            // of the result
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;  // a dilation of 1 leaves no holes
  int64_t pad_top, pad_left, pad_bottom, pad_right;
  int64_t groups;
  // Element types by their number in DType; bias 0: there is none. A combination that the module does not know is an
  // error of create().
  int32_t image_type, weights_type, bias_type, result_type;
};

struct Buffers {
  const void* image;
  const void* weights;  // as pack() left them
  const void* bias;     // one per output, or null
  void* result;         // overlaps nothing else
  void* scratch;        // scratch_bytes(), aligned to 64
};

struct Primitive;

struct Table {
  uint32_t version;
  const char* library;   // "2.6.3"
  const char* unusable;  // null, or why this build of the library is not to be used

  // Null: `why` tells the reason. The caller destroys what it gets.
  Primitive* (*create)(const Convolution* convolution, char* why, size_t why_bytes);
  void (*destroy)(Primitive* primitive);
  const char* (*implementation)(const Primitive* primitive);  // the library's own name of the code that will run
  size_t (*scratch_bytes)(const Primitive* primitive);
  size_t (*weights_bytes)(const Primitive* primitive);  // packed
  // Nonzero: what one packed serves the other too.
  int (*same_weights)(const Primitive* a, const Primitive* b);
  // weights[group][kernel row][kernel column][channel of the group][output of the group]. `packed` is aligned to 64.
  // Nonzero: it failed.
  int (*pack)(const Primitive* primitive, const void* weights, void* packed);
  int (*run)(const Primitive* primitive, const Buffers* buffers);
};

// The module's only symbol, of this type.
using TableFunction = const Table* (*)();
}

}  // namespace mj::onednn
