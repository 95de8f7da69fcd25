// SPDX-License-Identifier: Apache-2.0
// One configuration of a row for GPUs, its text run on the CPU: for what expect_gpu_row_matches() does not reach, as it
// takes the configurations that a problem's sizes suggest, and makes symbols of all lengths or of none.
#pragma once

#include <cstring>

#include "kernels/cuda/testing/emulate.h"
#include "kernels/row_test_util.h"

namespace mj {

inline Bindings bindings_of(const Problem& problem, const std::vector<Tensor>& inputs) {
  Bindings symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (size_t d = 0; d < inputs[i].dims().size(); ++d) {
      if (const auto symbol = problem.inputs[i].shape[d].symbol_name())
        symbols.try_emplace(std::string(*symbol), inputs[i].dims()[d]);
    }
  }
  return symbols;
}

inline Result<std::vector<Tensor>> emulate(const Problem& problem, const Generated& generated,
                                           const std::vector<Tensor>& inputs, const std::vector<Tensor>& packed) {
  MJ_ASSIGN(const auto module, EmulatedModule::compile(std::string(kernel_prelude()) + generated.source));
  const Bindings symbols = bindings_of(problem, inputs);
  std::vector<Tensor> outputs;
  for (const Operand& operand : problem.outputs) {
    MJ_ASSIGN(std::vector<int64_t> dims, evaluate(operand.shape, symbols));
    Tensor& output = outputs.emplace_back(Tensor::unset(operand.dtype, std::move(dims)));
    std::memset(output.mutable_raw(), 0x7b, static_cast<size_t>(output.bytes()));
  }
  MJ_ASSIGN(const int64_t workspace_bytes, generated.workspace_bytes.evaluate(symbols));
  Tensor workspace = Tensor::unset(DType::u8, {workspace_bytes});
  for (const Launch& launch : generated.launches) {
    std::vector<const void*> addresses(launch.args.size());
    std::vector<int> sizes(launch.args.size());
    std::vector<void*> args;
    for (size_t i = 0; i < launch.args.size(); ++i) {
      const LaunchArg& arg = launch.args[i];
      const auto index = static_cast<size_t>(arg.index);
      MJ_ASSIGN(const int64_t value, arg.value.evaluate(symbols));
      sizes[i] = static_cast<int>(value);
      using Kind = LaunchArg::Kind;
      if (arg.kind == Kind::input) addresses[i] = inputs[index].raw();
      if (arg.kind == Kind::output) addresses[i] = outputs[index].raw();
      if (arg.kind == Kind::packed) addresses[i] = packed[index].raw();
      if (arg.kind == Kind::workspace) addresses[i] = static_cast<const char*>(workspace.raw()) + value;
      args.push_back(arg.kind == Kind::size ? static_cast<void*>(&sizes[i]) : static_cast<void*>(&addresses[i]));
    }
    std::array<unsigned, 3> grid{}, block{};
    for (size_t d = 0; d < 3; ++d) {
      MJ_ASSIGN(const int64_t blocks, launch.grid[d].evaluate(symbols));
      grid[d] = static_cast<unsigned>(blocks);
      block[d] = static_cast<unsigned>(launch.block[d]);
    }
    MJ_TRY(module->launch(launch.function, grid, block, launch.shared_bytes, args.data()));
  }
  return outputs;
}

// `c` is complete but for symbols in its problem, and `want` what its inputs give. An empty config: each of the row's.
inline void expect_config_matches(const std::string& name, const RowCase& c, const std::string& config,
                                  const std::vector<Tensor>& want, double tolerance) {
  const Target target = *parse_target("sm_90", {});
  for (const SelectRow* row : all_select_rows()) {
    if (row->name != name) continue;
    ASSERT_EQ(row->refuses(c.problem, target), std::nullopt);
    const std::vector<std::string> configs = config.empty() ? row->configs(c.problem, target) : std::vector{config};
    for (const std::string& one : configs) {
      const Result<Packed> packed = row->pack(c.problem, target, one, c.inputs);
      ASSERT_TRUE(packed.ok()) << packed.error().message;
      const Generated generated = row->generate(c.problem, target, one);
      const Result<std::vector<Tensor>> got = emulate(c.problem, generated, c.inputs, packed->tensors);
      ASSERT_TRUE(got.ok()) << got.error().message;
      expect_close(want, *got, tolerance, one + "\n" + generated.source);
    }
  }
}

}  // namespace mj
