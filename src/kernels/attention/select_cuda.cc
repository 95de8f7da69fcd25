// SPDX-License-Identifier: Apache-2.0
// attention_cuda_f32: a block for some queries of one head. It goes once over the keys, a tile at a time, and keeps of
// the softmax only each query's largest score and sum so far: the scores are never in memory.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/anchor.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/estimate.h"
#include "kernels/estimate.h"
#include "ops/attention.h"

namespace mj {
namespace {

constexpr int kThreads = 128;
constexpr int kScores = 2048;  // of a tile: 4 queries by 4 keys a thread
constexpr int kMostSums = 64;  // a thread has in registers

// Element (s, d) of head h of image b is at first + b * batch + h * head + s * row + d.
struct Heads {
  Dim first = 0, batch, head, row;
};

struct Form {
  int64_t heads = 1, key_heads = 1, depth = 0, v_depth = 0;
  Dim images, queries, keys;
  Heads q, k, v, y;
  size_t k_input = 0, v_input = 0;
};

Heads dense(bool outer, int64_t heads, const Dim& rows, int64_t depth) {
  if (outer) return {0, rows * (heads * depth), rows * depth, depth};
  return {0, rows * (heads * depth), depth, heads * depth};
}

// Absent where the head size is not known.
std::optional<Form> form_of(const Problem& problem) {
  const Attention& op = problem.op.as<Attention>();
  const Shape& q = problem.inputs[0].shape;
  const bool packed = op.layout == "qkv", outer = op.layout == "bhsd";
  const Shape& k = problem.inputs[packed ? 0 : 1].shape;
  const Shape& v = problem.inputs[packed ? 0 : 2].shape;
  const std::optional<int64_t> width = q.back().constant(), v_width = v.back().constant();
  if (!width || !v_width) return std::nullopt;
  Form f;
  f.heads = op.heads;
  f.key_heads = op.key_heads();
  f.images = q[0];
  f.queries = q[outer ? 2 : 1];
  f.keys = k[outer ? 2 : 1];
  f.depth = outer ? *width : *width / (packed ? f.heads + 2 * f.key_heads : f.heads);
  f.v_depth = packed ? f.depth : outer ? *v_width : *v_width / f.key_heads;
  f.y = dense(outer, f.heads, f.queries, f.v_depth);
  if (packed) {
    f.q = {0, f.queries * *width, f.depth, *width};
    f.k = f.v = f.q;
    f.k.first = f.heads * f.depth;
    f.v.first = (f.heads + f.key_heads) * f.depth;
    return f;
  }
  f.q = dense(outer, f.heads, f.queries, f.depth);
  f.k = dense(outer, f.key_heads, f.keys, f.depth);
  f.v = dense(outer, f.key_heads, f.keys, f.v_depth);
  f.k_input = 1;
  f.v_input = 2;
  return f;
}

// Sizes of a block's work, for `queries` at a time.
struct Block {
  int queries, keys, across, columns;  // across: threads that share 4 queries; columns: of the result for each of them
  int64_t q_floats, kv_floats, p_floats;

