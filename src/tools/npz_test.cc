// SPDX-License-Identifier: Apache-2.0
#include "tools/npz.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <random>

#include "base/file.h"
#include "tools/npy.h"

namespace mj {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A .npy file as NumPy would write it.
std::string npy(const std::string& descr, const std::string& shape, const std::string& elements, bool fortran = false) {
  const std::string dict =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(dict.size()) + '\0' + dict + elements;
}
template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
std::string parsed(const std::string& file) {
  const Result<NumpyArray> array = parse_npy(bytes_of(file), "x");
  return array.ok() ? to_string(array->tensor) : array.error().message;
}

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}
std::string deflated(const std::string& text) {
  std::string out(text.size() + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
// An archive of one entry in the 32-bit form, as np.savez_compressed writes it.
std::string zip(const std::string& name, const std::string& file, int method) {
  const std::string body = method == 8 ? deflated(file) : file;
  std::string common;
  put(common, 20, 2), put(common, 0, 2), put(common, static_cast<uint64_t>(method), 2), put(common, 0, 4);
  put(common, crc32(0, reinterpret_cast<const Bytef*>(file.data()), static_cast<uInt>(file.size())), 4);
  put(common, body.size(), 4), put(common, file.size(), 4), put(common, name.size(), 2), put(common, 0, 2);
  std::string out;
  put(out, 0x04034b50, 4);
  out += common + name + body;
  const size_t directory = out.size();
  put(out, 0x02014b50, 4), put(out, 20, 2);
  out += common;
  put(out, 0, 2), put(out, 0, 2), put(out, 0, 2), put(out, 0, 4), put(out, 0, 4);
  out += name;
  const size_t size = out.size() - directory;
  put(out, 0x06054b50, 4), put(out, 0, 4), put(out, 1, 2), put(out, 1, 2), put(out, size, 4), put(out, directory, 4);
  put(out, 0, 2);
  return out;
}

class NpzTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  Result<Npz> read(const std::string& file) const {
    EXPECT_TRUE(write_file_atomically(path_, file).ok());
    return read_numpy(path_);
  }
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("mj_npz_" + std::to_string(::getpid()) + ".npz")).string();
};

