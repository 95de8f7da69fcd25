// SPDX-License-Identifier: Apache-2.0
// Bytes -> container -> manifest -> verified plans -> inspect, and what is accepted can be written again. Digests are
// not checked in fuzz builds; the mutator changes one section and makes sizes and places fit, so that most inputs reach
// the manifest.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/format/engine_file.h"
#include "engine/format/inspect.h"
#include "engine/format/test_plan.h"
#include "engine/format/test_support.h"

#ifdef MJ_PLANT_BUG
// Stands in for the verifier of the library: under this name plan_verify.cc takes the number of a tensor that is one
// too high.
#include "engine/format/plan_verify.cc"
#endif

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

void require(bool ok, const std::string& why) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}

size_t give(std::span<const std::byte> bytes, uint8_t* data, size_t max_size) {
  if (bytes.size() > max_size) return 0;
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const mj::Image image(std::as_bytes(std::span(data, size)));
  const auto engine = mj::read_engine("fuzz.engine", image.bytes(), image.owner());
  if (!engine.ok()) return 0;
  const auto again = mj::engine_bytes(engine->manifest, engine->measurements);
  require(again.ok(), "an accepted engine cannot be written: " + (again.ok() ? "" : again.error().message));
  require(!mj::inspect_text(*engine).empty(), "nothing to say about an engine");
  require(!mj::inspect_json(*engine).dump().empty(), "nothing to say about an engine");
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  const mj::Image image(std::as_bytes(std::span(data, size)));
  const auto container = mj::Container::parse("fuzz.engine", image.bytes(), image.owner());
  if (!container.ok()) {
    static const auto example = mj::engine_bytes(mj::example_manifest(), mj::example_measurements()).value();
    return seed % 2 ? give(example, data, max_size) : LLVMFuzzerMutate(data, size, max_size);
  }
  if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);

  std::vector<std::vector<std::byte>> contents;
  std::vector<mj::SectionData> sections;
  for (size_t i = 0; i < container->sections().size(); ++i) {
    const auto view = container->section(static_cast<int>(i));
    contents.emplace_back(view.begin(), view.end());
  }
  // Half of the time the manifest, where the structure is.
  const size_t chosen = seed / 8 % 2 ? 0 : seed / 16 % contents.size();
  std::vector<std::byte>& changed = contents[chosen];
  const size_t before = changed.size();
  changed.resize(before + 512);
  changed.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(changed.data()), before, changed.size()));
  for (size_t i = 0; i < contents.size(); ++i) {
    const mj::Section& section = container->sections()[i];
    sections.push_back({section.kind, section.name, section.target, contents[i]});
  }
  const auto assembled = mj::assemble_container(sections);
  return assembled.ok() ? give(mj::join(*assembled), data, max_size) : 0;
}
