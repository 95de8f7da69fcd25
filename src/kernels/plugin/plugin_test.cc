// SPDX-License-Identifier: Apache-2.0
#include "ops/plugin.h"

#include <atomic>
#include <cstdio>

#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

// y = x * x, of f32: serially, in parallel, by a workspace, and on GPUs.
constexpr const char* kWays[] = {"serial", "parallel", "workspace"};
const char* cuda_fault = nullptr;

int infer_square(void*, mj_infer_call* call) {
  call->outputs[0].dtype = call->inputs[0].dtype;
  call->outputs[0].rank = call->inputs[0].rank;
  std::copy_n(call->inputs[0].dims, call->inputs[0].rank, call->outputs[0].dims);
  return 0;
}

int64_t count(const mj_array& array) {
  int64_t n = 1;
  for (int32_t d = 0; d < array.rank; ++d) n *= array.dims[d];
  return n;
}

size_t square_workspace(void*, const mj_run_call* call) {
  return call->tactic == 2 ? sizeof(float) * static_cast<size_t>(count(call->inputs[0])) : 0;
}

int run_square(void*, mj_run_call* call) {
  struct Work {
    const float* x;
    float* y;
  } work{static_cast<const float*>(call->inputs[0].data), static_cast<float*>(call->outputs[0].data)};
  const auto square = [](void* context, int64_t i) {
    const auto* arrays = static_cast<const Work*>(context);
    arrays->y[i] = arrays->x[i] * arrays->x[i];
  };
  const int64_t n = count(call->inputs[0]);
  if (call->tactic == 1) {
    call->parallel(call->host, n, square, &work);
    return 0;
  }
  float* const y = work.y;
  if (call->tactic == 2) {
    if (call->workspace_bytes < sizeof(float) * static_cast<size_t>(n)) return 1;
    work.y = static_cast<float*>(call->workspace);
  }
  for (int64_t i = 0; i < n; ++i) square(&work, i);
  std::copy_n(work.y, n, y);
  return 0;
}

int cuda_square(void*, mj_cuda_call* call) {
  if (cuda_fault && std::string(cuda_fault) == "refuses") {
    std::snprintf(call->error, call->error_bytes, "not today");
    return 1;
  }
  const mj_sizes& sizes = *call->sizes;
  mj_size n = 1;
  for (int32_t d = 0; d < call->inputs[0].rank; ++d) {
    n = sizes.combine(sizes.host, MJ_SIZE_MUL, n, call->inputs[0].dims[d]);
  }
  if (cuda_fault && std::string(cuda_fault) == "late") n = sizes.late(sizes.host);
  const mj_size blocks = sizes.combine(sizes.host, MJ_SIZE_DIV, sizes.combine(sizes.host, MJ_SIZE_ADD, n, 127), 128);
  const int32_t first = cuda_fault && std::string(cuda_fault) == "array" ? 3 : 0;
  const mj_cuda_argument arguments[] = {
      {MJ_CUDA_INPUT, first, 0}, {MJ_CUDA_WORKSPACE, 0, 0}, {MJ_CUDA_OUTPUT, 0, 0}, {MJ_CUDA_SIZE, 0, n}};
  const mj_cuda_launch to_scratch = {"to_scratch", {blocks, 1, 1}, {128, 1, 1}, 0, 4, arguments};
  const mj_cuda_launch from_scratch = {"from_scratch", {blocks, 1, 1}, {128, 1, 1}, 0, 4, arguments};
  const char* const head =
      "(const float* x, float* scratch, float* y, int n) {\n"
      "  const int i = blockIdx.x * 128 + threadIdx.x;\n";
  for (const auto& [name, line] : {std::pair("to_scratch", "  if (i < n) scratch[i] = x[i];\n}\n"),
                                   std::pair("from_scratch", "  if (i < n) y[i] = scratch[i] * scratch[i];\n}\n")}) {
    call->source(call->host,
                 (std::string("extern \"C\" __global__ void __launch_bounds__(128) ") + name + head + line).c_str());
  }
  if (cuda_fault && std::string(cuda_fault) == "nothing") return 0;
  call->launch(call->host, &to_scratch);
  call->launch(call->host, &from_scratch);
  call->workspace_bytes = sizes.combine(sizes.host, MJ_SIZE_MUL, n, 4);
  return 0;
}

RowCase squares(Tensor x) {
  static constexpr mj_operator kSquare = {
      sizeof(mj_operator), "test",     "Square",         1,          MJ_OPERATOR_PURE, 3, kWays, nullptr, nullptr,
      infer_square,        run_square, square_workspace, cuda_square};
  static constexpr const mj_operator* kOperators[] = {&kSquare};
  static constexpr mj_plugin kTable = {sizeof(mj_plugin), 1, "kernels_test", 1, 1, kOperators, nullptr};
  EXPECT_TRUE(register_plugin(&kTable).ok());
  PluginOp op;
  op.plugin = "kernels_test";
  op.domain = "test";
  op.op = "Square";
  op.dtypes = {static_cast<int64_t>(DType::f32)};
  RowCase c;
  c.problem.op = Op(std::move(op));
  c.inputs = {std::move(x)};
  return c;
}

TEST(PluginRow, EveryWay) {
  for (const auto& dims : std::vector<std::vector<int64_t>>{{}, {0, 3}, {1}, {7, 11}, {2, 3, 129}}) {
    expect_row_matches("plugin", squares(random_tensor(1, dims)), 0);
  }
  RowCase c = squares(random_tensor(1, {3}));
  complete(c);
  EXPECT_EQ(configs_of("plugin", c, Isa::portable),
            (std::vector<std::string>{"tactic=serial", "tactic=parallel", "tactic=workspace"}));
}

TEST(PluginRow, Refuses) {
  RowCase c = squares(random_tensor(1, {3}));
  PluginOp absent = c.problem.op.as<PluginOp>();
  absent.lazy = std::make_shared<LazyPluginInstance>();
  absent.plugin = "absent";
  RowCase other = c;
  complete(other);
  other.problem.op = Op(absent);
  EXPECT_TRUE(run_row_error("plugin", other, Isa::portable)
                  .starts_with("plugin refuses: plugin 'absent' version 1 is not loaded"));
}

TEST(PluginCuda, SourceAndLaunches) {
  for (const auto& dims : std::vector<std::vector<int64_t>>{{}, {0, 3}, {1}, {7, 11}, {2, 3, 129}}) {
    expect_gpu_row_matches("plugin_cuda", squares(random_tensor(1, dims)), 0);
  }
}

TEST(PluginCuda, RefusesWhatCannotBeLaunched) {
  const auto reason = [](const char* fault) {
    cuda_fault = fault;
    const std::string text = gpu_refusal_of("plugin_cuda", squares(random_tensor(1, {3})));
    cuda_fault = nullptr;
    return text;
  };
  EXPECT_EQ(reason("refuses"), "not today");
  EXPECT_EQ(reason("array"), "what its cuda() gives cannot be used: a launch asks for array 3, which is none");
  EXPECT_EQ(reason("nothing"), "what its cuda() gives cannot be used: it starts no kernel");
  EXPECT_EQ(reason("late"), "what its cuda() gives cannot be used: a grid is no size");
}

}  // namespace
}  // namespace mj
