// SPDX-License-Identifier: Apache-2.0
#include "import/tensors.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "import/import_test_util.h"

namespace mj::onnx {
namespace {

using namespace test;

// The tensor as the importer sees it, or the error's text.
struct Read {
  Tensor tensor;
  std::string error;
};
Read read(const Bytes& tensor, const std::optional<std::string>& directory = std::nullopt) {
  GraphBuilder graph;
  graph.initializer(tensor);
  const auto bytes = std::make_shared<const Bytes>(model(graph));
  Result<ModelProto> proto = parse_model(*bytes);
  if (!proto.ok()) return {{}, proto.error().message};
  const ImportLimits limits;
  TensorReader reader(limits, bytes, directory);
  Result<Tensor> result = reader.read(proto->graph.initializers[0]);
  if (!result.ok()) return {{}, result.error().message};
  return {std::move(result).value(), ""};
}
std::string text(const Bytes& tensor) {
  const Read result = read(tensor);
  return result.error.empty() ? to_string(result.tensor) : result.error;
}

template <class T>
Bytes raw(std::string_view name, int32_t type, const Integers& dims, const std::vector<T>& values) {
  return raw_tensor(name, type, dims, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

TEST(tensors, typed_fields_and_raw_data) {
  EXPECT_EQ(text(floats("t", {2}, {1.5f, -2})), "f32[2] {1.5, -2}");
  EXPECT_EQ(text(raw<float>("t", kFloat, {2}, {1.5f, -2})), "f32[2] {1.5, -2}");
  EXPECT_EQ(text(int64s("t", {3, -4})), "i64[2] {3, -4}");
  EXPECT_EQ(text(int32_field("t", kInt32, {2}, {7, -8})), "i32[2] {7, -8}");
  EXPECT_EQ(text(int32_field("t", kInt8, {2}, {127, -128})), "i8[2] {127, -128}");
  EXPECT_EQ(text(int32_field("t", kFloat16, {1}, {0x3c00})), "f16[1] {1}");
  EXPECT_EQ(text(int32_field("t", kBool, {2}, {1, 0})), "bool[2] {1, 0}");
  EXPECT_EQ(text(raw<uint8_t>("t", kBool, {2}, {2, 0})), "bool[2] {1, 0}");
  EXPECT_EQ(text(floats("t", {0}, {})), "f32[0] {}");
}

TEST(tensors, four_bit_types_come_in_pairs_low_half_first) {
  EXPECT_EQ(text(raw<uint8_t>("t", kInt4, {3}, {0xf1, 0x08})), "i4[3] {1, -1, -8}");
  EXPECT_EQ(text(int32_field("t", kInt4, {3}, {0xf1, 0x08})), "i4[3] {1, -1, -8}");
  EXPECT_NE(read(raw<uint8_t>("t", kInt4, {3}, {0xf1})).error, "");
}

TEST(tensors, two_bit_types_come_in_fours_lowest_bits_first) {
  EXPECT_EQ(text(raw<uint8_t>("t", kInt2, {5}, {0b11100100, 0b10})), "i2[5] {0, 1, -2, -1, -2}");
  EXPECT_EQ(text(int32_field("t", kUint2, {5}, {0b11100100, 0b10})), "u2[5] {0, 1, 2, 3, 2}");
  EXPECT_NE(read(raw<uint8_t>("t", kUint2, {5}, {0b11100100})).error, "");
}

TEST(tensors, lengths_that_do_not_fit) {
  for (int64_t bytes : {0, 1, 3, 7, 9, 11, 12, 16}) {
    const Read result = read(raw_tensor("w", kFloat, {2}, std::string(static_cast<size_t>(bytes), '\0')));
    EXPECT_EQ(result.error, fmt::format("tensor 'w': has {} bytes of data, its type and dims need 8", bytes));
  }
  EXPECT_EQ(text(floats("w", {3}, {1, 2})), "tensor 'w': float_data holds 2 values, its dims need 3");
  EXPECT_EQ(text(int32_field("w", kInt8, {1}, {300})), "tensor 'w': int32_data holds 300, which is no i8");
  EXPECT_NE(read(tensor_head("w", kFloat, {1})).error, "");
  EXPECT_NE(read(tensor_head("w", 0, {1})).error, "");
  EXPECT_NE(read(tensor_head("w", 999, {1})).error, "");
}

TEST(tensors, dims_in_all_pairs) {
  const Integers extremes{0, -1, 1, int64_t{1} << 31, int64_t{1} << 62, std::numeric_limits<int64_t>::max()};
  for (int64_t a : extremes) {
    for (int64_t b : extremes) {
      const Read result = read(raw_tensor("w", kFloat, {a, b}, std::string(4, '\0')));
      EXPECT_EQ(result.error.empty(), a == 1 && b == 1) << a << " x " << b;
      const Read empty = read(tensor_head("w", kFloat, {a, b}));
      EXPECT_EQ(empty.tensor.size(), 0) << empty.error;
    }
  }
}

class External : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mj_external_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    directory_ = root_ + "/model";
    std::filesystem::create_directories(directory_ + "/sub");
    write(directory_ + "/w.bin");
    write(directory_ + "/sub/w.bin");
    write(root_ + "/secret.bin");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path) {
    const std::vector<float> values{1, 2, 3, 4};
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 16);
  }
  Read read_at(const Entries& entries, const Integers& dims = {2}) {
    return read(external("w", kFloat, dims, entries), directory_);
  }

