// SPDX-License-Identifier: Apache-2.0
// quantized_product_cuda: quantized_conv over channels_last images and quantized_matmul, in integers throughout.
//   acc = bias[o] - x_zero * (sum of w[o]) + sum of x * w[o], where padding counts as x_zero
// A line of x is a pixel's window, a line of w an output: bytes along the depth (tap, channel), four to a word. Tiles
// of both lie in two halves of shared memory, one filled while the other is multiplied: by dp4a, or by tensor cores
// (mma of 16 x 8 x 32 bytes, sm_80 and later). Blocks that share the depth of a tile leave their sums to a second
// kernel: integers add up to the same in any order. Groups of few channels have one thread a result instead.
#include <algorithm>
#include <cmath>

#include "kernels/conv/cuda_form.h"
#include "kernels/cuda/estimate.h"
#include "kernels/cuda/index_text.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/quantized/cuda_multiply.h"
#include "kernels/quantized/cuda_text.h"
#include "kernels/quantized/product.h"

namespace mj {
namespace {

constexpr int kLeastGroup = 16;         // channels and outputs that are worth a tile
constexpr int64_t kTypicalLength = 16;  // of an axis whose length is a symbol

constexpr size_t kConfigs = 6;
constexpr std::string_view kDirect = "direct";

const Requantize& rounding_of(const Problem& problem) {
  if (const QuantizedConv* conv = problem.op.get_if<QuantizedConv>()) return *conv;
  return problem.op.as<QuantizedMatMul>();
}

Refusal refuses(const Problem& problem, const Target&) {
  if (Refusal reason = byte_product_refusal(problem)) return reason;
  const QuantizedConv* conv = problem.op.get_if<QuantizedConv>();
  if (conv && !conv->channels_last) return "it is not channels_last";
  return std::nullopt;
}

// A matrix product is the convolution of images of one pixel.
ConvCudaForm form_of(const Problem& problem) {
  Problem twin;
  twin.inputs = {problem.inputs[0], problem.inputs[1]};
  twin.outputs = {problem.outputs[0]};
  twin.anchor_inputs = 2;
  Conv op;
  if (const QuantizedConv* conv = problem.op.get_if<QuantizedConv>()) {
    op = Conv{conv->strides, conv->pads, conv->dilations, conv->group, conv->auto_pad, true};
  } else {
    const Shape &x = problem.inputs[0].shape, &w = problem.inputs[1].shape;
    const Dim rows = element_count(Shape(x.begin(), x.end() - 1));
    twin.inputs[0].shape = {rows, 1, w[0]};
    twin.inputs[1].shape = {w[1], w[0], 1};
    twin.outputs[0].shape = {rows, 1, w[1]};
    op.channels_last = true;
  }
  twin.op = std::move(op);
  return conv_cuda_form(twin);
}

struct Product {
  ConvCudaForm form;
  Dim rows;
  int64_t depth = 0, stages = 0;
  int unit = 1;  // bytes of a line of x that lie together from a multiple of it on, all inside the image or none

