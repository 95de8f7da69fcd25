// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/run_launch.h"

#include <limits>
#include <vector>

namespace mj {

Result<void> run_launch(const CudaStream& stream, const CudaFunction& function, const Launch& launch,
                        const LaunchOperands& operands, const Bindings& symbols) {
  using Kind = LaunchArg::Kind;
  const size_t count = launch.args.size();
  std::vector<void*> addresses(count), args(count);
  std::vector<int> sizes(count);
  for (size_t i = 0; i < count; ++i) {
    const LaunchArg& arg = launch.args[i];
    const auto operand = static_cast<size_t>(arg.index);
    MJ_ASSIGN(const int64_t value, arg.value.evaluate(symbols));
    args[i] = &addresses[i];
    if (arg.kind == Kind::input) addresses[i] = operands.inputs[operand];
    if (arg.kind == Kind::output) addresses[i] = operands.outputs[operand];
    if (arg.kind == Kind::packed) addresses[i] = operands.packed[operand];
    if (arg.kind == Kind::workspace) addresses[i] = static_cast<std::byte*>(operands.workspace) + value;
    if (arg.kind != Kind::size) continue;
    if (value < 0 || value > std::numeric_limits<int>::max()) {
      return model_error("{} is {} for these inputs, kernels on the device count up to 2^31 - 1", arg.value, value);
    }
    sizes[i] = static_cast<int>(value);
    args[i] = &sizes[i];
  }
  std::array<int64_t, 3> grid{};
  for (size_t d = 0; d < grid.size(); ++d) {
    MJ_ASSIGN(grid[d], launch.grid[d].evaluate(symbols));
  }
  return stream.launch(function, grid, launch.block, launch.shared_bytes, args.data(), launch.overlaps);
}

}  // namespace mj
