// SPDX-License-Identifier: Apache-2.0
// Elementary functions on one vector. Every lane depends on its own input only, so results do not depend on where an
// element stands. NaN gives NaN. vmath_test.cc measures the bounds stated here against double, in units of the last
// place of the result ("ulp") unless said otherwise; inputs smaller than 2^-126 may count as such or as 0.
#pragma once

#include "kernels/cpu/isa/simd_select.h"

namespace mj::cpu::MJ_ISA_NS {

// x = n * ln 2 + r with |r| <= ln 2 / 2; ln 2 is cut in two so that n * the first part is exact.
struct Reduced {
  Vec n, r;
};
inline Reduced reduce_exp(Vec x) {
  const Vec n = round_even(x * splat(1.44269504f));
  return {n, fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), x))};
}
// e^r - 1; the coefficients are a least-squares fit reweighted to equal ripple, relative error 1.4e-8.
inline Vec expm1_poly(Vec r) {
  Vec q = splat(1.3946554e-3f);
  q = fma(q, r, splat(8.3666439e-3f));
  q = fma(q, r, splat(4.1666281e-2f));
  q = fma(q, r, splat(1.6666543e-1f));
  q = fma(q, r, splat(5.0000001e-1f));
  return fma(q, r * r, r);
}

// 2 ulp. Results below 1.7e-38 (x < -86.9) are 0.
inline Vec exp(Vec x) {
  const Vec low = splat(-86.9f);
  const Reduced e = reduce_exp(min(splat(89.0f), max(low, x)));
  // 2^128 has no exponent field: one factor 2 is kept apart.
  const Vec scale = exp2_int(e.n - splat(1.0f));
  const Vec y = (expm1_poly(e.r) + splat(1.0f)) * scale * splat(2.0f);
  return select_lt(x, low, zero(), y);
}

// The same for x <= 0, a few instructions shorter; anything may come of a positive x.
inline Vec exp_not_positive(Vec x) {
  const Vec low = splat(-86.9f);
  const Reduced e = reduce_exp(max(low, x));
  return select_lt(x, low, zero(), (expm1_poly(e.r) + splat(1.0f)) * exp2_int(e.n));
}

// 1 + e^-x, shorter than its parts: infinite for x <= -88.4, not below 1 + e^-86.9.
inline Vec one_plus_exp_minus(Vec x) {
  const Vec y = min(splat(89.0f), max(splat(-86.9f), zero() - x)), magic = splat(kExp2Magic);
  const Vec t = fma(y, splat(1.44269504f), magic);
  const Vec n = t - magic;
  const Vec r = fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), y));
  return fma(expm1_poly(r) + splat(1.0f), exp2_magic(t), splat(1.0f));
}

// 3 ulp.
inline Vec expm1(Vec x) {
  const Reduced e = reduce_exp(min(splat(89.0f), max(splat(-80.0f), x)));
  const Vec scale = exp2_int(e.n - splat(1.0f));
  return fma(expm1_poly(e.r), scale, scale - splat(0.5f)) * splat(2.0f);
}

// 3 ulp; log(0) = -inf, log of a negative number is NaN.
inline Vec log(Vec x) {
  const Vec smallest = splat(1.17549435e-38f);
  const Vec scaled = select_lt(x, smallest, x * splat(8388608.0f), x);
  Vec e = exponent(scaled) - select_lt(x, smallest, splat(23.0f), zero());
  Vec m = mantissa(scaled);
  const Vec half_way = splat(1.41421356f);
  e = select_lt(half_way, m, e + splat(1.0f), e);
  m = select_lt(half_way, m, m * splat(0.5f), m);
  const Vec f = m - splat(1.0f);
  // log(1 + f) = f - f^2 / 2 + f^3 * q(f); q is fitted like expm1_poly, relative error 6e-9.
  Vec q = splat(-7.6344937e-2f);
  q = fma(q, f, splat(1.2761576e-1f));
  q = fma(q, f, splat(-1.3160183e-1f));
  q = fma(q, f, splat(1.4201758e-1f));
  q = fma(q, f, splat(-1.6623357e-1f));
  q = fma(q, f, splat(2.0001227e-1f));
  q = fma(q, f, splat(-2.5000821e-1f));
  q = fma(q, f, splat(3.3333332e-1f));
  const Vec f2 = f * f;
  Vec y = f * f2 * q;
  y = fma(e, splat(-2.12194440e-4f), y);
  y = fma(splat(-0.5f), f2, y);
  y = y + f;
  y = fma(e, splat(0.693359375f), y);
  const Vec inf = splat(__builtin_inff());
  y = select_eq(x, inf, inf, y);
  y = select_lt(x, zero(), splat(__builtin_nanf("")), y);
  return keep_nan(x, select_eq(x, zero(), zero() - inf, y));
}

// log(1 + x) for x >= 0: 4 ulp.
inline Vec log1p(Vec x) {
  const Vec u = x + splat(1.0f);
  const Vec y = log(u) + (x - (u - splat(1.0f))) / u;
  return select_lt(x, splat(1e30f), y, log(x));
}

// 3 ulp.
inline Vec tanh(Vec x) {
  const Vec t = expm1(min(splat(20.0f), abs(x) + abs(x)));
  return keep_nan(x, copysign(t / (t + splat(2.0f)), x));
}

// 2 ulp; below 1.7e-38 the result is 0.
inline Vec sigmoid(Vec x) { return splat(1.0f) / one_plus_exp_minus(x); }

// 6 ulp. x * P(x^2) / Q(x^2), fitted in double by reweighted least squares on [0, 3.92], relative error 2e-8.
inline Vec erf(Vec x) {
  const Vec c = min(splat(3.92f), max(splat(-3.92f), x));
  const Vec s = c * c;
  Vec p = splat(2.0466063e-6f);
  p = fma(p, s, splat(2.8485060e-4f));
  p = fma(p, s, splat(3.7716027e-3f));
  p = fma(p, s, splat(5.2766493e-2f));
  p = fma(p, s, splat(1.9056793e-1f));
  p = fma(p, s, splat(1.1283791f));
  Vec q = splat(3.8054119e-5f);
  q = fma(q, s, splat(1.1636803e-3f));
  q = fma(q, s, splat(1.4981286e-2f));
  q = fma(q, s, splat(1.1417260e-1f));
  q = fma(q, s, splat(5.0221916e-1f));
  q = fma(q, s, splat(1.0f));
  const Vec one = splat(1.0f);
  return min(one, max(zero() - one, c * p / q));
}

// Of the functions below the absolute error stays within 6 ulp of the largest intermediate result; their formulas are
// those of the operators in ops/.
inline Vec silu(Vec x) { return x / one_plus_exp_minus(x); }
inline Vec gelu(Vec x) { return splat(0.5f) * x * (splat(1.0f) + erf(x * splat(0.70710678f))); }
inline Vec gelu_tanh(Vec x) {
  const Vec inner = splat(0.79788456f) * (x + splat(0.044715f) * x * x * x);
  return splat(0.5f) * x * (splat(1.0f) + tanh(inner));
}
inline Vec softplus(Vec x) { return max(zero(), x) + log1p(exp(zero() - abs(x))); }
inline Vec mish(Vec x) { return x * tanh(softplus(x)); }
// NaN gives 1, as fmin and fmax make it in the reference.
inline Vec hard_sigmoid(Vec x, Vec alpha, Vec beta) { return max(min(alpha * x + beta, splat(1.0f)), zero()); }
inline Vec hard_swish(Vec x) { return x * hard_sigmoid(x, splat(1.0f / 6), splat(0.5f)); }

}  // namespace mj::cpu::MJ_ISA_NS
