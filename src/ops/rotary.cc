// SPDX-License-Identifier: Apache-2.0
#include "ops/rotary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

Result<RotaryFactors> RotaryFactors::of(std::span<const int64_t> x, std::span<const int64_t> factors) {
  RotaryFactors f;
  f.rows.assign(x.begin(), x.end() - 1);
  f.strides.assign(f.rows.size(), 0);
  bool fits = !factors.empty() && factors.size() <= x.size();
  if (fits) f.width = factors.back();
  fits = fits && (f.width == x.back() || 2 * f.width == x.back());
  int64_t step = f.width;
  for (size_t back = 2; fits && back <= factors.size(); ++back) {
    const int64_t dim = factors[factors.size() - back];
    fits = dim == 1 || dim == x[x.size() - back];
    f.strides[x.size() - back] = dim == 1 ? 0 : step;
    step *= dim;
  }
  if (fits) return f;
  return model_error("rotary: factors [{}] do not fit [{}]", fmt::join(factors, ","), fmt::join(x, ","));
}

int64_t RotaryFactors::at(int64_t row) const {
  int64_t place = 0;
  for (size_t d = rows.size(); d-- > 0; row /= rows[d]) place += row % rows[d] * strides[d];
  return place;
}

InferResult Rotary::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 3));
  MJ_TRY(context.rank_at_least(0, 1));
  if (!is_float(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be floating point, got {}", to_string(context[0].type)));
  }
  const Shape& x = context.shape(0);
  MJ_TRY(require_equal(context, "the last axis beyond pairs and 0", mod(x.back(), 2), 0));
  for (size_t i : {size_t{1}, size_t{2}}) {
    MJ_TRY(context.rank_at_least(i, 1));
    MJ_TRY(context.same_dtype(0, i));
    const Shape& factors = context.shape(i);
    bool fits = factors.size() <= x.size() &&
                (equal(factors.back(), x.back()) != Tri::no || equal(factors.back() * 2, x.back()) != Tri::no);
    for (size_t back = 2; fits && back <= factors.size(); ++back) {
      const Dim& dim = factors[factors.size() - back];
      fits = equal(dim, 1) != Tri::no || equal(dim, x[x.size() - back]) != Tri::no;
    }
    if (!fits) {
      return context.fail(fmt::format("input {} is {}, which does not fit {}", i, to_string(context[i].type),
                                      to_string(context[0].type)));
    }
  }
  return one(context.dtype(0), x);
}

Result<void> Rotary::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t>& dims = in[0].dims();
  if (in[0].size() == 0) return {};
  MJ_ASSIGN(const RotaryFactors c, RotaryFactors::of(dims, in[1].dims()));
  MJ_ASSIGN(const RotaryFactors s, RotaryFactors::of(dims, in[2].dims()));
  const std::vector<double> x = widened(in[0]), cosines = widened(in[1]), sines = widened(in[2]);
  std::vector<double> y(x.size());
  const int64_t depth = dims.back(), half = depth / 2;
  for (int64_t row = 0; row < std::ssize(x) / depth; ++row) {
    for (int64_t i = 0; i < half; ++i) {
      const int64_t a = interleaved ? 2 * i : i, b = interleaved ? a + 1 : i + half;
      const auto factor = [&](const std::vector<double>& values, const RotaryFactors& f, int64_t place) {
        return values[static_cast<size_t>(f.at(row) + (f.width == depth ? place : i))];
      };
      const double first = x[static_cast<size_t>(row * depth + a)], second = x[static_cast<size_t>(row * depth + b)];
      y[static_cast<size_t>(row * depth + a)] = first * factor(cosines, c, a) - second * factor(sines, s, a);
      y[static_cast<size_t>(row * depth + b)] = second * factor(cosines, c, b) + first * factor(sines, s, b);
    }
  }
  narrow(y.data(), std::ssize(y), out[0]);
  return {};
}

MJ_REGISTER_OP(Rotary)

}  // namespace mj
