// SPDX-License-Identifier: Apache-2.0
#include "kernels/gather/cases_test_util.h"
#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

constexpr const char* kRow = "indexed_copy_cuda";

Tensor shaped(std::vector<int64_t> values, std::vector<int64_t> dims) {
  return ints(std::move(values)).reshaped(std::move(dims));
}

TEST(IndexedCopyCuda, GathersElements) {
  const Tensor data = random_tensor(1, {3, 4, 5});
  const Tensor indices = shaped({0, -4, 3, 1, 2, -1, 3, 3, 0, 1, 1, -2}, {2, 3, 2});
  expect_gpu_row_matches(kRow, moved(op("gather_elements", {{0, "axis", int64_t{1}}}), {data, indices}), 0);
  expect_gpu_row_matches(kRow, moved(op("gather_elements", {{0, "axis", int64_t{-1}}}), {data, shaped({}, {3, 0, 5})}),
                         0);
}

TEST(IndexedCopyCuda, GathersSlices) {
  const Tensor data = random_tensor(1, {2, 4, 5, 3});
  const auto gather_nd = [](int64_t batch_dims) { return op("gather_nd", {{0, "batch_dims", batch_dims}}); };
  expect_gpu_row_matches(kRow, moved(gather_nd(0), {data, shaped({1, 3, 0, -1, -2, 2}, {3, 2})}), 0);
  expect_gpu_row_matches(kRow, moved(gather_nd(1), {data, shaped({1, 3, 0, -1, -2, 2, 3, 1}, {2, 2, 2})}), 0);
}

TEST(IndexedCopyCuda, NothingIsReadOutside) {
  if (!can_run_on_test_gpu()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  RowCase c = moved(op("gather_elements", {{0, "axis", int64_t{0}}}), {ints({7, 8, 9}), ints({0, 0})});
  complete(c);
  c.inputs[1] = ints({1000, -1000});
  expect_config_matches(kRow, c, "", {ints({9, 7})}, 0);
}

TEST(IndexedCopyCuda, TilesAndBlocks) {
  RowCase c = moved(op("tile"), {random_tensor(1, {3, 1, 5}), ints({2, 4, 1})});
  c.constant = {false, true};
  expect_gpu_row_matches(kRow, c, 0);
  for (const char* mode : {"DCR", "CRD"}) {
    expect_gpu_row_matches(kRow,
                           moved(op("depth_to_space", {{0, "blocksize", int64_t{2}}, {0, "mode", std::string(mode)}}),
                                 {random_tensor(1, {2, 12, 3, 5})}),
                           0);
  }
  expect_gpu_row_matches(
      kRow, moved(op("space_to_depth", {{0, "blocksize", int64_t{3}}}), {random_tensor(1, {2, 5, 6, 9})}), 0);
}

TEST(IndexedCopyCuda, TrianglesAndOneHot) {
  expect_gpu_row_matches(kRow, moved(op("trilu", {{0, "upper", true}}), {random_tensor(1, {2, 4, 7})}), 0);
  expect_gpu_row_matches(kRow,
                         moved(op("trilu", {{0, "upper", false}}),
                               {ints({1, 2, 3, 4, 5, 6}).reshaped({3, 2}), Tensor::scalar(int64_t{-1})}),
                         0);
  RowCase c = moved(op("one_hot", {{0, "axis", int64_t{1}}}),
                    {shaped({0, -1, 9, 2, 3, -7}, {2, 3}), Tensor::scalar(int64_t{5}), random_tensor(1, {2})});
  c.constant = {false, true};
  expect_gpu_row_matches(kRow, c, 0);
}

TEST(IndexedCopyCuda, LowerPrecision) {
  RowCase c = moved(op("depth_to_space", {{0, "blocksize", int64_t{2}}}), {random_tensor(1, {2, 4, 3, 5})});
  add_epilogue(c, {random_tensor(2, {10})}, op("relu"));
  expect_narrow_gpu_row_matches(kRow, c, 1e-6);
}

TEST(IndexedCopyCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of(kRow, moved(op("gather", {{0, "axis", int64_t{0}}}), {random_tensor(1, {3}), ints({1})})),
            "gather is no copy by index");
  EXPECT_EQ(gpu_refusal_of(kRow, moved(op("trilu", {{0, "upper", true}}), {random_tensor(1, {2, 2}), ints({1, 2})})),
            "its diagonal is not one number");
}

}  // namespace
}  // namespace mj
