// SPDX-License-Identifier: Apache-2.0
#include "problem/target.h"

#include <array>

namespace mj {
namespace {

// What NVRTC 13 compiles for and what cards of it have; where there are several, the data centre's. From NVIDIA's data
// sheets (T4, A100, A40, L40S, H100 SXM, B200, RTX PRO 6000).
constexpr std::array<GpuTarget, 7> kGpus = {{
    {75, 40, 1.59e9, int64_t{16} << 30, 4 << 20, 64 << 10, 3.2e11},
    {80, 108, 1.41e9, int64_t{80} << 30, 40 << 20, 163 << 10, 2.0e12},
    {86, 84, 1.74e9, int64_t{48} << 30, 6 << 20, 99 << 10, 7.0e11},
    {89, 142, 2.5e9, int64_t{48} << 30, 96 << 20, 99 << 10, 8.6e11},
    {90, 132, 1.7e9, int64_t{80} << 30, 50 << 20, 227 << 10, 3.0e12},
    {100, 148, 1.9e9, int64_t{180} << 30, 126 << 20, 227 << 10, 8.0e12},
    {120, 188, 2.4e9, int64_t{96} << 30, 128 << 20, 99 << 10, 1.8e12},
}};

}  // namespace

std::string Target::name() const {
  return gpu ? "cuda-sm" + std::to_string(gpu->sm) : "cpu-" + std::string(mj::name(isa));
}

Result<Target> parse_target(std::string_view text, const Target& here) {
  Target host = here;
  host.gpu.reset();
  if (text == "cpu") return host;
  if (text == "cuda") {
    if (here.gpu) return here;
    return error(ErrorCode::environment, "--target cuda: there is no GPU here; name one to compile for: cuda-sm90");
  }
  for (const GpuTarget& gpu : kGpus) {
    if (text != fmt::format("cuda-sm{}", gpu.sm) && text != fmt::format("sm_{}", gpu.sm)) continue;
    Target target = host;
    target.gpu = here.gpu && here.gpu->sm == gpu.sm ? here.gpu : gpu;
    return target;
  }
  for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    Target target = host;
    target.isa = isa;
    if (text == target.name()) return target;
  }
  return error(ErrorCode::usage,
               "--target: '{}' is not known; use cpu, cpu-portable, cpu-avx2, cpu-avx512, cuda or cuda-smNN", text);
}

}  // namespace mj
