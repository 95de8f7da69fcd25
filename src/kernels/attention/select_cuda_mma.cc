// SPDX-License-Identifier: Apache-2.0
// attention_cuda_mma: 16 queries of one head a warp, both products by tensor cores. A block goes once over the keys, 64
// at a time while the next 64 are on their way (of the last ones only as many times 16 as there are), and keeps of the
// softmax only each query's largest score and sum so far. Scores stay in registers, in the order in which the second
// product reads them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "base/check.h"
#include "kernels/attention/cuda_form.h"
#include "kernels/cuda/estimate.h"
#include "kernels/cuda/mma_text.h"
#include "kernels/cuda/tensor_core_text.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/estimate.h"

namespace mj {
namespace {

constexpr int kKeys = 64;        // at a time
constexpr int kThreads = 512;    // of a multiprocessor
constexpr int kMostDepth = 128;  // of a head: more does not fit the registers

// Heads are filled up with zeros to 16; lines in shared memory are longer by 16 bytes, so that eight of them meet no
// bank conflicts.
int64_t filled(int64_t depth) { return (depth + 15) / 16 * 16; }
int64_t pitch(int64_t depth) { return filled(depth) + 8; }

Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = attention_cuda_refusal(problem)) return reason;
  const AttentionCudaForm form = attention_cuda_form(problem);
  if (Refusal reason = mma_refusal(problem, {0, form.k_input, form.v_input}, target)) return reason;
  if (std::max(form.depth, form.v_depth) > kMostDepth) return fmt::format("heads of more than {}", kMostDepth);
  if (form.depth % 2 != 0 || form.v_depth % 2 != 0) return "heads of an odd size";
  return std::nullopt;
}

struct Blocks {
  int queries = 0;   // of a block
  int together = 1;  // blocks of a multiprocessor
};

std::string to_string(const Blocks& blocks) {
  return fmt::format("queries={},together={}", blocks.queries, blocks.together);
}

Blocks parse_blocks(std::string_view config) {
  Blocks blocks;
  const std::string text(config);
  const int read = std::sscanf(text.c_str(), "queries=%d,together=%d", &blocks.queries, &blocks.together);
  CHECK(read == 2 && to_string(blocks) == text, "no blocks are called '{}'", config);
  return blocks;
}

// So many threads bound each one's registers. Else so many would go into loads ahead that one block is alone, with
// nobody to work while it waits; longer heads need them all, and with 640 threads sums go to memory.
int blocks_together(const AttentionCudaForm& form, int queries) {
  return form.depth + form.v_depth <= 128 ? kThreads / (queries * 2) : 1;
}

// As many queries a block as leave no multiprocessor without work.
std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const AttentionCudaForm form = attention_cuda_form(problem);
  std::vector<int> sizes = {128, 64, 32, 16};
  const auto enough = [&](int queries) {
    const std::optional<int64_t> blocks = (ceil_div(form.queries, queries) * form.images * form.heads).constant();
    return blocks ? *blocks >= 2 * target.gpu->multiprocessors : queries <= 64;
  };
  std::stable_partition(sizes.begin(), sizes.end(), enough);
  if (!enough(sizes[0])) std::reverse(sizes.begin(), sizes.end());
  std::vector<std::string> names;
  for (const int queries : sizes) {
    names.push_back(to_string({queries, blocks_together(form, queries)}));
  }
  return names;
}

// Lines [line0, line0 + lines) of the matrix `name`, those from `limit` on as zeros, to `tile` in shared memory.
void write_load(KernelText& kernel, std::string_view tile, std::string_view name, const Dim& row, int64_t depth,
                int lines, int threads, std::string_view line0, std::string_view limit) {
  const int width = vector_of(depth);
  const int64_t across = filled(depth) / width;
  kernel.line("  #pragma unroll 4");
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", lines * across, threads);
  kernel.line("    const int line_in = at / {0}, d = at % {0} * {1}, line = {2} + line_in;", across, width, line0);
  kernel.line("    const bool valid = line < {}{};", limit,
              filled(depth) == depth ? "" : fmt::format(" && d < {}", depth));
  kernel.line("    copy_async<{}>({} + line_in * {} + d, valid ? {} + line * {} + d : {}, valid);", width * 2, tile,
              pitch(depth), name, kernel.size(row), name);
  kernel.line("  }}");
}

// The keys of a tile: all of it, or the first `left`, at least one.
enum class Part { whole, first };

// A condition for keys from `j` times `keys` on.
std::string there(Part part, int keys) {
  if (part == Part::whole) return "";
  return fmt::format("if (j * {} / 16 * 16 < left) ", keys);
}

