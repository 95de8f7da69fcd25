// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"
#include "ops/planar_conv.h"

namespace mj {
namespace {

constexpr const char* kRow = "planar_conv_cuda";
constexpr double kTolerance = 4e-3;  // of f16 results, and of sums in another order before rounding
using Dims = std::vector<int64_t>;

RowCase planar(const Dims& strides, const Dims& pads, Dims x, Dims w, bool bias = true, DType dtype = DType::f16,
               DType image = DType::f32) {
  RowCase c;
  c.problem.op = PlanarConv{strides, pads};
  c.inputs = {cast_to(random_tensor(1, std::move(x)), image), cast_to(random_tensor(2, w), dtype)};
  if (bias) c.inputs.push_back(cast_to(random_tensor(3, {w[0]}), dtype));
  c.constant = {false, true, true};
  return c;
}

TEST(PlanarConvCuda, Images) {
  // The first layers of ResNet-50 and EfficientNet-B0, of smaller images.
  expect_gpu_row_matches(kRow, planar({2, 2}, {3, 3, 3, 3}, {2, 3, 22, 30}, {64, 3, 7, 7}), kTolerance);
  expect_gpu_row_matches(kRow, planar({2, 2}, {1, 1, 1, 1}, {3, 3, 12, 12}, {32, 3, 3, 3}, false), kTolerance);
}

TEST(PlanarConvCuda, LinesOfSeveralParts) {
  expect_gpu_row_matches(kRow, planar({2, 2}, {1, 1, 1, 1}, {1, 4, 5, 150}, {16, 4, 3, 3}), kTolerance);
  expect_gpu_row_matches(kRow, planar({1, 1}, {1, 1, 1, 1}, {1, 8, 4, 70}, {40, 8, 3, 3}), kTolerance);
}

TEST(PlanarConvCuda, WindowsOfEveryKind) {
  expect_gpu_row_matches(kRow, planar({}, {}, {2, 1, 6, 9}, {8, 1, 1, 1}), kTolerance);
  expect_gpu_row_matches(kRow, planar({3, 2}, {0, 2, 1, 0}, {1, 2, 9, 13}, {9, 2, 2, 5}, false), kTolerance);
  expect_gpu_row_matches(kRow, planar({1, 1}, {2, 2, 2, 2}, {1, 5, 5, 6}, {100, 5, 5, 5}), kTolerance);
}

TEST(PlanarConvCuda, Types) {
  expect_gpu_row_matches(kRow, planar({2, 2}, {1, 1, 1, 1}, {1, 3, 6, 8}, {8, 3, 3, 3}, true, DType::bf16), 3e-2);
  expect_gpu_row_matches(kRow, planar({2, 2}, {1, 1, 1, 1}, {1, 3, 6, 8}, {8, 3, 3, 3}, true, DType::f16, DType::f16),
                         kTolerance);
}

TEST(PlanarConvCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of(kRow, planar({2, 2}, {}, {1, 3, 6, 6}, {8, 3, 3, 3}), 80), "warpgroups are of sm_90 only");
  EXPECT_EQ(gpu_refusal_of(kRow, planar({4, 4}, {}, {1, 3, 8, 8}, {8, 3, 4, 4})), "a stride of neither 1 nor 2");
  EXPECT_EQ(gpu_refusal_of(kRow, planar({2, 2}, {}, {1, 5, 8, 8}, {8, 5, 3, 3})), "more than 4 channels");
  EXPECT_EQ(gpu_refusal_of(kRow, planar({2, 2}, {}, {1, 3, 8, 8}, {300, 3, 3, 3})), "more than 256 results a pixel");
  EXPECT_EQ(gpu_refusal_of(kRow, planar({2, 2}, {}, {1, 3, 8, 8}, {8, 3, 3, 3}, true, DType::f32)),
            "weights of f32, not f16 or bf16");
  EXPECT_EQ(gpu_refusal_of(kRow, planar({2, 2}, {}, {1, 3, 4, 40000}, {8, 3, 3, 3})),
            "its lines are too long for shared memory");
}

}  // namespace
}  // namespace mj
