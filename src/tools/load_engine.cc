// SPDX-License-Identifier: Apache-2.0
#include "tools/load_engine.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/output.h"

namespace mj {

Result<std::shared_ptr<Engine>> load_engine(const std::string& path, const LoadArgs& args, const Common& common) {
  EngineOptions options;
  options.threads = threads_of(common);
  options.allow_unverified = args.allow_unverified;
  options.gpu = args.device != "cpu";
  MJ_ASSIGN(options.read, read_options(args.trusted_key));
  Result<std::shared_ptr<Engine>> engine = Engine::load(path, options);
  if (args.device != "gpu" || (engine.ok() && (*engine)->program().device())) return engine;
  const Result<std::shared_ptr<const CudaDevice>> device = CudaDevice::first();
  if (!device.ok()) return device.error().in("--device gpu");
  if (!engine.ok()) return engine;
  return error(ErrorCode::environment,
               "--device gpu: engine '{}' has no target for this GPU (sm_{}), only {}; compile it with --target cuda",
               path, (*device)->facts().sm, (*engine)->target().name);
}

namespace {

// What nothing else accounts for: parsing what was verified is with the file, kernels of the host are here.
double rest_of(const LoadTimes& times) {
  return times.all - times.file - times.device_wait - times.program.code_seconds - times.program.constants_seconds -
         times.samples;
}

}  // namespace

nlohmann::ordered_json load_json(const LoadTimes& times) {
  nlohmann::ordered_json json = {{"file_ms", times.file * 1e3}};
  if (times.program.modules > 0) {
    json["device_open_ms"] = times.device_open * 1e3;
    json["device_wait_ms"] = times.device_wait * 1e3;
    json["modules"] = times.program.modules;
    json["modules_ms"] = times.program.code_seconds * 1e3;
    json["constants_ms"] = times.program.constants_seconds * 1e3;
  }
  if (times.samples > 0) json["samples_ms"] = times.samples * 1e3;
  json["rest_ms"] = rest_of(times) * 1e3;
  json["all_ms"] = times.all * 1e3;
  return json;
}

std::string load_line(const LoadTimes& times) {
  std::string text = fmt::format("load: file {:.1f} ms", times.file * 1e3);
  if (times.program.modules > 0) {
    text +=
        fmt::format(", GPU opened beside it in {:.1f} ({:.1f} of them waited for), {} modules {:.1f}, constants {:.1f}",
                    times.device_open * 1e3, times.device_wait * 1e3, times.program.modules,
                    times.program.code_seconds * 1e3, times.program.constants_seconds * 1e3);
  }
  if (times.samples > 0) text += fmt::format(", samples {:.1f}", times.samples * 1e3);
  return text + fmt::format(", rest {:.1f}", rest_of(times) * 1e3);
}

}  // namespace mj