TEST_F(NpzTest, GivesBackWhatWasWritten) {
  std::vector<std::pair<std::string, Tensor>> arrays = {
      {"f", Tensor::of<float>({2, 2}, std::vector<float>{1, -2, 0.5f, 4})},
      {"scalar", Tensor::scalar<int64_t>(-7)},
      {"none", Tensor::zeros(DType::f64, {0, 3})},
      {"flags", Tensor::of<uint8_t>({3}, std::vector<uint8_t>{0, 1, 255})},
      {"half", Tensor::zeros(DType::f16, {2})},
      {"a/b:0", Tensor::scalar(true)},
      {"words", Tensor::strings({3}, {"", "owl", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"})},
  };
  ASSERT_TRUE(write_npz(path_, arrays).ok());
  const Npz read = read_numpy(path_).value();
  ASSERT_EQ(read.size(), arrays.size());
  for (const auto& [name, tensor] : arrays) EXPECT_TRUE(identical(read.at(name).tensor, tensor)) << name;
}

TEST_F(NpzTest, AnArchiveMayBeEmpty) {
  ASSERT_TRUE(write_npz(path_, {}).ok());
  const Result<Npz> read = read_numpy(path_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_TRUE(read->empty());
  // NumPy tells an archive by its first bytes; this is what np.savez() writes.
  EXPECT_EQ(text_of(read_file(path_, 1 << 20).value()), "PK\5\6" + std::string(18, '\0'));
}

TEST_F(NpzTest, TypesNumpyLacksTravelAsRawBytes) {
  Tensor brain = Tensor::zeros(DType::bf16, {2}), nibbles = Tensor::zeros(DType::i4, {3});
  brain.mutable_data<Bf16>()[1] = Bf16(1.5f);
  nibbles.mutable_data<int8_t>()[2] = -3;
  ASSERT_TRUE(write_npz(path_, {{"b", brain}, {"n", nibbles}}).ok());
  const Npz read = read_numpy(path_).value();
  EXPECT_TRUE(read.at("b").raw);
  EXPECT_TRUE(identical(as_dtype(read.at("b"), DType::bf16, "b").value(), brain));
  EXPECT_TRUE(identical(as_dtype(read.at("n"), DType::i4, "n").value(), nibbles));
  EXPECT_FALSE(as_dtype(read.at("b"), DType::f32, "b").ok());
  EXPECT_FALSE(as_dtype(read.at("n"), DType::boolean, "n").ok());
}

TEST_F(NpzTest, BytesThatAreNoElementsAreRefused) {
  const NumpyArray bytes{Tensor::of<uint8_t>({3}, std::array<uint8_t, 3>{1, 0xfe, 3}), true};
  EXPECT_EQ(to_string(as_dtype(bytes, DType::i4, "x").value()), "i4[3] {1, -2, 3}");
  EXPECT_EQ(as_dtype(bytes, DType::i2, "x").error().message, "x: element 2 is 0x03, which is no i2");
  EXPECT_EQ(as_dtype(bytes, DType::u2, "x").error().message, "x: element 1 is 0xfe, which is no u2");
}

TEST_F(NpzTest, OnlyRawArraysChangeType) {
  const NumpyArray array{Tensor::zeros(DType::i32, {1}), false};
  EXPECT_EQ(as_dtype(array, DType::f32, "x").error().message, "x: got i32, expected f32");
  EXPECT_TRUE(as_dtype(array, DType::none, "x").ok());
}

TEST_F(NpzTest, ReadsStoredAndCompressedEntries) {
  const std::string file = npy("<f4", "(100,)", raw(std::vector<float>(100, 2.5f)));
  for (const int method : {0, 8}) {
    const Result<Npz> npz = read(zip("x.npy", file, method));
    ASSERT_TRUE(npz.ok()) << npz.error().message;
    EXPECT_EQ(npz->at("x").tensor.data<float>()[99], 2.5f);
  }
  EXPECT_EQ(read(zip("x.npy", file, 12)).error().message,
            path_ + ": entry 'x.npy': it is compressed in another way than np.savez does");
}

TEST_F(NpzTest, ASingleNpyIsAnEntryWithoutAName) {
  EXPECT_EQ(to_string(read(npy("<i8", "()", raw(std::vector<int64_t>{5})))->at("").tensor), "i64[] {5}");
}

TEST_F(NpzTest, DamageIsAnErrorNeverACrash) {
  const std::string good = zip("x.npy", npy("<f4", "(40,)", raw(std::vector<float>(40, 1.0f))), 8);
  ASSERT_TRUE(read(good).ok());
  for (size_t cut = 0; cut < good.size(); ++cut) EXPECT_FALSE(read(good.substr(0, cut)).ok()) << cut;
  std::minstd_rand random(1);
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    (void)read(bad);
  }
  ASSERT_TRUE(write_npz(path_, {{"x", Tensor::zeros(DType::f32, {8})}}).ok());
  const std::string wide = text_of(read_file(path_, 1 << 20).value());
  for (size_t at = wide.size() - 110; at < wide.size(); ++at) {
    std::string bad = wide;
    bad[at] = '\xff';
    (void)read(bad);
  }
}

TEST(Npy, ReadsEveryOrderAndVersion) {
  const std::vector<int16_t> columns = {1, 4, 2, 5, 3, 6};
  EXPECT_EQ(parsed(npy("<i2", "(2, 3)", raw(columns), true)), "i16[2,3] {1, 2, 3, 4, 5, 6}");
  EXPECT_EQ(parsed(npy("<i2", "(6,)", raw(columns), true)), "i16[6] {1, 4, 2, 5, 3, 6}");
  EXPECT_EQ(parsed(npy("<f4", "(0, 3)", "", true)), "f32[0,3] {}");
  std::string two = npy("|u1", "(1,)", "\x07");
  two[6] = 2;
  two.insert(10, 2, '\0');
  EXPECT_EQ(parsed(two), "u8[1] {7}");
}

TEST(Npy, RefusesWhatItCannotRead) {
  EXPECT_EQ(parsed("PK"), "array 'x': not a .npy file");
  EXPECT_EQ(parsed(npy("|O", "(1,)", "12345678")),
            "array 'x': holds Python objects; save plain numbers or unicode strings");
  EXPECT_EQ(parsed(npy(">f4", "(1,)", "1234")), "array 'x': type >f4 has no equal here");
  EXPECT_EQ(parsed(npy("<c8", "(1,)", "12345678")), "array 'x': type <c8 has no equal here");
  std::string records = npy("<f4", "(1,)", "1234");
  records.replace(records.find("'<f4'"), 5, "[('a', '<f4')]");
  records[8] = static_cast<char>(records[8] + 9);  // the header's length
  EXPECT_NE(parsed(records).find("its elements are records"), std::string::npos) << parsed(records);
  EXPECT_EQ(parsed(npy("<f4", "(2,)", "1234")), "array 'x': 4 bytes of elements do not fit shape (2,)");
  EXPECT_EQ(parsed(npy("<f4", "(-1,)", "1234")), "array 'x': shape (-1,) is not a tuple of sizes");
  EXPECT_EQ(parsed(npy("|b1", "(2,)", "\x01\x02")), "array 'x': a bool is neither 0 nor 1");
  EXPECT_EQ(parsed(npy("<U0", "(4611686018427387904,)", "")), "array 'x': 4611686018427387904 empty strings");
  EXPECT_EQ(parsed(npy("<U4611686018427387904", "(1,)", "")), "array 'x': unknown string type");
  const std::string huge = "(4611686018427387904, 4611686018427387904)";
  EXPECT_NE(parsed(npy("<f4", huge, "")).find("do not fit shape"), std::string::npos);
  EXPECT_EQ(parsed(npy("<f4", "(4611686018427387904, 4611686018427387904, 0)", "")),
            "f32[4611686018427387904,4611686018427387904,0] {}");
}

}  // namespace
}  // namespace mj
