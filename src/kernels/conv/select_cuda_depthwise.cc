// SPDX-License-Identifier: Apache-2.0
// conv_cuda_depthwise_f32: each channel of the result reads one channel of the image, with sums in f32. A thread makes
// `width` neighbouring pixels, which share the weights and most of what they read, of `channels` neighbouring channels,
// which it reads at once.
#include <algorithm>

#include "kernels/conv/cuda_form.h"
#include "kernels/cuda/estimate.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/estimate.h"

namespace mj {
namespace {

constexpr int kThreads = 128;
constexpr int64_t kMostTaps = 256;  // they are written out

struct Part {  // of a thread
  int width = 1, channels = 1;
};

std::string to_string(const Part& part) { return fmt::format("width={},channels={}", part.width, part.channels); }
Part parse_part(std::string_view config) {
  const size_t comma = config.find(',');
  return {config[comma - 1] - '0', config.back() - '0'};
}

Refusal refuses(const Problem& problem, const Target&) {
  if (Refusal reason = conv_cuda_refusal(problem)) return reason;
  const ConvCudaForm form = conv_cuda_form(problem);
  if (form.channels != 1) return "its groups have several channels";
  if (form.taps() > kMostTaps) return "its window is too large to be written out";
  return std::nullopt;
}

// Widths above 1 only where neighbouring threads still read neighbours, and neighbouring pixels the same. The largest
// parts first of which there are enough.
std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const ConvCudaForm form = conv_cuda_form(problem);
  const bool shares = form.channels_last && form.dilation.back() == 1 && form.stride.back() < form.kernel.back();
  const bool wide = problem.inputs[0].dtype == DType::f32;
  int most = form.channels_last && form.outputs == 1 ? (wide ? 4 : 8) : 1;
  while (form.all_channels() % most != 0) most /= 2;
  const int least = std::min(most, wide ? 1 : 2);
  std::vector<Part> parts;
  for (int channels : {most, least}) {
    for (int width : {4, 2, 1}) {
      if (width == 1 || shares) parts.push_back({width, channels});
    }
    if (most == least) break;
  }
  const auto few = [&](const Part& part) {
    const std::optional<int64_t> results = element_count(problem.outputs[0].shape).constant();
    return results && *results / part.width / part.channels < int64_t{512} * target.gpu->multiprocessors;
  };
  std::ranges::stable_partition(parts, [&](const Part& part) { return !few(part); });
  if (few(parts[0])) std::ranges::reverse(parts);
  std::vector<std::string> names;
  for (const Part& part : parts) names.push_back(to_string(part));
  return names;
}

// One row of the window: all that the pixels read of it, and then what each element of that adds to them.
void write_row(KernelText& kernel, const ConvCudaForm& form, const Part& part) {
  const size_t last = form.in.size() - 1;
  const DType dtype = kernel.problem().inputs[0].dtype;
  const int64_t stride = form.stride[last], dilation = form.dilation[last], taps = form.kernel[last];
  const int64_t reach = (part.width - 1) * stride + taps;  // with width 1 there may be dilation, and only taps are read
  const bool pairs = dtype != DType::f32 && part.channels > 1;
  const int words = pairs ? part.channels / 2 : part.channels;
  const std::string_view word = pairs ? "unsigned int" : c_storage(dtype);
  const std::string inside = inside_text(kernel, form);
  std::string condition = inside;
  // Pixels beyond the row's end are not stored, but must not be read either.
  if (inside.empty()) condition = fmt::format("(Index)at{} < {}", last, kernel.size(form.in[last]));
  const std::string index = form.channels_last ? fmt::format("{} * {}", pixel_text(kernel, form), form.all_channels())
                                               : pixel_text(kernel, form);
  kernel.helper(vector_helpers());
  kernel.line("  {} words[{}][{}];", word, reach, words);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", reach);
  kernel.line("    const int at{} = from{} + i{};", last, last, dilation == 1 ? "" : fmt::format(" * {}", dilation));
  kernel.line("    #pragma unroll");
  kernel.line("    for (int c = 0; c < {}; ++c) words[i][c] = 0;", words);
  kernel.line("    if ({}) load_elements<{}>((const {}*)(image + {}), words[i]);", condition, words, word, index);
  kernel.line("  }}");
  kernel.line("  float weight[{}][{}];", taps, part.channels);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int tap = 0; tap < {}; ++tap) load_elements<{}>(weights + tap * {}, weight[tap]);", taps,
              part.channels, form.all_outputs());
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", reach);
  kernel.line("    float x[{}];", part.channels);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int c = 0; c < {}; ++c) {};", words,
              pairs ? fmt::format("split_{}(words[i][c], x + 2 * c)", name(dtype))
                    : fmt::format("x[c] = {}", c_load(dtype, "words[i][c]")));
  kernel.line("    #pragma unroll");
  kernel.line("    for (int pixel = 0; pixel < {}; ++pixel) {{", part.width);
  kernel.line("      const int tap = i - pixel * {};", stride);
  kernel.line("      if (tap < 0 || tap >= {}) continue;", taps);
  kernel.line("      #pragma unroll");
  kernel.line("      for (int c = 0; c < {}; ++c) sums[pixel][c] += weight[tap][c] * x[c];", part.channels);
  kernel.line("    }}");
  kernel.line("  }}");
}

