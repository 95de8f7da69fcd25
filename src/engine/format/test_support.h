// SPDX-License-Identifier: Apache-2.0
// Engine files in memory, to be damaged. For tests and the fuzz target.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "engine/format/container.h"
#include "engine/format/container_layout.h"

namespace mj {

// Bytes aligned as a mapping would be.
class Image {
 public:
  explicit Image(std::span<const std::byte> bytes)
      : size_(bytes.size()), memory_(static_cast<std::byte*>(::operator new(bytes.size() + 1, kAlign)), Free{}) {
    if (size_) std::memcpy(memory_.get(), bytes.data(), size_);
  }
  std::span<std::byte> bytes() { return {memory_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {memory_.get(), size_}; }
  std::shared_ptr<const void> owner() const { return memory_; }
  std::vector<std::byte> copy() const { return {bytes().begin(), bytes().end()}; }

 private:
  static constexpr std::align_val_t kAlign{4096};
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, kAlign); }
  };
  size_t size_;
  std::shared_ptr<std::byte> memory_;
};

inline std::vector<std::byte> join(const ContainerImage& image) {
  std::vector<std::byte> bytes;
  for (const auto piece : image.pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return bytes;
}

// What an attacker does after changing something: every digest is made to fit what stands there now.
inline void rehash(std::span<std::byte> file) {
  using namespace container;
  Header header;
  if (file.size() < sizeof header) return;
  std::memcpy(&header, file.data(), sizeof header);
  const size_t room = (file.size() - sizeof header) / sizeof(TableEntry);
  const size_t count = header.section_count < room ? header.section_count : room;
  for (size_t i = 0; i < count; ++i) {
    TableEntry entry;
    std::byte* place = file.data() + sizeof header + i * sizeof entry;
    std::memcpy(&entry, place, sizeof entry);
    if (entry.offset > file.size() || entry.bytes > file.size() - entry.offset) continue;
    const Digest digest = sha256(file.subspan(entry.offset, entry.bytes));
    std::memcpy(entry.digest, digest.data(), sizeof entry.digest);
    std::memcpy(place, &entry, sizeof entry);
  }
  const Digest root = root_digest(file.first(sizeof header + count * sizeof(TableEntry)));
  std::memcpy(file.data() + offsetof(Header, root), root.data(), root.size());
}

}  // namespace mj
