// SPDX-License-Identifier: Apache-2.0
// random{normal, dtype, a, b, seed}(shape): numbers drawn evenly from [a, b), or normally with mean a and deviation b.
// The seed and an element's place say which: every run and every machine draws the same.
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "ops/constant_of_shape.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct Random {
  bool normal = false;
  DType dtype = DType::f32;
  float a = 0, b = 1;
  int64_t seed = 0;

  static constexpr std::string_view kName = "random";
  static constexpr auto kFields =
      std::tuple{field(1, "normal", &Random::normal), field(2, "dtype", &Random::dtype), field(3, "a", &Random::a),
                 field(4, "b", &Random::b), field(5, "seed", &Random::seed)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

// In [0, 1), of 24 bits, so that also f32 holds it; the mixing is SplitMix64's.
double drawn(uint64_t seed, uint64_t place) {
  uint64_t z = seed + (place + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 40) * 0x1p-24;
}

}  // namespace

InferResult Random::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank(0, 1));
  if (!is_float(dtype)) return context.fail(fmt::format("draws floating point, not {}", name(dtype)));
  if (!context[0].elements() && !context.concrete() && !context.shape(0)[0].constant()) {
    return one(ValueInfo::of(Type::unranked(dtype)));
  }
  MJ_ASSIGN(Shape out, shape_from_input(context, 0, "drawn"));
  return one(dtype, std::move(out));
}

Result<void> Random::reference(std::span<const Tensor>, std::span<Tensor> out) const {
  const auto start = static_cast<uint64_t>(seed);
  for (int64_t i = 0; i < out[0].size(); ++i) {
    const auto place = static_cast<uint64_t>(i);
    double value = drawn(start, normal ? 2 * place : place);
    if (normal) {
      const double turn = 2 * std::numbers::pi * drawn(start, 2 * place + 1);
      value = a + b * std::sqrt(-2 * std::log(1 - value)) * std::cos(turn);
    } else {
      value = a + (static_cast<double>(b) - a) * value;
    }
    narrow(&value, 1, out[0], i);
  }
  return {};
}

MJ_REGISTER_OP(Random)

}  // namespace mj
