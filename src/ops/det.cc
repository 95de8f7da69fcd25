// SPDX-License-Identifier: Apache-2.0
// det(x [...,n,n]): the determinants of the matrices, by elimination with the largest pivots
#include <algorithm>
#include <cmath>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct Det {
  static constexpr std::string_view kName = "det";
  static constexpr OnnxName kOnnx = {.name = "Det", .since = 11};
  static constexpr auto kFields = std::tuple{};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

double determinant(double* a, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::fabs(a[i * n + k]) > std::fabs(a[pivot * n + k])) pivot = i;
    }
    if (a[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      std::swap_ranges(a + k * n, a + (k + 1) * n, a + pivot * n);
      product = -product;
    }
    product *= a[k * n + k];
    for (int64_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (int64_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return product;
}

}  // namespace

InferResult Det::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, 2));
  if (!is_float(context.dtype(0))) return context.fail("input 0 must be floating point");
  Shape out = context.shape(0);
  MJ_TRY(require_equal(context, "rows and columns", out[out.size() - 2], out.back()));
  out.resize(out.size() - 2);
  return one(context.dtype(0), std::move(out));
}

Result<void> Det::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t n = in[0].dims().back();
  std::vector<double> values = widened(in[0]), results;
  for (int64_t i = 0; i < out[0].size(); ++i) results.push_back(determinant(values.data() + i * n * n, n));
  narrow(results.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(Det)

}  // namespace mj
