// SPDX-License-Identifier: Apache-2.0
#include "ops/layer_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "ops/data_movement.h"
#include "ops/norm.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

InferResult infer_norm(const InferContext& context, int64_t axis, size_t most_inputs) {
  MJ_TRY(context.inputs_between(2, most_inputs));
  MJ_TRY(check_norm_input(context, 1));
  MJ_TRY(normalize_axis(context, axis, context[0].type.rank()));
  const Shape& x = context.shape(0);
  for (size_t i = 1; i < 3; ++i) {
    if (!context.has(i)) continue;
    MJ_TRY(context.ranked(i));
    const Shape& s = context.shape(i);
    bool fits = is_float(context.dtype(i)) && s.size() <= x.size();
    for (size_t back = 1; fits && back <= s.size(); ++back) {
      const Dim& dim = s[s.size() - back];
      fits = equal(dim, 1) != Tri::no || equal(dim, x[x.size() - back]) != Tri::no;
    }
    if (!fits) {
      return context.fail(fmt::format("input {}, {}, does not broadcast to {}", i, to_string(context[i].type),
                                      to_string(context[0].type)));
    }
  }
  return one(context.dtype(0), x);
}

// Elements of s, one for each of x, as broadcasting says.
std::vector<double> spread(const Tensor& s, const std::vector<int64_t>& dims) {
  const std::vector<int64_t> strides = row_major(s.dims());
  Walk from{0, std::vector<int64_t>(dims.size(), 0)};
  for (size_t back = 1; back <= strides.size(); ++back) {
    if (s.dims()[strides.size() - back] != 1) from.strides[dims.size() - back] = strides[strides.size() - back];
  }
  Tensor out = Tensor::zeros(s.dtype(), dims);
  copy_box(dims, s, from, out, {0, row_major(dims)});
  return widened(out);
}

template <class Line>
Result<void> norm(std::span<const Tensor> in, Tensor& out, int64_t axis, Line line) {
  std::vector<double> x = widened(in[0]);
  if (x.empty()) return {};
  const std::vector<int64_t>& dims = in[0].dims();
  const auto first = static_cast<size_t>(axis < 0 ? axis + in[0].rank() : axis);
  const auto length = static_cast<size_t>(product(std::span(dims).subspan(first)));
  for (size_t at = 0; at < x.size(); at += length) line(std::span(x).subspan(at, length));
  const std::vector<double> scale = spread(in[1], dims);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= scale[i];
  if (in.size() > 2 && in[2].present()) {
    const std::vector<double> bias = spread(in[2], dims);
    for (size_t i = 0; i < x.size(); ++i) x[i] += bias[i];
  }
  narrow(x.data(), std::ssize(x), out);
  return {};
}

}  // namespace

InferResult LayerNorm::infer(const InferContext& context) const { return infer_norm(context, axis, 3); }

Result<void> LayerNorm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  return norm(in, out[0], axis, [&](std::span<double> line) { normalize_line(line, epsilon); });
}

InferResult RmsNorm::infer(const InferContext& context) const { return infer_norm(context, axis, 2); }

Result<void> RmsNorm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  return norm(in, out[0], axis, [&](std::span<double> line) {
    double sum = 0;
    for (double x : line) sum += x * x;
    const double scale = 1 / std::sqrt(sum / static_cast<double>(line.size()) + epsilon);
    for (double& x : line) x *= scale;
  });
}

MJ_REGISTER_OP(LayerNorm)
MJ_REGISTER_OP(RmsNorm)

}  // namespace mj
