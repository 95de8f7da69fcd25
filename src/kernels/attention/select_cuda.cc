// SPDX-License-Identifier: Apache-2.0
// attention_cuda_f32: a block for some queries of one head, with maths in f32. It goes once over the keys, a tile at a
// time, and keeps of the softmax only each query's largest score and sum so far: the scores are never in memory.
#include <algorithm>
#include <cmath>

#include "kernels/attention/cuda_form.h"
#include "kernels/cuda/estimate.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/estimate.h"
#include "ops/attention.h"

namespace mj {
namespace {

constexpr int kThreads = 128;
constexpr int kScores = 2048;  // of a tile: 4 queries by 4 keys a thread
constexpr int kMostSums = 64;  // a thread has in registers

// Sizes of a block's work, for `queries` at a time.
struct Block {
  int queries, keys, across, columns;  // across: threads that share 4 queries; columns: of the result for each of them
  int64_t q_floats, kv_floats, p_floats;

  Block(const AttentionCudaForm& form, int queries_of_tile) : queries(queries_of_tile), keys(kScores / queries) {
    across = kThreads * 4 / queries;
    columns = static_cast<int>((form.v_depth + across - 1) / across);
    q_floats = form.depth * (queries + 4);
    kv_floats = std::max<int64_t>(form.depth * (keys + 4), int64_t{keys} * columns * across);
    p_floats = int64_t{keys} * (queries + 4);
    kv_floats = (kv_floats + 3) / 4 * 4;
  }
  int64_t shared_bytes() const { return (q_floats + kv_floats + p_floats) * 4; }
  bool fits(const GpuTarget& gpu) const { return shared_bytes() <= gpu.shared_bytes && columns * 4 <= kMostSums; }
};

std::vector<int> fitting(const AttentionCudaForm& form, const GpuTarget& gpu) {
  std::vector<int> sizes;
  for (int queries : {64, 32, 16}) {
    if (Block(form, queries).fits(gpu)) sizes.push_back(queries);
  }
  return sizes;
}

Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = attention_cuda_refusal(problem)) return reason;
  const AttentionCudaForm form = attention_cuda_form(problem);
  if (fitting(form, *target.gpu).empty())
    return fmt::format("a tile of heads of {} and {} does not fit a multiprocessor", form.depth, form.v_depth);
  return std::nullopt;
}

// As many queries as leave no multiprocessor without work; few are also what is left for a device that fits no more.
std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const AttentionCudaForm form = attention_cuda_form(problem);
  std::vector<int> sizes = fitting(form, *target.gpu);
  const auto enough = [&](int queries) {
    const std::optional<int64_t> blocks = (ceil_div(form.queries, queries) * form.images * form.heads).constant();
    return blocks ? *blocks >= target.gpu->multiprocessors : queries <= 32;
  };
  std::stable_partition(sizes.begin(), sizes.end(), enough);
  if (!enough(sizes[0])) std::reverse(sizes.begin(), sizes.end());
  std::vector<std::string> names;
  for (int queries : sizes) names.push_back(fmt::format("queries={}", queries));
  return names;
}

// Elements that are read at once of lines of `length`: all places are multiples of the size of a head.
int step_of(DType dtype, int64_t length) {
  int step = dtype == DType::f32 ? 4 : 8;
  while (length % step != 0) step /= 2;
  return step;
}

// Loads `lines` lines from `line0` on of at most `limit` into [depth][lines + 4]: neighbouring threads take
// neighbouring lines, so that they store without conflicts.
void write_transposed_load(KernelText& kernel, std::string_view name, const AttentionHeads& heads, int lines,
                           int64_t depth, std::string_view line0, std::string_view limit) {
  const DType dtype = kernel.problem().inputs[0].dtype;
  const int step = step_of(dtype, depth);
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", lines * (depth / step), kThreads);
  kernel.line("    const int line = at % {0}, d = at / {0}{1};", lines, step > 1 ? fmt::format(" * {}", step) : "");
  kernel.line("    float x[{}] = {{}};", step);
  kernel.line("    if ({} + line < {}) {{", line0, limit);
  kernel.text(vector_load_text(kernel, dtype, step, name,
                               fmt::format("({} + line) * {} + d", line0, kernel.size(heads.row)), "x"));
  kernel.line("    }}");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int i = 0; i < {}; ++i) {}_tile[(d + i) * {} + line] = x[i];", step, name, lines + 4);
  kernel.line("  }}");
}