  explicit Product(const Problem& problem) : form(form_of(problem)), rows(form.images * form.positions()) {
    depth = form.taps() * form.channels;
    stages = std::max<int64_t>(1, (depth + kByteDepth - 1) / kByteDepth);
    unit = form.channels % 16 == 0 ? 16 : form.channels % 4 == 0 ? 4 : 1;
  }
  bool direct() const { return form.group > 1 && (form.channels < kLeastGroup || form.outputs < kLeastGroup); }
  int64_t padded() const { return stages * kByteDepth; }
  std::optional<ProductSizes> sizes(const Bindings& bindings) const {
    return product_sizes(rows, form.outputs, depth, form.group, bindings);
  }
};

// Blocks run in waves; a stage takes as long as its products or as reading it, and no less than a wait for memory. Of
// a multiprocessor and a clock: 256 multiply-adds by dp4a, 1024 (sm_80, sm_90 and later: 2048) by tensor cores, of
// which mma reaches half. Not measured yet.
double seconds_of(const ByteTile& tile, const ProductSizes& sizes, const GpuTarget& gpu) {
  constexpr double kBegin = 1.5e-6, kStage = 0.35e-6, kSecond = 1.5e-6;
  const double blocks =
      std::ceil(sizes.rows / tile.rows) * std::ceil(sizes.columns / tile.columns) * sizes.batches * tile.split;
  const double stages = std::ceil(std::ceil(sizes.depth / kByteDepth) / tile.split);
  const double rate = (!tile.mma ? 256.0 : gpu.sm == 80 || gpu.sm >= 90 ? 1024.0 : 512.0) * gpu.clock_hz;
  const double here = std::ceil(blocks / gpu.multiprocessors), together = std::min(here, 4.0);
  const double products = here * stages * tile.rows * tile.columns * kByteDepth / (rate * std::min(1.0, together / 2));
  const double reads =
      here * stages * (tile.rows + tile.columns) * kByteDepth / (gpu.bytes_per_second * 2.4 / gpu.multiprocessors);
  const double waits = std::ceil(here / 4) * stages * kStage;
  return kBegin + std::max({products, reads, waits}) + (tile.split > 1 ? kSecond : 0);
}

std::vector<std::pair<double, std::string>> by_time(const Product& product, const ProductSizes& sizes,
                                                    const GpuTarget& gpu) {
  std::vector<std::pair<double, std::string>> timed;
  for (const ByteTile& tile : all_byte_tiles()) {
    if ((tile.mma && gpu.sm < 80) || (tile.split > 1 && product.stages < 2 * tile.split)) continue;
    timed.emplace_back(seconds_of(tile, sizes, gpu), to_string(tile));
  }
  std::stable_sort(timed.begin(), timed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return timed;
}

std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const Product product(problem);
  if (product.direct()) return {std::string(kDirect)};
  Bindings typical;
  for (const std::string& symbol : product.rows.symbols()) typical[symbol] = kTypicalLength;
  const std::optional<ProductSizes> sizes = product.sizes(typical);
  if (!sizes) return {to_string(ByteTile())};
  std::vector<std::string> out;
  for (const auto& [seconds, config] : by_time(product, *sizes, *target.gpu)) {
    if (out.size() < kConfigs) out.push_back(config);
  }
  return out;
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Product product(problem);
  const std::optional<ProductSizes> sizes = product.sizes(bindings);
  if (!sizes) return std::nullopt;
  constexpr double kTermsPerClock = 32;  // of one thread a result, in a multiprocessor
  const std::optional<double> least = gpu_seconds(problem, target, bindings, product.direct() ? sizes->terms() : 0,
                                                  target.gpu->multiprocessors * kTermsPerClock * target.gpu->clock_hz);
  if (product.direct() || !least) return least;
  return std::max(*least, by_time(product, *sizes, *target.gpu)[0].first);
}

// Weights [group][outputs][depth, up to whole stages]; of `direct` [taps][channels][all outputs]. Then bias and scale
// of each output.
Result<Packed> pack(const Problem& problem, const Target&, std::string_view config, std::span<const Tensor> constants) {
  const Product product(problem);
  const int64_t taps = product.form.taps(), channels = product.form.channels, outputs = product.form.all_outputs();
  const bool direct = config == kDirect, matrix = problem.op.is(QuantizedMatMul::kName);
  Tensor weights = direct ? Tensor::zeros(DType::i8, {taps, channels, outputs})
                          : Tensor::zeros(DType::i8, {outputs, product.padded()});
  Tensor bias = Tensor::zeros(DType::i32, {outputs}), scale = Tensor::zeros(DType::f32, {outputs});
  const std::span<const int8_t> from = constants[1].data<int8_t>();
  const std::span<const float> scales = constants[2].data<float>();
  const bool biased = constants.size() > 3 && constants[3].present();
  const auto zero = static_cast<uint32_t>(rounding_of(problem).x_zero);
  for (int64_t o = 0; o < outputs; ++o) {
    const auto at = static_cast<size_t>(o);
    uint32_t sum = 0;  // wraps, as sums on the device do; that they end within i32 is what counts
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t place = matrix ? c * outputs + o : (o * channels + c) * taps + t;
        const int8_t w = from[static_cast<size_t>(place)];
        const int64_t to = direct ? (t * channels + c) * outputs + o : o * product.padded() + t * channels + c;
        weights.mutable_data<int8_t>()[static_cast<size_t>(to)] = w;
        sum += static_cast<uint32_t>(w);
      }
    }
    const auto given = static_cast<uint32_t>(biased ? constants[3].data<int32_t>()[at] : 0);
    bias.mutable_data<int32_t>()[at] = static_cast<int32_t>(given - zero * sum);
    scale.mutable_data<float>()[at] = scales[scales.size() == 1 ? 0 : at];
  }
  std::vector<int> consumed = {1, 2};
  if (problem.inputs.size() > 3) consumed.push_back(3);
  return Packed{{std::move(weights), std::move(bias), std::move(scale)}, consumed};
}