// scores[j] of 8 keys each, of queries lane / 4 and 8 more.
void write_scores(KernelText& kernel, const AttentionCudaForm& form, Part part) {
  const int64_t depth = filled(form.depth);
  kernel.line("  float scores[{}][4] = {{}};", kKeys / 8);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int d = 0; d < {}; d += 16) {{", depth);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < {}; ++j) {}{{", kKeys / 16, there(part, 16));
  kernel.line("      unsigned b[4];");
  kernel.line("      load_matrices(b, k_tile + (j * 16 + lane / 16 * 8 + lane % 8) * {} + d + lane / 8 % 2 * 8);",
              pitch(form.depth));
  const std::string_view dtype = name(kernel.problem().inputs[0].dtype);
  kernel.line("      multiply_{}(scores[j * 2], q_part[d / 16], b[0], b[1]);", dtype);
  kernel.line("      multiply_{}(scores[j * 2 + 1], q_part[d / 16], b[2], b[3]);", dtype);
  kernel.line("    }}");
  kernel.line("  }}");
}

// Is what is added to a score the same for all queries?
bool mask_of_keys(const Problem& problem, const AttentionCudaForm& form) {
  const Shape& mask = problem.inputs[*form.mask_input].shape;
  return mask.size() < 2 || mask[mask.size() - 2].constant() == 1;
}

// Powers of 2, so that an exponential is one instruction. What depends on the key alone is worked out once for both of
// a lane's queries, and whether keys are there at all only in the last tile.
void write_softmax(KernelText& kernel, const Attention& op, const AttentionCudaForm& form, Part part) {
  constexpr float kLog2e = std::numbers::log2e_v<float>;
  const bool by_key = form.mask_input && mask_of_keys(kernel.problem(), form);
  const bool by_query = form.mask_input && !by_key;
  const auto mask = [&] { return fmt::format("{} * {}", mask_text(kernel, form), c_literal(kLog2e)); };
  if (by_key) {
    kernel.line("  float added[{}][2];", kKeys / 8);
    kernel.line("  #pragma unroll");
    kernel.line("  for (int j = 0; j < {}; ++j) {}{{", kKeys / 8, there(part, 8));
    kernel.line("    #pragma unroll");
    kernel.line("    for (int e = 0; e < 2; ++e) {{");
    kernel.line("      const int key = key0 + j * 8 + lane % 4 * 2 + e;");
    kernel.line("      added[j][e] = key < keys ? {} : 0;", mask());
    kernel.line("    }}");
    kernel.line("  }}");
  }
  std::string outside = part == Part::first ? "key >= keys" : "";
  if (op.causal) {
    kernel.line("  const bool all_seen = key0 + {} <= query0 + keys - queries;", kKeys - 1);
    outside += fmt::format("{}(!all_seen && key > query + keys - queries)", outside.empty() ? "" : " || ");
  }
  kernel.line("  #pragma unroll");
  kernel.line("  for (int half = 0; half < 2; ++half) {{");
  kernel.line("    const int query = query0 + warp * 16 + lane / 4 + half * 8;");
  kernel.line("    float tile_largest = largest[half];");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < {}; ++j) {}{{", kKeys / 8, there(part, 8));
  kernel.line("      #pragma unroll");
  kernel.line("      for (int e = 0; e < 2; ++e) {{");
  kernel.line("        float score = scores[j][half * 2 + e] * {}{};", c_literal(form.scale * kLog2e),
              by_key ? " + added[j][e]" : "");
  kernel.line("        const int key = key0 + j * 8 + lane % 4 * 2 + e;");
  if (by_query) kernel.line("        if (query < queries && key < keys) score += {};", mask());
  if (!outside.empty()) kernel.line("        if ({}) score = -INFINITY;", outside);
  kernel.text(R"(          scores[j][half * 2 + e] = score;
          tile_largest = fmaxf(tile_largest, score);
        }
      }
      tile_largest = fmaxf(tile_largest, __shfl_xor_sync(0xffffffffu, tile_largest, 1));
      tile_largest = fmaxf(tile_largest, __shfl_xor_sync(0xffffffffu, tile_largest, 2));
      const float fade = tile_largest == -INFINITY ? 1 : short_exp2(largest[half] - tile_largest);
      const float least = tile_largest == -INFINITY ? 0 : tile_largest;  // of a query that sees nothing so far
      largest[half] = tile_largest;
      total[half] *= fade;
)");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < {}; ++j) {}{{", kKeys / 8, there(part, 8));
  kernel.text(R"(        #pragma unroll
        for (int e = 0; e < 2; ++e) {
          const float p = short_exp2(scores[j][half * 2 + e] - least);
          scores[j][half * 2 + e] = p;
          total[half] += p;
        }
      }
)");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int c = 0; c < {}; ++c) sums[c][half * 2] *= fade, sums[c][half * 2 + 1] *= fade;",
              filled(form.v_depth) / 8);
  kernel.line("  }}");
}

