// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/cuda/estimate.h"
#include "kernels/estimate.h"
#include "kernels/recurrent/cuda_form.h"

namespace mj {

bool has_input(const Problem& problem, size_t i) {
  return i < problem.inputs.size() && problem.inputs[i].dtype != DType::none;
}

RecurrentCudaForm recurrent_cuda_form(const Problem& problem, const RecurrentFields& op) {
  const Shape &x = problem.inputs[0].shape, &w = problem.inputs[1].shape, &r = problem.inputs[2].shape;
  return {op.directions(), *w[2].constant(), *r[2].constant(), x[op.layout == 0 ? 0 : 1], x[op.layout == 0 ? 1 : 0]};
}

TiledProduct recurrent_inputs(std::string_view name, const RecurrentCudaForm& form) {
  TiledProduct product{
      std::string(name), form.steps * form.sequences, form.directions * form.gates, form.inputs, 1, {}, {}, {}};
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
    kernel.reserve_workspace(form.steps * form.sequences * (form.directions * form.gates * 4));
    return fmt::format("    {}[row * columns + column] = sum + {}[column];\n", kernel.workspace(0, "float"),
                       kernel.packed(2, "float"));
  };
  return product;
}

std::vector<std::string> recurrent_configs(const TiledProduct& inputs, const Target& target) {
  const std::string best = tile_configs(inputs, target)[0];
  return {best.substr(0, best.find(",split="))};
}

std::optional<double> recurrent_seconds(const Problem& problem, const RecurrentCudaForm& form,
                                        const TiledProduct& inputs, const Target& target, const Bindings& bindings,
                                        double step_seconds) {
  const std::optional<double> product = tiled_product_seconds(problem, inputs, target, bindings);
  const std::optional<double> length = elements_of({form.steps}, bindings);
  const std::optional<double> blocks = elements_of({form.sequences * form.directions}, bindings);
  if (!product || !length || !blocks) return std::nullopt;
  constexpr double kBytesPerCycle = 40;  // of one multiprocessor; not measured yet
  const double r_bytes = static_cast<double>(form.hidden * form.gates * 4);
  const double waves = std::ceil(*blocks / target.gpu->multiprocessors);
  return *product + kLaunchSeconds +
         waves * *length * (step_seconds + r_bytes / (kBytesPerCycle * target.gpu->clock_hz));
}

void begin_recurrent_steps(KernelText& kernel, const RecurrentCudaForm& form) {
  kernel.helper("__device__ __forceinline__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }\n");
  kernel.line("const int steps = {}, sequences = {}, directions = {}, hidden = {};", kernel.size(form.steps),
              kernel.size(form.sequences), form.directions, form.hidden);
  kernel.line(
      "const int thread = threadIdx.x, sequence = blockIdx.x / directions, direction = blockIdx.x % directions;");
  kernel.line("DYNAMIC_SHARED(float, shared);");
}

void write_recurrent_order(KernelText& kernel, const RecurrentFields& op) {
  kernel.line("const int length = {};", has_input(kernel.problem(), 4)
                                            ? fmt::format("min(max({}[sequence], 0), steps)", kernel.input(4))
                                            : "steps");
  kernel.line("const bool backward = {};", op.direction == "reverse"         ? "true"
                                           : op.direction == "bidirectional" ? "direction == 1"
                                                                             : "false");
}

void write_recurrent_inputs(KernelText& kernel, const RecurrentFields& op, const RecurrentCudaForm& form) {
  kernel.line("  const float* from_x = {} + ({}) * {} + direction * {};", kernel.workspace(0, "const float"),
              op.layout == 0 ? "t * sequences + sequence" : "sequence * steps + t", form.directions * form.gates,
              form.gates);
}

std::string recurrent_state_text(const RecurrentFields& op) {
  return op.layout == 0 ? "(direction * sequences + sequence) * hidden"
                        : "(sequence * directions + direction) * hidden";
}

std::string recurrent_line_text(const RecurrentFields& op) {
  return op.layout == 0 ? "((t * directions + direction) * sequences + sequence)"
                        : "((sequence * steps + t) * directions + direction)";
}

std::string asked_output(KernelText& kernel, size_t i) {
  const std::vector<Operand>& outputs = kernel.problem().outputs;
  return i < outputs.size() && outputs[i].dtype != DType::none ? kernel.output(i) : std::string();
}

}  // namespace mj
