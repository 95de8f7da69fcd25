// SPDX-License-Identifier: Apache-2.0
#include "engine/format/container.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <thread>
#include <tuple>

#include "base/file.h"
#include "engine/format/container_layout.h"

namespace mj {

using namespace container;

namespace {

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
constexpr bool kCheckDigests = false;  // so that the fuzzer reaches what lies behind them
#else
constexpr bool kCheckDigests = true;
#endif

constexpr std::string_view kRemedy = "copy the file again or compile the model again";

std::string describe(size_t index, const Section& section) {
  return fmt::format("section {} ({}{}{})", index, name(section.kind), section.name.empty() ? "" : " ", section.name);
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

Digest to_digest(const uint8_t (&bytes)[32]) {
  Digest digest;
  std::copy(std::begin(bytes), std::end(bytes), digest.begin());
  return digest;
}

Result<void> check_header(const Header& header, size_t file_bytes) {
  if (!std::equal(std::begin(kMagic), std::end(kMagic), header.magic)) {
    return model_error("this is not an engine: its first bytes are not an engine's");
  }
  if (header.major > kMajorVersion) {
    return model_error("its format version is {}.{}, this build reads up to {}.x; use a newer millijoule", header.major,
                       header.minor, kMajorVersion);
  }
  if (header.major == 0) return model_error("the header is damaged: format version 0; {}", kRemedy);
  if (header.file_bytes > file_bytes) {
    return model_error("the file is cut short: it has {} bytes and should have {}; {}", file_bytes, header.file_bytes,
                       kRemedy);
  }
  if (header.file_bytes < file_bytes) {
    return model_error("the file has {} bytes after its end at {}; {}", file_bytes - header.file_bytes,
                       header.file_bytes, kRemedy);
  }
  if (header.table_offset != sizeof(Header) || (header.flags & ~kSigned) != 0 || header.section_count == 0 ||
      header.section_count > kMaxSections ||
      header.section_count > (file_bytes - sizeof(Header)) / sizeof(TableEntry)) {
    return model_error("the header is damaged: section table of {} entries at {}; {}", header.section_count,
                       header.table_offset, kRemedy);
  }
  return {};
}

Result<std::optional<PublicKey>> check_signature(const Header& header, const Digest& root,
                                                 const std::vector<PublicKey>& trusted) {
  const SignatureSlot& slot = header.slot;
  if ((header.flags & kSigned) == 0) {
    if (!all_zero(std::as_bytes(std::span(&slot, 1)))) {
      return model_error("the signature is damaged: the file says it has none, yet its place is not empty; {}",
                         kRemedy);
    }
    if (!trusted.empty()) return model_error("it is not signed, and a signature is required; sign it or drop the rule");
    return std::optional<PublicKey>{};
  }
  if (slot.algorithm != kEd25519 || slot.reserved != 0) {
    return model_error("its signature is of kind {}, this build knows 1 (Ed25519)", slot.algorithm);
  }
  PublicKey key;
  std::copy(std::begin(slot.public_key), std::end(slot.public_key), key.begin());
  Signature signature;
  std::copy(std::begin(slot.signature), std::end(slot.signature), signature.begin());
  if (kCheckDigests && !verify_signature(key, std::as_bytes(std::span(root)), signature)) {
    return model_error("the signature does not belong to this file: signed by another key or for other contents");
  }
  if (!trusted.empty() && std::find(trusted.begin(), trusted.end(), key) == trusted.end()) {
    return model_error("it is signed by key {}, which is not among the {} trusted ones", to_hex(key), trusted.size());
  }
  return std::optional<PublicKey>(key);
}

// Every place inside the file, without a gap or an overlap, and every padding byte zero.
Result<std::vector<Section>> read_table(std::span<const TableEntry> table, std::span<const std::byte> file) {
  std::vector<Section> sections;
  sections.reserve(table.size());
  uint64_t end = sizeof(Header) + table.size_bytes();
  const auto skip_padding = [&]() -> bool {  // to the next aligned place, false if there is none
    const uint64_t padding = (kSectionAlign - end % kSectionAlign) % kSectionAlign;
    if (file.size() - end < padding || !all_zero(file.subspan(end, padding))) return false;
    end += padding;
    return true;
  };
  if (!skip_padding()) return model_error("the padding after the section table is damaged; {}", kRemedy);
  std::vector<std::pair<uint64_t, uint64_t>> places;  // of the sections so far, ascending
  for (const TableEntry& entry : table) {
    const size_t index = sections.size();
    const auto* name_end = static_cast<const char*>(std::memchr(entry.name, 0, sizeof entry.name));
    if (!name_end || !all_zero(std::as_bytes(std::span(entry.reserved))) || entry.kind == 0 ||
        entry.target < kAllTargets || !all_zero(std::as_bytes(std::span(name_end, std::end(entry.name))))) {
      return model_error("entry {} of the section table is malformed; {}", index, kRemedy);
    }
    Section section{.kind = static_cast<SectionKind>(entry.kind),
                    .name = std::string(entry.name, name_end),
                    .target = entry.target,
                    .offset = static_cast<int64_t>(entry.offset),
                    .bytes = static_cast<int64_t>(entry.bytes),
                    .digest = to_digest(entry.digest)};
    const std::pair place{entry.offset, entry.bytes};
    if (!std::binary_search(places.begin(), places.end(), place)) {
      if (entry.offset != end || entry.bytes > file.size() - end) {
        return model_error("{} is misplaced: {} bytes at {}, expected at {} in a file of {}; {}",
                           describe(index, section), entry.bytes, entry.offset, end, file.size(), kRemedy);
      }
      end += entry.bytes;
      if (!skip_padding()) return model_error("the padding after {} is damaged; {}", describe(index, section), kRemedy);
      places.push_back(place);
    }
    sections.push_back(std::move(section));
  }
  if (end != file.size()) return model_error("{} bytes belong to no section; {}", file.size() - end, kRemedy);
  const bool first_only = sections.front().kind == SectionKind::manifest &&
                          std::count_if(sections.begin(), sections.end(),
                                        [](const Section& s) { return s.kind == SectionKind::manifest; }) == 1;
  if (!first_only) return model_error("section 0 must be its only manifest; {}", kRemedy);
  return sections;
}

// Of a mapped file only the piece at work is in memory: weights that a run does not touch (rows of a table of
// embeddings) then never count as its memory.
Digest digest_of(std::span<const std::byte> bytes, const MappedFile* file) {
  constexpr size_t kPiece = 4 << 20;
  Sha256 hash;
  std::span<const std::byte> piece = bytes.first(std::min(bytes.size(), kPiece));
  if (file) file->expect(piece);
  while (!piece.empty()) {
    bytes = bytes.subspan(piece.size());
    const std::span<const std::byte> next = bytes.first(std::min(bytes.size(), kPiece));
    if (file) file->expect(next);  // is read while this piece is hashed
    hash.update(piece);
    if (file) file->forget(piece);
    piece = next;
  }
  return hash.finish();
}

// The first section whose bytes differ from its digest, or -1. Large files are hashed by a few threads.
int find_damaged(const std::vector<Section>& sections, const auto& digest) {
  std::vector<int> order(sections.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](int index) -> const Section& { return sections[static_cast<size_t>(index)]; };
  const auto place = [&](int index) { return std::tie(at(index).offset, at(index).bytes, at(index).digest); };
  std::sort(order.begin(), order.end(), [&](int a, int b) { return std::pair(place(a), a) < std::pair(place(b), b); });
  order.erase(std::unique(order.begin(), order.end(), [&](int a, int b) { return place(a) == place(b); }), order.end());
  int64_t total = 0;
  for (int index : order) total += at(index).bytes;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return at(a).bytes > at(b).bytes; });
  std::atomic<size_t> next{0};
  std::atomic<int> damaged{INT32_MAX};
  const auto work = [&] {
    for (size_t i = next++; i < order.size(); i = next++) {
      const int index = order[i];
      if (digest(index) == at(index).digest) continue;
      int first = damaged;
      while (index < first && !damaged.compare_exchange_weak(first, index)) {
      }
    }
  };
  // Below 8 MiB (about 5 ms of hashing) starting threads costs more than it saves.
  const unsigned helpers =
      total < (8 << 20) ? 0 : std::min({3u, std::thread::hardware_concurrency(), unsigned(order.size() - 1)});
  std::vector<std::jthread> threads;
  try {
    for (unsigned i = 0; i < helpers; ++i) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: this one does the rest.
  }
  work();
  threads.clear();
  return damaged == INT32_MAX ? -1 : damaged.load();
}

}  // namespace