void write_sums(KernelText& kernel, const AttentionCudaForm& form, Part part) {
  const std::string_view dtype = name(kernel.problem().inputs[0].dtype);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int j = 0; j < {}; ++j) {}{{", kKeys / 16, there(part, 16));
  kernel.line("    const unsigned p[4] = {{join_{0}(scores[j * 2][0], scores[j * 2][1]),", dtype);
  kernel.line("                           join_{0}(scores[j * 2][2], scores[j * 2][3]),", dtype);
  kernel.line("                           join_{0}(scores[j * 2 + 1][0], scores[j * 2 + 1][1]),", dtype);
  kernel.line("                           join_{0}(scores[j * 2 + 1][2], scores[j * 2 + 1][3])}};", dtype);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int c = 0; c < {}; ++c) {{", filled(form.v_depth) / 16);
  kernel.line("      unsigned b[4];");
  kernel.line(
      "      load_matrices_transposed(b, v_tile + (j * 16 + lane / 8 % 2 * 8 + lane % 8) * {} + c * 16 + lane / 16 * "
      "8);",
      pitch(form.v_depth));
  kernel.line("      multiply_{}(sums[c * 2], p, b[0], b[1]);", dtype);
  kernel.line("      multiply_{}(sums[c * 2 + 1], p, b[2], b[3]);", dtype);
  kernel.line("    }}");
  kernel.line("  }}");
}

// What a warp does with a tile of keys, if it has queries.
void write_parts(KernelText& kernel, const Attention& op, const AttentionCudaForm& form, int queries) {
  const auto write = [&](Part part) {
    write_scores(kernel, form, part);
    write_softmax(kernel, op, form, part);
    write_sums(kernel, form, part);
  };
  const bool all_work = is_multiple(form.queries, queries);
  if (!all_work) kernel.line("  if (query0 + warp * 16 < queries) {{");
  if (is_multiple(form.keys, kKeys) && !op.causal) {
    write(Part::whole);
  } else {
    kernel.line("  const int left = key_end - key0;");
    kernel.line("  if (left >= {}) {{", kKeys);
    write(Part::whole);
    kernel.line("  }} else {{");
    write(Part::first);
    kernel.line("  }}");
  }
  if (!all_work) kernel.line("  }}");
}

// q_part[d]: 16 queries by 16 of the depth as the first operand of multiply_f16, read where they lie.
void write_queries(KernelText& kernel, const AttentionCudaForm& form) {
  kernel.line("unsigned q_part[{}][4];", filled(form.depth) / 16);
  kernel.line("#pragma unroll");
  kernel.line("for (int d = 0; d < {}; ++d) {{", filled(form.depth) / 16);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < 4; ++i) {{");
  kernel.line(
      "    const int line = query0 + warp * 16 + i % 2 * 8 + lane / 4, at = d * 16 + i / 2 * 8 + lane % 4 * 2;");
  kernel.line("    const bool valid = line < queries{};",
              filled(form.depth) == form.depth ? "" : fmt::format(" && at < {}", form.depth));
  kernel.line("    q_part[d][i] = valid ? *(const unsigned*)(q + line * {} + at) : 0;", kernel.size(form.q.row));
  kernel.line("  }}");
  kernel.line("}}");
}

void write_result(KernelText& kernel, const Attention& op, const AttentionCudaForm& form) {
  kernel.line("#pragma unroll");
  kernel.line("for (int half = 0; half < 2; ++half) {{");
  kernel.line("  total[half] += __shfl_xor_sync(0xffffffffu, total[half], 1);");
  kernel.line("  total[half] += __shfl_xor_sync(0xffffffffu, total[half], 2);");
  kernel.line("  const int query = query0 + warp * 16 + lane / 4 + half * 8;");
  kernel.line("  if (query >= queries) continue;");
  kernel.line("  const bool sees = largest[half] != -INFINITY;");
  kernel.line("  #pragma unroll");
  kernel.line("  for (int c = 0; c < {}; ++c) {{", filled(form.v_depth) / 8);
  kernel.line("    const int column = c * 8 + lane % 4 * 2;");
  if (filled(form.v_depth) != form.v_depth) kernel.line("    if (column >= {}) continue;", form.v_depth);
  kernel.line("    float values[2];");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int e = 0; e < 2; ++e)");
  kernel.line("      values[e] = sees ? sums[c][half * 2 + e] / total[half] : {};",
              op.zero_masked_rows ? "0" : "keys == 0 ? 0 : NAN");
  kernel.line("    const int index = {} + query * {} + column;", head_text(kernel, form.y, "head"),
              kernel.size(form.y.row));
  kernel.text(vector_epilogue_text(kernel, "values", "index", 2));
  kernel.line("  }}");
  kernel.line("}}");
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  const Attention& op = problem.op.as<Attention>();
  const AttentionCudaForm form = attention_cuda_form(problem);
  const auto [queries, together] = parse_blocks(config);
  const int threads = queries * 2;
  const int64_t k_length = kKeys * pitch(form.depth), v_length = kKeys * pitch(form.v_depth);
  KernelText kernel("attention_mma", problem);
  kernel.blocks_together(together);
  kernel.helper(tensor_core_helpers());
  kernel.helper(vector_helpers());
  const Dim tiles = ceil_div(form.queries, queries);
  const std::string tile_count = kernel.size(tiles);
  kernel.line("const int queries = {}, keys = {};", kernel.size(form.queries), kernel.size(form.keys));
  kernel.line("const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;");
  kernel.line("const int query0 = blockIdx.x % {} * {}, head = blockIdx.x / {} % {}, image = blockIdx.x / {} / {};",
              tile_count, queries, tile_count, form.heads, tile_count, form.heads);
  const int64_t sharing = form.heads / form.key_heads;
  const std::string key_head = sharing == 1 ? "head" : fmt::format("(head / {})", sharing);
  const auto matrix = [&](std::string_view name, size_t input, const AttentionHeads& heads, std::string_view head) {
    kernel.line("const unsigned short* const {} = {} + {};", name, kernel.input(input), head_text(kernel, heads, head));
  };
  matrix("q", 0, form.q, "head");
  matrix("k", form.k_input, form.k, key_head);
  matrix("v", form.v_input, form.v, key_head);
  kernel.line("DYNAMIC_SHARED(unsigned short, shared);");
  kernel.line("unsigned short* const k_tiles = shared;");
  kernel.line("unsigned short* const v_tiles = k_tiles + {};", 2 * k_length);
  kernel.line("const int key_end = {};",
              op.causal ? fmt::format("min(keys, query0 + {} + keys - queries)", queries) : "keys");
  kernel.line("const auto load_keys = [&](int slot, int key0) {{");
  write_load(kernel, fmt::format("k_tiles + slot * {}", k_length), "k", form.k.row, form.depth, kKeys, threads, "key0",
             "keys");
  write_load(kernel, fmt::format("v_tiles + slot * {}", v_length), "v", form.v.row, form.v_depth, kKeys, threads,
             "key0", "keys");
  kernel.line("}};");
  kernel.line("if (key_end > 0) load_keys(0, 0);");
  kernel.line("end_stage();");
  kernel.line("float sums[{}][4] = {{}}, total[2] = {{}};", filled(form.v_depth) / 8);
  kernel.line("float largest[2] = {{-INFINITY, -INFINITY}};");
  write_queries(kernel, form);
  kernel.line("int slot = 0;");
  kernel.line("for (int key0 = 0; key0 < key_end; key0 += {}) {{", kKeys);
  kernel.line("  if (key0 + {0} < key_end) load_keys(slot ^ 1, key0 + {0});", kKeys);
  kernel.text(R"(    end_stage();
    wait_stages<1>();
    __syncthreads();
)");
  kernel.line("  const unsigned short* const k_tile = k_tiles + slot * {};", k_length);
  kernel.line("  const unsigned short* const v_tile = v_tiles + slot * {};", v_length);
  write_parts(kernel, op, form, queries);
  kernel.line("  __syncthreads();  // the slot will be filled again");
  kernel.line("  slot ^= 1;");
  kernel.line("}}");
  write_result(kernel, op, form);
  const int64_t shared = 2 * 2 * (k_length + v_length);
  return std::move(kernel).finish({tiles * form.heads * form.images, 1, 1}, {threads, 1, 1}, static_cast<int>(shared));
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const AttentionCudaForm form = attention_cuda_form(problem);
  const std::optional<double> rows = elements_of({form.images, form.heads, form.queries}, bindings);
  const std::optional<double> keys = elements_of({form.keys}, bindings);
  if (!rows || !keys) return std::nullopt;
  // An exponential for 64 multiply-adds or so; not measured yet.
  const double busy = std::min(1.0, std::max(1.0, *rows / 16) / (4.0 * target.gpu->multiprocessors));
  return gpu_seconds(problem, target, bindings, *rows * *keys * static_cast<double>(form.depth + form.v_depth),
                     gpu_f32_fma_per_second(*target.gpu) * 4 * busy);
}

}  // namespace

extern const SelectRow select_attention_cuda_mma;
const SelectRow select_attention_cuda_mma = {.family = "attention",
                                             .name = "attention_cuda_mma",
                                             .version = 2,
                                             .refuses = refuses,
                                             .configs = configs,
                                             .estimate = estimate,
                                             .pack = pack_nothing,
                                             .generate = generate};

}  // namespace mj
