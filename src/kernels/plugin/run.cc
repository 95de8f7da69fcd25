// SPDX-License-Identifier: Apache-2.0
// plugin: an operator by the user's library, into the memory that the plan has for its results.
#include <algorithm>
#include <limits>

#include "kernels/kernel.h"
#include "kernels/plugin/run_config.h"
#include "ops/plugin.h"

namespace mj {
namespace {

mj_array array_of(const TensorRef& ref) {
  if (!ref.present()) return {};
  return {static_cast<int32_t>(ref.dtype), static_cast<int32_t>(ref.dims.size()), ref.dims.data(), ref.data};
}

std::vector<mj_array> arrays_of(std::span<const TensorRef> refs) {
  std::vector<mj_array> arrays;
  for (const TensorRef& ref : refs) arrays.push_back(array_of(ref));
  return arrays;
}

class PluginKernel final : public Kernel {
 public:
  PluginKernel(std::shared_ptr<const PluginInstance> instance, std::string label, int32_t tactic)
      : instance_(std::move(instance)), label_(std::move(label)), tactic_(tactic) {}

  int64_t workspace_bytes(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs, int) const override {
    const std::vector<mj_array> in = arrays_of(inputs), out = arrays_of(outputs);
    constexpr size_t kMost = std::numeric_limits<int64_t>::max() / 2;
    return static_cast<int64_t>(std::min(kMost, instance_->workspace_bytes(call_of(in, out))));
  }

  Result<void> run(const RunArgs& args) const override {
    const std::vector<mj_array> in = arrays_of(args.inputs), out = arrays_of(args.outputs);
    mj_run_call call = call_of(in, out);
    call.workspace = args.workspace.data();
    call.workspace_bytes = args.workspace.size();
    call.host = &args.pool;
    call.allocate = [](void*, size_t, const int64_t*) -> void* { return nullptr; };  // they have memory
    call.parallel = [](void* pool, int64_t tasks, void (*task)(void*, int64_t), void* context) {
      static_cast<ThreadPool*>(pool)->run(tasks, [&](int64_t i, int) { task(context, i); });
    };
    const Result<void> done = instance_->run(call);
    return done.ok() ? done : done.error().in(label_);
  }

 private:
  mj_run_call call_of(const std::vector<mj_array>& in, const std::vector<mj_array>& out) const {
    mj_run_call call{};
    call.tactic = tactic_;
    call.input_count = in.size();
    call.inputs = in.data();
    call.output_count = out.size();
    call.outputs = out.data();
    return call;
  }

  std::shared_ptr<const PluginInstance> instance_;
  std::string label_;
  int32_t tactic_;
};

Result<std::unique_ptr<Kernel>> make(const MakeArgs& args) {
  const auto* op = args.problem.op ? args.problem.op.get_if<PluginOp>() : nullptr;
  if (!op || !args.problem.epilogue.empty()) return model_error("row 'plugin' is for operators of plugins alone");
  MJ_ASSIGN(std::shared_ptr<const PluginInstance> instance, op->instance());
  const std::vector<std::string> configs = plugin_configs(instance->table());
  const auto found = std::find(configs.begin(), configs.end(), args.config);
  if (found == configs.end()) {
    return error(ErrorCode::environment, "{}: the plugin has no way '{}'; compile the model again", op->label(),
                 args.config);
  }
  return std::unique_ptr<Kernel>(
      std::make_unique<PluginKernel>(std::move(instance), op->label(), static_cast<int32_t>(found - configs.begin())));
}

}  // namespace

extern const RunRow run_plugin;
const RunRow run_plugin = {"plugin", 1, Isa::portable, make};

}  // namespace mj
