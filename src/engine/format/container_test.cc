// SPDX-License-Identifier: Apache-2.0
#include "engine/format/container.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "engine/format/test_support.h"

namespace mj {
namespace {

using container::Header;
using container::TableEntry;

std::vector<std::byte> noise(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

struct Small {
  std::vector<std::byte> manifest, weights, samples;
  std::vector<SectionData> sections;

  explicit Small(unsigned seed)
      : manifest(noise(100, seed)), weights(noise(4097, seed + 1)), samples(noise(64, seed + 2)) {
    sections = {{SectionKind::manifest, "", kAllTargets, manifest},
                {SectionKind::weights, "shared", kAllTargets, weights},
                {SectionKind::samples, "", 0, samples}};
  }
  std::vector<std::byte> file(const SigningKey* key = nullptr) const {
    return join(assemble_container(sections, key).value());
  }
};

Result<Container> parse(const std::vector<std::byte>& bytes, const ContainerOptions& options = {}) {
  const Image image(bytes);
  return Container::parse("x.engine", image.bytes(), image.owner(), options);
}

std::string refusal(const std::vector<std::byte>& bytes, const ContainerOptions& options = {}) {
  const auto result = parse(bytes, options);
  return result.ok() ? "accepted" : result.error().message;
}

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

TEST(Container, GivesBackWhatWasPutIn) {
  const Small small(1);
  const auto container = parse(small.file());
  ASSERT_TRUE(container.ok()) << container.error().message;
  ASSERT_EQ(container->sections().size(), 3u);
  EXPECT_TRUE(same(container->manifest(), small.manifest));
  EXPECT_TRUE(same(container->section(1), small.weights));
  EXPECT_TRUE(same(container->section(2), small.samples));
  EXPECT_EQ(container->sections()[1].name, "shared");
  EXPECT_EQ(container->sections()[1].kind, SectionKind::weights);
  EXPECT_EQ(container->sections()[2].target, 0);
  EXPECT_EQ(container->sections()[1].offset % kSectionAlign, 0);
  EXPECT_EQ(container->bytes() % kSectionAlign, 0);
  EXPECT_FALSE(container->signed_by());
}

TEST(Container, SameSectionsGiveSameBytes) { EXPECT_EQ(Small(1).file(), Small(1).file()); }

TEST(Container, IdenticalSectionsAreStoredOnce) {
  Small small(1);
  const size_t before = small.file().size();
  small.sections.push_back({SectionKind::weights, "again", 1, small.weights});
  small.sections.push_back({SectionKind::weights, "empty", 1, {}});
  const auto bytes = small.file();
  EXPECT_EQ(bytes.size(), before);
  const auto container = parse(bytes);
  ASSERT_TRUE(container.ok()) << container.error().message;
  EXPECT_TRUE(same(container->section(3), small.weights));
  EXPECT_TRUE(container->section(4).empty());
}

TEST(Container, TheTableIsShownBeforeTheSectionsAreHashed) {
  const std::vector<std::byte> file = Small(1).file();
  size_t seen = 0;
  ContainerOptions options;
  options.table_seen = [&](std::span<const Section> sections) { seen = sections.size(); };
  std::vector<std::byte> damaged = file;
  damaged[kSectionAlign + 1] = ~damaged[kSectionAlign + 1];  // of the first section
  EXPECT_FALSE(parse(damaged, options).ok());
  EXPECT_GT(seen, 1u);
  damaged = file;
  damaged[300] = ~damaged[300];  // in the table
  seen = 0;
  EXPECT_FALSE(parse(damaged, options).ok());
  EXPECT_EQ(seen, 0u);
}

TEST(Container, EveryFlippedBitIsRefused) {
  const SigningKey key = SigningKey::generate();
  for (const SigningKey* signer : {static_cast<const SigningKey*>(nullptr), &key}) {
    const Image image(Small(1).file(signer));
    Image damaged = image;
    const std::span<std::byte> bytes = damaged.bytes();
    // Of the signed one header and table: the rest is covered alike, and each try costs a signature.
    const size_t end = signer ? sizeof(Header) + 3 * sizeof(TableEntry) : bytes.size();
    for (size_t i = 0; i < end; ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        bytes[i] ^= std::byte(1 << bit);
        const auto result = Container::parse("x.engine", bytes, damaged.owner());
        bytes[i] ^= std::byte(1 << bit);
        ASSERT_FALSE(result.ok()) << "bit " << bit << " of byte " << i;
        ASSERT_TRUE(result.error().message.starts_with("engine 'x.engine': ")) << result.error().message;
      }
    }
    EXPECT_TRUE(Container::parse("x.engine", bytes, damaged.owner()).ok());
  }
}

TEST(Container, EveryTruncationIsRefused) {
  const Image image(Small(1).file());
  for (size_t size = 0; size < image.bytes().size(); ++size) {
    ASSERT_FALSE(Container::parse("x.engine", image.bytes().first(size), image.owner()).ok()) << size;
  }
}

TEST(Container, AppendedBytesAreRefused) {
  std::vector<std::byte> bytes = Small(1).file();
  const size_t size = bytes.size();
  bytes.resize(size + kSectionAlign);
  const Image image(bytes);
  for (size_t extra = 1; extra <= kSectionAlign; ++extra) {
    const auto result = Container::parse("x.engine", image.bytes().first(size + extra), image.owner());
    ASSERT_FALSE(result.ok()) << extra;
  }
  EXPECT_NE(refusal(bytes).find("4096 bytes after its end"), std::string::npos) << refusal(bytes);
}

TEST(Container, DamageIsNamed) {
  std::vector<std::byte> bytes = Small(1).file();
  bytes[3 * kSectionAlign] ^= std::byte{1};
  EXPECT_EQ(refusal(bytes),
            "engine 'x.engine': section 1 (weights shared) is damaged: its SHA-256 differs from the table's; copy the "
            "file again or compile the model again");
}

// Sections of one engine in the place of another's, of equal size so that nothing else differs.
TEST(Container, SplicedSectionsAreRefused) {
  const std::vector<std::byte> a = Small(1).file(), b = Small(100).file();
  ASSERT_EQ(a.size(), b.size());
  const size_t pages = a.size() / kSectionAlign;
  const auto splice = [&](size_t from, const std::vector<std::byte>& source, size_t to) {
    std::vector<std::byte> out = a;
    std::copy_n(source.begin() + static_cast<ptrdiff_t>(from * kSectionAlign), kSectionAlign,
                out.begin() + static_cast<ptrdiff_t>(to * kSectionAlign));
    return out;
  };
  for (size_t from = 0; from < pages; ++from) {
    for (size_t to = 0; to < pages; ++to) {
      const auto same_place = splice(from, a, to);
      EXPECT_EQ(refusal(same_place) == "accepted", same_place == a) << from << " to " << to;
      EXPECT_NE(refusal(splice(from, b, to)), "accepted") << from << " to " << to;
    }
  }
  // The table's entries too: exchanged, and one in the place of another.
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      if (i == j) continue;
      std::vector<std::byte> swapped = a, doubled = a;
      const auto entry = [](std::vector<std::byte>& v, size_t k) {
        return v.begin() + static_cast<ptrdiff_t>(sizeof(Header) + k * sizeof(TableEntry));
      };
      std::swap_ranges(entry(swapped, i), entry(swapped, i) + sizeof(TableEntry), entry(swapped, j));
      std::copy_n(entry(doubled, i), sizeof(TableEntry), entry(doubled, j));
      EXPECT_NE(refusal(swapped), "accepted");
      EXPECT_NE(refusal(doubled), "accepted");
      // Order is part of the layout, whoever computed the digests.
      rehash(swapped);
      EXPECT_NE(refusal(swapped), "accepted");
    }
  }
}

