// SPDX-License-Identifier: Apache-2.0
// Engines on a GPU that is emulated.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/file.h"
#include "compile/compile.h"
#include "engine/format/engine_file.h"
#include "kernels/cuda/testing/emulated_gpu.h"
#include "runtime/engine.h"

namespace mj {

// `model` compiled for the GPU by estimate, and loaded there. `name` is the test's own, for its files.
inline Result<std::shared_ptr<Engine>> engine_on(EmulatedGpu& gpu, const std::string& model, const std::string& name) {
  const std::string stem =
      (std::filesystem::temp_directory_path() / ("mj_" + name + "_" + std::to_string(::getpid()))).string();
  MJ_TRY(write_file_atomically(stem + ".onnx", model));
  CompileOptions options;
  options.target = *parse_target("cuda-sm90", {});
  options.tune.compile_code = EmulatedGpu::compile;
  options.tune.measure = false;
  options.device = gpu.device();
  MJ_ASSIGN(const Compiled compiled, compile(stem + ".onnx", options));
  MJ_TRY(write_engine(stem + ".engine", compiled.manifest, compiled.measurements));
  EngineOptions loading;
  loading.device = gpu.device();
  Result<std::shared_ptr<Engine>> engine = Engine::load(stem + ".engine", loading);
  std::filesystem::remove(stem + ".onnx");
  std::filesystem::remove(stem + ".engine");
  return engine;
}

}  // namespace mj
