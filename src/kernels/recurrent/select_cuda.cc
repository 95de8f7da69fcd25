// SPDX-License-Identifier: Apache-2.0
// lstm_cuda_f32: first x W' + b for all steps as one product; then a block for each sequence and direction goes over
// the steps with its state in shared memory.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/estimate.h"
#include "kernels/cuda/tile_text.h"
#include "kernels/estimate.h"
#include "ops/recurrent.h"

namespace mj {
namespace {

constexpr int kThreads = 1024;

bool present(const Problem& problem, size_t i) {
  return i < problem.inputs.size() && problem.inputs[i].dtype != DType::none;
}

struct Form {
  int64_t directions = 1, inputs = 0, hidden = 0;
  Dim steps, sequences;
  int64_t gates() const { return 4 * hidden; }
  // Threads of a block share the products of one step: each has 4 columns of R and one of `slices` of its rows.
  int64_t slices() const { return std::max<int64_t>(1, kThreads / hidden); }
  int64_t shared_bytes() const { return (slices() * gates() + hidden) * 4; }
};

Form form_of(const Problem& problem) {
  const Lstm& op = problem.op.as<Lstm>();
  const Shape &x = problem.inputs[0].shape, &w = problem.inputs[1].shape, &r = problem.inputs[2].shape;
  return {op.directions(), *w[2].constant(), *r[2].constant(), x[op.layout == 0 ? 0 : 1], x[op.layout == 0 ? 1 : 0]};
}

Refusal refuses(const Problem& problem, const Target& target) {
  const Lstm* op = problem.op.get_if<Lstm>();
  if (!op) return "not an LSTM";
  if (!problem.epilogue.empty()) return "a body is fused after it";
  if (problem.inputs[0].dtype != DType::f32) return "x is not f32";
  if (op->clip > 0) return "it clips its gates";
  if (op->input_forget) return "its input and forget gates are coupled";
  if (!op->usual_activations()) return "its activations are not sigmoid, tanh, tanh";
  if (present(problem, 7)) return "it has peepholes";
  for (size_t i : {1, 2, 3}) {
    if (present(problem, i) && !problem.inputs[i].constant) return "its weights are not constant";
  }
  const Form form = form_of(problem);
  if (form.hidden < 1) return "its state is empty";
  if (form.shared_bytes() > target.gpu->shared_bytes) return "its state does not fit a multiprocessor";
  return std::nullopt;
}

// [rows, columns] from data as [columns, rows].
void transpose_into(const float* from, int64_t rows, int64_t columns, float* to, int64_t to_row) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to[j * to_row + i] = from[i * columns + j];
  }
}

// W of both directions side by side as [inputs, directions * gates], R as [directions, hidden, gates], both biases
// added up as [directions, gates].
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const Form form = form_of(problem);
  const int64_t d = form.directions, gates = form.gates();
  Tensor w = Tensor::zeros(DType::f32, {form.inputs, d * gates}),
         r = Tensor::zeros(DType::f32, {d, form.hidden, gates});
  Tensor bias = Tensor::zeros(DType::f32, {d, gates});
  for (int64_t i = 0; i < d; ++i) {
    transpose_into(constants[1].data<float>().data() + i * gates * form.inputs, gates, form.inputs,
                   w.mutable_data<float>().data() + i * gates, d * gates);
    transpose_into(constants[2].data<float>().data() + i * gates * form.hidden, gates, form.hidden,
                   r.mutable_data<float>().data() + i * form.hidden * gates, gates);
    if (!present(problem, 3)) continue;
    const float* from = constants[3].data<float>().data() + i * 2 * gates;
    float* to = bias.mutable_data<float>().data() + i * gates;
    for (int64_t j = 0; j < gates; ++j) to[j] = from[j] + from[gates + j];
  }
  Packed packed{{std::move(w), std::move(r), std::move(bias)}, {1, 2}};
  if (present(problem, 3)) packed.consumed.push_back(3);
  return packed;
}

