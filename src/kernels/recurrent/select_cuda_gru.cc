// SPDX-License-Identifier: Apache-2.0
// gru_cuda_f32: first x W' + b for all steps as one product; then a block for each sequence and direction goes over the
// steps with its state in shared memory. A length beyond the steps counts as the nearest that there is.
#include <algorithm>

#include "kernels/recurrent/cuda_form.h"

namespace mj {
namespace {

constexpr int kThreads = kRecurrentThreads;

// Gates z, r, h. Each is `pitch` columns wide, a multiple of 4, of which the last may be padding.
struct Form : RecurrentCudaForm {
  int64_t pitch() const { return gates / 3; }
  // Threads of a block share the products of one step: each has 4 columns of R and one of `slices` of its rows.
  int64_t slices() const { return std::max<int64_t>(1, std::min(hidden, kThreads / (gates / 4))); }
  int64_t shared_bytes() const { return (slices() * gates + 2 * pitch()) * 4; }
};

Form form_of(const Problem& problem) {
  Form form{recurrent_cuda_form(problem, problem.op.as<Gru>())};
  form.gates = 3 * ((form.hidden + 3) / 4 * 4);
  return form;
}

Refusal refuses(const Problem& problem, const Target& target) {
  const Gru* op = problem.op.get_if<Gru>();
  if (!op) return "not a GRU";
  if (!problem.epilogue.empty()) return "a body is fused after it";
  if (problem.inputs[0].dtype != DType::f32) return "x is not f32";
  if (op->clip > 0) return "it clips its gates";
  if (!op->usual_activations()) return "its activations are not sigmoid, tanh";
  for (size_t i : {1, 2, 3}) {
    if (has_input(problem, i) && !problem.inputs[i].constant) return "its weights are not constant";
  }
  const Form form = form_of(problem);
  if (form.hidden < 1) return "its state is empty";
  if (form.shared_bytes() > target.gpu->shared_bytes) return "its state does not fit a multiprocessor";
  return std::nullopt;
}

// W of both directions side by side as [inputs, directions * gates], R as [directions, hidden, gates], the biases that
// are added to x W' as [directions, gates], and that of h inside of its reset as [directions, pitch].
Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const Form form = form_of(problem);
  const int64_t d = form.directions, h = form.hidden, gates = form.gates, pitch = form.pitch();
  const bool inside = problem.op.as<Gru>().linear_before_reset;
  Tensor w = Tensor::zeros(DType::f32, {form.inputs, d * gates}), r = Tensor::zeros(DType::f32, {d, h, gates});
  Tensor bias = Tensor::zeros(DType::f32, {d, gates}), reset_bias = Tensor::zeros(DType::f32, {d, pitch});
  // Row `gate * hidden + j` of a direction's [3 * hidden, columns].
  const auto turn = [&](const Tensor& from, int64_t direction, int64_t columns, float* to, int64_t to_row) {
    const float* rows = from.data<float>().data() + direction * 3 * h * columns;
    for (int64_t row = 0; row < 3 * h; ++row) {
      for (int64_t k = 0; k < columns; ++k) to[k * to_row + row / h * pitch + row % h] = rows[row * columns + k];
    }
  };
  for (int64_t i = 0; i < d; ++i) {
    turn(constants[1], i, form.inputs, w.mutable_data<float>().data() + i * gates, d * gates);
    turn(constants[2], i, h, r.mutable_data<float>().data() + i * h * gates, gates);
    if (!has_input(problem, 3)) continue;
    const float* from = constants[3].data<float>().data() + i * 6 * h;
    for (int64_t row = 0; row < 3 * h; ++row) {
      float& to = bias.mutable_data<float>()[static_cast<size_t>(i * gates + row / h * pitch + row % h)];
      to = from[row];
      if (inside && row >= 2 * h) {
        reset_bias.mutable_data<float>()[static_cast<size_t>(i * pitch + row % h)] = from[3 * h + row];
      } else {
        to += from[3 * h + row];
      }
    }
  }
  Packed packed{{std::move(w), std::move(r), std::move(bias), std::move(reset_bias)}, {1, 2}};
  if (has_input(problem, 3)) packed.consumed.push_back(3);
  return packed;
}

TiledProduct input_product(const Form& form) { return recurrent_inputs("gru_inputs", form); }

// The products of vector `v` with `quads` groups of 4 columns of R from column `first` on.
void products(KernelText& kernel, const Form& form, std::string_view v, int64_t first, int64_t quads) {
  const int64_t slice = (form.hidden + form.slices() - 1) / form.slices();
  kernel.line("  for (int at = thread; at < {}; at += {}) {{", form.slices() * quads, kThreads);
  kernel.line("    const int column = at % {0} * 4 + {1}, slice = at / {0};", quads, first);
  kernel.line("    const float* r = {} + direction * {} + column;", kernel.packed(1, "float"),
              form.hidden * form.gates);
  kernel.line("    const int end = min((slice + 1) * {}, hidden);", slice);
  kernel.line("    float4 sum = make_float4(0, 0, 0, 0);");
  kernel.line("    #pragma unroll 8");
  kernel.line("    for (int k = slice * {}; k < end; ++k) {{", slice);
  kernel.line("      const float4 x = *(const float4*)&r[k * {}];", form.gates);
  for (const char c : {'x', 'y', 'z', 'w'}) kernel.line("      sum.{0} += {1}[k] * x.{0};", c, v);
  kernel.line("    }}");
  kernel.line("    *(float4*)&parts[slice * {} + column] = sum;", form.gates);
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
}

Generated steps(const Problem& problem) {
  const Gru& op = problem.op.as<Gru>();
  const Form form = form_of(problem);
  KernelText kernel("gru_steps", problem);
  const int64_t owned = (form.hidden + kThreads - 1) / kThreads, pitch = form.pitch();
  begin_recurrent_steps(kernel, form);
  kernel.line("float* const parts = shared;  // of h R', [slices][gates z, r, h]");
  kernel.line("float* const h = shared + {};", form.slices() * form.gates);
  kernel.line("float* const kept = h + {};  // r * h", pitch);
  kernel.line("const int state = {};", recurrent_state_text(op));
  kernel.line("for (int j = thread; j < hidden; j += {}) h[j] = {};", kThreads,
              has_input(problem, 5) ? kernel.input(5) + "[state + j]" : "0");
  write_recurrent_order(kernel, op);
  kernel.line("__syncthreads();");
  kernel.line("for (int step = 0; step < length; ++step) {{");
  kernel.line("  const int t = backward ? length - 1 - step : step;");
  write_recurrent_inputs(kernel, op, form);
  const bool inside = op.linear_before_reset;
  products(kernel, form, "h", 0, (inside ? form.gates : 2 * pitch) / 4);
  kernel.line("  float z[{0}], r[{0}];", owned);
  const auto each = [&] {
    kernel.line("  for (int i = 0; i < {}; ++i) {{", owned);
    kernel.line("    const int j = thread + i * {};", kThreads);
    kernel.line("    if (j >= hidden) continue;");
  };
  const auto gather = [&](std::string_view to, int gate, std::string_view begin) {
    kernel.line("    float {} = {};", to, begin);
    kernel.line("    for (int slice = 0; slice < {}; ++slice) {} += parts[slice * {} + {} + j];", form.slices(), to,
                form.gates, gate * pitch);
  };
  each();
  gather("to_z", 0, "from_x[j]");
  gather("to_r", 1, fmt::format("from_x[{} + j]", pitch));
  kernel.line("    z[i] = sigmoid(to_z);");
  kernel.line("    r[i] = sigmoid(to_r);");
  if (!inside) kernel.line("    kept[j] = r[i] * h[j];");
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  if (!inside) products(kernel, form, "kept", 2 * pitch, pitch / 4);
  each();
  gather("from_h", 2, inside ? fmt::format("{}[direction * {} + j]", kernel.packed(3, "float"), pitch) : "0");
  kernel.line("    const float candidate = tanhf(from_x[{} + j] + {});", 2 * pitch,
              inside ? "r[i] * from_h" : "from_h");
  kernel.line("    h[j] = (1 - z[i]) * candidate + z[i] * h[j];");
  const std::string place = recurrent_line_text(op);
  const std::string y = asked_output(kernel, 0), y_h = asked_output(kernel, 1);
  if (!y.empty()) kernel.line("    {}[{} * hidden + j] = h[j];", y, place);
  kernel.line("  }}");
  kernel.line("  __syncthreads();");
  kernel.line("}}");
  kernel.line("for (int j = thread; j < hidden; j += {}) {{", kThreads);
  if (!y_h.empty()) kernel.line("  {}[state + j] = h[j];", y_h);
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

// It waits at three or four barriers.
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Form form = form_of(problem);
  return recurrent_seconds(problem, form, input_product(form), target, bindings, 3e-6);
}

}  // namespace

extern const SelectRow select_gru_cuda_f32;
const SelectRow select_gru_cuda_f32 = {.family = "recurrent",
                                       .name = "gru_cuda_f32",
                                       .version = 1,
                                       .refuses = refuses,
                                       .configs = configs,
                                       .estimate = estimate,
                                       .pack = pack,
                                       .generate = generate};

}  // namespace mj
