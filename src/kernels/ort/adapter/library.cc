// SPDX-License-Identifier: Apache-2.0
#include "kernels/ort/adapter/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace mj::ort {
namespace {

// Of the interface; every later library still serves it.
constexpr uint32_t kApiVersion = 1;
constexpr int kLogErrors = 3, kArenaAllocator = 1, kDefaultMemory = 0;

struct ApiBase {
  void* const* (*table)(uint32_t version);
  const char* (*version)();
};

std::string environment(const char* variable) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing here writes the environment
  return text ? text : "";
}

// Of the Python environment that is active.
void add_wheels(std::vector<std::string>& places) {
  namespace fs = std::filesystem;
  const fs::path root = environment("VIRTUAL_ENV");
  if (root.empty()) return;
  std::vector<std::string> found;
  std::error_code failed;
  for (fs::directory_iterator python(root / "lib", failed), end; !failed && python != end; python.increment(failed)) {
    std::error_code absent;
    const fs::path folder = python->path() / "site-packages" / "onnxruntime" / "capi";
    for (fs::directory_iterator file(folder, absent); !absent && file != end; file.increment(absent)) {
      if (file->path().filename().string().starts_with("libonnxruntime.so")) found.push_back(file->path().string());
    }
  }
  std::sort(found.begin(), found.end());
  places.insert(places.end(), found.begin(), found.end());
}

std::vector<std::string> places() {
  if (const std::string named = environment("MJ_ONNXRUNTIME"); !named.empty()) return {named};
  std::vector<std::string> places = {"libonnxruntime.so.1", "libonnxruntime.so"};
  add_wheels(places);
  return places;
}

template <class F>
void take(void* const* table, size_t place, F& function) {
  function = reinterpret_cast<F>(table[place]);
}

std::string fill(void* handle, Library& library) {
  const auto base = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  if (!base || !base()) return "is no ONNX Runtime";
  void* const* table = base()->table(kApiVersion);
  if (!table) return "does not serve version 1 of its C interface";
  library.version = base()->version();
#define MJ_ORT(place, name, parameters) take(table, place, library.name);
#include "kernels/ort/adapter/functions.inc"
#undef MJ_ORT
  take(table, 2, library.message);
  take(table, 93, library.release_status);
  take(table, 95, library.release_session);
  take(table, 96, library.release_value);
  take(table, 98, library.release_type);
  take(table, 99, library.release_info);
  take(table, 100, library.release_options);
  std::string wrong = library.error(library.create_env(kLogErrors, "millijoule", &library.env));
  if (wrong.empty()) {
    wrong = library.error(library.create_memory_info(kArenaAllocator, kDefaultMemory, &library.memory));
  }
  if (wrong.empty()) wrong = library.error(library.default_allocator(&library.allocator));
  return wrong.empty() ? "" : "does not start: " + wrong;
}

Library load() {
  std::string tried;
  for (const std::string& place : places()) {
    void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    const char* reason = handle ? nullptr : dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one a thread
    Library library;
    const std::string wrong = handle ? place + " " + fill(handle, library) : reason ? reason : "cannot load " + place;
    if (handle && wrong == place + " ") return library;
    tried += (tried.empty() ? "" : "; ") + wrong;
  }
  Library none;
  none.why_not = "there is no ONNX Runtime: " + tried +
                 ". Install it, or name its library (libonnxruntime.so...) in MJ_ONNXRUNTIME";
  return none;
}

}  // namespace

std::string Library::error(Status* status) const {
  if (!status) return "";
  std::string text = message(status);
  release_status(status);
  return text.empty() ? "an error without a text" : text;
}

const Library& library() {
  static const Library loaded = load();
  return loaded;
}

}  // namespace mj::ort