TiledProduct input_product(const Form& form) {
  TiledProduct product{
      "lstm_inputs", form.steps * form.sequences, form.directions * form.gates(), form.inputs, 1, {}, {}, {}};
  product.a = [form](KernelText& kernel, int) {
    TileOperand x;
    x.along_depth = true;
    x.vector = form.inputs % 4 == 0;
    x.pointer = kernel.input(0);
    x.index = "line * depth + k";
    return x;
  };
  product.b = [](KernelText& kernel, int) {
    TileOperand w;
    w.vector = true;
    w.pointer = kernel.packed(0, "float");
    w.index = "k * columns + line";
    return w;
  };
  product.store = [form](KernelText& kernel) {
    kernel.reserve_workspace(form.steps * form.sequences * (form.directions * form.gates() * 4));
    return fmt::format("    {}[row * columns + column] = sum + {}[column];\n", kernel.workspace(0, "float"),
                       kernel.packed(2, "float"));
  };
  return product;
}

// Where the state of (direction, sequence) stands.
std::string state_text(const Lstm& op) {
  return op.layout == 0 ? "(direction * sequences + sequence) * hidden"
                        : "(sequence * directions + direction) * hidden";
}

Generated steps(const Problem& problem) {
  const Lstm& op = problem.op.as<Lstm>();
  const Form form = form_of(problem);
  KernelText kernel("lstm_steps", problem);
  kernel.helper("__device__ __forceinline__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }\n");
  const int64_t slice = (form.hidden + form.slices() - 1) / form.slices();
  const auto output = [&](size_t i) {
    return i < problem.outputs.size() && problem.outputs[i].dtype != DType::none ? kernel.output(i) : std::string();
  };
  kernel.line("// One sequence in one direction; {} threads have 4 columns each of {} slices of R.", form.hidden,
              form.slices());
  kernel.line("const int steps = {}, sequences = {}, directions = {}, hidden = {};", kernel.size(form.steps),
              kernel.size(form.sequences), form.directions, form.hidden);
  kernel.line(
      "const int thread = threadIdx.x, sequence = blockIdx.x / directions, direction = blockIdx.x % directions;");
  kernel.line("DYNAMIC_SHARED(float, shared);");
  kernel.line("float* const products = shared;  // [slices][4 * hidden], gates i, o, f, c");
  kernel.line("float* const h = shared + {};", form.slices() * form.gates());
  const int64_t owned = (form.hidden + kThreads - 1) / kThreads;
  kernel.line("float c[{}];  // of elements thread, thread + {}, ...", owned, kThreads);
  kernel.line("const int state = {};", state_text(op));
  kernel.line("for (int i = 0; i < {}; ++i) {{", owned);
  kernel.line("  const int j = thread + i * {};", kThreads);
  kernel.line("  if (j >= hidden) continue;");
  kernel.line("  h[j] = {};", present(problem, 5) ? kernel.input(5) + "[state + j]" : "0");
  kernel.line("  c[i] = {};", present(problem, 6) ? kernel.input(6) + "[state + j]" : "0");
  kernel.line("}}");
  kernel.line("const int length = {};",
              present(problem, 4) ? fmt::format("min(max({}[sequence], 0), steps)", kernel.input(4)) : "steps");
  const std::string backward = op.direction == "reverse"         ? "true"
                               : op.direction == "bidirectional" ? "direction == 1"
                                                                 : "false";
  kernel.line("const bool backward = {};", backward);
  kernel.line("for (int step = 0; step < length; ++step) {{");
  kernel.line("  const int t = backward ? length - 1 - step : step;");
  kernel.line("  __syncthreads();");
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", form.slices() * form.hidden, kThreads);
  kernel.line("    const int quad = at % hidden, slice = at / hidden;");
  kernel.line("    const float* r = {} + direction * {} + quad * 4;", kernel.packed(1, "float"),
              form.hidden * form.gates());
  kernel.line("    const int end = min((slice + 1) * {}, hidden);", slice);
  kernel.line("    float4 sum = make_float4(0, 0, 0, 0);");
  kernel.line("    #pragma unroll 8");
  kernel.line("    for (int k = slice * {}; k < end; ++k) {{", slice);
  kernel.line("      const float4 x = *(const float4*)&r[k * {}];", form.gates());
  kernel.text(R"(        sum.x += h[k] * x.x;
        sum.y += h[k] * x.y;
        sum.z += h[k] * x.z;
        sum.w += h[k] * x.w;
      }
)");
  kernel.line("    *(float4*)&products[slice * {} + quad * 4] = sum;", form.gates());
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  kernel.line("  const float* from_x = {} + ({}) * {} + direction * {};", kernel.workspace(0, "const float"),
              op.layout == 0 ? "t * sequences + sequence" : "sequence * steps + t", form.directions * form.gates(),
              form.gates());
  kernel.line("  for (int i = 0; i < {}; ++i) {{", owned);
  kernel.line("    const int j = thread + i * {};", kThreads);
  kernel.line("    if (j >= hidden) continue;");
  kernel.line("    float gate[4];");
  kernel.line("    for (int g = 0; g < 4; ++g) {{");
  kernel.line("      gate[g] = from_x[g * hidden + j];");
  kernel.line("      for (int slice = 0; slice < {}; ++slice) gate[g] += products[slice * {} + g * hidden + j];",
              form.slices(), form.gates());
  kernel.line("    }}");
  kernel.line("    c[i] = sigmoid(gate[2]) * c[i] + sigmoid(gate[0]) * tanhf(gate[3]);");
  kernel.line("    h[j] = sigmoid(gate[1]) * tanhf(c[i]);");
  const std::string place = op.layout == 0 ? "((t * directions + direction) * sequences + sequence)"
                                           : "((sequence * steps + t) * directions + direction)";
  const std::string y = output(0), y_h = output(1), y_c = output(2);
  if (!y.empty()) kernel.line("    {}[{} * hidden + j] = h[j];", y, place);
  kernel.line("  }}");
  kernel.line("}}");
  kernel.line("__syncthreads();");
  kernel.line("for (int i = 0; i < {}; ++i) {{", owned);
  kernel.line("  const int j = thread + i * {};", kThreads);
  kernel.line("  if (j >= hidden) continue;");
  if (!y_h.empty()) kernel.line("  {}[state + j] = h[j];", y_h);
  if (!y_c.empty()) kernel.line("  {}[state + j] = c[i];", y_c);
  if (!y.empty()) kernel.line("  for (int t = length; t < steps; ++t) {}[{} * hidden + j] = 0;", y, place);
  kernel.line("}}");
  return std::move(kernel).finish({form.sequences * form.directions, 1, 1}, {kThreads, 1, 1},
                                  static_cast<int>(form.shared_bytes()));
}