// Lines that declare at0, at1, ... (and `index` of the byte in x) for byte `k` of load `i`.
std::string place_lines(KernelText& kernel, const ConvCudaForm& form, std::string_view indent) {
  const bool one_tap = form.taps() == 1;
  std::string lines;
  if (!one_tap) lines += fmt::format("{0}const int tap = k / {1}, channel = k % {1};\n", indent, form.channels);
  for (size_t d = 0; d < form.in.size(); ++d) {
    const std::string tap = one_tap ? "0" : tap_text(form, d, "tap");
    const std::string offset = form.dilation[d] == 1 ? tap : fmt::format("({}) * {}", tap, form.dilation[d]);
    lines += fmt::format("{0}const int at{1} = from{1}[i]{2};\n", indent, d, tap == "0" ? "" : " + " + offset);
  }
  const std::string inside = inside_text(kernel, form);
  lines += fmt::format("{}const bool inside = k < {}{};\n", indent, form.taps() * form.channels,
                       inside.empty() ? "" : " && " + inside);
  lines += fmt::format("{}const Index index = image[i] + {} * {} + {}{};\n", indent, pixel_text(kernel, form),
                       form.all_channels(), form.group > 1 ? fmt::format("batch * {} + ", form.channels) : "",
                       one_tap ? "k" : "channel");
  return lines;
}

// Sets image[i] and from0[i], from1[i], ... for pixel `line` of the result.
std::string setup_lines(KernelText& kernel, const ConvCudaForm& form, std::string_view indent) {
  std::string lines = fmt::format("{}image[i] = line / {} * {};\n", indent, kernel.size(form.positions()),
                                  kernel.size(element_count(form.in) * form.all_channels()));
  for (size_t d = 0; d < form.in.size(); ++d)
    lines += fmt::format("{}from{}[i] = {};\n", indent, d, first_tap_text(kernel, form, d, "line"));
  return lines;
}

std::string declare_places(const ConvCudaForm& form, int loads) {
  std::string lines = fmt::format("  Index image[{}];\n  int ", loads);
  for (size_t d = 0; d < form.in.size(); ++d) lines += fmt::format("{}from{}[{}]", d ? ", " : "", d, loads);
  return lines + ";\n";
}

// The words of x that a thread reads for load `i` from byte `first` on.
std::string read_lines(KernelText& kernel, const Product& product) {
  const std::string x = kernel.input(0);
  const std::string pad = fmt::format("{}u", 0x01010101u * static_cast<uint8_t>(rounding_of(kernel.problem()).x_zero));
  std::string lines;
  if (product.unit == 16) {
    lines += "      const int k = first;\n" + place_lines(kernel, product.form, "      ");
    lines += fmt::format("      if (inside) x_words[i] = *(const uint4*)({} + index);\n", x);
    lines += fmt::format("      else x_words[i].x = x_words[i].y = x_words[i].z = x_words[i].w = {};\n", pad);
    return lines;
  }
  lines += "      unsigned words[4];\n      #pragma unroll\n      for (int word = 0; word < 4; ++word) {\n";
  if (product.unit == 4) {
    lines += "        const int k = first + word * 4;\n" + place_lines(kernel, product.form, "        ");
    lines += fmt::format("        words[word] = inside ? *(const unsigned*)({} + index) : {};\n", x, pad);
  } else {
    lines += "        words[word] = 0;\n        #pragma unroll\n        for (int byte = 0; byte < 4; ++byte) {\n";
    lines += "          const int k = first + word * 4 + byte;\n" + place_lines(kernel, product.form, "          ");
    lines += fmt::format(
        "          words[word] |= (inside ? (unsigned)(unsigned char){}[index] : {} & 255u) << 8 * byte;\n", x, pad);
    lines += "        }\n";
  }
  lines += "      }\n      x_words[i].x = words[0], x_words[i].y = words[1];\n";
  lines += "      x_words[i].z = words[2], x_words[i].w = words[3];\n";
  return lines;
}

std::string result_text(KernelText& kernel, std::string_view sum, std::string_view channel) {
  return c_store(rounding_of(kernel.problem()).to,
                 rounded_text(rounding_of(kernel.problem()),
                              fmt::format("exact_mul((float)({} + {}[{}]), {}[{}])", sum, kernel.packed(1, "int"),
                                          channel, kernel.packed(2, "float"), channel)));
}

