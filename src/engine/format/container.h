// SPDX-License-Identifier: Apache-2.0
// Container: the engine file as named, hashed sections; what the bytes mean is for records_wire.h.
//
//   0     header, 256 bytes: magic, version, file size, table place, root digest, signature slot
//   256   section table, 128 bytes an entry: kind, target, place, size, SHA-256, name
//   4096n sections, each from a multiple of 4096, back to back, zeros between
//
// All integers are little-endian. Nothing in the file is outside a check: the root digest covers header and table
// (without its own slot and the signature's), each section has its SHA-256 in the table, every padding byte must be
// zero, and the layout has no freedom: a section starts where the one before it ends, or is an earlier one again.
// A digest stops accidents, not attackers, who can recompute it; only the signature stops those.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/signature.h"

namespace mj {

inline constexpr uint32_t kMajorVersion = 1;  // an engine of a newer one is refused by name
inline constexpr uint32_t kMinorVersion = 0;  // a newer one only adds what an older reader may skip
inline constexpr int64_t kSectionAlign = 4096;
inline constexpr int kAllTargets = -1;

// The numbers are permanent. Kinds of a newer minor version are verified and otherwise left alone.
enum class SectionKind : uint32_t { manifest = 1, weights = 2, cubin = 3, measurements = 4, samples = 5 };
std::string name(SectionKind kind);

// What to write. `bytes` must live until the write is done.
struct SectionData {
  SectionKind kind = SectionKind::weights;
  std::string name;          // at most 63 bytes
  int target = kAllTargets;  // index into the manifest's targets
  std::span<const std::byte> bytes;
};

struct Section {
  SectionKind kind = SectionKind::weights;
  std::string name;
  int target = kAllTargets;
  int64_t offset = 0;
  int64_t bytes = 0;
  Digest digest{};
};

struct ContainerOptions {
  // When not empty, an engine must be signed by one of these keys.
  std::vector<PublicKey> trusted_keys;
  // Called with the section table once it is known to be whole, before the sections are hashed: what they are may start
  // work beside that. Nothing else must be believed yet.
  std::function<void(std::span<const Section>)> table_seen = nullptr;
};

// The pieces of the file in order; those that view a section's bytes live as long as the SectionData do. The first
// section must be the manifest. Identical sections are stored once.
struct ContainerImage {
  std::vector<std::byte> head;
  std::vector<std::span<const std::byte>> pieces;  // pieces[0] views `head`
  int64_t bytes = 0;

  ContainerImage() = default;
  ContainerImage(ContainerImage&&) = default;  // a moved vector keeps its memory, so pieces[0] stays good
  ContainerImage& operator=(ContainerImage&&) = default;
};
Result<ContainerImage> assemble_container(std::span<const SectionData> sections, const SigningKey* key = nullptr);
Result<void> write_container(const std::string& path, std::span<const SectionData> sections,
                             const SigningKey* key = nullptr);

// A verified engine file. Immutable, so any number of threads may read it.
class Container {
 public:
  // Maps the file and verifies all of it; there is no way in that does less. The file must not be changed in place
  // afterwards (replacing it by a rename is fine). What was verified is in memory again only once somebody reads it.
  static Result<Container> open(const std::string& path, const ContainerOptions& options = {});
  // The same for bytes that `owner` keeps alive; `name` stands in errors.
  static Result<Container> parse(const std::string& name, std::span<const std::byte> bytes,
                                 std::shared_ptr<const void> owner, const ContainerOptions& options = {});

  uint32_t major_version() const { return major_; }
  uint32_t minor_version() const { return minor_; }
  // The file that the bytes are mapped from; null if they were in memory.
  const std::shared_ptr<const MappedFile>& file() const { return file_; }
  int64_t bytes() const { return static_cast<int64_t>(bytes_.size()); }
  const Digest& root() const { return root_; }
  const std::optional<PublicKey>& signed_by() const { return signed_by_; }

  const std::vector<Section>& sections() const { return sections_; }
  std::span<const std::byte> section(int index) const;  // a view of the file; section 0: of a private copy
  std::span<const std::byte> manifest() const { return manifest_; }
  // Keeps the views alive.
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  static Result<Container> parse_unnamed(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                         const MappedFile* file, const ContainerOptions& options);

  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  uint32_t major_ = 0;
  uint32_t minor_ = 0;
  std::shared_ptr<const MappedFile> file_;
  Digest root_{};
  std::optional<PublicKey> signed_by_;
  std::vector<Section> sections_;
  std::vector<std::byte> manifest_;
};

}  // namespace mj
