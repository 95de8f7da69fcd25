// SPDX-License-Identifier: Apache-2.0
// conv_cuda_f32: convolution, with sums in f32, as a tiled product whose one operand is read from the image's windows.
//   [N,spatial...,C]: rows are pixels of the result, columns its channels; [N,C,spatial...]: the other way round, so
//   that
// neighbouring columns are neighbours in memory in both. The depth is (tap, channel); each group is a batch.
#include "kernels/conv/cuda_form.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/tile_text.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) { return conv_cuda_refusal(problem); }

// Pixels and windows are the same.
bool is_pixelwise(const ConvCudaForm& form) {
  for (size_t d = 0; d < form.in.size(); ++d) {
    if (form.stride[d] != 1) return false;
  }
  return form.taps() == 1 && !form.padded;
}

// A line is a pixel of the result.
TileOperand windows(KernelText& kernel, const ConvCudaForm& form, int loads) {
  TileOperand x;
  x.along_depth = form.channels_last;
  x.dtype = kernel.problem().inputs[0].dtype;
  x.vector = x.dtype == DType::f32 && form.channels_last && form.channels % 4 == 0;
  x.pointer = kernel.input(0);
  const std::string first_channel = form.group > 1 ? fmt::format("batch * {} + ", form.channels) : "";
  if (form.channels_last && is_pixelwise(form)) {
    x.index = fmt::format("line * {} + {}k", form.all_channels(), first_channel);
    return x;
  }
  const size_t spatial = form.in.size();
  x.declarations = fmt::format("  int x_image[{}]", loads);
  for (size_t d = 0; d < spatial; ++d) x.declarations += fmt::format(", x_from{}[{}]", d, loads);
  x.declarations += ";  // of each load: its image, and where its window begins\n";
  x.setup = fmt::format("    x_image[i] = line / {} * {};\n", kernel.size(form.positions()),
                        kernel.size(element_count(form.in) * form.all_channels()));
  for (size_t d = 0; d < spatial; ++d)
    x.setup += fmt::format("    x_from{}[i] = {};\n", d, first_tap_text(kernel, form, d, "line"));
  const bool one_tap = form.taps() == 1;
  if (!one_tap) x.lines = fmt::format("        const int tap = k / {0}, channel = k % {0};\n", form.channels);
  for (size_t d = 0; d < spatial; ++d) {
    const std::string tap = one_tap ? "0" : tap_text(form, d, "tap");
    const std::string offset = form.dilation[d] == 1 ? tap : fmt::format("{} * {}", tap, form.dilation[d]);
    x.lines += fmt::format("        const int at{0} = x_from{0}[i]{1};\n", d, tap == "0" ? "" : " + " + offset);
  }
  x.inside = inside_text(kernel, form);
  const std::string channel = one_tap ? "k" : "channel";
  if (form.channels_last) {
    x.index = fmt::format("x_image[i] + {} * {} + {}{}", pixel_text(kernel, form), form.all_channels(), first_channel,
                          channel);
  } else {
    x.index = fmt::format("x_image[i] + ({}{}) * {} + {}", first_channel, channel, kernel.size(element_count(form.in)),
                          pixel_text(kernel, form));
  }
  return x;
}

// A line is a channel of the result.
TileOperand weights(KernelText& kernel, const ConvCudaForm& form) {
  TileOperand w;
  w.vector = form.outputs % 4 == 0;
  w.pointer = kernel.packed(0, "float");
  w.index = fmt::format("k * {} + {}line", form.all_outputs(),
                        form.group > 1 ? fmt::format("batch * {} + ", form.outputs) : "");
  return w;
}

std::string store(KernelText& kernel, const ConvCudaForm& form) {
  const std::string channel = fmt::format("{}{}", form.group > 1 ? fmt::format("batch * {} + ", form.outputs) : "",
                                          form.channels_last ? "column" : "row");
  std::string lines = fmt::format("    const int channel = {};\n", channel);
  if (form.channels_last) {
    lines += fmt::format("    const int index = row * {} + channel;\n", form.all_outputs());
  } else {
    lines += fmt::format("    const int index = (column / {0} * {1} + channel) * {0} + column % {0};\n",
                         kernel.size(form.positions()), form.all_outputs());
  }
  if (form.has_bias) lines += fmt::format("    const float result = sum + {};\n", bias_text(kernel));
  return lines + epilogue_text(kernel, form.has_bias ? "result" : "sum", "index");
}

TiledProduct product_of(const Problem& problem) {
  const ConvCudaForm form = conv_cuda_form(problem);
  const Dim pixels = form.images * form.positions();
  TiledProduct product;
  product.name = "conv_f32";
  product.rows = form.channels_last ? pixels : Dim(form.outputs);
  product.columns = form.channels_last ? Dim(form.outputs) : pixels;
  product.depth = form.taps() * form.channels;
  product.batches = form.group;
  product.a = [form](KernelText& kernel, int loads) { return windows(kernel, form, loads); };
  product.b = [form](KernelText& kernel, int) { return weights(kernel, form); };
  if (!form.channels_last) std::swap(product.a, product.b);
  product.store = [form](KernelText& kernel) { return store(kernel, form); };
  return product;
}

}  // namespace

extern const SelectRow select_conv_cuda_f32;
const SelectRow select_conv_cuda_f32 = tiled_gpu_row<product_of>("conv", "conv_cuda_f32", refuses, pack_conv_cuda);

}  // namespace mj
