// SPDX-License-Identifier: Apache-2.0
#include "base/library.h"

#include <dlfcn.h>

#include <filesystem>

namespace mj {
namespace {

std::filesystem::path folder_of_this_code() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&folder_of_this_code), &info) || !info.dli_fname) return {};
  std::error_code failed;
  // A program's own name may be what the shell was given; the link is always right.
  const std::filesystem::path file = std::filesystem::path(info.dli_fname).is_absolute()
                                         ? std::filesystem::path(info.dli_fname)
                                         : std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? std::filesystem::path() : std::filesystem::weakly_canonical(file, failed).parent_path();
}

}  // namespace

std::optional<std::string> beside_this_code(std::string_view file) {
  const std::filesystem::path folder = folder_of_this_code();
  if (folder.empty()) return std::nullopt;
  for (const std::filesystem::path& place : {folder / file, folder / ".." / "lib" / file}) {
    std::error_code failed;
    if (std::filesystem::exists(place, failed)) return place.string();
  }
  return std::nullopt;
}

}  // namespace mj