// Of each pixel, which is `position` of all parts.
void write_results(KernelText& kernel, const ConvCudaForm& form, const Part& part, const Dim& parts_across) {
  const int64_t outputs = form.all_outputs();
  if (form.has_bias) {
    kernel.line("float bias[{}];", part.channels);
    kernel.text(
        vector_load_text(kernel, kernel.problem().inputs[2].dtype, part.channels, kernel.input(2), "channel", "bias"));
    kernel.line("#pragma unroll");
    kernel.line("for (int pixel = 0; pixel < {}; ++pixel) {{", part.width);
    kernel.line("  #pragma unroll");
    kernel.line("  for (int c = 0; c < {}; ++c) sums[pixel][c] += bias[c];", part.channels);
    kernel.line("}}");
  }
  kernel.line("#pragma unroll");
  kernel.line("for (int i = 0; i < {}; ++i) {{", part.width);
  const std::string across = kernel.size(parts_across), whole = kernel.size(form.out.back());
  if (part.width > 1) kernel.line("  if (position % {} * {} + i >= {}) return;", across, part.width, whole);
  // The row of pixels that it is in, then the pixel.
  const std::string pixel =
      part.width == 1 ? "position"
                      : fmt::format("(position / {0} * {1} + position % {0} * {2} + i)", across, whole, part.width);
  const std::string positions = kernel.size(form.positions());
  kernel.line("  const int index = {};", form.channels_last
                                             ? fmt::format("(n * {} + {}) * {} + channel", positions, pixel, outputs)
                                             : fmt::format("(n * {} + channel) * {} + {}", outputs, positions, pixel));
  kernel.text(vector_epilogue_text(kernel, "sums[i]", "index", part.channels));
  kernel.line("}}");
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  const ConvCudaForm form = conv_cuda_form(problem);
  const Part part = parse_part(config);
  const size_t last = form.in.size() - 1;
  KernelText kernel("conv_depthwise_f32", problem);
  const int64_t outputs = form.all_outputs();
  Shape parts = form.out;  // one pixel of it for `width` of the result
  parts.back() = ceil_div(parts.back(), part.width);
  const Dim count = form.images * element_count(parts) * (outputs / part.channels);
  ConvCudaForm stepped = form;
  stepped.out = parts;
  stepped.stride.back() *= part.width;

  kernel.line("const Index thread = blockIdx.x * {}u + threadIdx.x;", kThreads);
  kernel.line("if (thread >= {}) return;", kernel.size(count));
  const std::string pixels = kernel.size(element_count(parts));
  if (form.channels_last) {
    kernel.line("const int channel = thread % {0}{2}, position = thread / {0} % {1}, n = thread / {0} / {1};",
                outputs / part.channels, pixels, part.channels == 1 ? "" : fmt::format(" * {}", part.channels));
  } else {
    kernel.line("const int position = thread % {0}, channel = thread / {0} % {1}, n = thread / {0} / {1};", pixels,
                outputs);
  }
  for (size_t d = 0; d <= last; ++d)
    kernel.line("const int from{} = {};", d, first_tap_text(kernel, stepped, d, "position"));
  const std::string channel = form.outputs == 1 ? "channel" : fmt::format("channel / {}", form.outputs);
  const std::string area = kernel.size(element_count(form.in));
  kernel.line("const {}* image = {} + {};", c_storage(problem.inputs[0].dtype), kernel.input(0),
              form.channels_last ? fmt::format("n * {} * {} + {}", area, form.all_channels(), channel)
                                 : fmt::format("(n * {} + {}) * {}", form.all_channels(), channel, area));
  kernel.line("float sums[{}][{}] = {{}};", part.width, part.channels);
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
  write_row(kernel, form, part);
  kernel.line("}}");
  write_results(kernel, form, part, parts.back());
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
                                                  .version = 2,
                                                  .refuses = refuses,
                                                  .configs = configs,
                                                  .estimate = estimate,
                                                  .pack = pack_conv_cuda,
                                                  .generate = generate};

}  // namespace mj
