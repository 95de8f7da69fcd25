// SPDX-License-Identifier: Apache-2.0
// lstm_cuda_f32: first x W' + b for all steps as one product; then a block for each sequence and direction goes over
// the steps with its state in shared memory.
#include <algorithm>

#include "kernels/recurrent/cuda_form.h"

namespace mj {
namespace {

constexpr int kThreads = kRecurrentThreads;

struct Form : RecurrentCudaForm {
  // Threads of a block share the products of one step: each has 4 columns of R and one of `slices` of its rows.
  int64_t slices() const { return std::max<int64_t>(1, kThreads / hidden); }
  int64_t shared_bytes() const { return (slices() * gates + hidden) * 4; }
};

Form form_of(const Problem& problem) {
  Form form{recurrent_cuda_form(problem, problem.op.as<Lstm>())};
  form.gates = 4 * form.hidden;
  return form;
}

Refusal refuses(const Problem& problem, const Target& target) {
  const Lstm* op = problem.op.get_if<Lstm>();
  if (!op) return "not an LSTM";
  if (!problem.epilogue.empty()) return "a body is fused after it";
  if (problem.inputs[0].dtype != DType::f32) return "x is not f32";
  if (op->clip > 0) return "it clips its gates";
  if (op->input_forget) return "its input and forget gates are coupled";
  if (!op->usual_activations()) return "its activations are not sigmoid, tanh, tanh";
  if (has_input(problem, 7)) return "it has peepholes";
  for (size_t i : {1, 2, 3}) {
    if (has_input(problem, i) && !problem.inputs[i].constant) return "its weights are not constant";
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
  const int64_t d = form.directions, gates = form.gates;
  Tensor w = Tensor::zeros(DType::f32, {form.inputs, d * gates}),
         r = Tensor::zeros(DType::f32, {d, form.hidden, gates});
  Tensor bias = Tensor::zeros(DType::f32, {d, gates});
  for (int64_t i = 0; i < d; ++i) {
    transpose_into(constants[1].data<float>().data() + i * gates * form.inputs, gates, form.inputs,
                   w.mutable_data<float>().data() + i * gates, d * gates);
    transpose_into(constants[2].data<float>().data() + i * gates * form.hidden, gates, form.hidden,
                   r.mutable_data<float>().data() + i * form.hidden * gates, gates);
    if (!has_input(problem, 3)) continue;
    const float* from = constants[3].data<float>().data() + i * 2 * gates;
    float* to = bias.mutable_data<float>().data() + i * gates;
    for (int64_t j = 0; j < gates; ++j) to[j] = from[j] + from[gates + j];
  }
  Packed packed{{std::move(w), std::move(r), std::move(bias)}, {1, 2}};
  if (has_input(problem, 3)) packed.consumed.push_back(3);
  return packed;
}

TiledProduct input_product(const Form& form) { return recurrent_inputs("lstm_inputs", form); }

Generated steps(const Problem& problem) {
  const Lstm& op = problem.op.as<Lstm>();
  const Form form = form_of(problem);
  KernelText kernel("lstm_steps", problem);
  const int64_t slice = (form.hidden + form.slices() - 1) / form.slices();
  kernel.line("// One sequence in one direction; {} threads have 4 columns each of {} slices of R.", form.hidden,
              form.slices());
  begin_recurrent_steps(kernel, form);
  kernel.line("float* const products = shared;  // [slices][4 * hidden], gates i, o, f, c");
  kernel.line("float* const h = shared + {};", form.slices() * form.gates);
  const int64_t owned = (form.hidden + kThreads - 1) / kThreads;
  kernel.line("float c[{}];  // of elements thread, thread + {}, ...", owned, kThreads);
  kernel.line("const int state = {};", recurrent_state_text(op));
  kernel.line("for (int i = 0; i < {}; ++i) {{", owned);
  kernel.line("  const int j = thread + i * {};", kThreads);
  kernel.line("  if (j >= hidden) continue;");
  kernel.line("  h[j] = {};", has_input(problem, 5) ? kernel.input(5) + "[state + j]" : "0");
  kernel.line("  c[i] = {};", has_input(problem, 6) ? kernel.input(6) + "[state + j]" : "0");
  kernel.line("}}");
  write_recurrent_order(kernel, op);
  kernel.line("for (int step = 0; step < length; ++step) {{");
  kernel.line("  const int t = backward ? length - 1 - step : step;");
  kernel.line("  __syncthreads();");
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", form.slices() * form.hidden, kThreads);
  kernel.line("    const int quad = at % hidden, slice = at / hidden;");
  kernel.line("    const float* r = {} + direction * {} + quad * 4;", kernel.packed(1, "float"),
              form.hidden * form.gates);
  kernel.line("    const int end = min((slice + 1) * {}, hidden);", slice);
  kernel.line("    float4 sum = make_float4(0, 0, 0, 0);");
  kernel.line("    #pragma unroll 8");
  kernel.line("    for (int k = slice * {}; k < end; ++k) {{", slice);
  kernel.line("      const float4 x = *(const float4*)&r[k * {}];", form.gates);
  kernel.text(R"(        sum.x += h[k] * x.x;
        sum.y += h[k] * x.y;
        sum.z += h[k] * x.z;
        sum.w += h[k] * x.w;
      }
)");
  kernel.line("    *(float4*)&products[slice * {} + quad * 4] = sum;", form.gates);
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  write_recurrent_inputs(kernel, op, form);
  kernel.line("  for (int i = 0; i < {}; ++i) {{", owned);
  kernel.line("    const int j = thread + i * {};", kThreads);
  kernel.line("    if (j >= hidden) continue;");
  kernel.line("    float gate[4];");
  kernel.line("    for (int g = 0; g < 4; ++g) {{");
  kernel.line("      gate[g] = from_x[g * hidden + j];");
  kernel.line("      for (int slice = 0; slice < {}; ++slice) gate[g] += products[slice * {} + g * hidden + j];",
              form.slices(), form.gates);
  kernel.line("    }}");
  kernel.line("    c[i] = sigmoid(gate[2]) * c[i] + sigmoid(gate[0]) * tanhf(gate[3]);");
  kernel.line("    h[j] = sigmoid(gate[1]) * tanhf(c[i]);");
  const std::string place = recurrent_line_text(op);
  const std::string y = asked_output(kernel, 0), y_h = asked_output(kernel, 1), y_c = asked_output(kernel, 2);
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

std::vector<std::string> configs(const Problem& problem, const Target& target) {
  return recurrent_configs(input_product(form_of(problem)), target);
}

Generated generate(const Problem& problem, const Target&, std::string_view config) {
  return join(tiled_product(problem, config, input_product(form_of(problem))), steps(problem));
}

// It waits at two barriers.
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Form form = form_of(problem);
  return recurrent_seconds(problem, form, input_product(form), target, bindings, 2e-6);
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
