// SPDX-License-Identifier: Apache-2.0
// plugin_cuda: what a plugin's cuda() gives for the problem.
#include "kernels/cuda/row.h"
#include "ops/plugin.h"

namespace mj {
namespace {

static_assert(MJ_CUDA_INPUT == static_cast<int>(LaunchArg::Kind::input) &&
              MJ_CUDA_OUTPUT == static_cast<int>(LaunchArg::Kind::output) &&
              MJ_CUDA_WORKSPACE == static_cast<int>(LaunchArg::Kind::workspace) &&
              MJ_CUDA_SIZE == static_cast<int>(LaunchArg::Kind::size));

class CudaRequest {
 public:
  explicit CudaRequest(const Problem& problem) {
    for (const Operand& operand : problem.inputs) inputs_.push_back(shaped(operand));
    for (const Operand& operand : problem.outputs) outputs_.push_back(shaped(operand));
  }

  Result<Generated> run(const PluginInstance& instance, int sm) {
    PluginMessage message;
    mj_cuda_call call{sizeof(mj_cuda_call),
                      message.text,
                      sizeof(message.text),
                      sizes_.calls(),
                      sm,
                      inputs_.size(),
                      inputs_.data(),
                      outputs_.size(),
                      outputs_.data(),
                      this,
                      add_source,
                      add_launch,
                      0};
    MJ_TRY(call_plugin(message, [&] { return instance.table().cuda(instance.raw(), &call); }));
    generated_.workspace_bytes = sizes_.dim(call.workspace_bytes);
    if (wrong_.empty() && (generated_.source.empty() || generated_.launches.empty())) wrong_ = "it starts no kernel";
    if (wrong_.empty() && !generated_.workspace_bytes.valid()) wrong_ = "its workspace is no size";
    if (!wrong_.empty()) return model_error("what its cuda() gives cannot be used: {}", wrong_);
    return std::move(generated_);
  }

 private:
  mj_shaped shaped(const Operand& operand) {
    if (operand.dtype == DType::none) return {};
    std::vector<mj_size>& list = dims_.emplace_back(std::make_unique<std::vector<mj_size>>()).operator*();
    for (const Dim& dim : operand.shape) list.push_back(sizes_.handle(dim));
    return {static_cast<int32_t>(operand.dtype), static_cast<int32_t>(list.size()), list.data(), nullptr};
  }

  static void add_source(void* host, const char* text) {
    auto& self = *static_cast<CudaRequest*>(host);
    if (text) self.generated_.source += text;
  }
  static void add_launch(void* host, const mj_cuda_launch* launch) {
    auto& self = *static_cast<CudaRequest*>(host);
    std::string wrong = launch ? self.append(*launch) : "a launch is NULL";
    if (self.wrong_.empty()) self.wrong_ = std::move(wrong);
  }

  std::string append(const mj_cuda_launch& given) {
    Launch launch;
    launch.function = given.function ? given.function : "";
    if (launch.function.empty()) return "a launch has no function";
    int64_t threads = 1;
    for (size_t d = 0; d < 3; ++d) {
      launch.grid[d] = sizes_.dim(given.grid[d]);
      launch.block[d] = given.block[d];
      if (!launch.grid[d].valid()) return "a grid is no size";
      if (given.block[d] < 1 || given.block[d] > 1024) return "a block has no threads, or too many";
      threads *= given.block[d];
    }
    if (threads > 1024 || given.shared_bytes < 0) return "a block has more than 1024 threads, or no size";
    launch.shared_bytes = given.shared_bytes;
    for (size_t i = 0; i < given.argument_count; ++i) {
      const mj_cuda_argument& argument = given.arguments[i];
      const Dim value = sizes_.dim(argument.value);
      const bool is_input = argument.kind == MJ_CUDA_INPUT, is_output = argument.kind == MJ_CUDA_OUTPUT;
      const bool is_array = is_input || is_output;
      const std::vector<mj_shaped>& arrays = is_input ? inputs_ : outputs_;
      if (is_array && (argument.index < 0 || static_cast<size_t>(argument.index) >= arrays.size())) {
        return fmt::format("a launch asks for array {}, which is none", argument.index);
      }
      if (!is_array && ((argument.kind != MJ_CUDA_WORKSPACE && argument.kind != MJ_CUDA_SIZE) || !value.valid())) {
        return fmt::format("argument {} of a launch is of no kind, or no size", i);
      }
      launch.args.push_back(
          {static_cast<LaunchArg::Kind>(argument.kind), is_array ? argument.index : 0, is_array ? Dim(0) : value});
    }
    generated_.launches.push_back(std::move(launch));
    return "";
  }

  PluginSizes sizes_;
  std::vector<std::unique_ptr<std::vector<mj_size>>> dims_;
  std::vector<mj_shaped> inputs_, outputs_;
  Generated generated_;
  std::string wrong_;
};

Result<Generated> request(const Problem& problem, const Target& target) {
  MJ_ASSIGN(const std::shared_ptr<const PluginInstance> instance, problem.op.as<PluginOp>().instance());
  if (!instance->table().cuda) return error(ErrorCode::unsupported, "the plugin has no kernel for GPUs");
  return CudaRequest(problem).run(*instance, target.gpu ? target.gpu->sm : 0);
}

Refusal refuses(const Problem& problem, const Target& target) {
  if (!problem.op || !problem.op.get_if<PluginOp>()) return "not an operator of a plugin";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  const Result<Generated> generated = request(problem, target);
  return generated.ok() ? std::nullopt : Refusal(generated.error().message);
}

Generated generate(const Problem& problem, const Target& target, std::string_view) {
  Result<Generated> generated = request(problem, target);
  if (generated.ok()) return std::move(*generated);
  Generated none;  // for the compiler to say: it has answered otherwise before
  none.source = fmt::format("#error {}\n", generated.error().message);
  return none;
}

}  // namespace

extern const SelectRow select_plugin_cuda;
const SelectRow select_plugin_cuda = streaming_gpu_row("plugin", "plugin_cuda", refuses, generate);

}  // namespace mj
