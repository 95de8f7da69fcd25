// SPDX-License-Identifier: Apache-2.0
// Measures every elementwise function against double over the whole range of floats.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/test_support.h"
#include "kernels/cpu/tile_primitives.h"

namespace mj::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Every 9973rd float, so that each binary exponent comes 840 times with either sign; then the edges.
std::vector<float> sample_floats() {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 9973) {
    const auto narrow = static_cast<uint32_t>(bits);
    float value;
    std::memcpy(&value, &narrow, sizeof value);
    if (!std::isnan(value)) x.push_back(value);
  }
  for (int i = -100000; i <= 100000; ++i) x.push_back(static_cast<float>(i) * 1.1e-4f);
  return x;
}

std::vector<float> apply(Isa isa, Primitive primitive, const std::vector<float>& x, float a = 0, float b = 0) {
  std::vector<float> y(x.size());
  const TileStep step{{x.data(), x.data(), x.data()}, y.data(), static_cast<int64_t>(x.size()), a, b};
  tile_primitives(isa).run[static_cast<int>(primitive)](step);
  return y;
}

double ulp(double x) {
  const auto f = static_cast<float>(std::fabs(x));
  return std::isinf(f) ? 1e32 : std::fmax(static_cast<double>(std::nextafter(f, kInf)) - static_cast<double>(f), 1e-45);
}

struct Function {
  Primitive primitive;
  double (*exact)(double x);
  double max_ulp;
  double max_absolute;  // an error below this is good enough whatever the ulp
};

double phi(double x) { return 0.5 * (1 + std::erf(x / std::sqrt(2.0))); }

const Function kFunctions[] = {
    {Primitive::exp, [](double x) { return std::exp(x); }, 2, 1.8e-38},
    {Primitive::log, [](double x) { return std::log(x); }, 3, 0},
    {Primitive::tanh, [](double x) { return std::tanh(x); }, 3, 0},
    {Primitive::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 2, 1.8e-38},
    {Primitive::erf, [](double x) { return std::erf(x); }, 6, 0},
    {Primitive::silu, [](double x) { return x / (1 + std::exp(-x)); }, 5, 2e-36},
    {Primitive::gelu, [](double x) { return x * phi(x); }, 5, 1.2e-6},
    {Primitive::gelu_tanh,
     [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }, 6, 1e-6},
    {Primitive::softplus, [](double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }, 5, 1.8e-38},
    {Primitive::mish, [](double x) { return x * std::tanh(std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x)))); }, 10,
     2e-36},
    {Primitive::hard_swish, [](double x) { return x * std::fmax(0, std::fmin(1, x / 6 + 0.5)); }, 3, 5e-7},
    {Primitive::softsign, [](double x) { return x / (1 + std::fabs(x)); }, 2, 0},
    {Primitive::rsqrt, [](double x) { return 1 / std::sqrt(x); }, 2, 0},
    {Primitive::sqrt, [](double x) { return std::sqrt(x); }, 1, 0},
    {Primitive::floor, [](double x) { return std::floor(x); }, 0, 0},
    {Primitive::ceil, [](double x) { return std::ceil(x); }, 0, 0},
    {Primitive::round, [](double x) { return std::nearbyint(x); }, 0, 0},
    {Primitive::reciprocal, [](double x) { return 1 / x; }, 1, 0},
};

class Vmath : public PerIsa {};