// Every number in header and table at the values that break careless arithmetic, digests made to fit.
TEST(Container, HostileNumbersAreRefused) {
  const std::vector<std::byte> good = Small(1).file();
  const uint64_t size = good.size();
  const size_t end = sizeof(Header) + 3 * sizeof(TableEntry);
  for (size_t at = 0; at < end; at += 4) {
    for (size_t width : {4, 8}) {
      for (uint64_t value : {uint64_t{0}, uint64_t{1}, size - 1, size, size + 1, uint64_t{1} << 31,
                             (uint64_t{1} << 32) - 1, (uint64_t{1} << 63), ~uint64_t{0}}) {
        std::vector<std::byte> bytes = good;
        std::memcpy(bytes.data() + at, &value, width);
        EXPECT_EQ(refusal(bytes) == "accepted", bytes == good) << at;
        rehash(bytes);
        const auto result = parse(bytes);  // names, targets and the like may be anything; places may not
        if (!result.ok()) continue;
        for (const Section& section : result->sections()) {
          EXPECT_LE(static_cast<uint64_t>(section.offset) + static_cast<uint64_t>(section.bytes), size) << at;
        }
      }
    }
  }
}

TEST(Container, NewerMajorVersionIsRefusedByName) {
  std::vector<std::byte> bytes = Small(1).file();
  bytes[offsetof(Header, major)] = std::byte{2};
  rehash(bytes);
  EXPECT_EQ(refusal(bytes),
            "engine 'x.engine': its format version is 2.0, this build reads up to 1.x; use a newer millijoule");
  bytes = Small(1).file();
  bytes[offsetof(Header, minor)] = std::byte{9};
  rehash(bytes);
  EXPECT_EQ(refusal(bytes), "accepted");
}

