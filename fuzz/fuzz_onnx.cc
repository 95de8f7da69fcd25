// SPDX-License-Identifier: Apache-2.0
// Bytes -> ONNX reader -> importer -> verifier of the graph. Only our own Error is an expected refusal: exceptions,
// CHECKs and sanitizer reports are findings.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "import/onnx.h"

#ifdef MJ_PLANT_BUG
// Stands in for the reader of the library: proto.cc holds an off-by-one under this name.
#include "import/proto.cc"
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own, so that views that outlive or leave it are seen.
  const auto bytes = std::make_shared<const std::string>(reinterpret_cast<const char*>(data), size);
  mj::ImportOptions options;
  options.limits.nodes = 10'000;
  options.limits.tensor_elements = 1 << 20;
  options.limits.constant_bytes = 1 << 24;
  const mj::Result<mj::Model> model = mj::import_onnx_bytes(*bytes, bytes, std::nullopt, options);
  if (!model.ok()) return 0;
  const std::string broken = mj::verify(model->graph);
  if (!broken.empty()) {
    std::fprintf(stderr, "the importer built a broken graph: %s\n", broken.c_str());
    std::abort();
  }
  return 0;
}
