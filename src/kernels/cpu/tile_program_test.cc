// SPDX-License-Identifier: Apache-2.0
// Random bodies over random broadcasts against the slow evaluation of the same body.
#include "kernels/cpu/tile_program.h"

#include <cmath>
#include <cstring>

#include "kernels/cpu/test_support.h"
#include "kernels/cpu/tile_binding.h"
#include "ops/cast.h"
#include "ops/clip.h"
#include "ops/constant.h"
#include "ops/gelu.h"

namespace mj::cpu {
namespace {

using Dims = std::vector<int64_t>;

TensorRef ref(const Tensor& tensor) { return {const_cast<void*>(tensor.raw()), tensor.dims(), tensor.dtype()}; }

Tensor random_floats(Random& random, Dims dims) {
  int64_t n = 1;
  for (int64_t dim : dims) n *= dim;
  const std::vector<float> values = random.floats(n);
  return Tensor::of<float>(std::move(dims), values);
}

// Runs the body by tiles in `pieces` ranges; results come back in tensors of `dims`.
std::vector<Tensor> run_tiles(const Body& body, Isa isa, const std::vector<Tensor>& params, const Dims& dims,
                              int64_t pieces) {
  EXPECT_EQ(TileProgram::refuses(body), std::nullopt);
  const TileProgram program(body, isa);
  std::vector<Tensor> results;
  std::vector<TensorRef> param_refs, result_refs;
  for (const Tensor& param : params) param_refs.push_back(ref(param));
  for (int result : body.results) results.push_back(Tensor::zeros(body.dtype(result), dims));
  for (const Tensor& result : results) result_refs.push_back(ref(result));
  const Result<TileBinding> binding = TileBinding::bind(program, dims, param_refs, result_refs, false);
  if (!binding.ok()) {
    ADD_FAILURE() << binding.error().message;
    return results;
  }
  for (int64_t i = 0; i < pieces; ++i) {
    binding->run(binding->size() * i / pieces, binding->size() * (i + 1) / pieces);
  }
  return results;
}

void expect_equal(const std::vector<Tensor>& got, const std::vector<Tensor>& want, float tolerance,
                  const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t r = 0; r < got.size(); ++r) {
    ASSERT_EQ(got[r].dims(), want[r].dims()) << what;
    const std::vector<double> x = got[r].to_f64(), y = want[r].to_f64();
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(y[i]) && std::isnan(x[i])) continue;
      if (x[i] == y[i]) continue;
      ASSERT_LE(std::fabs(x[i] - y[i]), static_cast<double>(tolerance) * (1 + std::fabs(y[i])))
          << what << " result " << r << " element " << i;
    }
  }
}

class Tiles : public PerIsa {};

// Operators that keep numbers tame, so that differences of the last place are not blown up; for the same reason only
// parameters are compared, whose bits are the same on both sides.
Body random_body(Random& random, size_t params) {
  const std::vector<Op> unary = {op("relu"),       op("tanh"),       op("sigmoid"), op("neg"),
                                 op("abs"),        op("erf"),        Op(Gelu{}),    Op(Clip{-0.5f, 0.25f}),
                                 op("hard_swish"), op("leaky_relu"), op("sin")};
  const std::vector<Op> binary = {op("add"), op("sub"), op("mul"), op("max"), op("min")};
  Body body;
  body.params.assign(params, DType::f32);
  const auto any_f32 = [&] {
    int value;
    do value = static_cast<int>(random.pick(0, body.values() - 1));
    while (body.dtype(value) != DType::f32);
    return value;
  };
  const int64_t steps = random.pick(1, 9);
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t kind = random.pick(0, 9);
    if (kind == 0) {
      body.append(Constant{Tensor::scalar(random.floats(1)[0])}, {});
    } else if (kind == 1) {
      const int last = static_cast<int>(params) - 1;
      const auto parameter = [&] { return static_cast<int>(random.pick(0, last)); };
      const int condition = body.append(op("less"), {parameter(), parameter()});
      body.append(op("where"), {condition, any_f32(), any_f32()});
    } else if (kind < 5) {
      body.append(unary[static_cast<size_t>(random.pick(0, std::ssize(unary) - 1))], {any_f32()});
    } else {
      body.append(binary[static_cast<size_t>(random.pick(0, std::ssize(binary) - 1))], {any_f32(), any_f32()});
    }
  }
  return body;
}

// A value that every parameter flows into has the shape that all of them broadcast to.
void finish(Body& body) {
  int sum = body.values() - 1;
  for (int i = 0; i < static_cast<int>(body.params.size()); ++i) sum = body.append(op("add"), {sum, i});
  body.results = {sum, body.append(op("relu"), {sum})};
}

