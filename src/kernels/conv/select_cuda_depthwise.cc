// SPDX-License-Identifier: Apache-2.0
// conv_cuda_depthwise_f32: each channel of the result reads one channel of the image. A thread makes one channel of
// `width` neighbouring pixels, which share the weights and most of what they read.
#include "kernels/conv/cuda_form.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/estimate.h"
#include "kernels/estimate.h"

namespace mj {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostTaps = 256;  // they are written out

Refusal refuses(const Problem& problem, const Target&) {
  if (Refusal reason = conv_cuda_refusal(problem)) return reason;
  const ConvCudaForm form = conv_cuda_form(problem);
  if (form.channels != 1) return "its groups have several channels";
  if (form.taps() > kMostTaps) return "its window is too large to be written out";
  return std::nullopt;
}

// Widths above 1 only where neighbouring threads still read neighbours, and neighbouring pixels the same.
std::vector<std::string> configs(const Problem& problem, const Target&) {
  const ConvCudaForm form = conv_cuda_form(problem);
  const bool shares = form.channels_last && form.dilation.back() == 1 && form.stride.back() < form.kernel.back();
  if (!shares) return {"width=1"};
  return {"width=4", "width=2", "width=1"};
}

// Element `at` of the axis that begins at from: at(last) of the load.
void write_row(KernelText& kernel, const ConvCudaForm& form, int width) {
  const size_t last = form.in.size() - 1;
  const int64_t stride = form.stride[last], dilation = form.dilation[last], taps = form.kernel[last];
  const int64_t reach = (width - 1) * stride + taps;  // with width 1 there may be dilation, and only taps are read
  kernel.line("  float x[{}];", reach);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", reach);
  kernel.line("    const int at{} = from{} + i{};", last, last, dilation == 1 ? "" : fmt::format(" * {}", dilation));
  const std::string inside = inside_text(kernel, form);
  std::string condition = inside;
  // Pixels beyond the row's end are not stored, but must not be read either.
  if (inside.empty()) condition = fmt::format("(Index)at{} < {}", last, kernel.size(form.in[last]));
  const std::string index = form.channels_last ? fmt::format("{} * {}", pixel_text(kernel, form), form.all_channels())
                                               : pixel_text(kernel, form);
  kernel.line("    x[i] = {} ? image[{}] : 0;", condition, index);
  kernel.line("  }}");
  kernel.line("  #pragma unroll");
  kernel.line("  for (int tap = 0; tap < {}; ++tap) {{", taps);
  kernel.line("    const float weight = weights[tap * {}];", form.all_outputs());
  kernel.line("    #pragma unroll");
  kernel.line("    for (int i = 0; i < {0}; ++i) sums[i] += weight * x[i{1} + tap];", width,
              stride == 1 ? "" : fmt::format(" * {}", stride));
  kernel.line("  }}");
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  const ConvCudaForm form = conv_cuda_form(problem);
  const int width = config.back() - '0';
  const size_t last = form.in.size() - 1;
  KernelText kernel("conv_depthwise_f32", problem);
  const int64_t outputs = form.all_outputs();
  Shape parts = form.out;  // one pixel of it for `width` of the result
  parts.back() = ceil_div(parts.back(), width);
  const Dim count = form.images * element_count(parts) * outputs;
  ConvCudaForm stepped = form;
  stepped.out = parts;
  stepped.stride.back() *= width;

  kernel.line("const Index thread = blockIdx.x * {}u + threadIdx.x;", kThreads);
  kernel.line("if (thread >= {}) return;", kernel.size(count));
  const std::string pixels = kernel.size(element_count(parts));
  if (form.channels_last) {
    kernel.line("const int channel = thread % {0}, position = thread / {0} % {1}, n = thread / {0} / {1};", outputs,
                pixels);
  } else {
    kernel.line("const int position = thread % {0}, channel = thread / {0} % {1}, n = thread / {0} / {1};", pixels,
                outputs);
  }
  for (size_t d = 0; d <= last; ++d)
    kernel.line("const int from{} = {};", d, first_tap_text(kernel, stepped, d, "position"));
  const std::string channel = form.outputs == 1 ? "channel" : fmt::format("channel / {}", form.outputs);
  const std::string area = kernel.size(element_count(form.in));
  kernel.line("const float* image = {} + {};", kernel.input(0),
              form.channels_last ? fmt::format("n * {} * {} + {}", area, form.all_channels(), channel)
                                 : fmt::format("(n * {} + {}) * {}", form.all_channels(), channel, area));
  kernel.line("float sums[{}] = {{}};", width);
  kernel.line("#pragma unroll");
  kernel.line("for (int row = 0; row < {}; ++row) {{  // of the window", form.taps() / form.kernel[last]);
  ConvCudaForm rows = form;
  rows.kernel.back() = 1;
  for (size_t d = 0; d < last; ++d) {
    const std::string tap = tap_text(rows, d, "row");
    kernel.line("  const int at{0} = from{0} + {1}{2};", d, tap,
                form.dilation[d] == 1 ? "" : fmt::format(" * {}", form.dilation[d]));
  }
  kernel.line("  const float* weights = {} + row * {} + channel;", kernel.packed(0, "float"),
              form.kernel[last] * outputs);
  write_row(kernel, form, width);
  kernel.line("}}");
  kernel.line("#pragma unroll");
  kernel.line("for (int i = 0; i < {}; ++i) {{", width);
  const std::string across = kernel.size(parts.back()), whole = kernel.size(form.out.back());
  if (width > 1) kernel.line("  if (position % {} * {} + i >= {}) return;", across, width, whole);
  // The row of pixels that it is in, then the pixel.
  const std::string pixel =
      width == 1 ? "position" : fmt::format("(position / {0} * {1} + position % {0} * {2} + i)", across, whole, width);
  const std::string positions = kernel.size(form.positions());
  kernel.line("  const int index = {};", form.channels_last
                                             ? fmt::format("(n * {} + {}) * {} + channel", positions, pixel, outputs)
                                             : fmt::format("(n * {} + channel) * {} + {}", outputs, positions, pixel));
  kernel.line("  const float result = sums[i]{};", form.has_bias ? fmt::format(" + {}[channel]", kernel.input(2)) : "");
  kernel.text(epilogue_text(kernel, "result", "index"));
  kernel.line("}}");
  return std::move(kernel).finish({ceil_div(count, kThreads), 1, 1}, {kThreads, 1, 1});
}

// Bound by its reads through the first cache rather than by multiply-adds.
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const std::optional<double> results = elements_of(problem.outputs[0].shape, bindings);
  if (!results) return std::nullopt;
  constexpr double kEfficiency = 0.2;  // one read, or half of one, for each multiply-add
  return gpu_seconds(problem, target, bindings, *results * static_cast<double>(conv_cuda_form(problem).taps()),
                     gpu_f32_fma_per_second(*target.gpu) * kEfficiency);
}

}  // namespace

extern const SelectRow select_conv_cuda_depthwise_f32;
const SelectRow select_conv_cuda_depthwise_f32 = {.family = "conv",
                                                  .name = "conv_cuda_depthwise_f32",
                                                  .version = 1,
                                                  .refuses = refuses,
                                                  .configs = configs,
                                                  .estimate = estimate,
                                                  .pack = pack_conv_cuda,
                                                  .generate = generate};

}  // namespace mj
