// SPDX-License-Identifier: Apache-2.0
// dft{axis, inverse, onesided}(x, length?, axis?): the discrete Fourier transform along the axis (a computed one in
// place of the field) of x [...,1] (real) or [...,2] (complex), cut or filled up with zeros to the length; onesided
// gives its first half, as the other mirrors it. The inverse divides by the length; onesided it takes the first half
// and gives real numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/axis_lines.h"
#include "ops/indices.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct Dft {
  int64_t axis = -2;
  bool inverse = false;
  bool onesided = false;

  static constexpr std::string_view kName = "dft";
  static constexpr auto kFields = std::tuple{field(1, "axis", &Dft::axis), field(2, "inverse", &Dft::inverse),
                                             field(3, "onesided", &Dft::onesided)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult Dft::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 3));
  MJ_TRY(context.rank_at_least(0, 2));
  if (!is_float(context.dtype(0))) return context.fail("input 0 must be floating point");
  const int64_t rank = context[0].type.rank();
  int64_t at = axis;
  bool known = true;
  if (context.has(2)) {
    MJ_TRY(require_indices(context, 2));
    const auto given = context[2].known_elements();
    known = given.has_value();
    if (given && given->size() != 1) return context.fail("the axis must be one number");
    if (!given && context.concrete()) return context.fail("the axis must be known");
    if (given) at = (*given)[0];
  }
  if (known) {
    MJ_ASSIGN(at, normalize_axis(context, at, rank));
  } else {
    at = 0;  // of a length that only running can tell, as all the others
  }
  if (at == rank - 1) return context.fail("the last axis holds the parts of a number");
  Shape out = context.shape(0);
  const std::optional<int64_t> parts = out.back().constant();
  if (parts && *parts != 1 && *parts != 2)
    return context.fail(fmt::format("numbers have 1 or 2 parts, not {}", *parts));
  if (!known) {
    for (size_t d = 0; d + 1 < out.size() && (context.has(1) || onesided); ++d) out[d] = context.fresh("length");
    out.back() = onesided && inverse ? 1 : 2;
    return one(context.dtype(0), std::move(out));
  }
  Dim& dim = out[static_cast<size_t>(at)];
  if (context.has(1)) {
    MJ_TRY(require_indices(context, 1));
    const auto length = context[1].elements();
    if (length && length->size() != 1) return context.fail("the length must be one number");
    if (!length && context.concrete()) return context.fail("the length must be known");
    dim = length ? (*length)[0] : context.fresh("length");
  } else if (inverse && onesided) {
    dim = (dim - 1) * 2;
  }
  if (dim.constant() && *dim.constant() < 1) return context.fail(fmt::format("the length is {}", dim));
  if (onesided && !inverse) dim = floor_div(dim, 2) + 1;
  out.back() = onesided && inverse ? 1 : 2;
  return one(context.dtype(0), std::move(out));
}

Result<void> Dft::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t rank = in[0].rank(), given_axis = in.size() > 2 && in[2].present() ? in[2].to_i64()[0] : axis;
  const int64_t at = given_axis < 0 ? given_axis + rank : given_axis;
  const int64_t parts = in[0].dims().back(), out_parts = out[0].dims().back();
  const AxisView from = AxisView::of(in[0].dims(), at), to = AxisView::of(out[0].dims(), at);
  int64_t length = to.length;
  if (in.size() > 1 && in[1].present()) {
    length = in[1].to_i64()[0];
  } else if (onesided && !inverse) {
    length = from.length;
  }
  const std::vector<double> x = widened(in[0]);
  std::vector<double> y(static_cast<size_t>(out[0].size()), 0), cosines, sines;
  for (int64_t k = 0; k < length; ++k) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length);
    cosines.push_back(std::cos(angle));
    sines.push_back(inverse ? std::sin(angle) : -std::sin(angle));
  }
  const bool mirrors = inverse && onesided;
  const int64_t given = mirrors ? std::min(from.length, length / 2 + 1) : std::min(from.length, length);
  const double scale = inverse ? 1 / static_cast<double>(length) : 1;
  const int64_t lines = from.inner / parts;
  for (int64_t o = 0; o < from.outer; ++o) {
    for (int64_t i = 0; i < lines; ++i) {
      for (int64_t k = 0; k < to.length; ++k) {
        double real = 0, imaginary = 0;
        for (int64_t n = 0; n < given; ++n) {
          const double* value = x.data() + ((o * from.length + n) * lines + i) * parts;
          const double a = value[0], b = parts == 2 ? value[1] : 0;
          const auto turn = static_cast<size_t>(n * k % length);
          // The other half is the mirror of all but the first, and of the middle where there is one.
          const double weight = mirrors && n > 0 && 2 * n != length ? 2 : 1;
          real += weight * (a * cosines[turn] - b * sines[turn]);
          imaginary += a * sines[turn] + b * cosines[turn];
        }
        double* result = y.data() + ((o * to.length + k) * lines + i) * out_parts;
        result[0] = real * scale;
        if (out_parts == 2) result[1] = imaginary * scale;
      }
    }
  }
  narrow(y.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(Dft)

}  // namespace mj