void write_softmax(KernelText& kernel, const Attention& op, const AttentionCudaForm& form, const Block& block) {
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < 4; ++i) {{");
  kernel.line("    const int query = query0 + ty * 4 + i;");
  kernel.line("    float tile_largest = largest[i];");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < 4; ++j) {{");
  kernel.line("      const int key = key0 + tx * 4 + j;");
  kernel.line("      float score = scores[i][j] * {};", c_literal(form.scale));
  kernel.line("      if (query < queries && key < keys{}) {{", op.causal ? " && key <= query + keys - queries" : "");
  if (form.mask_input) kernel.line("        score += {};", mask_text(kernel, form));
  kernel.text(R"(        } else {
          score = -INFINITY;
        }
        scores[i][j] = score;
        tile_largest = fmaxf(tile_largest, score);
      }
)");
  kernel.line("    for (int lanes = {}; lanes > 0; lanes /= 2)", block.across / 2);
  kernel.text(R"(        tile_largest = fmaxf(tile_largest, __shfl_xor_sync(0xffffffffu, tile_largest, lanes));
      const bool sees = tile_largest != -INFINITY;  // anything so far
      const float fade = sees ? expf(largest[i] - tile_largest) : 1;
      largest[i] = tile_largest;
      total[i] *= fade;
      #pragma unroll
      for (int j = 0; j < 4; ++j) {
        scores[i][j] = sees ? expf(scores[i][j] - tile_largest) : 0;
        total[i] += scores[i][j];
      }
)");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int c = 0; c < {}; ++c) sums[i][c] *= fade;", block.columns);
  kernel.line("  }}");
  kernel.line("  #pragma unroll");
  kernel.line("  for (int j = 0; j < 4; ++j)");
  kernel.line("    *(float4*)&p_tile[(tx * 4 + j) * {} + ty * 4] =", block.queries + 4);
  kernel.line("        make_float4(scores[0][j], scores[1][j], scores[2][j], scores[3][j]);");
}

void write_v_load(KernelText& kernel, const AttentionCudaForm& form, const Block& block) {
  const DType dtype = kernel.problem().inputs[0].dtype;
  const int step = step_of(dtype, form.v_depth);
  const int64_t across = form.v_depth / step;
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", block.keys * across, kThreads);
  kernel.line("    const int line = at / {0}, c = at % {0}{1};", across, step > 1 ? fmt::format(" * {}", step) : "");
  kernel.line("    float x[{}] = {{}};", step);
  kernel.line("    if (key0 + line < keys) {{");
  kernel.text(
      vector_load_text(kernel, dtype, step, "v", fmt::format("(key0 + line) * {} + c", kernel.size(form.v.row)), "x"));
  kernel.line("    }}");
  kernel.text(vector_store_text(kernel, DType::f32, step, "v_tile",
                                fmt::format("line * {} + c", block.columns * block.across), "x"));
  kernel.line("  }}");
}

