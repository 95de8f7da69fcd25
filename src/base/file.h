// SPDX-License-Identifier: Apache-2.0
// Files, read and written so that a crash, a hostile path or a directory that changes meanwhile does no harm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mj {

bool file_exists(const std::string& path);  // anything of that name

// The contents of a regular file; an error when it is larger than max_bytes.
Result<std::vector<std::byte>> read_file(const std::string& path, int64_t max_bytes);

// A regular file, mapped read-only for as long as this object lives. If somebody truncates it meanwhile, reading raises
// SIGBUS, as with every mapping.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  // As the function open_beneath() below.
  static Result<std::shared_ptr<const MappedFile>> open_beneath(const std::string& directory,
                                                                const std::string& relative);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  int64_t size() const { return static_cast<int64_t>(bytes_.size()); }
  std::span<const std::byte> bytes() const { return bytes_; }
  // Begins to read `part`, a piece of bytes(), from the disk where it is not in the page cache. Without waiting.
  void expect(std::span<const std::byte> part) const;
  // Takes the pages of `part`, a piece of bytes(), out of this process's memory; reading them again fetches them from
  // the file.
  void forget(std::span<const std::byte> part) const;

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  static Result<std::shared_ptr<const MappedFile>> map(Result<int> descriptor, const std::string& shown);

  std::span<const std::byte> bytes_;
};

// Whether write_file_atomically() can be expected to work: the folder is there and may be written to, and `path` is no
// device, pipe or folder.
Result<void> check_writable(const std::string& path);

// The pieces one after the other. Readers see the old file or the whole new one, also after a power cut: written under
// a temporary name beside it, synced, renamed. On failure nothing is left behind and the old file stays.
Result<void> write_file_atomically(const std::string& path, std::span<const std::span<const std::byte>> pieces);
Result<void> write_file_atomically(const std::string& path, std::string_view text);

// A descriptor (read-only, the caller closes it) of a regular file below `directory`, for a path that comes from a file
// we do not trust: "..", absolute paths, symbolic links at any place, hard links, devices and pipes are refused.
Result<int> open_beneath(const std::string& directory, const std::string& relative);
// The same for kernels before 5.6, component by component.
Result<int> open_beneath_stepwise(const std::string& directory, const std::string& relative);

}  // namespace mj