  Block(const Form& form, int queries_of_tile) : queries(queries_of_tile), keys(kScores / queries) {
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

std::vector<int> fitting(const Form& form, const GpuTarget& gpu) {
  std::vector<int> sizes;
  for (int queries : {64, 32, 16}) {
    if (Block(form, queries).fits(gpu)) sizes.push_back(queries);
  }
  return sizes;
}

Refusal refuses(const Problem& problem, const Target& target) {
  if (!problem.op.get_if<Attention>()) return "not attention";
  if (Refusal reason = f32_anchor_refusal(problem)) return reason;
  const std::optional<Form> form = form_of(problem);
  if (!form) return "the size of its heads is not known";
  if (form->depth < 1 || form->v_depth < 1) return "its heads are empty";
  if (fitting(*form, *target.gpu).empty())
    return fmt::format("a tile of heads of {} and {} does not fit a multiprocessor", form->depth, form->v_depth);
  return std::nullopt;
}

// As many queries as leave no multiprocessor without work; few are also what is left for a device that fits no more.
std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const Form form = *form_of(problem);
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

std::string head_text(KernelText& kernel, const Heads& heads, std::string_view head) {
  const std::string first = heads.first.constant() == 0 ? "" : kernel.size(heads.first) + " + ";
  return fmt::format("{}image * {} + {} * {}", first, kernel.size(heads.batch), head, kernel.size(heads.head));
}

// Loads `lines` lines from `line0` on of at most `limit` into [depth][lines + 4]: neighbouring threads take
// neighbouring lines, so that they store without conflicts.
void write_transposed_load(KernelText& kernel, std::string_view name, const Heads& heads, int lines, int64_t depth,
                           std::string_view line0, std::string_view limit) {
  const bool vector = depth % 4 == 0;
  const int step = vector ? 4 : 1;
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", lines * (depth / step), kThreads);
  kernel.line("    const int line = at % {}, d = at / {}{};", lines, lines, vector ? " * 4" : "");
  const std::string from = fmt::format("{}[({} + line) * {} + d]", name, line0, kernel.size(heads.row));
  kernel.line("    const {0} x = {1} + line < {2} ? {3} : {4};", vector ? "float4" : "float", line0, limit,
              vector ? fmt::format("*(const float4*)&{}", from) : from, vector ? "make_float4(0, 0, 0, 0)" : "0");
  for (int i = 0; i < step; ++i) {
    kernel.line("    {}_tile[(d + {}) * {} + line] = x{};", name, i, lines + 4,
                vector ? fmt::format(".{}", "xyzw"[i]) : "");
  }
  kernel.line("  }}");
}

// What is added to the score of (image, head, query, key).
std::string mask_text(KernelText& kernel, const Form& form, size_t input) {
  const Shape& mask = kernel.problem().inputs[input].shape;
  const Shape whole = {form.images, form.heads, form.queries, form.keys};
  const char* const names[] = {"image", "head", "query", "key"};
  std::string sum;
  Dim step = 1;
  for (size_t back = 1; back <= mask.size(); ++back) {
    const Dim& dim = mask[mask.size() - back];
    const size_t d = 4 - back;
    if (dim.constant() != 1) {
      std::string place = names[d];
      if (equal(dim, whole[d]) != Tri::yes) place = fmt::format("({} == 1 ? 0 : {})", kernel.size(dim), place);
      if (step.constant() != 1) place += " * " + kernel.size(step);
      sum = sum.empty() ? place : place + " + " + sum;
    }
    step *= dim;
  }
  return fmt::format("{}[{}]", kernel.input(input), sum.empty() ? "0" : sum);
}

void write_softmax(KernelText& kernel, const Attention& op, const Form& form, const Block& block) {
  const float scale = op.scale != 0 ? op.scale : static_cast<float>(1 / std::sqrt(static_cast<double>(form.depth)));
  const size_t mask = op.mask_input();
  const bool masked =
      mask < static_cast<size_t>(kernel.problem().anchor_inputs) && kernel.problem().inputs[mask].dtype != DType::none;
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < 4; ++i) {{");
  kernel.line("    const int query = query0 + ty * 4 + i;");
  kernel.line("    float tile_largest = largest[i];");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < 4; ++j) {{");
  kernel.line("      const int key = key0 + tx * 4 + j;");
  kernel.line("      float score = scores[i][j] * {};", c_literal(scale));
  kernel.line("      if (query < queries && key < keys{}) {{", op.causal ? " && key <= query + keys - queries" : "");
  if (masked) kernel.line("        score += {};", mask_text(kernel, form, mask));
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

void write_v_load(KernelText& kernel, const Form& form, const Block& block) {
  const bool vector = form.v_depth % 4 == 0;
  const int64_t across = vector ? form.v_depth / 4 : form.v_depth;
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", block.keys * across, kThreads);
  kernel.line("    const int line = at / {0}, c = at % {0}{1};", across, vector ? " * 4" : "");
  const std::string from = fmt::format("v[(key0 + line) * {} + c]", kernel.size(form.v.row));
  const std::string to = fmt::format("v_tile[line * {} + c]", block.columns * block.across);
  if (vector) {
    kernel.line("    *(float4*)&{} = key0 + line < keys ? *(const float4*)&{} : make_float4(0, 0, 0, 0);", to, from);
  } else {
    kernel.line("    {} = key0 + line < keys ? {} : 0;", to, from);
  }
  kernel.line("  }}");
}

void write_result(KernelText& kernel, const Attention& op, const Form& form, const Block& block) {
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
  const Form form = *form_of(problem);
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
  kernel.line("const float* q = {} + {};", kernel.input(0), head_text(kernel, form.q, "head"));
  kernel.line("const float* k = {} + {};", kernel.input(form.k_input), head_text(kernel, form.k, key_head));
  kernel.line("const float* v = {} + {};", kernel.input(form.v_input), head_text(kernel, form.v, key_head));
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
  const Form form = *form_of(problem);
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