void write_result(KernelText& kernel, const Attention& op, const AttentionCudaForm& form, const Block& block) {
  kernel.line("#pragma unroll");
  kernel.line("for (int i = 0; i < 4; ++i) {{");
  kernel.line("  for (int lanes = {}; lanes > 0; lanes /= 2)", block.across / 2);
  kernel.line("    total[i] += __shfl_xor_sync(0xffffffffu, total[i], lanes);");
  kernel.line("  const int query = query0 + ty * 4 + i;");
  kernel.line("  if (query >= queries) continue;");
  kernel.line("  const bool sees = largest[i] != -INFINITY;");
  kernel.line("  #pragma unroll");
  kernel.line("  for (int c = 0; c < {}; ++c) {{", block.columns);
  kernel.line("    const int column = tx + c * {};", block.across);
  if (block.columns * block.across != form.v_depth) kernel.line("    if (column >= {}) continue;", form.v_depth);
  kernel.line("    const float mean = sees ? sums[i][c] / total[i] : {};",
              op.zero_masked_rows ? "0" : "keys == 0 ? 0 : NAN");
  kernel.line("    const int index = {} + query * {} + column;", head_text(kernel, form.y, "head"),
              kernel.size(form.y.row));
  kernel.text(epilogue_text(kernel, "mean", "index"));
  kernel.line("  }}");
  kernel.line("}}");
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  const Attention& op = problem.op.as<Attention>();
  const AttentionCudaForm form = attention_cuda_form(problem);
  const Block block(form, config == "queries=64" ? 64 : config == "queries=32" ? 32 : 16);
  KernelText kernel("attention_f32", problem);
  const Dim tiles = ceil_div(form.queries, block.queries);
  const std::string tile_count = kernel.size(tiles);
  kernel.line("// {} queries of one head, {} keys at a time; a thread has 4 x 4 scores of them and 4 x {} results.",
              block.queries, block.keys, block.columns);
  kernel.line("const int queries = {}, keys = {};", kernel.size(form.queries), kernel.size(form.keys));
  kernel.line("const int thread = threadIdx.x, tx = thread % {0}, ty = thread / {0};", block.across);
  kernel.line("const int query0 = blockIdx.x % {} * {}, head = blockIdx.x / {} % {}, image = blockIdx.x / {} / {};",
              tile_count, block.queries, tile_count, form.heads, tile_count, form.heads);
  const int64_t sharing = form.heads / form.key_heads;
  const std::string key_head = sharing == 1 ? "head" : fmt::format("(head / {})", sharing);
  const std::string_view type = c_storage(problem.inputs[0].dtype);
  kernel.line("const {}* q = {} + {};", type, kernel.input(0), head_text(kernel, form.q, "head"));
  kernel.line("const {}* k = {} + {};", type, kernel.input(form.k_input), head_text(kernel, form.k, key_head));
  kernel.line("const {}* v = {} + {};", type, kernel.input(form.v_input), head_text(kernel, form.v, key_head));
  kernel.line("DYNAMIC_SHARED(float, shared);");
  kernel.line("float* const q_tile = shared;  // [depth][query]");
  kernel.line("float* const k_tile = shared + {};  // [depth][key]", block.q_floats);
  kernel.line("float* const v_tile = k_tile;  // [key][column], once the scores are known");
  kernel.line("float* const p_tile = k_tile + {};  // exp(score - largest) as [key][query]", block.kv_floats);
  kernel.line("{{");
  write_transposed_load(kernel, "q", form.q, block.queries, form.depth, "query0", "queries");
  kernel.line("}}");
  kernel.line("float sums[4][{}] = {{}}, total[4] = {{}};", block.columns);
  kernel.line("float largest[4] = {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}};");
  if (op.causal) {
    kernel.line("const int key_end = min(keys, query0 + {} + keys - queries);  // what the last query sees",
                block.queries);
  } else {
    kernel.line("const int key_end = keys;");
  }
  kernel.line("for (int key0 = 0; key0 < key_end; key0 += {}) {{", block.keys);
  kernel.line("  __syncthreads();");
  write_transposed_load(kernel, "k", form.k, block.keys, form.depth, "key0", "keys");
  kernel.line("  __syncthreads();");
  kernel.line("  float scores[4][4] = {{}};");
  kernel.line("  #pragma unroll 8");
  kernel.line("  for (int d = 0; d < {}; ++d) {{", form.depth);
  kernel.line("    const float4 a = *(const float4*)&q_tile[d * {} + ty * 4];", block.queries + 4);
  kernel.line("    const float4 b = *(const float4*)&k_tile[d * {} + tx * 4];", block.keys + 4);
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) kernel.line("    scores[{}][{}] += a.{} * b.{};", i, j, "xyzw"[i], "xyzw"[j]);
  }
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  write_v_load(kernel, form, block);
  write_softmax(kernel, op, form, block);
  kernel.line("  __syncthreads();");
  kernel.line("  #pragma unroll 4");
  kernel.line("  for (int key = 0; key < {}; ++key) {{", block.keys);
  kernel.line("    const float4 p = *(const float4*)&p_tile[key * {} + ty * 4];", block.queries + 4);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int c = 0; c < {}; ++c) {{", block.columns);
  kernel.line("      const float x = v_tile[key * {} + tx + c * {}];", block.columns * block.across, block.across);
  for (int i = 0; i < 4; ++i) kernel.line("      sums[{}][c] += p.{} * x;", i, "xyzw"[i]);
  kernel.line("    }}");
  kernel.line("  }}");
  kernel.line("}}");
  write_result(kernel, op, form, block);
  return std::move(kernel).finish({tiles * form.heads * form.images, 1, 1}, {kThreads, 1, 1},
                                  static_cast<int>(block.shared_bytes()));
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const AttentionCudaForm form = attention_cuda_form(problem);
  const std::optional<double> rows = elements_of({form.images, form.heads, form.queries}, bindings);
  const std::optional<double> keys = elements_of({form.keys}, bindings);
  if (!rows || !keys) return std::nullopt;
  // Two reads of shared memory for 16 multiply-adds, exponentials, and barriers; not measured yet.
  constexpr double kEfficiency = 0.4;
  const double blocks = std::max(1.0, *rows / 16);
  const double busy = std::min(1.0, blocks / (2.0 * target.gpu->multiprocessors));
  return gpu_seconds(problem, target, bindings, *rows * *keys * static_cast<double>(form.depth + form.v_depth),
                     gpu_f32_fma_per_second(*target.gpu) * kEfficiency * busy);
}

}  // namespace

extern const SelectRow select_attention_cuda_f32;
const SelectRow select_attention_cuda_f32 = {.family = "attention",
                                             .name = "attention_cuda_f32",
                                             .version = 1,
                                             .refuses = refuses,
                                             .configs = configs,
                                             .estimate = estimate,
                                             .pack = pack_nothing,
                                             .generate = generate};

}  // namespace mj
