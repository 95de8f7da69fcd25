// SPDX-License-Identifier: Apache-2.0
// Where NVRTC is found.
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "device/cuda/nvrtc.h"

namespace mj {
namespace {

constexpr std::string_view kNvrtcNames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

template <class Function>
bool find_nvrtc_symbol(void* library, const char* symbol, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, symbol));
  return *function != nullptr;
}

const char* environment(const char* variable) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing here writes the environment
  return text ? text : "";
}

// lib/python3.x/site-packages/nvidia of the Python environment that is active.
std::vector<std::filesystem::path> wheel_folders() {
  std::vector<std::filesystem::path> folders;
  const std::filesystem::path root = environment("VIRTUAL_ENV");
  if (root.empty()) return folders;
  std::error_code failed;
  std::filesystem::directory_iterator entry(root / "lib", failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    if (!entry->path().filename().string().starts_with("python3")) continue;
    folders.push_back(entry->path() / "site-packages" / "nvidia");
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

}  // namespace

std::vector<std::string> nvrtc_places() {
  if (const std::string named = environment("MJ_NVRTC"); !named.empty()) return {named};
  std::vector<std::string> places(std::begin(kNvrtcNames), std::end(kNvrtcNames));
  const auto add = [&](const std::filesystem::path& folder) {
    for (const std::string_view name : kNvrtcNames) {
      std::error_code failed;
      if (std::filesystem::exists(folder / name, failed)) places.push_back((folder / name).string());
    }
  };
  add("/usr/local/cuda/lib64");
  for (const std::filesystem::path& folder : wheel_folders()) {
    add(folder / "cu13" / "lib");
    add(folder / "cuda_nvrtc" / "lib");
  }
  return places;
}

Result<Nvrtc> load_nvrtc(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one for each thread
    return error(ErrorCode::environment, "{}", reason ? reason : "cannot load " + library);
  }
  Nvrtc nvrtc;
  std::string missing;
#define MJ_NVRTC(result, member, symbol, parameters) \
  if (!find_nvrtc_symbol(handle, #symbol, &nvrtc.member) && missing.empty()) missing = #symbol;
#include "device/cuda/nvrtc_symbols.inc"
#undef MJ_NVRTC
  if (missing.empty()) return nvrtc;
  return error(ErrorCode::environment, "{} is no NVRTC of CUDA 12.0 or newer: it lacks {}", library, missing);
}

Result<const Nvrtc*> nvrtc() {
  static const Result<Nvrtc> loaded = []() -> Result<Nvrtc> {
    std::string tried;
    for (const std::string& place : nvrtc_places()) {
      Result<Nvrtc> found = load_nvrtc(place);
      if (found.ok()) return found;
      tried += fmt::format("{}{}", tried.empty() ? "" : "; ", found.error().message);
    }
    return error(ErrorCode::environment,
                 "no NVRTC, which compiles for NVIDIA GPUs: {}. Install the CUDA toolkit or `pip install "
                 "nvidia-cuda-nvrtc`, or name the file in MJ_NVRTC",
                 tried);
  }();
  if (!loaded.ok()) return loaded.error();
  return &loaded.value();
}

std::string nvrtc_version() {
  const Result<const Nvrtc*> library = nvrtc();
  int major = 0, minor = 0;
  if (!library.ok() || (*library)->version(&major, &minor) != Nvrtc::kSuccess) return "";
  return fmt::format("{}.{}", major, minor);
}

}  // namespace mj
