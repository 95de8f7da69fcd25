// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime, found at run time, by declarations of our own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace mj::ort {

// Opaque: the library's.
struct Status;
struct Env;
struct Session;
struct Options;
struct Value;
struct TypeInfo;
struct TensorInfo;
struct MemoryInfo;
struct Allocator;

struct Library {
#define MJ_ORT(place, name, parameters) Status*(*name)parameters = nullptr;
#include "kernels/ort/adapter/functions.inc"
#undef MJ_ORT
  const char* (*message)(const Status*) = nullptr;
  void (*release_status)(Status*) = nullptr;
  void (*release_session)(Session*) = nullptr;
  void (*release_value)(Value*) = nullptr;
  void (*release_type)(TypeInfo*) = nullptr;
  void (*release_info)(TensorInfo*) = nullptr;
  void (*release_options)(Options*) = nullptr;

  Env* env = nullptr;
  MemoryInfo* memory = nullptr;  // of the CPU
  Allocator* allocator = nullptr;
  std::string version;  // "1.22.0"
  std::string why_not;  // empty where all of this is there

  // Empty if `status` is success; releases it.
  std::string error(Status* status) const;
};

// Loaded on the first call, never unloaded.
const Library& library();

}  // namespace mj::ort
