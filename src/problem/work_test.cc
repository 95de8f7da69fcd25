// SPDX-License-Identifier: Apache-2.0
#include "problem/work.h"

#include <gtest/gtest.h>

#include "ops/attention.h"
#include "ops/conv_depthwise.h"
#include "ops/gemm.h"
#include "ops/planar_conv.h"
#include "ops/quantized.h"
#include "ops/recurrent.h"
#include "ops/scaled_conv.h"

namespace mj {
namespace {

Problem problem(Op op, std::vector<Shape> inputs, Shape output) {
  Problem p;
  p.op = std::move(op);
  p.anchor_inputs = static_cast<int>(inputs.size());
  for (Shape& shape : inputs) p.inputs.push_back({DType::f32, std::move(shape)});
  p.outputs = {{DType::f32, std::move(output)}};
  return p;
}

const Dim n = Dim::symbol("N");

TEST(MultiplyAdds, FollowTheDefinitionOfEachAnchor) {
  const Bindings symbols = {{"N", 3}};
  Conv grouped;
  grouped.group = 2;
  Gemm transposed;
  transposed.transA = true;
  Attention heads;
  heads.heads = 2;
  const Problem conv = problem(Op(grouped), {{n, Dim(8), Dim(5), Dim(5)}, {Dim(6), Dim(4), Dim(3), Dim(3)}},
                               {n, Dim(6), Dim(3), Dim(3)});
  EXPECT_EQ(multiply_adds(conv, symbols), 3 * 6 * 3 * 3 * (4 * 3 * 3));
  const Problem pair = problem(
      Op(ConvDepthwise{}),
      {{n, Dim(6), Dim(5), Dim(2)}, {Dim(8), Dim(2), Dim(1), Dim(1)}, {Dim(8)}, {Dim(8), Dim(1), Dim(3), Dim(3)}},
      {n, Dim(4), Dim(3), Dim(8)});
  EXPECT_EQ(multiply_adds(pair, symbols), 3 * 6 * 5 * 2 * 8 + 3 * 4 * 3 * 8 * 9);
  const Problem planar =
      problem(Op(PlanarConv{{2, 2}, {}}), {{n, Dim(2), Dim(6), Dim(5)}, {Dim(8), Dim(2), Dim(2), Dim(3)}},
              {n, Dim(3), Dim(2), Dim(8)});
  EXPECT_EQ(multiply_adds(planar, symbols), 3 * 3 * 2 * 8 * 2 * 2 * 3);
  const Problem scaled = problem(
      Op(ScaledConv{}), {{n, Dim(6), Dim(5), Dim(2)}, {n, Dim(1), Dim(1), Dim(2)}, {Dim(8), Dim(2), Dim(1), Dim(1)}},
      {n, Dim(6), Dim(5), Dim(8)});
  EXPECT_EQ(multiply_adds(scaled, symbols), 3 * 6 * 5 * 8 * 2);
  const Problem gemm = problem(Op(transposed), {{Dim(7), n}, {Dim(7), Dim(2)}}, {n, Dim(2)});
  EXPECT_EQ(multiply_adds(gemm, symbols), 3 * 2 * 7);
  const Problem vectors = problem(op("matmul"), {{n}, {n}}, {});
  EXPECT_EQ(multiply_adds(vectors, symbols), 3);
  const Problem attention = problem(
      Op(heads), {{Dim(1), n, Dim(8)}, {Dim(1), Dim(5), Dim(8)}, {Dim(1), Dim(5), Dim(8)}}, {Dim(1), n, Dim(8)});
  EXPECT_EQ(multiply_adds(attention, symbols), 2 * (3 * 5 * 8));
  heads.layout = "qkv";
  EXPECT_EQ(multiply_adds(problem(Op(heads), {{Dim(1), n, Dim(24)}}, {Dim(1), n, Dim(8)}), symbols), 2 * (3 * 3 * 8));
  Lstm cell;
  cell.hidden_size = 4;
  const Problem lstm = problem(Op(cell), {{Dim(9), n, Dim(2)}, {Dim(1), Dim(16), Dim(2)}, {Dim(1), Dim(16), Dim(4)}},
                               {Dim(9), Dim(1), n, Dim(4)});
  EXPECT_EQ(multiply_adds(lstm, symbols), 9 * 3 * (16 * 2 + 16 * 4));
}

TEST(MultiplyAdds, OfBytesAreThoseOfIntegers) {
  const Bindings symbols = {{"N", 3}};
  QuantizedConv conv;
  conv.channels_last = true;
  Problem p = problem(Op(conv), {{n, Dim(5), Dim(5), Dim(8)}, {Dim(6), Dim(8), Dim(3), Dim(3)}, {Dim(1)}},
                      {n, Dim(3), Dim(3), Dim(6)});
  EXPECT_FALSE(multiplies_integers(p));
  p.inputs[0].dtype = DType::u8;
  EXPECT_TRUE(multiplies_integers(p));
  EXPECT_EQ(multiply_adds(p, symbols), 3 * 6 * 3 * 3 * (8 * 3 * 3));
  const Problem product = problem(Op(QuantizedMatMul{}), {{n, Dim(7)}, {Dim(7), Dim(2)}, {Dim(2)}}, {n, Dim(2)});
  EXPECT_EQ(multiply_adds(product, symbols), 3 * 7 * 2);
  EXPECT_EQ(multiply_adds(problem(Op(QuantizedMean{}), {{n, Dim(7)}, {}}, {n}), symbols), 0);
}

TEST(MultiplyAdds, AreNoneWithoutAnAnchorAndUnknownWithoutItsSizes) {
  EXPECT_EQ(multiply_adds(problem(Op(), {{n}}, {n}), {}), 0);
  EXPECT_EQ(multiply_adds(problem(op("relu"), {{n}}, {n}), {}), 0);
  EXPECT_EQ(multiply_adds(problem(op("matmul"), {{n, n}, {n, n}}, {n, n}), {}), std::nullopt);
}

}  // namespace
}  // namespace mj
