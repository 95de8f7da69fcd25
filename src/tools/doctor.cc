// SPDX-License-Identifier: Apache-2.0
// What this machine offers, and the one command that mends what it does not.
#include <nlohmann/json.hpp>

#include "base/cpu_quota.h"
#include "base/isa.h"
#include "base/knobs.h"
#include "base/machine.h"
#include "device/cuda/device.h"
#include "device/cuda/nvrtc.h"
#include "energy/meter.h"
#include "energy/nvml.h"
#include "kernels/cpu/bf16.h"
#include "kernels/onednn/run_module.h"
#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {
namespace {

struct Finding {
  std::string what, state, fix;
};

Finding onednn_module() {
  const onednn::Module& module = onednn::module();
  if (module.table) return {"oneDNN", fmt::format("{} through {}", module.table->library, module.file), ""};
  return {"oneDNN", "not used: " + module.why_not,
          knob(Knob::onednn) ? "unset MJ_ONEDNN" : "apt-get install libdnnl-dev and build again (optional)"};
}

Finding bf16_units() {
  using cpu::Bf16Unit;
  std::string found, absent;
  for (Bf16Unit unit : {Bf16Unit::avx512_bf16, Bf16Unit::amx_bf16}) {
    const std::string reason = cpu::missing(unit);
    if (reason.empty()) found += fmt::format("{}{}", found.empty() ? "" : ", ", cpu::name(unit));
    if (absent.empty()) absent = reason;
  }
  if (found.empty()) return {"bf16", absent, ""};
  return {"bf16", absent.empty() ? found : fmt::format("{}; {}", found, absent), ""};
}

Finding gpu() {
  const Result<std::shared_ptr<const CudaDevice>> device = CudaDevice::first();
  if (!device.ok()) return {"GPU", device.error().message, ""};
  const CudaFacts& facts = (*device)->facts();
  return {"GPU",
          fmt::format("{}, sm_{}, {} GiB, driver for CUDA {}.{}", facts.name, facts.sm, facts.memory_bytes >> 30,
                      facts.driver_version / 1000, facts.driver_version % 1000 / 10),
          ""};
}

Finding gpu_compiler() {
  const std::string version = nvrtc_version();
  if (!version.empty()) return {"NVRTC", version, ""};
  return {"NVRTC", "not found: no engines for GPUs can be compiled here", "pip install nvidia-cuda-nvrtc"};
}

std::vector<Finding> gpu_meters() {
  const Result<const Nvml*> nvml = nvml_library();
  if (!nvml.ok()) return {{"NVML", nvml.error().message, ""}};
  const Result<std::vector<NvmlGpu>> gpus = nvml_gpus(**nvml);
  if (!gpus.ok()) return {{"NVML", gpus.error().message, ""}};
  if (gpus->empty()) return {{"NVML", "found; no GPUs", ""}};
  std::vector<Finding> all;
  for (const NvmlGpu& gpu : *gpus) {
    const std::string state = gpu.why_no_energy.empty() ? "readable" : "not readable: " + gpu.why_no_energy;
    all.push_back({"NVML", fmt::format("{}, energy counter {}", gpu.name, state), ""});
  }
  return all;
}

std::vector<Finding> findings() {
  std::vector<Finding> all = {{"CPU", cpu_model(), ""},
                              {"instruction set", std::string(name(detect_isa())), ""},
                              bf16_units(),
                              {"threads", fmt::format("{} by affinity and quota", default_threads()), ""}};
  const std::vector<RaplDomain> domains = rapl_domains();
  if (domains.empty()) all.push_back({"RAPL", "absent (usual in virtual machines and containers)", ""});
  for (const RaplDomain& domain : domains) {
    all.push_back({"RAPL " + domain.name, domain.readable ? "readable" : "not readable",
                   domain.readable ? "" : "sudo chmod a+r " + domain.path});
  }
  all.push_back(onednn_module());
  all.push_back(gpu());
  all.push_back(gpu_compiler());
  for (Finding& meter : gpu_meters()) all.push_back(std::move(meter));
  return all;
}

}  // namespace

Result<int> run_doctor(const Common& common) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Finding& finding : findings()) {
    say(common,
        fmt::format("{:<18} {}{}", finding.what, finding.state, finding.fix.empty() ? "" : "   fix: " + finding.fix));
    rows.push_back({{"what", finding.what}, {"state", finding.state}, {"fix", finding.fix}});
  }
  MJ_TRY(write_json(common, {{"schema", "millijoule.doctor/1"}, {"findings", rows}}));
  return 0;
}

}  // namespace mj