TEST_P(Tiles, RandomBodiesGiveWhatTheirOperatorsGive) {
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    Dims dims;
    const int64_t rank = random.pick(0, 4);
    for (int64_t d = 0; d < rank; ++d) dims.push_back(random.one_of({1, 2, 3, 5, 17, d + 1 == rank ? 700 : 4}));
    if (round % 50 == 49 && rank > 0) dims[0] = 0;
    std::vector<Tensor> params = {random_floats(random, dims)};
    const int64_t count = random.pick(1, 4);
    while (std::ssize(params) < count) {
      Dims own(dims.begin() + random.pick(0, rank), dims.end());
      for (int64_t& dim : own)
        if (random.pick(0, 2) == 0) dim = 1;
      params.push_back(random_floats(random, own));
    }
    Body body = random_body(random, params.size());
    finish(body);
    const Result<std::vector<Tensor>> want = evaluate(body, params);
    ASSERT_TRUE(want.ok()) << want.error().message;
    expect_equal(run_tiles(body, isa(), params, dims, random.pick(1, 3)), *want, 2e-6f, to_string(body));
  }
}

TEST_P(Tiles, ReadsAndWritesOtherTypes) {
  Body body;
  body.params = {DType::i64, DType::boolean, DType::f32};
  const int mask = body.append(Cast{DType::f32}, {0});
  const int chosen = body.append(op("where"), {1, mask, 2});
  body.results = {chosen, body.append(op("greater"), {chosen, 2})};
  const std::vector<int64_t> counts = {-3, 0, 7};
  const bool flags[] = {true, false};
  const std::vector<Tensor> params = {Tensor::of_i64(counts), Tensor::of<bool>({2, 1}, flags), Tensor::scalar(1.5f)};
  const Result<std::vector<Tensor>> want = evaluate(body, params);
  ASSERT_TRUE(want.ok());
  expect_equal(run_tiles(body, isa(), params, {2, 3}, 1), *want, 0, to_string(body));
}

TEST_P(Tiles, EdgeValuesAreThoseOfTheOperators) {
  const float inf = INFINITY, nan = NAN;
  const std::vector<float> edges = {0.0f, -0.0f, 1.0f, -1.0f, inf, -inf, nan, 1e-40f, -1e-40f, 3e38f};
  std::vector<float> x, y;
  for (float a : edges)
    for (float b : edges) x.push_back(a), y.push_back(b);
  const Dims dims = {std::ssize(x)};
  const std::vector<Tensor> params = {Tensor::of<float>(dims, x), Tensor::of<float>(dims, y)};
  for (const char* name : {"add",      "sub",          "mul",        "div",        "min",        "max",
                           "prelu",    "equal",        "less",       "greater",    "less_equal", "greater_equal",
                           "relu",     "neg",          "abs",        "sqrt",       "reciprocal", "sign",
                           "floor",    "ceil",         "round",      "leaky_relu", "elu",        "selu",
                           "celu",     "hard_sigmoid", "hard_swish", "is_nan",     "identity",   "thresholded_relu",
                           "softsign", "sin",          "rsqrt"}) {
    Body body;
    body.params = {DType::f32, DType::f32};
    const bool two = op(name).info().arity == 2;
    body.results = {body.append(op(name), two ? std::vector{0, 1} : std::vector{0})};
    const Result<std::vector<Tensor>> want = evaluate(body, params);
    ASSERT_TRUE(want.ok());
    expect_equal(run_tiles(body, isa(), params, dims, 1), *want, 1e-6f, name);
  }
}

TEST_P(Tiles, MergedChainsRoundAsTheirParts) {
  Random random(3);
  const std::vector<Tensor> params = {random_floats(random, {999}), random_floats(random, {999}),
                                      random_floats(random, {999})};
  Body body;
  body.params = {DType::f32, DType::f32, DType::f32};
  const int product = body.append(op("mul"), {0, 1});
  const int sum = body.append(op("add"), {2, product});
  const int more = body.append(op("add"), {body.append(op("add"), {sum, 1}), 0});
  body.results = {more, body.append(op("relu"), {body.append(op("add"), {sum, 2})})};
  const Result<std::vector<Tensor>> want = evaluate(body, params);
  ASSERT_TRUE(want.ok());
  expect_equal(run_tiles(body, isa(), params, {999}, 1), *want, 0, to_string(body));
}

TEST_P(Tiles, ShapesThatDoNotBroadcastAreNamed) {
  Body body;
  body.params = {DType::f32, DType::f32};
  body.results = {body.append(op("add"), {0, 1})};
  const TileProgram program(body, isa());
  const Tensor x = Tensor::zeros(DType::f32, {2, 3}), y = Tensor::zeros(DType::f32, {4});
  const TensorRef params[] = {ref(x), ref(y)}, results[] = {ref(x)};
  const Result<TileBinding> binding = TileBinding::bind(program, x.dims(), params, results, false);
  ASSERT_FALSE(binding.ok());
  EXPECT_EQ(binding.error().message, "input 1 has dims [4], which do not broadcast to [2,3]");
}

TEST(TileProgram, RefusesWhatTilesCannotHold) {
  Body body;
  body.params = {DType::i64, DType::i64};
  body.results = {body.append(op("add"), {0, 1})};
  EXPECT_EQ(TileProgram::refuses(body), "add gives i64; tiles hold f32 and bool");
  Body equal;
  equal.params = {DType::i64, DType::i64};
  equal.results = {equal.append(op("equal"), {0, 1})};
  EXPECT_EQ(TileProgram::refuses(equal), "equal reads i64; tiles hold f32 and bool");
}

INSTANTIATE_TEST_SUITE_P(, Tiles, kEveryIsa, name_of);

}  // namespace
}  // namespace mj::cpu
