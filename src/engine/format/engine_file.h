// SPDX-License-Identifier: Apache-2.0
// The engine file as a whole: container, manifest, measurements. Nothing here runs or compiles anything.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/format/container.h"
#include "engine/format/manifest.h"

namespace mj {

struct WriteOptions {
  const SigningKey* key = nullptr;  // null: not signed
};

// The file's bytes, to be kept in memory: the manifest's tensors are collected into sections, equal bytes once.
Result<std::vector<std::byte>> engine_bytes(const Manifest& manifest, const Measurements& measurements,
                                            const WriteOptions& options = {});
// The same into a file: to a temporary name, synced and renamed. With the same manifest, two files differ only in the
// measurements section and the digests over it.
Result<void> write_engine(const std::string& path, const Manifest& manifest, const Measurements& measurements,
                          const WriteOptions& options = {});

struct ReadOptions {
  std::vector<PublicKey> trusted_keys;  // when not empty, the engine must be signed by one of them
  std::function<void(std::span<const Section>)> table_seen = nullptr;  // as in ContainerOptions
};

struct LoadedEngine {
  Manifest manifest;  // its tensors view the file and keep it alive
  Measurements measurements;
  uint32_t major_version = 0, minor_version = 0;
  int64_t bytes = 0;
  Digest root{};
  std::optional<PublicKey> signed_by;
  std::vector<Section> sections;
  std::shared_ptr<const void> mapping;
  std::shared_ptr<const MappedFile> file;  // that it lies in; null if it was read from memory
};

// The one way in: verifies every byte, then parses, then checks every number in the manifest (plan_verify.h). Errors
// begin with "engine 'NAME': ".
Result<LoadedEngine> read_engine(const std::string& path, const ReadOptions& options = {});
// The same for bytes in memory, aligned to kConstantAlign, that `owner` keeps alive.
Result<LoadedEngine> read_engine(const std::string& name, std::span<const std::byte> bytes,
                                 std::shared_ptr<const void> owner, const ReadOptions& options = {});

}  // namespace mj
