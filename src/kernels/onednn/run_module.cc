// SPDX-License-Identifier: Apache-2.0
#include "kernels/onednn/run_module.h"

#include <dlfcn.h>

#include <atomic>
#include <vector>

#include "base/knobs.h"
#include "base/library.h"

namespace mj::onednn {
namespace {

constexpr char kFile[] = "libmj_onednn.so";

std::vector<std::string> places() {
  if (const auto named = knob(Knob::onednn)) return {std::string(*named)};
  std::vector<std::string> places;
  if (const std::optional<std::string> beside = beside_this_code(kFile)) places.push_back(*beside);
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
