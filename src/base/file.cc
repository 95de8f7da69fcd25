// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace mj {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Error system_error(std::string_view verb, const std::string& path, int number = errno) {
  return error(ErrorCode::environment, "cannot {} '{}': {}", verb, path, std::generic_category().message(number));
}

// O_NONBLOCK, so that opening a pipe does not wait for its other end; it means nothing for regular files.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

Result<struct stat> regular_file(int fd, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return system_error("read", path);
  if (!S_ISREG(info.st_mode)) {
    return error(ErrorCode::environment, "cannot read '{}': expected a file, got a {}", path,
                 S_ISDIR(info.st_mode) ? "directory" : "device or pipe");
  }
  return info;
}

Result<int> open_to_read(const std::string& path) {
  const int fd = ::open(path.c_str(), kReadFlags);
  if (fd < 0) return system_error("open", path);
  return fd;
}

Error escapes(const std::string& relative) {
  return model_error("'{}' is not a plain path below its directory: no '..', absolute path or link is followed",
                     relative);
}

Result<Descriptor> open_directory(const std::string& directory) {
  Descriptor fd(::open(directory.empty() ? "." : directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return system_error("open directory", directory);
  return fd;
}

bool is_plain(const std::string& relative) {
  return !relative.empty() && relative.front() != '/' && relative.find('\0') == std::string::npos;
}

Error refused(int number, const std::string& relative) {
  if (number == EXDEV || number == ELOOP) return escapes(relative);
  return system_error("open", relative, number);
}

Result<int> checked_regular(Descriptor fd, const std::string& relative) {
  MJ_ASSIGN(const struct stat info, regular_file(fd.get(), relative));
  // A hard link would let a directory of models hand out any file of its owner.
  if (info.st_nlink > 1) return model_error("'{}' has {} hard links; copy the file", relative, info.st_nlink);
  return fd.release();
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// Linux keeps what one call writes as one folio of up to 2 MiB, and from 6.18 a fault maps a folio whole: who then maps
// the file and reads a few rows of a table would hold all of it. Reading a mapped file through makes folios as large;
// expect() has it read page by page.
constexpr size_t kWriteBytes = 64 << 10;

Result<void> write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), kWriteBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write", path);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Result<void> write_and_sync(int fd, std::span<const std::span<const std::byte>> pieces, const std::string& path) {
  for (std::span<const std::byte> piece : pieces) MJ_TRY(write_all(fd, piece, path));
  if (fsync(fd) != 0) return system_error("write", path);
  return {};
}

}  // namespace

bool file_exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Result<std::vector<std::byte>> read_file(const std::string& path, int64_t max_bytes) {
  MJ_ASSIGN(const int opened, open_to_read(path));
  const Descriptor fd(opened);
  MJ_ASSIGN(const struct stat info, regular_file(fd.get(), path));
  std::vector<std::byte> bytes(static_cast<size_t>(std::min<int64_t>(info.st_size, max_bytes)) + 1);  // one to see more
  size_t filled = 0;
  for (;;) {  // files in /proc and /sys claim to be empty, others grow while they are read: only the end is the end
    if (filled == bytes.size()) bytes.resize(2 * filled);
    const ssize_t got = read(fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read", path);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    if (filled > static_cast<size_t>(max_bytes)) {
      return error(ErrorCode::environment, "file '{}' has more than the {} bytes allowed here", path, max_bytes);
    }
  }
  bytes.resize(filled);
  return bytes;
}

