// SPDX-License-Identifier: Apache-2.0
// planar_conv_cuda: the first convolution of a network that sees images, on sm_90. A block brings the lines of the
// image that some lines of the result need to shared memory, as pixels of `slots` elements, so that windows of
// neighbouring results begin 16 bytes apart: tensor cores then read windows where they lie, without a copy of any. The
// depth is (line of the window, pixel of it, slot), filled up with weights of 0 to multiples of 16 within a line; so a
// pixel that is infinite or NaN also reaches results whose window ends right before it.
#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "kernels/cuda/anchor.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/mma_text.h"
#include "kernels/cuda/row.h"
#include "kernels/cuda/tensor_core_text.h"
#include "kernels/cuda/vector_text.h"
#include "problem/planar_conv_form.h"

namespace mj {
namespace {

constexpr int kGroups = 2, kThreads = kGroups * 128;  // of a block: warpgroups, each with a part of a line at a time
constexpr int kUnroll = 4;                            // pixels of a thread that are under way

using Form = PlanarConvForm;

std::optional<Form> form_of(const Problem& problem) {
  return Form::of(problem.op.as<PlanarConv>(), problem.inputs[0].shape, problem.inputs[1].shape);
}

struct Strip {
  int lines = 0;     // of the result, that a block makes at a time
  int blocks = 0;    // of the device,
  int together = 0;  // of a multiprocessor
};

std::string to_string(const Strip& strip) {
  return fmt::format("lines={},blocks={},together={}", strip.lines, strip.blocks, strip.together);
}

Strip parse_strip(std::string_view config) {
  Strip strip;
  const std::string text(config);
  const int read =
      std::sscanf(text.c_str(), "lines=%d,blocks=%d,together=%d", &strip.lines, &strip.blocks, &strip.together);
  CHECK(read == 3 && to_string(strip) == text, "no strip is called '{}'", config);
  return strip;
}

// Blocks that a multiprocessor can hold, by shared memory and by registers.
int blocks_together(const Form& form, int lines, const GpuTarget& gpu) {
  const int64_t registers = form.columns() / 2 + 48;
  return std::min(blocks_by_shared_bytes(gpu, form.shared_bytes(lines)),
                  static_cast<int>(65536 / (kThreads * registers)));
}

std::vector<Strip> strips(const Form& form, const GpuTarget& gpu) {
  std::vector<Strip> found;
  for (const int lines : {4, 8, 2, 16, 1}) {
    const int together = blocks_together(form, lines, gpu);
    if (together >= 1 && (lines < 2 * form.out_height || lines == 1))
      found.push_back({lines, together * gpu.multiprocessors, together});
  }
  return found;
}

Refusal refuses(const Problem& problem, const Target& target) {
  const auto* op = problem.op.get_if<PlanarConv>();
  if (!op) return "not a convolution of planes";
  if (target.gpu->sm != 90) return "warpgroups are of sm_90 only";
  if (Refusal reason = float_anchor_refusal(problem)) return reason;
  const DType dtype = problem.inputs[1].dtype;
  if (dtype != DType::f16 && dtype != DType::bf16) return fmt::format("weights of {}, not f16 or bf16", name(dtype));
  if (!problem.inputs[1].constant) return "its weights are not constant";
  const std::optional<Form> form = form_of(problem);
  if (!form) return "the image's size is a symbol";
  if (!form->has_slots()) return "a stride of neither 1 nor 2";
  if (form->channels > form->slots()) return fmt::format("more than {} channels", form->slots());
  if (form->columns() > Form::kMostColumns) return fmt::format("more than {} results a pixel", Form::kMostColumns);
  if (std::min({form->out_width, form->out_height, form->outputs, form->channels}) < 1) return "nothing to add up";
  if (strips(*form, *target.gpu).empty()) return "its lines are too long for shared memory";
  return std::nullopt;
}

std::vector<std::string> configs(const Problem& problem, const Target& target) {
  std::vector<std::string> texts;
  for (const Strip& strip : strips(*form_of(problem), *target.gpu)) texts.push_back(to_string(strip));
  return texts;
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  constexpr double kUse = 0.5;  // of what tensor cores can do
  const Form form = *form_of(problem);
  const Result<int64_t> images = form.images.evaluate(bindings);
  if (!images.ok()) return std::nullopt;
  const double terms = static_cast<double>(*images * form.out_height * form.parts() * Form::kPixels) *
                       static_cast<double>(form.columns() * form.depth());
  return gpu_seconds(problem, target, bindings, terms,
                     kUse * 2048 * target.gpu->multiprocessors * target.gpu->clock_hz);
}

// [depth / 8, columns, 8], as multiply_windows reads it.
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const Form form = *form_of(problem);
  const int64_t columns = form.columns();
  Tensor packed = Tensor::zeros(problem.inputs[1].dtype, {form.depth() / 8, columns, 8});
  const auto* from = static_cast<const uint16_t*>(constants[1].raw());
  auto* const to = static_cast<uint16_t*>(packed.mutable_raw());
  for (int64_t o = 0; o < form.outputs; ++o) {
    for (int64_t c = 0; c < form.channels; ++c) {
      for (int64_t t = 0; t < form.lines * form.taps; ++t) {
        const int64_t k = t / form.taps * form.line_depth() + t % form.taps * form.slots() + c;
        to[(k / 8 * columns + o) * 8 + k % 8] = *from++;
      }
    }
  }
  return Packed{{std::move(packed)}, {1}};
}

// Brings lines of the image, each by a warp that has several of its pixels under way at a time.
void write_patch(KernelText& kernel, const Form& form, const Strip& strip) {
  const DType from = kernel.problem().inputs[0].dtype, dtype = kernel.problem().inputs[1].dtype;
  const std::string x = kernel.input(0);
  const int64_t plane = form.height * form.width, pixels = 32 * kUnroll;
  kernel.line("for (int line = threadIdx.x / 32; line < {}; line += {}) {{", form.patch_lines(strip.lines),
              kThreads / 32);
  kernel.line("  const int y = line0 * {} - {} + line;", form.down, form.top);
  kernel.line("  const int from = (image * {} + y) * {} - {};", form.channels * form.height, form.width, form.left);
  kernel.line("  #pragma unroll 1");
  kernel.line("  for (int first = lane; first < {}; first += {}) {{", form.pitch(), pixels);
  kernel.line("    float pixel[{}][{}];", kUnroll, form.channels);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < {}; ++j) {{", kUnroll);
  kernel.line("      const int at = first + j * 32;");
  kernel.line("      const bool inside = (unsigned)y < {} && (unsigned)(at - {}) < {};", form.height, form.left,
              form.width);
  kernel.line("      #pragma unroll");
  kernel.line("      for (int c = 0; c < {}; ++c)", form.channels);
  kernel.line("        pixel[j][c] = inside ? {} : 0.0f;",
              c_load(from, fmt::format("{}[from + at + c * {}]", x, plane)));
  kernel.line("    }}");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < {}; ++j) {{", kUnroll);
  kernel.line("      const int at = first + j * 32;");
  std::string words;
  for (int64_t c = 0; c < form.slots(); c += 2) {
    const auto bits = [&](int64_t channel) {
      return channel < form.channels ? "(unsigned)" + c_store(dtype, fmt::format("pixel[j][{}]", channel))
                                     : std::string("0u");
    };
    words += fmt::format("{}{} | {} << 16", c ? ", " : "", bits(c), bits(c + 1));
  }
  kernel.line("      if (at < {}) *(uint{}*)(patch + (line * {} + at) * {}) = {{{}}};", form.pitch(), form.slots() / 2,
              form.pitch(), form.slots(), words);
  kernel.line("    }}");
  kernel.line("  }}");
  kernel.line("}}");
}

// All windows of `item`, of which a warpgroup has sums for 64 pixels by all columns.
void write_products(KernelText& kernel, const Form& form) {
  kernel.line("  float sums[{}][4];", form.columns() / 8);
  kernel.line("  const unsigned short* const windows = patch + (line * {} + begin * {}) * {};",
              form.down * form.pitch(), form.right, form.slots());
  kernel.line("  begin_group();");
  int64_t chunk = 0;
  for (int64_t r = 0; r < form.lines; ++r) {
    for (int64_t k = 0; k < form.line_depth(); k += 16, chunk += 2) {
      kernel.line("  multiply_windows_{}(sums, windows + {}, weights + {}, {});", form.columns(),
                  r * form.pitch() * form.slots() + k, chunk * form.columns() * 8, chunk > 0);
    }
  }
  kernel.line("  end_group();");
  kernel.line("  wait_groups<0>();");
}

void write_store(KernelText& kernel, const Form& form) {
  const int width = std::min(vector_of(form.outputs), vector_width(kernel.problem()));
  kernel.line("      #pragma unroll");
  kernel.line("      for (int part = 0; part < {}; ++part) {{", 8 / width);
  kernel.line("        const int channel = column + part * {};", width);
  if (form.columns() != form.outputs) kernel.line("        if (channel >= {}) continue;", form.outputs);
  kernel.line("        const Index index = ((image * {} + line0 + line) * {} + x) * {} + channel;", form.out_height,
              form.out_width, form.outputs);
  kernel.line("        float values[{}];", width);
  kernel.line("        #pragma unroll");
  kernel.line("        for (int e = 0; e < {0}; ++e) values[e] = eight[part * {0} + e];", width);
  const Problem& problem = kernel.problem();
  if (problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none) {
    kernel.text(vector_add_text(kernel, problem.inputs[2].dtype, width, kernel.input(2), "channel", "values"));
  }
  kernel.text(vector_epilogue_text(kernel, "values", "index", width, "channel"));
  kernel.line("      }}");
}

// Four lanes that hold two columns each of four times eight exchange them, so that each has eight in a row.
void write_results(KernelText& kernel, const Form& form) {
  kernel.line("  #pragma unroll");
  kernel.line("  for (int half = 0; half < 2; ++half) {{");
  kernel.line("    const int x = begin + warp * 16 + half * 8 + lane / 4;");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int q = 0; q < {}; ++q) {{", form.columns() / 32);
  kernel.line("      float eight[8];");
  kernel.line("      for (int e = 0; e < 8; ++e) eight[e] = sums[q * 4 + e / 2][half * 2 + e % 2];");
  for (const int apart : {1, 2}) {
    kernel.line("      for (int e = 0; e < 8; ++e) {{");
    kernel.line("        if (e / 2 & {}) continue;", apart);
    kernel.line("        const bool upper = lane & {};", apart);
    kernel.line("        const float got = __shfl_xor_sync(0xffffffffu, upper ? eight[e] : eight[e + {}], {});",
                2 * apart, apart);
    kernel.line("        if (upper) eight[e] = got; else eight[e + {}] = got;", 2 * apart);
    kernel.line("      }}");
  }
  kernel.line("      const int column = q * 32 + lane % 4 * 8;");
  kernel.line("      if (x < first || x >= {} || line0 + line >= {}) continue;", form.out_width, form.out_height);
  write_store(kernel, form);
  kernel.line("    }}");
  kernel.line("  }}");
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  const Form form = *form_of(problem);
  const Strip strip = parse_strip(config);
  const int64_t weights = form.columns() * form.depth(), strips = (form.out_height + strip.lines - 1) / strip.lines;
  KernelText kernel("planar_conv", problem);
  kernel.helper(tensor_core_helpers());
  kernel.helper(windows_helper(static_cast<int>(form.columns()), problem.inputs[1].dtype));
  kernel.waits_itself();
  kernel.blocks_together(strip.together);
  kernel.line("DYNAMIC_SHARED(unsigned short, weights);");
  kernel.line("unsigned short* const patch = weights + {};", weights);
  kernel.line("for (int i = threadIdx.x; i < {}; i += {})", weights / 8, kThreads);
  kernel.line("  copy_async<16>(weights + i * 8, {} + i * 8, true);", kernel.packed(0, "unsigned short"));
  kernel.line("end_stage();");
  kernel.line("wait_for_previous();");
  kernel.line("const int lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32;");
  kernel.line("const int tiles = {} * {};", kernel.size(form.images), strips);
  kernel.line("for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {{");
  kernel.line("const int image = tile / {0}, line0 = tile % {0} * {1};", strips, strip.lines);
  kernel.line("__syncthreads();");
  write_patch(kernel, form, strip);
  kernel.line("wait_stages<0>();");
  kernel.line("fence_async();");
  kernel.line("__syncthreads();");
  kernel.line("for (int item = threadIdx.x / 128; item < {}; item += {}) {{", strip.lines * form.parts(), kGroups);
  kernel.line("  const int line = item / {0}, first = item % {0} * {1}, begin = min(first, {2});", form.parts(),
              Form::kPixels, form.last_part());
  write_products(kernel, form);
  write_results(kernel, form);
  kernel.line("}}");
  kernel.line("}}");
  return std::move(kernel).finish({min(form.images * strips, strip.blocks), 1, 1}, {kThreads, 1, 1},
                                  static_cast<int>(form.shared_bytes(strip.lines)));
}

}  // namespace

extern const SelectRow select_planar_conv_cuda;
const SelectRow select_planar_conv_cuda = {.family = "planar_conv",
                                           .name = "planar_conv_cuda",
                                           .version = 1,
                                           .refuses = refuses,
                                           .configs = configs,
                                           .estimate = estimate,
                                           .pack = pack,
                                           .generate = generate};

}  // namespace mj