  std::string root_, directory_;
};

TEST_F(External, reads_a_part_of_a_file) {
  EXPECT_EQ(to_string(read_at({{"location", "w.bin"}, {"offset", "4"}, {"length", "8"}}).tensor), "f32[2] {2, 3}");
  EXPECT_EQ(to_string(read_at({{"location", "sub/w.bin"}}, {4}).tensor), "f32[4] {1, 2, 3, 4}");
  EXPECT_EQ(to_string(read_at({{"location", "./w.bin"}, {"offset", "8"}}).tensor), "f32[2] {3, 4}");
}

TEST_F(External, what_was_used_of_a_file) {
  const Bytes bytes = external("w", kFloat, {1}, {{"location", "w.bin"}, {"offset", "0"}, {"length", "4"}});
  const Bytes other = external("v", kFloat, {2}, {{"location", "w.bin"}, {"offset", "8"}, {"length", "8"}});
  GraphBuilder graph;
  for (const Bytes& each : {other, bytes, other}) graph.initializer(each);
  const auto file = std::make_shared<const Bytes>(model(graph));
  const ModelProto proto = parse_model(*file).value();
  const ImportLimits limits;
  TensorReader reader(limits, file, directory_);
  for (const TensorProto& tensor : proto.graph.initializers) ASSERT_TRUE(reader.read(tensor).ok());
  const auto files = reader.files();
  ASSERT_EQ(files.size(), 1u);
  ASSERT_EQ(files[0].size(), 2u) << "in the order of the file, each once";
  EXPECT_EQ(files[0][0].size(), 4u);
  EXPECT_EQ(files[0][1].size(), 8u);
}

TEST_F(External, paths_that_leave_the_directory) {
  const Strings locations{"../secret.bin",
                          "sub/../../secret.bin",
                          root_ + "/secret.bin",
                          "..",
                          ".",
                          "",
                          "sub",
                          "..\\secret.bin",
                          std::string("w.bin\0", 6),
                          "%2e%2e/secret.bin",
                          std::string(4096, 'a'),
                          "/dev/zero",
                          "missing.bin",
                          "sub/../w.bin"};
  for (const std::string& location : locations) {
    const Read result = read_at({{"location", location}, {"length", "8"}});
    EXPECT_TRUE(result.error.starts_with("tensor 'w'")) << location << ": " << result.error;
  }
  EXPECT_NE(read_at({{"length", "8"}}).error, "") << "no location at all";
}

TEST_F(External, links_and_special_files) {
  namespace fs = std::filesystem;
  fs::create_symlink(root_ + "/secret.bin", directory_ + "/soft.bin");
  fs::create_directory_symlink(root_, directory_ + "/up");
  fs::create_hard_link(root_ + "/secret.bin", directory_ + "/hard.bin");
  ASSERT_EQ(mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  for (const char* location : {"soft.bin", "up/secret.bin", "hard.bin", "fifo"}) {
    EXPECT_NE(read_at({{"location", location}, {"length", "8"}}).error, "") << location;
  }
}

TEST_F(External, offsets_lengths_and_keys_that_make_no_sense) {
  const std::vector<Entries> bad{
      {{"location", "w.bin"}, {"offset", "-4"}},
      {{"location", "w.bin"}, {"offset", "17"}},
      {{"location", "w.bin"}, {"offset", "9223372036854775807"}, {"length", "8"}},
      {{"location", "w.bin"}, {"offset", "12"}, {"length", "8"}},
      {{"location", "w.bin"}, {"offset", "1e1"}},
      {{"location", "w.bin"}, {"offset", " 4"}},
      {{"location", "w.bin"}, {"offset", ""}},
      {{"location", "w.bin"}, {"length", "99999999999999999999"}},
      {{"location", "w.bin"}, {"length", "1125899906842624"}},
      {{"location", "w.bin"}, {"length", "7"}},
      {{"location", "w.bin"}, {"__class__", "x"}, {"length", "8"}},
  };
  for (const Entries& entries : bad) EXPECT_NE(read_at(entries).error, "") << entries.back().second;
  EXPECT_NE(read(external("w", kFloat, {2}, {{"location", "w.bin"}, {"length", "8"}})).error, "") << "no directory";
}

}  // namespace
}  // namespace mj::onnx