TEST_P(Vmath, StaysWithinItsBoundsOverAllFloats) {
  const std::vector<float> x = sample_floats();
  for (const Function& f : kFunctions) {
    const std::vector<float> y = apply(isa(), f.primitive, x);
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = f.exact(static_cast<double>(x[i]));
      const double got = static_cast<double>(y[i]);
      if (std::isnan(want)) {
        if (!std::isnan(got)) worst = 1e99, at = i;
        continue;
      }
      // Rounding alone makes these infinite.
      if (std::isinf(static_cast<float>(want)) && got == static_cast<double>(static_cast<float>(want))) continue;
      const double error = std::isfinite(got) ? std::fabs(got - want) : 1e99;
      if (error <= f.max_absolute || error / ulp(want) <= worst) continue;
      worst = error / ulp(want);
      at = i;
    }
    EXPECT_LE(worst, f.max_ulp) << "primitive " << static_cast<int>(f.primitive) << " of " << x[at] << " is " << y[at]
                                << ", not " << f.exact(static_cast<double>(x[at]));
    RecordProperty("ulp_" + std::to_string(static_cast<int>(f.primitive)), std::to_string(worst));
  }
}

TEST_P(Vmath, EluKeepsSmallNumbersExact) {
  const std::vector<float> x = sample_floats();
  const std::vector<float> y = apply(isa(), Primitive::elu, x, 1, 1);
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = x[i] > 0 ? static_cast<double>(x[i]) : std::expm1(static_cast<double>(x[i]));
    ASSERT_LE(std::fabs(static_cast<double>(y[i]) - want), 3 * ulp(want)) << x[i];
  }
}

TEST_P(Vmath, EdgeValuesAreThoseOfTheOperators) {
  struct Case {
    Primitive primitive;
    float x, y;
  };
  for (const Case& c : std::initializer_list<Case>{
           {Primitive::exp, -kInf, 0},      {Primitive::exp, kInf, kInf},     {Primitive::exp, kNan, kNan},
           {Primitive::exp, 0, 1},          {Primitive::log, 0, -kInf},       {Primitive::log, -0.0f, -kInf},
           {Primitive::log, -1, kNan},      {Primitive::log, kInf, kInf},     {Primitive::log, kNan, kNan},
           {Primitive::log, 1, 0},          {Primitive::tanh, kInf, 1},       {Primitive::tanh, -kInf, -1},
           {Primitive::tanh, -0.0f, -0.0f}, {Primitive::tanh, kNan, kNan},    {Primitive::sigmoid, kInf, 1},
           {Primitive::sigmoid, -kInf, 0},  {Primitive::sigmoid, kNan, kNan}, {Primitive::sigmoid, 0, 0.5f},
           {Primitive::erf, kInf, 1},       {Primitive::erf, -kInf, -1},      {Primitive::erf, kNan, kNan},
           {Primitive::erf, -0.0f, -0.0f},  {Primitive::gelu, kInf, kInf},    {Primitive::gelu, -kInf, kNan},
           {Primitive::silu, -kInf, kNan},  {Primitive::neg, 0, -0.0f},       {Primitive::neg, kNan, kNan},
           {Primitive::sign, -0.0f, 0},     {Primitive::sign, kNan, kNan},    {Primitive::ceil, -0.5f, -0.0f},
           {Primitive::round, 2.5f, 2},     {Primitive::round, -0.5f, -0.0f}, {Primitive::hard_swish, kNan, kNan},
           {Primitive::sqrt, -0.0f, -0.0f}, {Primitive::is_nan, kNan, 1},     {Primitive::softplus, kInf, kInf}}) {
    const float y = apply(isa(), c.primitive, std::vector<float>(19, c.x))[18];
    if (std::isnan(c.y)) {
      EXPECT_TRUE(std::isnan(y)) << static_cast<int>(c.primitive) << " of " << c.x << " is " << y;
    } else {
      EXPECT_TRUE(y == c.y && std::signbit(y) == std::signbit(c.y))
          << static_cast<int>(c.primitive) << " of " << c.x << " is " << y;
    }
  }
  EXPECT_EQ(apply(isa(), Primitive::clip, {-0.0f}, 0, kInf)[0], 0);
  EXPECT_TRUE(std::isnan(apply(isa(), Primitive::clip, {kNan}, 0, kInf)[0]));
}

INSTANTIATE_TEST_SUITE_P(, Vmath, kEveryIsa, name_of);

}  // namespace
}  // namespace mj::cpu
