// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/nvrtc.h"

#include <algorithm>
#include <string_view>

namespace mj {
namespace {

constexpr int kLogLines = 20;  // of a compiler's log in a message

class NvrtcProgram {
 public:
  explicit NvrtcProgram(const Nvrtc& nvrtc) : nvrtc_(nvrtc) {}
  NvrtcProgram(const NvrtcProgram&) = delete;
  NvrtcProgram& operator=(const NvrtcProgram&) = delete;
  ~NvrtcProgram() {
    if (program) nvrtc_.destroy_program(&program);
  }

  std::string log() const {
    size_t bytes = 0;  // with the zero at the end
    if (nvrtc_.program_log_size(program, &bytes) != Nvrtc::kSuccess || bytes == 0) return "";
    std::string text(bytes, '\0');
    if (nvrtc_.program_log(program, text.data()) != Nvrtc::kSuccess) return "";
    text.resize(text.find('\0'));
    return text;
  }

  Nvrtc::Program program = nullptr;

 private:
  const Nvrtc& nvrtc_;
};

std::string first_lines(std::string_view log) {
  while (!log.empty() && log.back() == '\n') log.remove_suffix(1);
  size_t end = 0;
  for (int line = 0; line < kLogLines; ++line) {
    const size_t found = log.find('\n', end);
    if (found == std::string_view::npos) return std::string(log);
    end = found + 1;
  }
  return fmt::format("{}...", log.substr(0, end));
}

Result<void> check_supported(const Nvrtc& nvrtc, CudaArch arch) {
  int count = 0;
  if (nvrtc.num_supported_archs(&count) != Nvrtc::kSuccess || count <= 0) return {};  // compiling will tell
  std::vector<int> archs(static_cast<size_t>(count));
  if (nvrtc.supported_archs(archs.data()) != Nvrtc::kSuccess) return {};
  if (std::find(archs.begin(), archs.end(), arch.sm) != archs.end()) return {};
  std::string known;
  for (const int sm : archs) known += fmt::format("{}sm_{}", known.empty() ? "" : ", ", sm);
  int major = 0, minor = 0;
  nvrtc.version(&major, &minor);
  return error(ErrorCode::environment, "NVRTC {}.{} does not compile for {}, only for {}; {}", major, minor,
               arch.text(), known,
               arch.sm > archs.back() ? "a newer one is needed (MJ_NVRTC)" : "it needs an older one (MJ_NVRTC)");
}

}  // namespace

std::string CudaArch::text() const { return fmt::format("sm_{}{}", sm, specific ? "a" : ""); }

Result<std::vector<std::byte>> compile_cuda(const Nvrtc& nvrtc, const std::string& source, CudaArch arch,
                                            const std::string& name) {
  MJ_TRY(check_supported(nvrtc, arch));
  const auto failed = [&](std::string_view why) {
    return error(ErrorCode::environment, "compiling CUDA kernel '{}' for {}: {}", name, arch.text(), why);
  };
  NvrtcProgram program(nvrtc);
  Nvrtc::Status status = nvrtc.create_program(&program.program, source.c_str(), name.c_str(), 0, nullptr, nullptr);
  if (status != Nvrtc::kSuccess) return failed(nvrtc.error_string(status));

  const std::string architecture = "--gpu-architecture=" + arch.text();
  const char* const options[] = {architecture.c_str(), "--std=c++17", "-default-device"};
  status = nvrtc.compile_program(program.program, static_cast<int>(std::size(options)), options);
  const std::string log = program.log();
  if (status != Nvrtc::kSuccess) return failed(nvrtc.error_string(status) + ("\n" + first_lines(log)));
  if (log.find("C7510") != std::string::npos || log.find("C7519") != std::string::npos) {
    return failed("ptxas had to change it\n" + first_lines(log));
  }

  size_t bytes = 0;
  status = nvrtc.cubin_size(program.program, &bytes);
  if (status != Nvrtc::kSuccess) return failed(nvrtc.error_string(status));
  if (bytes == 0) return failed("NVRTC made no code");
  std::vector<std::byte> code(bytes);
  status = nvrtc.cubin(program.program, reinterpret_cast<char*>(code.data()));
  if (status != Nvrtc::kSuccess) return failed(nvrtc.error_string(status));
  return code;
}

Result<std::vector<std::byte>> compile_cuda(const std::string& source, CudaArch arch, const std::string& name) {
  MJ_ASSIGN(const Nvrtc* const library, nvrtc());
  return compile_cuda(*library, source, arch, name);
}

}  // namespace mj
