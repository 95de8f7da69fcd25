// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/file.h"
#include "engine/format/container.h"
#include "engine/format/container_layout.h"

namespace mj {

using namespace container;

namespace {

constexpr std::byte kZeros[kSectionAlign] = {};

uint64_t align_up(uint64_t offset) { return (offset + kSectionAlign - 1) / kSectionAlign * kSectionAlign; }

Result<void> check_sections(std::span<const SectionData> sections) {
  CHECK(!sections.empty() && sections.front().kind == SectionKind::manifest, "an engine begins with its manifest");
  if (sections.size() > kMaxSections) {
    return model_error("the engine would need {} sections, at most {} fit", sections.size(), kMaxSections);
  }
  for (const SectionData& section : sections) {
    if (section.name.size() >= sizeof(TableEntry::name) || section.name.find('\0') != std::string::npos) {
      return model_error("section name '{}' is longer than {} bytes or holds a zero", section.name,
                         sizeof(TableEntry::name) - 1);
    }
  }
  return {};
}

}  // namespace

Result<ContainerImage> assemble_container(std::span<const SectionData> sections, const SigningKey* key) {
  MJ_TRY(check_sections(sections));
  std::vector<TableEntry> table(sections.size());
  const uint64_t head_bytes = sizeof(Header) + table.size() * sizeof(TableEntry);
  uint64_t end = align_up(head_bytes);

  ContainerImage image;
  image.pieces.emplace_back();  // the head, filled in last
  std::map<std::pair<Digest, uint64_t>, uint64_t> offset_of;
  for (size_t i = 0; i < sections.size(); ++i) {
    const SectionData& section = sections[i];
    const Digest digest = sha256(section.bytes);
    const auto [place, fresh] = offset_of.try_emplace({digest, section.bytes.size()}, end);
    if (fresh && !section.bytes.empty()) {
      image.pieces.push_back(section.bytes);
      const uint64_t padded = align_up(end + section.bytes.size());
      image.pieces.emplace_back(kZeros, padded - end - section.bytes.size());
      end = padded;
    }
    TableEntry& entry = table[i];
    entry.kind = static_cast<uint32_t>(section.kind);
    entry.target = section.target;
    entry.offset = place->second;
    entry.bytes = section.bytes.size();
    std::copy(digest.begin(), digest.end(), entry.digest);
    std::copy(section.name.begin(), section.name.end(), entry.name);
  }

  Header header;
  std::copy(std::begin(kMagic), std::end(kMagic), header.magic);
  header.major = kMajorVersion;
  header.minor = kMinorVersion;
  header.file_bytes = end;
  header.table_offset = sizeof(Header);
  header.section_count = static_cast<uint32_t>(table.size());
  header.flags = key ? kSigned : 0;

  image.head.resize(align_up(head_bytes));
  std::memcpy(image.head.data(), &header, sizeof header);
  std::memcpy(image.head.data() + sizeof header, table.data(), table.size() * sizeof(TableEntry));
  const Digest root = root_digest(std::span(image.head).first(head_bytes));
  std::copy(root.begin(), root.end(), header.root);
  if (key) {
    const PublicKey public_key = key->public_key();
    const Signature signature = key->sign(std::as_bytes(std::span(root)));
    header.slot.algorithm = kEd25519;
    std::copy(public_key.begin(), public_key.end(), header.slot.public_key);
    std::copy(signature.begin(), signature.end(), header.slot.signature);
  }
  std::memcpy(image.head.data(), &header, sizeof header);
  image.pieces.front() = image.head;
  image.bytes = static_cast<int64_t>(end);
  return image;
}

Result<void> write_container(const std::string& path, std::span<const SectionData> sections, const SigningKey* key) {
  MJ_ASSIGN(ContainerImage image, assemble_container(sections, key));
  return write_file_atomically(path, image.pieces);
}

}  // namespace mj