// One: the steps take most of the time. Without a split, as the product's results go to no output.
std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const std::string best = tile_configs(input_product(form_of(problem)), target)[0];
  return {best.substr(0, best.find(",split="))};
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  return join(tiled_product(problem, config, input_product(form_of(problem))), steps(problem));
}

// A step reads all of R through the second cache, then waits at two barriers.
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Form form = form_of(problem);
  const std::optional<double> inputs = tiled_product_seconds(problem, input_product(form), target, bindings);
  const std::optional<double> length = elements_of({form.steps}, bindings);
  const std::optional<double> blocks = elements_of({form.sequences * form.directions}, bindings);
  if (!inputs || !length || !blocks) return std::nullopt;
  constexpr double kBytesPerCycle = 40, kStepSeconds = 2e-6;  // of one multiprocessor; not measured yet
  const double r_bytes = static_cast<double>(form.hidden * form.gates() * 4);
  const double waves = std::ceil(*blocks / target.gpu->multiprocessors);
  return *inputs + kLaunchSeconds +
         waves * *length * (kStepSeconds + r_bytes / (kBytesPerCycle * target.gpu->clock_hz));
}

}  // namespace

extern const SelectRow select_lstm_cuda_f32;
const SelectRow select_lstm_cuda_f32 = {.family = "recurrent",
                                        .name = "lstm_cuda_f32",
                                        .version = 1,
                                        .refuses = refuses,
                                        .configs = configs,
                                        .estimate = estimate,
                                        .pack = pack,
                                        .generate = generate};

}  // namespace mj
