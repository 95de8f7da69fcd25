// SPDX-License-Identifier: Apache-2.0
// conv_transpose_cuda_f32: transposed convolution, with sums in f32, as a tiled product: rows are channels of the
// result, columns its pixels, the depth is (tap, channel), each group is a batch. Seen from a pixel of the result, a
// tap comes from the image's pixel (place + padding - tap * dilation) / stride, where that divides: of strides above 1
// most taps are zeros that are multiplied all the same.
#include "kernels/cuda/anchor.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/tile_text.h"
#include "ops/conv_transpose.h"

namespace mj {
namespace {

int64_t item(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return i < list.size() ? list[i] : otherwise;
}

struct Form {
  Shape in, out;  // of the image, without channels
  std::vector<int64_t> kernel, stride, dilation;
  std::vector<Dim> begin;  // what is cut off before
  Dim images;
  int64_t group = 1, channels = 0, outputs = 0;  // of a group
  bool has_bias = false;

  explicit Form(const Problem& problem) {
    const ConvTranspose& op = problem.op.as<ConvTranspose>();
    const Shape &x = problem.inputs[0].shape, &w = problem.inputs[1].shape, &y = problem.outputs[0].shape;
    group = op.group, channels = *w[0].constant() / group, outputs = *w[1].constant();
    images = x[0];
    has_bias = problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none;
    for (size_t d = 0; d + 2 < x.size(); ++d) {
      in.push_back(x[d + 2]), out.push_back(y[d + 2]);
      kernel.push_back(*w[d + 2].constant());
      stride.push_back(item(op.strides, d, 1)), dilation.push_back(item(op.dilations, d, 1));
      begin.push_back(item(op.pads, d, 0));
      if (op.output_shape.empty() && !op.auto_pad.starts_with("SAME")) continue;
      const Dim full = (in[d] - 1) * stride[d] + item(op.output_padding, d, 0) + (kernel[d] - 1) * dilation[d] + 1;
      const Dim surplus = max(full - out[d], 0), half = floor_div(surplus, 2);
      begin[d] = op.auto_pad == "SAME_UPPER" ? half : surplus - half;
    }
  }
  int64_t taps() const {
    int64_t n = 1;
    for (int64_t k : kernel) n *= k;
    return n;
  }
  Dim positions() const { return element_count(out); }
};

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<ConvTranspose>()) return "not a transposed convolution";
  if (Refusal reason = float_anchor_refusal(problem)) return reason;
  if (!problem.inputs[1].constant) return "its weights are not constant";
  return std::nullopt;
}

// As f32 [taps, channels of a group, all outputs].
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const Form form(problem);
  const int64_t taps = form.taps(), all = form.outputs * form.group;
  Tensor packed = Tensor::zeros(DType::f32, {taps, form.channels, all});
  const std::vector<double> from = constants[1].to_f64();
  size_t next = 0;
  for (int64_t g = 0; g < form.group; ++g) {
    for (int64_t c = 0; c < form.channels; ++c) {
      for (int64_t o = 0; o < form.outputs; ++o) {
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t to = (t * form.channels + c) * all + g * form.outputs + o;
          packed.mutable_data<float>()[static_cast<size_t>(to)] = static_cast<float>(from[next++]);
        }
      }
    }
  }
  return Packed{{std::move(packed)}, {1}};
}

TileOperand weights(KernelText& kernel, const Form& form) {
  TileOperand w;
  w.vector = form.outputs % 4 == 0;
  w.pointer = kernel.packed(0, "float");
  w.index = fmt::format("k * {} + {}line", form.outputs * form.group,
                        form.group > 1 ? fmt::format("batch * {} + ", form.outputs) : "");
  return w;
}

// A line is a pixel of the result.
TileOperand pixels(KernelText& kernel, const Form& form, int loads) {
  TileOperand x;
  x.dtype = kernel.problem().inputs[0].dtype;
  x.pointer = kernel.input(0);
  const size_t spatial = form.in.size();
  x.declarations = fmt::format("  int x_image[{}]", loads);
  for (size_t d = 0; d < spatial; ++d) x.declarations += fmt::format(", x_from{}[{}]", d, loads);
  x.declarations += ";  // of each load: its image, and the place of its first tap, in steps of a stride of 1\n";
  x.setup = fmt::format("    x_image[i] = line / {} * {};\n", kernel.size(form.positions()),
                        kernel.size(element_count(form.in) * (form.channels * form.group)));
  x.lines = fmt::format("        const int tap = k / {0}, channel = k % {0};\n", form.channels);
  std::string pixel;
  for (size_t d = 0; d < spatial; ++d) {
    const Dim inner = element_count(Shape(form.out.begin() + static_cast<int64_t>(d) + 1, form.out.end()));
    x.setup += fmt::format("    x_from{}[i] = line / {} % {} + {};\n", d, kernel.size(inner), kernel.size(form.out[d]),
                           kernel.size(form.begin[d]));
    int64_t within = 1;  // taps of the dims after this one
    for (size_t e = d + 1; e < spatial; ++e) within *= form.kernel[e];
    x.lines += fmt::format("        const int at{0} = x_from{0}[i] - tap / {1} % {2} * {3};\n", d, within,
                           form.kernel[d], form.dilation[d]);
    x.inside += fmt::format("{0}at{1} >= 0 && at{1} % {2} == 0 && at{1} / {2} < {3}", d ? " && " : "", d,
                            form.stride[d], kernel.size(form.in[d]));
    const std::string place = fmt::format("at{} / {}", d, form.stride[d]);
    pixel = d == 0 ? place : fmt::format("({} * {} + {})", pixel, kernel.size(form.in[d]), place);
  }
  x.index = fmt::format("x_image[i] + ({}channel) * {} + {}",
                        form.group > 1 ? fmt::format("batch * {} + ", form.channels) : "",
                        kernel.size(element_count(form.in)), pixel);
  return x;
}

std::string store(KernelText& kernel, const Form& form) {
  std::string lines =
      fmt::format("    const int channel = {}row;\n", form.group > 1 ? fmt::format("batch * {} + ", form.outputs) : "");
  lines += fmt::format("    const int index = (column / {0} * {1} + channel) * {0} + column % {0};\n",
                       kernel.size(form.positions()), form.outputs * form.group);
  if (!form.has_bias) return lines + epilogue_text(kernel, "sum", "index");
  lines += fmt::format("    const float result = sum + {};\n",
                       c_load(kernel.problem().inputs[2].dtype, kernel.input(2) + "[channel]"));
  return lines + epilogue_text(kernel, "result", "index");
}

TiledProduct product_of(const Problem& problem) {
  const Form form(problem);
  TiledProduct product;
  product.name = "conv_transpose_f32";
  product.rows = form.outputs;
  product.columns = form.images * form.positions();
  product.depth = form.taps() * form.channels;
  product.batches = form.group;
  product.a = [form](KernelText& kernel, int) { return weights(kernel, form); };
  product.b = [form](KernelText& kernel, int loads) { return pixels(kernel, form, loads); };
  product.store = [form](KernelText& kernel) { return store(kernel, form); };
  return product;
}

}  // namespace

extern const SelectRow select_conv_transpose_cuda_f32;
const SelectRow select_conv_transpose_cuda_f32 =
    tiled_gpu_row<product_of>("conv", "conv_transpose_cuda_f32", refuses, pack);

}  // namespace mj
