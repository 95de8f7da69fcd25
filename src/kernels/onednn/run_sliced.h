// SPDX-License-Identifier: Apache-2.0
// A layer cut into slices that our pool's threads compute, each with a single-threaded primitive. How it is cut is
// settled when the engine is built, so that neither the thread count nor the batch shows in a result.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/onednn/run_layer.h"

namespace mj::onednn {

struct Cut {
  int64_t rows = 1;     // of a slice: rows of the output image, or pixels of a flat layer
  int64_t columns = 1;  // slices of the output channels, all equal
};
// "rows=32,columns=2". Nothing if it is not one.
std::string to_string(const Cut& cut);
std::optional<Cut> parse_cut(std::string_view config);

class SlicedLayer {
 public:
  // A flat layer is a product: each pixel of the output depends on its own pixel of the image alone, and images are
  // rows of pixels without borders. Its last slice is filled up with zeros, so that every pixel comes out of one and
  // the same primitive.
  SlicedLayer(const Convolution& form, bool flat, Cut cut, Layer::Unpack unpack);

  // Of a batch; `form` tells the rest. A flat layer looks at the product of images, height and width only.
  struct Size {
    int64_t images = 1, height = 1, width = 1, output_height = 1, output_width = 1;
    int64_t pad_top = 0, pad_left = 0;  // the other padding follows
  };
  struct Job {
    Size size;
    const float* x;
    float* y;
    const float* bias;                         // per output, or null; as `form` said
    const cpu::BodyEpilogue::Bound& epilogue;  // applied to y after the bias
  };
  // Bytes that run() needs with so many threads; nothing: the library is no help at this size. Makes the primitives.
  std::optional<int64_t> workspace_bytes(const Size& size, int threads) const;
  // False: it is no help, nothing was done.
  Result<bool> run(ThreadPool& pool, const Job& job, std::byte* workspace) const;

 private:
  // A slice along the rows of one image.
  struct Piece {
    int64_t source;    // its first float within the image
    int64_t row;       // its first pixel within the result
    int64_t pixels;    // of the result
    int64_t computed;  // at least `pixels`; the others are thrown away
    Part part;
  };
  struct Pieces {
    std::vector<Piece> list;  // none: no primitive
    int64_t images = 1, image_floats = 0, result_pixels = 0;
    int64_t copy_bytes = 0, result_bytes = 0, scratch_bytes = 0;  // for each thread
    int64_t thread_bytes() const { return copy_bytes + result_bytes + scratch_bytes; }
  };
  Pieces pieces(const Size& size) const;
  Pieces flat_pieces(int64_t pixels) const;
  Pieces image_pieces(const Size& size) const;
  void run_slice(const Job& job, const Pieces& pieces, int64_t image, const Piece& piece, int64_t column,
                 std::byte* scratch, bool& failed) const;

  Convolution form_;
  bool flat_;
  Cut cut_;
  mutable Layer layer_;  // remembers the primitives it made
};

}  // namespace mj::onednn
