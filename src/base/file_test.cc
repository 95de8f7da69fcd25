// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/hash.h"
#include "base/signature.h"

namespace mj {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() : root_(fs::path(testing::TempDir()) / ("mj_file_test_" + std::to_string(getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "in/sub");
  }
  ~FileTest() override { fs::remove_all(root_); }

  std::string path(const std::string& relative) const { return (root_ / relative).string(); }
  void write(const std::string& relative, std::string_view text) {
    const auto result = write_file_atomically(path(relative), text);
    ASSERT_TRUE(result.ok()) << result.error().message;
  }
  static std::string text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  fs::path root_;
};

TEST_F(FileTest, ReadsWithALimit) {
  write("a", "hello");
  EXPECT_EQ(text(*read_file(path("a"), 5)), "hello");
  EXPECT_FALSE(read_file(path("a"), 4).ok());
  EXPECT_EQ(read_file(path("none"), 4).error().code, ErrorCode::environment);
  EXPECT_EQ(read_file(path("in"), 4).error().message,
            "cannot read '" + path("in") + "': expected a file, got a directory");
  EXPECT_GT(read_file("/proc/self/status", 1 << 20)->size(), 0u);  // says that it is empty
  EXPECT_TRUE(file_exists(path("a")));
  EXPECT_FALSE(file_exists(path("b")));
}

TEST_F(FileTest, Maps) {
  write("a", "hello");
  write("empty", "");
  const auto file = *MappedFile::open(path("a"));
  write("a", "other");  // a new file: the mapping keeps the old one
  EXPECT_EQ(text(file->bytes()), "hello");
  EXPECT_EQ(file->size(), 5);
  EXPECT_EQ((*MappedFile::open(path("empty")))->size(), 0);
  EXPECT_FALSE(MappedFile::open(path("in")).ok());
  EXPECT_EQ(text((*MappedFile::open_beneath(path(""), "a"))->bytes()), "other");
  EXPECT_FALSE(MappedFile::open_beneath(path("in"), "../a").ok());
}

// Bytes of this process's memory that are pages of files.
int64_t resident_file_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0, resident = 0, of_files = 0;
  statm >> size >> resident >> of_files;
  return of_files * sysconf(_SC_PAGESIZE);
}

TEST_F(FileTest, ForgetsWhatItHasRead) {
  constexpr int64_t kSize = 32 << 20;
  std::string large(kSize, 'x');
  large[12345678] = 'y';
  write("large", large);
  const auto file = *MappedFile::open(path("large"));
  EXPECT_EQ(std::ranges::count(file->bytes(), std::byte{'y'}), 1);
  const int64_t before = resident_file_bytes();
  file->expect(file->bytes().subspan(100, kSize / 2));
  file->expect({});
  file->forget(file->bytes().subspan(100, kSize / 2));
  file->forget({});
  EXPECT_LT(resident_file_bytes(), before - kSize / 2 + (1 << 20));
  EXPECT_EQ(text(file->bytes()), large);
}

TEST_F(FileTest, WritesAllOrNothing) {
  const std::string first(100'000, 'x'), second = "tail";
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(first)), {}, std::as_bytes(std::span(second))};
  ASSERT_TRUE(write_file_atomically(path("a"), pieces).ok());
  EXPECT_EQ(text(*read_file(path("a"), 1 << 20)), first + second);
  EXPECT_FALSE(write_file_atomically(path("none/a"), second).ok());
  EXPECT_FALSE(write_file_atomically(path("in"), second).ok());
  EXPECT_FALSE(write_file_atomically("/dev/null", second).ok());
  struct stat info {};
  ASSERT_EQ(stat("/dev/null", &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    EXPECT_EQ(entry.path().string().find(".tmp-"), std::string::npos) << entry.path();
  }
}

TEST_F(FileTest, OpensOnlyBeneath) {
  write("outside", "secret");
  write("in/plain", "ok");
  write("in/sub/deep", "ok");
  write("in/linked", "ok");
  fs::create_hard_link(path("in/linked"), path("in/hard"));
  fs::create_symlink("plain", path("in/soft"));
  fs::create_symlink("../outside", path("in/out"));
  fs::create_directory_symlink("sub", path("in/subsoft"));
  ASSERT_EQ(mkfifo(path("in/pipe").c_str(), 0600), 0);

  for (const auto open : {open_beneath, open_beneath_stepwise}) {
    for (const char* good : {"plain", "sub/deep", "./plain", "sub//deep"}) {
      const auto fd = open(path("in"), good);
      ASSERT_TRUE(fd.ok()) << good << ": " << fd.error().message;
      char two[2];
      EXPECT_EQ(read(*fd, two, 2), 2);
      close(*fd);
    }
    for (const std::string& bad :
         {std::string(""), std::string("../outside"), std::string("sub/../../outside"), path("outside"),
          std::string("soft"), std::string("out"), std::string("subsoft/deep"), std::string("hard"),
          std::string("pipe"), std::string("sub"), std::string("."), std::string(".."), std::string("none"),
          std::string("plain/x"), std::string("plain\0x", 7)}) {
      EXPECT_FALSE(open(path("in"), bad).ok()) << bad;
    }
    EXPECT_FALSE(open(path("none"), "plain").ok());
    EXPECT_EQ(open(path("in"), "out").error().message,
              "'out' is not a plain path below its directory: no '..', absolute path or link is followed");
    EXPECT_EQ(open(path("in"), "hard").error().message, "'hard' has 2 hard links; copy the file");
  }
}

TEST(Hash, Sha256) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 hash;
  hash.update(std::as_bytes(std::span("a", 1)));
  hash.update(std::as_bytes(std::span("bc", 2)));
  EXPECT_EQ(to_hex(hash.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(FileTest, SignaturesAndKeys) {
  const SigningKey key = SigningKey::generate(), other = SigningKey::generate();
  const Digest digest = sha256({});
  const auto message = std::as_bytes(std::span(digest));
  Signature signature = key.sign(message);
  EXPECT_TRUE(verify_signature(key.public_key(), message, signature));
  EXPECT_FALSE(verify_signature(other.public_key(), message, signature));
  EXPECT_FALSE(verify_signature(key.public_key(), message.first(31), signature));
  signature[5] ^= 1;
  EXPECT_FALSE(verify_signature(key.public_key(), message, signature));

  // The key pair of RFC 8032, section 7.1, test 1.
  write("private.pem",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
        "-----END PRIVATE KEY-----\n");
  write("public.pem",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n");
  const auto read = SigningKey::read_pem(path("private.pem"));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(to_hex(read->public_key()), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(*read_public_key_pem(path("public.pem")), read->public_key());
  EXPECT_EQ(to_hex(read->sign({})).substr(0, 32), "e5564300c360ac729086e2cc806e828a");
  EXPECT_FALSE(SigningKey::read_pem(path("public.pem")).ok());
  EXPECT_FALSE(read_public_key_pem(path("private.pem")).ok());
  EXPECT_FALSE(read_public_key_pem(path("none.pem")).ok());
}

}  // namespace
}  // namespace mj