TEST(Container, SignatureIsCheckedAgainstTrustedKeys) {
  const SigningKey ours = SigningKey::generate(), theirs = SigningKey::generate();
  const ContainerOptions trust_ours{.trusted_keys = {ours.public_key()}};
  const Small small(1);

  const auto good = parse(small.file(&ours), trust_ours);
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_EQ(good->signed_by(), ours.public_key());
  EXPECT_TRUE(parse(small.file(&ours)).ok());

  EXPECT_NE(refusal(small.file(), trust_ours).find("not signed"), std::string::npos);
  EXPECT_NE(refusal(small.file(&theirs), trust_ours).find("not among the 1 trusted"), std::string::npos);

  std::vector<std::byte> changed = small.file(&ours);
  changed[2 * kSectionAlign + 5] ^= std::byte{1};
  rehash(changed);
  EXPECT_NE(refusal(changed).find("does not belong to this file"), std::string::npos) << refusal(changed);
  // Our key's name under their signature.
  std::vector<std::byte> posing = small.file(&theirs);
  std::memcpy(posing.data() + 80, ours.public_key().data(), 32);
  EXPECT_NE(refusal(posing, trust_ours).find("does not belong to this file"), std::string::npos);
}

// Large enough for the threads that hash.
TEST(Container, DamageInALargeFileIsFound) {
  const std::vector<std::byte> manifest = noise(10, 1), big = noise(6 << 20, 2), bigger = noise(7 << 20, 3);
  const std::vector<SectionData> sections = {{SectionKind::manifest, "", kAllTargets, manifest},
                                             {SectionKind::weights, "", 0, big},
                                             {SectionKind::weights, "", 1, bigger}};
  Image image(join(assemble_container(sections).value()));
  ASSERT_TRUE(Container::parse("x", image.bytes(), image.owner()).ok());
  for (const size_t at : {image.bytes().size() - 5, size_t{3} << 20}) {
    image.bytes()[at] ^= std::byte{4};
    EXPECT_FALSE(Container::parse("x", image.bytes(), image.owner()).ok());
    image.bytes()[at] ^= std::byte{4};
  }
}

TEST(Container, FilesAreWrittenAndMapped) {
  const std::string path = (std::filesystem::temp_directory_path() / "mj_container_test.engine").string();
  const Small small(1);
  const auto written = write_container(path, small.sections);
  ASSERT_TRUE(written.ok()) << written.error().message;
  {
    const auto container = Container::open(path);
    ASSERT_TRUE(container.ok()) << container.error().message;
    EXPECT_TRUE(same(container->section(1), small.weights));
  }
  std::filesystem::resize_file(path, 6000);
  const auto cut = Container::open(path);
  ASSERT_FALSE(cut.ok());
  EXPECT_TRUE(cut.error().message.starts_with("engine 'mj_container_test.engine': the file is cut short"))
      << cut.error().message;
  std::filesystem::remove(path);
  EXPECT_FALSE(Container::open(path).ok());
}

}  // namespace
}  // namespace mj
