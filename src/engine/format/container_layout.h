// SPDX-License-Identifier: Apache-2.0
// The bytes of header and table entry, for the reader and the writer of containers alone.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/hash.h"

namespace mj::container {

static_assert(std::endian::native == std::endian::little, "the structs below are the file's bytes");

// Not text, and damaged visibly by a transfer that rewrites line ends or stops at a zero.
inline constexpr uint8_t kMagic[8] = {0x89, 'M', 'J', 'E', '\r', '\n', 0x1a, 0};
inline constexpr uint32_t kMaxSections = 1 << 16;  // a table of 8 MiB
// In the header's flags, where the root digest covers it: without it a flipped bit could turn an empty signature slot
// into a signature by the key of all zeros, which anyone can make.
inline constexpr uint32_t kSigned = 1;
inline constexpr uint32_t kUnsigned = 0;
inline constexpr uint32_t kEd25519 = 1;

struct SignatureSlot {
  uint32_t algorithm = kUnsigned;  // everything else is zero then
  uint32_t reserved = 0;
  uint8_t public_key[32] = {};
  uint8_t signature[64] = {};  // of the 32 bytes of the root digest
};

struct Header {
  uint8_t magic[8] = {};
  uint32_t major = 0;
  uint32_t minor = 0;
  uint64_t file_bytes = 0;
  uint64_t table_offset = 0;  // always sizeof(Header)
  uint32_t section_count = 0;
  uint32_t flags = 0;  // kSigned or nothing
  uint8_t root[32] = {};
  SignatureSlot slot;
  uint8_t reserved[80] = {};
};
static_assert(sizeof(Header) == 256 && offsetof(Header, root) == 40 && offsetof(Header, reserved) == 176);

struct TableEntry {
  uint32_t kind = 0;
  int32_t target = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint8_t digest[32] = {};
  uint8_t reserved[8] = {};
  char name[64] = {};  // ends with a zero, zeros after it
};
static_assert(sizeof(TableEntry) == 128 && offsetof(TableEntry, name) == 64);

// The digest of header and table as they stand in the file, root and signature slot read as zeros.
inline Digest root_digest(std::span<const std::byte> head) {
  std::vector<std::byte> covered(head.begin(), head.end());
  for (size_t i = offsetof(Header, root); i < offsetof(Header, reserved); ++i) covered[i] = std::byte{0};
  return sha256(covered);
}

}  // namespace mj::container
