// SPDX-License-Identifier: Apache-2.0
// lrn{alpha, beta, bias, size}(x) = x / (bias + alpha / size * sum of x * x over `size` channels around)^beta
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/axis_lines.h"
#include "ops/norm.h"
#include "ops/register.h"

namespace mj {

struct Lrn {
  float alpha = 1e-4f, beta = 0.75f, bias = 1.0f;
  int64_t size = 1;

  static constexpr std::string_view kName = "lrn";
  static constexpr OnnxName kOnnx = {.name = "LRN", .since = 1};
  static constexpr auto kFields = std::tuple{field(1, "alpha", &Lrn::alpha), field(2, "beta", &Lrn::beta),
                                             field(3, "bias", &Lrn::bias), field(4, "size", &Lrn::size)};

  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    MJ_TRY(check_norm_input(context, 2));
    if (size < 1) return context.fail(fmt::format("size must be 1 or more, got {}", size));
    return one(context.dtype(0), context.shape(0));
  }

  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    map_lines(in[0], 1, out[0], [&](std::span<double> line) {
      const std::vector<double> x(line.begin(), line.end());
      const int64_t n = std::ssize(x), before = (size - 1) / 2, after = size - 1 - before;
      for (int64_t c = 0; c < n; ++c) {
        double sum = 0;
        for (int64_t k = std::max<int64_t>(c - before, 0); k <= std::min(c + after, n - 1); ++k) sum += x[k] * x[k];
        line[c] = x[c] / std::pow(bias + alpha / static_cast<double>(size) * sum, static_cast<double>(beta));
      }
    });
    return {};
  }
};
MJ_REGISTER_OP(Lrn)

}  // namespace mj
