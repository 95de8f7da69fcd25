// SPDX-License-Identifier: Apache-2.0
// A fast 64-bit hash for tables and cache keys. The same on every machine and in every run, but no defence against
// somebody who chooses the input: what must not be forged is hashed with SHA-256 (hash.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace mj {

inline uint64_t mix64(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xbf58476d1ce4e5b9u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed = 0) {
  const auto word = [](const std::byte* data, size_t size) {  // little-endian, zero-extended
    uint64_t value = 0;
    std::memcpy(&value, data, size);
    return value;
  };
  uint64_t hash = mix64(seed, bytes.size());
  while (bytes.size() >= 16) {
    hash = mix64(word(bytes.data(), 8) ^ hash, word(bytes.data() + 8, 8));
    bytes = bytes.subspan(16);
  }
  if (bytes.size() >= 8) {
    hash = mix64(hash, word(bytes.data(), 8));
    bytes = bytes.subspan(8);
  }
  return mix64(hash, bytes.empty() ? 0 : word(bytes.data(), bytes.size()));
}

inline uint64_t hash64(std::string_view text, uint64_t seed = 0) {
  return hash64(std::as_bytes(std::span(text.data(), text.size())), seed);
}

}  // namespace mj
