// SPDX-License-Identifier: Apache-2.0
// Kernels of one thread an element, and where that element stands.
#pragma once

#include <string>

#include "kernels/cuda/kernel_text.h"

namespace mj {

// Coordinate `axis` of element `index` of a tensor of that shape. `index` is a name or in parentheses.
std::string coordinate_text(KernelText& kernel, const Shape& shape, size_t axis, const std::string& index);

// Declares `i`, the first of the thread's `width` elements; `count` threads have some, the others are done.
void begin_elements(KernelText& kernel, const Dim& count, int width = 1);
Generated finish_elements(KernelText&& kernel, const Dim& count);

// Says that the output may lie where an input of its shape and type does: of the anchor's inputs where `anchor_input`
// (or none, if negative), and of the epilogue's. For kernels whose thread reads element `i` of them last and then
// writes element `i`. Nothing where there are several outputs, as the first store could destroy what the second one
// needs.
void allow_in_place(KernelText& kernel, int anchor_input);

}  // namespace mj
