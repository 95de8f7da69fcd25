// SPDX-License-Identifier: Apache-2.0
// What the CUDA rows of convolution know of a problem: sizes, and where the taps of a window stand.
#pragma once

#include "kernels/cuda/kernel_text.h"
#include "kernels/select.h"
#include "ops/conv.h"

namespace mj {

// The weights are constant; all else but them may be symbols. Lists have one element for each spatial dim.
struct ConvCudaForm {
  bool channels_last = false, has_bias = false;
  Dim images;
  Shape in, out;
  std::vector<int64_t> kernel, stride, dilation;
  std::vector<Dim> begin;                        // padding before
  bool padded = false;                           // may a tap be outside?
  int64_t group = 1, channels = 0, outputs = 0;  // of a group

  int64_t taps() const;
  Dim positions() const { return element_count(out); }  // of one image
  int64_t all_channels() const { return group * channels; }
  int64_t all_outputs() const { return group * outputs; }
};

Refusal conv_cuda_refusal(const Problem& problem);
// Of a problem that is not refused.
ConvCudaForm conv_cuda_form(const Problem& problem);
// The weights as f32 [taps, channels of a group, outputs].
Result<Packed> pack_conv_cuda(const Problem& problem, const Target& target, std::string_view config,
                              std::span<const Tensor> constants);

// The bias of `channel`, where there is one.
std::string bias_text(KernelText& kernel);
// Where tap `tap` (an expression) stands in spatial dim d, in taps of that dim.
std::string tap_text(const ConvCudaForm& form, size_t d, std::string_view tap);
// Where spatial dim d of output position `position` (an expression) begins to read: negative in the padding.
std::string first_tap_text(KernelText& kernel, const ConvCudaForm& form, size_t d, std::string_view position);
// Are all of at0, at1, ... inside the image? Empty: always.
std::string inside_text(KernelText& kernel, const ConvCudaForm& form);
// The pixel of at0, at1, ... in its image, as a linear index in parentheses.
std::string pixel_text(KernelText& kernel, const ConvCudaForm& form);

}  // namespace mj