std::string name(SectionKind kind) {
  switch (kind) {
    case SectionKind::manifest:
      return "manifest";
    case SectionKind::weights:
      return "weights";
    case SectionKind::cubin:
      return "cubin";
    case SectionKind::measurements:
      return "measurements";
    case SectionKind::samples:
      return "samples";
  }
  return fmt::format("kind {}", static_cast<uint32_t>(kind));
}

Result<Container> Container::open(const std::string& path, const ContainerOptions& options) {
  MJ_ASSIGN(std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  auto result = parse_unnamed(file->bytes(), file, file.get(), options);
  if (!result.ok())
    return result.error().in(fmt::format("engine '{}'", std::filesystem::path(path).filename().string()));
  result->file_ = std::move(file);
  return result;
}

Result<Container> Container::parse(const std::string& name, std::span<const std::byte> bytes,
                                   std::shared_ptr<const void> owner, const ContainerOptions& options) {
  auto result = parse_unnamed(bytes, std::move(owner), nullptr, options);
  if (!result.ok()) return result.error().in(fmt::format("engine '{}'", name));
  return result;
}

Result<Container> Container::parse_unnamed(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                           const MappedFile* file, const ContainerOptions& options) {
  if (bytes.size() < sizeof(Header)) {
    return model_error("this is not an engine or it is cut short: {} bytes, an engine has at least {}", bytes.size(),
                       2 * kSectionAlign);
  }
  // Header and table are read once, into a copy: what is checked is what is used, even if the file changes meanwhile.
  std::vector<std::byte> head(bytes.begin(), bytes.begin() + sizeof(Header));
  Header header;
  std::memcpy(&header, head.data(), sizeof header);
  MJ_TRY(check_header(header, bytes.size()));

  std::vector<TableEntry> table(header.section_count);
  std::memcpy(table.data(), bytes.data() + sizeof(Header), table.size() * sizeof(TableEntry));
  const auto table_bytes = std::as_bytes(std::span(table));
  head.insert(head.end(), table_bytes.begin(), table_bytes.end());

  Container container;
  container.root_ = to_digest(header.root);
  if (kCheckDigests && root_digest(head) != container.root_) {
    return model_error("header or section table is damaged; {}", kRemedy);
  }
  MJ_ASSIGN(container.signed_by_, check_signature(header, container.root_, options.trusted_keys));
  MJ_ASSIGN(container.sections_, read_table(table, bytes));
  if (options.table_seen) options.table_seen(container.sections_);
  container.bytes_ = bytes;
  container.owner_ = std::move(owner);
  container.major_ = header.major;
  container.minor_ = header.minor;
  const Section& first = container.sections_.front();
  const auto manifest = bytes.subspan(static_cast<size_t>(first.offset), static_cast<size_t>(first.bytes));
  container.manifest_.assign(manifest.begin(), manifest.end());
  if (kCheckDigests) {
    const int damaged = find_damaged(container.sections_, [&](int index) {
      return digest_of(container.section(index), index == 0 ? nullptr : file);  // section 0 is a copy
    });
    if (damaged >= 0) {
      return model_error("{} is damaged: its SHA-256 differs from the table's; {}",
                         describe(static_cast<size_t>(damaged), container.sections_[static_cast<size_t>(damaged)]),
                         kRemedy);
    }
  }
  return container;
}

std::span<const std::byte> Container::section(int index) const {
  CHECK(index >= 0 && static_cast<size_t>(index) < sections_.size(), "section {} of {}", index, sections_.size());
  if (index == 0) return manifest_;
  const Section& section = sections_[static_cast<size_t>(index)];
  return bytes_.subspan(static_cast<size_t>(section.offset), static_cast<size_t>(section.bytes));
}

}  // namespace mj
