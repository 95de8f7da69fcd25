// SPDX-License-Identifier: Apache-2.0
#include "kernels/onednn/run_module.h"

#include <dlfcn.h>

#include <atomic>
#include <filesystem>
#include <vector>

#include "base/knobs.h"

namespace mj::onednn {
namespace {

constexpr char kFile[] = "libmj_onednn.so";

// The program or library that this code is linked into.
std::filesystem::path own_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&own_folder), &info) || !info.dli_fname) return {};
  std::error_code failed;
  // A program's own name may be what the shell was given; the link is always right.
  const std::filesystem::path file = std::filesystem::path(info.dli_fname).is_absolute()
                                         ? std::filesystem::path(info.dli_fname)
                                         : std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? std::filesystem::path() : std::filesystem::weakly_canonical(file, failed).parent_path();
}

std::vector<std::string> places() {
  if (const auto named = knob(Knob::onednn)) return {std::string(*named)};
  std::vector<std::string> places;
  if (const std::filesystem::path folder = own_folder(); !folder.empty()) {
    for (const std::filesystem::path& place : {folder / kFile, folder / ".." / "lib" / kFile}) {
      std::error_code failed;
      if (std::filesystem::exists(place, failed)) places.push_back(place.string());
    }
  }
  places.emplace_back(kFile);
  return places;
}

Module load() {
  Module found;
  if (knob(Knob::onednn) == "off") {
    found.why_not = "switched off by MJ_ONEDNN=off";
    return found;
  }
  for (const std::string& place : places()) {
    found.file = place;
    // Never closed: primitives of several engines live in it.
    void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one for each thread
      found.why_not = reason ? reason : "cannot load " + place;
      continue;
    }
    const auto get = reinterpret_cast<TableFunction>(dlsym(handle, kTableSymbol));
    const Table* table = get ? get() : nullptr;
    if (!table || table->version != kTableVersion) {
      found.why_not = place + " belongs to another version of Millijoule";
    } else if (table->unusable) {
      found.why_not = table->unusable;
    } else {
      found.table = table;
      found.why_not.clear();
      return found;
    }
  }
  return found;
}

std::atomic<int64_t> primitives{0}, nanoseconds{0};

}  // namespace

const Module& module() {
  static const Module loaded = load();
  return loaded;
}

std::string library_version() { return module().table ? module().table->library : ""; }

Use use() { return {primitives.load(), static_cast<double>(nanoseconds.load()) * 1e-9}; }

void count_primitive(double seconds) {
  ++primitives;
  nanoseconds += static_cast<int64_t>(seconds * 1e9);
}

}  // namespace mj::onednn
