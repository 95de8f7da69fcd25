// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/body_epilogue.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/test_support.h"
#include "ops/clip.h"
#include "ops/gelu.h"
#include "ops/matmul.h"

namespace mj::cpu {
namespace {

using Dims = std::vector<int64_t>;

constexpr int64_t kImages = 3, kRows = 10, kColumns = 37, kDepth = 9;

TensorRef ref(const Tensor& tensor) { return {const_cast<void*>(tensor.raw()), tensor.dims(), tensor.dtype()}; }

Operand operand(const Tensor& tensor) {
  Operand out{tensor.dtype(), {}, false};
  for (int64_t dim : tensor.dims()) out.shape.push_back(dim);
  return out;
}

struct Product {
  Problem problem;
  std::vector<Tensor> inputs;
};

// [3,10,9] x [9,37] with these tensors as the epilogue's further parameters; the body is for the caller to write.
Product product(Random& random, const std::vector<Dims>& shapes) {
  Product p;
  p.problem.op = MatMul{};
  p.problem.anchor_inputs = 2;
  std::vector<Dims> all = {{kImages, kRows, kDepth}, {kDepth, kColumns}};
  all.insert(all.end(), shapes.begin(), shapes.end());
  for (const Dims& dims : all) {
    int64_t n = 1;
    for (int64_t dim : dims) n *= dim;
    p.inputs.push_back(Tensor::of<float>(dims, random.floats(n)));
    p.problem.inputs.push_back(operand(p.inputs.back()));
  }
  p.problem.epilogue.params.assign(1 + shapes.size(), DType::f32);
  return p;
}

class BodyEpilogues : public PerIsa {
 protected:
  // Runs the product with its epilogue in the fields given and compares every output with the operators one by one.
  void check(Product p, EpilogueFields fields, bool wants_callback) {
    const Body& body = p.problem.epilogue;
    std::vector<Tensor> outputs;
    std::vector<TensorRef> inputs, output_refs;
    for (const Tensor& input : p.inputs) inputs.push_back(ref(input));
    for (size_t i = 0; i < body.results.size(); ++i) {
      outputs.push_back(Tensor::zeros(DType::f32, {kImages, kRows, kColumns}));
      p.problem.outputs.push_back(operand(outputs.back()));
    }
    for (const Tensor& output : outputs) output_refs.push_back(ref(output));
    ASSERT_EQ(BodyEpilogue::refuses(p.problem), std::nullopt);
    const BodyEpilogue epilogue(p.problem, isa(), fields);
    const auto bound = epilogue.bind(inputs, output_refs);
    ASSERT_TRUE(bound.ok()) << bound.error().message;

    std::vector<float> packed(static_cast<size_t>(packed_b_floats(isa(), kDepth, kColumns)));
    pack_b(isa(), p.inputs[1].data<float>().data(), kColumns, false, kDepth, kColumns, packed.data());
    ThreadPool pool(2);
    float* c = outputs[0].mutable_data<float>().data();
    Gemm g{kImages * kRows, kColumns, kDepth, p.inputs[0].data<float>().data(), kDepth, packed.data(), c, kColumns, {}};
    gemm(pool, isa(), g);
    // The sums themselves are the kernel's affair; what follows must match bit by bit where the maths is exact.
    std::vector<Tensor> params = {Tensor::of<float>(outputs[0].dims(), outputs[0].data<float>())};
    params.insert(params.end(), p.inputs.begin() + 2, p.inputs.end());
    const Result<std::vector<Tensor>> want = evaluate(body, params);
    ASSERT_TRUE(want.ok()) << want.error().message;
    if (fields == EpilogueFields::none) {
      for (int64_t at = 0; at < outputs[0].size(); at += 100)
        bound->apply(c + at, at, std::min<int64_t>(100, outputs[0].size() - at));
    } else {
      g.epilogue = bound->epilogue();
      EXPECT_EQ(g.epilogue.callback != nullptr, wants_callback) << to_string(body);
      gemm(pool, isa(), g);
    }
    for (size_t r = 0; r < outputs.size(); ++r) {
      for (size_t i = 0; i < static_cast<size_t>(outputs[r].size()); ++i) {
        const float got = outputs[r].data<float>()[i], expected = (*want)[r].data<float>()[i];
        ASSERT_LE(std::fabs(got - expected), 1e-6f) << to_string(body) << " result " << r << " element " << i;
      }
    }
  }
};

TEST_P(BodyEpilogues, BiasResidualAndReluAreFields) {
  Random random(1);
  Product p = product(random, {{kColumns}, {kImages, kRows, kColumns}});
  Body& body = p.problem.epilogue;
  const int biased = body.append(op("add"), {1, 0});
  body.results = {body.append(op("relu"), {body.append(op("add"), {biased, 2})})};
  check(p, EpilogueFields::all, false);
  check(p, EpilogueFields::no_bias, true);
  check(p, EpilogueFields::none, true);
}

TEST_P(BodyEpilogues, ABiasAfterTheResidualIsNotReordered) {
  Random random(2);
  Product p = product(random, {{kColumns}, {kImages, kRows, kColumns}});
  Body& body = p.problem.epilogue;
  const int sum = body.append(op("add"), {0, 2});
  body.results = {body.append(Clip{-0.5f, 0.5f}, {body.append(op("add"), {sum, 1})})};
  check(p, EpilogueFields::all, true);
}

TEST_P(BodyEpilogues, TheRestGoesThroughTheCallback) {
  Random random(3);
  Product p = product(random, {{kColumns}, {kImages, 1, kColumns}, {}, {1, kRows, 1}});
  Body& body = p.problem.epilogue;
  const int biased = body.append(op("add"), {0, 1});
  const int scaled = body.append(op("mul"), {biased, 2});
  const int shifted = body.append(op("sub"), {body.append(Gelu{}, {scaled}), 3});
  body.results = {body.append(op("mul"), {shifted, 4})};
  check(p, EpilogueFields::all, true);
  check(p, EpilogueFields::none, true);
}

TEST_P(BodyEpilogues, SeveralResultsKeepTheAnchorsOwn) {
  Random random(4);
  Product p = product(random, {{kImages, kRows, kColumns}});
  Body& body = p.problem.epilogue;
  const int sum = body.append(op("add"), {0, 1});
  body.results = {body.append(op("tanh"), {sum}), sum, body.append(op("sub"), {sum, 0}), 0};
  check(p, EpilogueFields::all, true);
}

TEST_P(BodyEpilogues, SwishReadsTheAnchorTwice) {
  Random random(5);
  Product p = product(random, {});
  Body& body = p.problem.epilogue;
  body.results = {body.append(op("mul"), {0, body.append(op("sigmoid"), {0})})};
  check(p, EpilogueFields::all, true);
}

TEST(BodyEpilogue, RefusesToBroadcastTheAnchor) {
  Random random(6);
  Product p = product(random, {{4, 1, 1, 1}});
  Body& body = p.problem.epilogue;
  body.results = {body.append(op("add"), {0, 1})};
  p.problem.outputs = {{DType::f32, {4, kImages, kRows, kColumns}, false}};
  EXPECT_EQ(BodyEpilogue::refuses(p.problem), "the epilogue broadcasts the anchor's result");
}

INSTANTIATE_TEST_SUITE_P(, BodyEpilogues, kEveryIsa, name_of);

}  // namespace
}  // namespace mj::cpu
