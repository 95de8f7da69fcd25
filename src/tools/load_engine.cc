// SPDX-License-Identifier: Apache-2.0
#include "tools/load_engine.h"

#include "tools/output.h"

namespace mj {

Result<std::shared_ptr<Engine>> load_engine(const std::string& path, const LoadArgs& args, const Common& common) {
  EngineOptions options;
  options.threads = threads_of(common);
  options.allow_unverified = args.allow_unverified;
  options.gpu = args.device != "cpu";
  MJ_ASSIGN(options.read, read_options(args.trusted_key));
  if (args.device == "gpu") {
    Result<std::shared_ptr<const CudaDevice>> device = CudaDevice::first();
    if (!device.ok()) return device.error().in("--device gpu");
    options.device = *device;
  }
  MJ_ASSIGN(std::shared_ptr<Engine> engine, Engine::load(path, options));
  if (args.device == "gpu" && !engine->program().device()) {
    return error(ErrorCode::environment,
                 "--device gpu: engine '{}' has no target for this GPU (sm_{}), only {}; compile it with --target cuda",
                 path, options.device->facts().sm, engine->target().name);
  }
  return engine;
}

}  // namespace mj