Result<std::shared_ptr<const MappedFile>> MappedFile::map(Result<int> descriptor, const std::string& shown) {
  MJ_ASSIGN(const int opened, std::move(descriptor));
  const Descriptor fd(opened);
  MJ_ASSIGN(const struct stat info, regular_file(fd.get(), shown));
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile({}));
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return system_error("map", shown);
  return std::shared_ptr<const MappedFile>(new MappedFile({static_cast<const std::byte*>(data), size}));
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  return map(open_to_read(path), path);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open_beneath(const std::string& directory,
                                                                   const std::string& relative) {
  return map(mj::open_beneath(directory, relative), relative);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::expect(std::span<const std::byte> part) const {
  if (part.empty()) return;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t end = static_cast<size_t>(part.data() - bytes_.data()) + part.size();
  // One call reads no more ahead than the device's setting, of which 128 KiB is the usual one.
  constexpr size_t kAhead = 128 << 10;
  for (size_t at = static_cast<size_t>(part.data() - bytes_.data()) / page * page; at < end; at += kAhead) {
    madvise(const_cast<std::byte*>(bytes_.data()) + at, std::min(kAhead, end - at), MADV_WILLNEED);
  }
}

void MappedFile::forget(std::span<const std::byte> part) const {
  if (part.empty()) return;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = static_cast<size_t>(part.data() - bytes_.data()) / page * page;  // a mapping starts with a page
  const size_t end = static_cast<size_t>(part.data() - bytes_.data()) + part.size();
  // Advice only: a system that does not take it keeps the pages.
  madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

Result<void> check_writable(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {  // renaming over /dev/null would replace it
    return error(ErrorCode::environment, "cannot write '{}': it exists and is not a file", path);
  }
  if (access(folder_of(path).c_str(), W_OK | X_OK) != 0) return system_error("write to the folder of", path);
  return {};
}

Result<void> write_file_atomically(const std::string& path, std::span<const std::span<const std::byte>> pieces) {
  MJ_TRY(check_writable(path));
  static std::atomic<int> counter{0};
  const std::string temporary = fmt::format("{}.tmp-{}-{}", path, getpid(), counter++);
  // Without a name until it is whole, where the file system can: whoever kills us then leaves nothing behind.
  const bool can_name = access("/proc/self/fd", X_OK) == 0;
  Descriptor fd(can_name ? ::open(folder_of(path).c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666) : -1);
  const bool nameless = fd.ok();
  if (!nameless) fd = Descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!fd.ok()) return system_error("create", path);
  Result<void> written = write_and_sync(fd.get(), pieces, path);
  const std::string self = fmt::format("/proc/self/fd/{}", fd.get());
  if (written.ok() && nameless && linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return system_error("name", path);
  }
  if (written.ok() && close(fd.release()) != 0) written = system_error("write", path);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) written = system_error("rename into place", path);
  if (!written.ok()) {
    unlink(temporary.c_str());
    return written;
  }
  const Descriptor parent(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot sync a directory; the file itself is complete by now.
  if (parent.ok() && fsync(parent.get()) != 0 && errno == EIO) return system_error("sync the directory of", path);
  return {};
}

Result<void> write_file_atomically(const std::string& path, std::string_view text) {
  const std::span<const std::byte> piece = std::as_bytes(std::span(text.data(), text.size()));
  return write_file_atomically(path, std::span(&piece, 1));
}

Result<int> open_beneath(const std::string& directory, const std::string& relative) {
  if (!is_plain(relative)) return escapes(relative);
  MJ_ASSIGN(const Descriptor base, open_directory(directory));
  struct open_how how {};
  how.flags = kReadFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  for (int attempt = 0; attempt < 8; ++attempt) {  // EAGAIN: something on the way was renamed meanwhile
    fd = syscall(SYS_openat2, base.get(), relative.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  if (fd >= 0) return checked_regular(Descriptor(static_cast<int>(fd)), relative);
  // EPERM: a sandbox that has not heard of the call.
  if (errno == ENOSYS || errno == EPERM) return open_beneath_stepwise(directory, relative);
  return refused(errno, relative);
}

Result<int> open_beneath_stepwise(const std::string& directory, const std::string& relative) {
  if (!is_plain(relative)) return escapes(relative);
  MJ_ASSIGN(Descriptor at, open_directory(directory));
  for (size_t begin = 0;;) {
    const size_t end = std::min(relative.find('/', begin), relative.size());
    const std::string part = relative.substr(begin, end - begin);
    if (part == "..") return escapes(relative);
    const bool last = end == relative.size();
    if (!part.empty() && part != ".") {
      Descriptor next(
          openat(at.get(), part.c_str(), (last ? kReadFlags : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW));
      // A link on the way shows as "not a directory".
      if (!next.ok()) return refused(errno == ENOTDIR ? ELOOP : errno, relative);
      at = std::move(next);
    }
    if (last) break;
    begin = end + 1;
  }
  return checked_regular(std::move(at), relative);
}

}  // namespace mj