Generated tiled(const Problem& problem, const Product& product, const ByteTile& tile) {
  const ConvCudaForm& form = product.form;
  KernelText kernel(tile.mma ? "quantized_product_mma" : "quantized_product", problem);
  kernel.helper(byte_helpers());
  kernel.helper(multiply_helpers());
  const std::string rows = kernel.size(product.rows);
  const int64_t outputs = form.outputs, tiles_across = (outputs + tile.columns - 1) / tile.columns;
  const int x_loads = std::max(1, tile.rows * 4 / kByteThreads), w_loads = std::max(1, tile.columns * 4 / kByteThreads);
  kernel.line("__shared__ __align__(16) unsigned x_tile[2][{}][{}];", tile.rows, kBytePitch);
  kernel.line("__shared__ __align__(16) unsigned w_tile[2][{}][{}];", tile.columns, kBytePitch);
  kernel.line("const int batch = blockIdx.y, part = blockIdx.z;");
  kernel.line("const int row0 = blockIdx.x / {0} * {1}, column0 = blockIdx.x % {0} * {2};", tiles_across, tile.rows,
              tile.columns);
  kernel.line("const int loaded = threadIdx.x / 4, quarter = threadIdx.x % 4;  // a line, and 16 of a stage's bytes");
  kernel.text(declare_places(form, x_loads));
  kernel.line("#pragma unroll");
  kernel.line("for (int i = 0; i < {}; ++i) {{", x_loads);
  kernel.line("  const int line = min(row0 + loaded + i * {}, {} - 1);", kByteThreads / 4, rows);
  kernel.text(setup_lines(kernel, form, "    "));
  kernel.line("}}");
  kernel.text(sums_text(tile));
  kernel.line("uint4 x_words[{}], w_words[{}];", x_loads, w_loads);
  const int64_t share = (product.stages + tile.split - 1) / tile.split;
  kernel.line("const int begin = part * {0}, end = min(begin + {0}, {1});", share, product.stages);
  kernel.line("for (int stage = begin; stage <= end; ++stage) {{");
  kernel.line("  if (stage < end) {{  // on their way while the stage before is multiplied");
  kernel.line("    const int first = stage * {} + quarter * 16;", kByteDepth);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int i = 0; i < {}; ++i) {{", x_loads);
  kernel.text(read_lines(kernel, product));
  kernel.line("    }}");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int i = 0; i < {}; ++i) {{", w_loads);
  kernel.line("      const int output = column0 + loaded + i * {};", kByteThreads / 4);
  kernel.line("      w_words[i].x = w_words[i].y = w_words[i].z = w_words[i].w = 0;");
  kernel.line("      if (output < {}) w_words[i] = {}[(batch * {} + output) * {} + stage * {} + quarter];", outputs,
              kernel.packed(0, "uint4"), outputs, product.padded() / 16, kByteDepth / 16);
  kernel.line("    }}");
  kernel.line("  }}");
  kernel.line("  if (stage > begin) {{");
  kernel.line("    const int half = (stage - 1) % 2;");
  kernel.text(multiply_text(tile, problem.inputs[0].dtype == DType::i8));
  kernel.line("  }}");
  kernel.line("  if (stage < end) {{");
  const auto keep = [&](std::string_view what, int lines, int loads) {
    kernel.line("    #pragma unroll");
    kernel.line("    for (int i = 0; i < {}; ++i) {{", loads);
    const std::string guard =
        lines * 4 < kByteThreads * loads ? fmt::format("if (loaded + i * {} < {}) ", kByteThreads / 4, lines) : "";
    kernel.line("      {0}*(uint4*)&{1}_tile[stage % 2][loaded + i * {2}][quarter * 4] = {1}_words[i];", guard, what,
                kByteThreads / 4);
    kernel.line("    }}");
  };
  keep("x", tile.rows, x_loads);
  keep("w", tile.columns, w_loads);
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  kernel.line("}}");

  const std::string all = std::to_string(form.all_outputs());
  const std::array<Dim, 3> grid = {ceil_div(product.rows, tile.rows) * tiles_across, form.group, tile.split};
  if (tile.split > 1) {
    const Dim bytes = product.rows * (form.all_outputs() * tile.split * 4);
    kernel.reserve_workspace(bytes);
    const std::string scratch = kernel.workspace(0, "int");
    kernel.text(each_sum_text(
        tile,
        fmt::format("      if (row0 + row < {0} && column0 + column < {1}) {2}[((Index)part * {0} + row0 + row) * "
                    "{3} + batch * {1} + column0 + column] = sum;\n",
                    rows, outputs, scratch, all)));
    Generated first = std::move(kernel).finish(grid, {kByteThreads, 1, 1});
    KernelText second("quantized_product_sum", problem);
    second.helper(byte_helpers());
    const Dim count = product.rows * form.all_outputs();
    begin_elements(second, count);
    const std::string parts = second.workspace(0, "const int"), n = second.size(count);
    second.line("int sum = 0;");
    second.line("#pragma unroll");
    second.line("for (int part = 0; part < {}; ++part) sum += {}[(Index)part * {} + i];", tile.split, parts, n);
    second.line("const int channel = i % {};", all);
    second.line("{}[i] = {};", second.output(0), result_text(second, "sum", "channel"));
    second.reserve_workspace(bytes);
    return join(std::move(first), finish_elements(std::move(second), count));
  }
  // Through shared memory, so that neighbouring threads write neighbouring bytes.
  kernel.line("unsigned char* const bytes = (unsigned char*)x_tile;");
  kernel.text(
      each_sum_text(tile, fmt::format("      const int channel = batch * {0} + min(column0 + column, {0} - 1);\n"
                                      "      bytes[row * {1} + column] = {2};\n",
                                      outputs, tile.columns, result_text(kernel, "sum", "channel"))));
  kernel.line("__syncthreads();");
  const int width = outputs % 16 == 0 ? 16 : outputs % 4 == 0 ? 4 : 1;
  const std::string_view type = width == 16 ? "uint4" : width == 4 ? "unsigned" : "unsigned char";
  kernel.line("for (int at = threadIdx.x; at < {}; at += {}) {{", tile.rows * tile.columns / width, kByteThreads);
  kernel.line("  const int row = at / {0}, column = at % {0} * {1};", tile.columns / width, width);
  kernel.line("  if (row0 + row >= {} || column0 + column >= {}) continue;", rows, outputs);
  kernel.line(
      "  *({0}*)({1} + (Index)(row0 + row) * {2} + batch * {3} + column0 + column) = "
      "*(const {0}*)(bytes + row * {4} + column);",
      type, kernel.output(0), all, outputs, tile.columns);
  kernel.line("}}");
  return std::move(kernel).finish(grid, {kByteThreads, 1, 1});
}

Generated direct(const Problem& problem, const Product& product) {
  const ConvCudaForm& form = product.form;
  KernelText kernel("quantized_grouped", problem);
  kernel.helper(byte_helpers());
  const Dim count = product.rows * form.all_outputs();
  begin_elements(kernel, count);
  kernel.line("const int channel_out = i % {};", form.all_outputs());
  kernel.line("const int line = i / {}, batch = channel_out / {};", form.all_outputs(), form.outputs);
  kernel.text(declare_places(form, 1));
  kernel.line("{{ const int i = 0;");
  kernel.text(setup_lines(kernel, form, "  "));
  kernel.line("}}");
  kernel.line("int sum = 0;");
  kernel.line("#pragma unroll 8");
  kernel.line("for (int k = 0; k < {}; ++k) {{", product.depth);
  kernel.line("  const int i = 0;");
  kernel.text(place_lines(kernel, form, "    "));
  kernel.line("  const int x = inside ? (int){}[index] : {};", kernel.input(0), rounding_of(problem).x_zero);
  kernel.line("  sum += x * (int){}[k * {} + channel_out];", kernel.packed(0, "signed char"), form.all_outputs());
  kernel.line("}}");
  kernel.line("{}[i] = {};", kernel.output(0), result_text(kernel, "sum", "channel_out"));
  return finish_elements(std::move(kernel), count);
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  const Product product(problem);
  return config == kDirect ? direct(problem, product) : tiled(problem, product, parse_byte_tile(config));
}

}  // namespace

extern const SelectRow select_quantized_product_cuda;
const SelectRow select_quantized_product_cuda = {.family = "quantized",
                                                 .name = "quantized_product_cuda",
                                                 .version = 1,
                                                 .refuses = refuses,
                                                 .configs = configs,
                                                 .estimate = estimate,
                                                 .pack = pack,
                                                 .generate = generate};

}  // namespace mj
