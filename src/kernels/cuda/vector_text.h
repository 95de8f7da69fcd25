// SPDX-License-Identifier: Apache-2.0
// Kernels whose threads make several neighbouring elements, so that each reads and writes 16 bytes at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kernels/cuda/body_text.h"

namespace mj {

// The largest of 8, 4, 2, 1 elements of outputs[0], from a multiple of it on, that are worth handling at once: their
// number divides that of all, the narrowest tensor takes at most 16 bytes for them (wider ones take several reads), and
// operands of the epilogue lie as regularly as they can: each by all neighbours or one for all of them.
int vector_width(const Problem& problem, int most = 8);

// Is it known to be a multiple of `width`?
bool is_multiple(const Dim& dim, int width);

// Do neighbours of a tensor of shape `to`, `width` from a multiple of it on, have neighbours of one of shape `from`
// that is broadcast onto it?
bool lies_whole(const Shape& from, const Shape& to, int width);

// A statement that fills `array`, of `width` values of c_maths(dtype), with the elements from `pointer[index]` on, or
// stores it there. `index` is a multiple of `width`, which is 1, 2, 4 or 8; tensors are aligned to 16 bytes.
std::string vector_load_text(KernelText& kernel, DType dtype, int width, std::string_view pointer,
                             std::string_view index, std::string_view array);
// The same, added to what the array of floats holds.
std::string vector_add_text(KernelText& kernel, DType dtype, int width, std::string_view pointer,
                            std::string_view index, std::string_view array);
std::string vector_store_text(KernelText& kernel, DType dtype, int width, std::string_view pointer,
                              std::string_view index, std::string_view array);

// What these texts call: load_elements<n>(from, to), split_f16(two, to), ...
std::string_view vector_helpers();

// As epilogue_text, for `width` neighbours from element `index`, a multiple of it, of outputs[0] on: `values` is an
// array of the anchor's results for them. All is loaded before anything is stored. `last`, where given, is where the
// element lies along the last axis, which saves a remainder.
std::string vector_epilogue_text(KernelText& kernel, const std::string& values, const std::string& index, int width,
                                 const std::string& last = "", std::string_view prefix = "v");
// The same for any body: its first parameter is `values` unless that is empty, the others are the inputs from
// `first_input` on.
std::string vector_body_text(KernelText& kernel, const Body& body, const std::string& values, size_t first_input,
                             const std::string& index, int width, std::string_view prefix = "v",
                             const std::string& last = "");

}  // namespace mj
