// SPDX-License-Identifier: Apache-2.0
// How tensor cores of sm_90 read windows of planes (ops/planar_conv.h): what its kernel is made for, and what a pass
// must know before it asks for that kernel.
#pragma once

#include <algorithm>
#include <optional>

#include "ops/planar_conv.h"

namespace mj {

// Pixels lie in shared memory with `slots` elements each, so that windows of neighbouring results begin 16 bytes apart.
struct PlanarConvForm {
  static constexpr int kPixels = 64;  // results along a line that are made together
  static constexpr int64_t kMostColumns = 256;

  Dim images;
  int64_t channels, outputs, height, width, lines, taps, down, right, top, left, out_height, out_width;

  // Nothing where a size but the number of images is a symbol.
  static std::optional<PlanarConvForm> of(const PlanarConv& op, const Shape& x, const Shape& w);

  // Strides of 1 and 2 alone have so many that pixels lie where windows begin.
  bool has_slots() const { return right == 1 || right == 2; }
  int64_t slots() const { return 8 / right; }  // elements of a pixel, the last ones 0
  int64_t columns() const { return (outputs + 31) / 32 * 32; }
  int64_t line_depth() const { return (taps * slots() + 15) / 16 * 16; }
  int64_t depth() const { return lines * line_depth(); }
  // Groups of kPixels results along a line; the last begins earlier where it would end beyond.
  int64_t parts() const { return (out_width + kPixels - 1) / kPixels; }
  int64_t last_part() const { return std::max<int64_t>(out_width - kPixels, 0); }
  int64_t pitch() const {  // pixels of a line that windows may touch
    const int64_t pixels = (last_part() + kPixels - 1) * right + line_depth() / slots();
    return (pixels + 1) / 2 * 2;
  }
  int64_t patch_lines(int64_t made) const { return (made - 1) * down + lines; }
  // Of a block that makes so many lines of the result at a time: all weights, and what its windows touch.
  int64_t shared_bytes(int64_t made) const { return (columns() * depth() + patch_lines(made) * pitch() * slots()) * 2; }
};

}  // namespace mj
