// SPDX-License-Identifier: Apache-2.0
// conv_cuda_mma, conv_cuda_persistent: convolution of 16-bit images [N,spatial...,C] by tensor cores: rows are pixels
// of the result, columns its channels, the depth is (tap, channel), each group a batch. Windows are read where they
// lie.
#include "kernels/conv/cuda_form.h"
#include "kernels/cuda/mma_text.h"
#include "kernels/cuda/persistent_text.h"
#include "kernels/cuda/vector_text.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = conv_cuda_refusal(problem)) return reason;
  if (!problem.op.as<Conv>().channels_last) return "channels are not the last axis";
  const ConvCudaForm form = conv_cuda_form(problem);
  if (form.group > 1 && form.channels * form.outputs < 64) return "its groups are small";
  return mma_refusal(problem, {0, 1}, target);
}

int64_t depth(const ConvCudaForm& form) { return form.taps() * form.channels; }
int64_t pitch(const ConvCudaForm& form) { return (depth(form) + 7) / 8 * 8; }  // filled up with zeros

// The weights as [all outputs, taps and channels].
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const ConvCudaForm form = conv_cuda_form(problem);
  const int64_t taps = form.taps(), channels = form.channels, outputs = form.all_outputs(), length = pitch(form);
  Tensor packed = Tensor::zeros(problem.inputs[1].dtype, {outputs, length});
  const auto* from = static_cast<const uint16_t*>(constants[1].raw());
  auto* to = static_cast<uint16_t*>(packed.mutable_raw());
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < taps; ++t) to[o * length + t * channels + c] = *from++;
    }
  }
  return Packed{{std::move(packed)}, {1}};
}

// Pixels and windows are the same.
bool is_pixelwise(const ConvCudaForm& form) {
  for (const int64_t stride : form.stride) {
    if (stride != 1) return false;
  }
  return form.taps() == 1 && !form.padded;
}

// A line is a pixel of the result.
MmaOperand windows(KernelText& kernel, const ConvCudaForm& form, int loads) {
  MmaOperand x;
  x.width = vector_of(form.channels);
  x.pointer = kernel.input(0);
  const std::string group = form.group > 1 ? fmt::format(" + batch * {}", form.channels) : "";
  if (pitch(form) != depth(form)) x.inside = fmt::format("k < {}", depth(form));
  if (is_pixelwise(form)) {
    x.index = fmt::format("line * {} + k{}", form.all_channels(), group);
    return x;
  }
  // Of each load: where its window begins, as coordinates and as an element of the image.
  const size_t spatial = form.in.size();
  x.declarations = fmt::format("  int x_from[{}]", loads);
  for (size_t d = 0; d < spatial; ++d) x.declarations += fmt::format(", x_from{}[{}]", d, loads);
  x.declarations += ";\n";
  std::string pixel = fmt::format("line / {}", kernel.size(form.positions()));
  for (size_t d = 0; d < spatial; ++d) {
    x.setup += fmt::format("    x_from{}[i] = {};\n", d, first_tap_text(kernel, form, d, "line"));
    pixel = fmt::format("({}) * {} + x_from{}[i]", pixel, kernel.size(form.in[d]), d);
  }
  x.setup += fmt::format("    x_from[i] = ({}) * {}{};\n", pixel, form.all_channels(), group);
  if (form.taps() == 1) {
    x.at_k = "    const int x_offset = k";
  } else {
    x.at_k = fmt::format("    const int tap = k / {0}, channel = k % {0};\n", form.channels);
    std::string offset;
    for (size_t d = 0; d < spatial; ++d) {
      x.at_k += fmt::format("    const int tap_at{0} = {1}, tap{0} = tap_at{0} * {2};\n", d, tap_text(form, d, "tap"),
                            form.dilation[d]);
      offset = d == 0 ? "tap0" : fmt::format("({}) * {} + tap{}", offset, kernel.size(form.in[d]), d);
    }
    x.at_k += fmt::format("    const int x_offset = ({}) * {} + channel", offset, form.all_channels());
  }
  x.at_k += ";\n";
  for (size_t d = 0; form.padded && d < spatial; ++d) {
    const std::string join = x.inside.empty() ? "" : " && ";
    if (form.taps() == 1) {
      x.inside += fmt::format("{}(Index)x_from{}[i] < {}", join, d, kernel.size(form.in[d]));
    } else if (form.kernel[d] <= 32) {  // a bit for each tap
      x.declarations += fmt::format("  unsigned x_inside{}[{}];\n", d, loads);
      x.setup += fmt::format(
          "    x_inside{0}[i] = 0;\n    for (int t = 0; t < {1}; ++t) x_inside{0}[i] |= "
          "(unsigned)((Index)(x_from{0}[i] + "
          "t * {2}) < {3}) << t;\n",
          d, form.kernel[d], form.dilation[d], kernel.size(form.in[d]));
      x.inside +=
          fmt::format("{}(x_inside{}[i] >> {} & 1)", join, d, form.kernel[d] == 1 ? "0" : fmt::format("tap_at{}", d));
    } else {
      x.inside += fmt::format("{}(Index)(x_from{}[i] + tap{}) < {}", join, d, d, kernel.size(form.in[d]));
    }
  }
  x.index = "(x_from[i] + x_offset)";
  return x;
}

// A line is a channel of the result.
MmaOperand weights(KernelText& kernel, const ConvCudaForm& form) {
  MmaOperand w;
  w.width = 8;
  w.constant = true;
  w.pointer = kernel.packed(0, "unsigned short");
  w.index =
      fmt::format("({}line) * {} + k", form.group > 1 ? fmt::format("batch * {} + ", form.outputs) : "", pitch(form));
  return w;
}

std::string store(KernelText& kernel, const ConvCudaForm& form, int width) {
  std::string lines = fmt::format("    const int channel = {}column;\n",
                                  form.group > 1 ? fmt::format("batch * {} + ", form.outputs) : "");
  lines += fmt::format("    const Index index = row * {} + channel;\n", form.all_outputs());
  if (form.has_bias) {
    lines += vector_add_text(kernel, kernel.problem().inputs[2].dtype, width, kernel.input(2), "channel", "values");
  }
  return lines + vector_epilogue_text(kernel, "values", "index", width, "channel");
}

MmaProduct product_of(const Problem& problem) {
  const ConvCudaForm form = conv_cuda_form(problem);
  MmaProduct product;
  product.name = "conv_mma";
  product.dtype = problem.inputs[0].dtype;
  product.rows = form.images * form.positions();
  product.columns = form.outputs;
  product.depth = pitch(form);
  product.batches = form.group;
  product.a_width = vector_of(form.channels);
  product.packed = true;
  product.a = [form](KernelText& kernel, int loads) { return windows(kernel, form, loads); };
  product.b = [form](KernelText& kernel, int) { return weights(kernel, form); };
  product.store_width = std::min(vector_of(form.outputs), vector_width(problem));
  const int width = product.store_width;
  product.store = [form, width](KernelText& kernel) { return store(kernel, form, width); };
  return product;
}

}  // namespace

extern const SelectRow select_conv_cuda_mma;
const SelectRow select_conv_cuda_mma = mma_gpu_row<product_of>("conv", "conv_cuda_mma", refuses, pack);

extern const SelectRow select_conv_cuda_persistent;
const SelectRow select_conv_cuda_persistent =
    persistent_gpu_row<product_of, refuses, pack>("conv", "conv_cuda_persistent");

}  // namespace mj
