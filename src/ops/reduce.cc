// SPDX-License-Identifier: Apache-2.0
#include "ops/reduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

double reduce_line(Reduction kind, std::span<const double> line) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double sum = 0, product = 1, largest = -kInfinity, smallest = kInfinity;
  switch (kind) {
    case Reduction::sum:
    case Reduction::mean:
    case Reduction::log_sum:
      for (double x : line) sum += x;
      if (kind == Reduction::log_sum) return std::log(sum);
      return kind == Reduction::mean ? sum / static_cast<double>(line.size()) : sum;
    case Reduction::prod:
      for (double x : line) product *= x;
      return product;
    case Reduction::max:
      for (double x : line) largest = x > largest || std::isnan(x) ? x : largest;
      return largest;
    case Reduction::min:
      for (double x : line) smallest = x < smallest || std::isnan(x) ? x : smallest;
      return smallest;
    case Reduction::l1:
      for (double x : line) sum += std::fabs(x);
      return sum;
    case Reduction::l2:
    case Reduction::sum_square:
      for (double x : line) sum += x * x;
      return kind == Reduction::l2 ? std::sqrt(sum) : sum;
    case Reduction::log_sum_exp:
      largest = reduce_line(Reduction::max, line);
      if (std::isinf(largest)) return largest;
      for (double x : line) sum += std::exp(x - largest);
      return largest + std::log(sum);
  }
  return 0;
}

// Integers stay exact where the answer is one.
int64_t reduce_line(Reduction kind, std::span<const int64_t> line, DType dtype) {
  int64_t result = 0;
  switch (kind) {
    case Reduction::sum:
    case Reduction::mean:
      for (int64_t x : line) result = wrapping_add(result, x);
      return kind == Reduction::mean && !line.empty() ? result / std::ssize(line) : result;
    case Reduction::prod:
      result = 1;
      for (int64_t x : line) result = wrapping_mul(result, x);
      return result;
    case Reduction::max:
    case Reduction::min:
      for (size_t i = 0; i < line.size(); ++i) {
        const bool better =
            dtype == DType::u64 ? static_cast<uint64_t>(line[i]) > static_cast<uint64_t>(result) : line[i] > result;
        if (i == 0 || (line[i] != result && better == (kind == Reduction::max))) result = line[i];
      }
      return result;
    case Reduction::l1:
      for (int64_t x : line)
        result = wrapping_add(result, x < 0 && dtype != DType::u64 ? wrapping_sub<int64_t>(0, x) : x);
      return result;
    case Reduction::sum_square:
      for (int64_t x : line) result = wrapping_add(result, wrapping_mul(x, x));
      return result;
    default:
      break;
  }
  const std::vector<double> wide(line.begin(), line.end());
  const double real = reduce_line(kind, wide);
  return std::fabs(real) < 9e18 ? static_cast<int64_t>(real) : 0;  // logarithms of 0 and less
}

// The elements with the reduced dims innermost.
Tensor reordered(const Tensor& x, std::span<const int64_t> axes) {
  const std::vector<int64_t> strides = row_major(x.dims());
  std::vector<int64_t> dims;
  Walk from;
  for (bool reduced : {false, true}) {
    for (size_t d = 0; d < strides.size(); ++d) {
      if (std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(d)) != reduced) continue;
      dims.push_back(x.dims()[d]);
      from.strides.push_back(strides[d]);
    }
  }
  Tensor out = Tensor::zeros(x.dtype(), dims);
  copy_box(dims, x, from, out, {0, row_major(dims)});
  return out;
}

std::optional<Dim> reduce_dims(Reduction kind, std::span<const Dim> dims) {
  if (dims.empty()) return std::nullopt;
  Dim result = dims[0];
  for (const Dim& dim : dims.subspan(1)) {
    switch (kind) {
      case Reduction::sum:
        result += dim;
        break;
      case Reduction::prod:
        result *= dim;
        break;
      case Reduction::max:
        result = max(result, dim);
        break;
      case Reduction::min:
        result = min(result, dim);
        break;
      default:
        return std::nullopt;
    }
  }
  return result;
}

}  // namespace

std::vector<int64_t> ReduceFields::resolved(int64_t rank) const {
  std::vector<int64_t> all(static_cast<size_t>(rank));
  std::iota(all.begin(), all.end(), 0);
  if (axes.empty()) return all;
  all.clear();
  for (int64_t axis : axes) all.push_back(axis < 0 ? axis + rank : axis);
  std::sort(all.begin(), all.end());
  return all;
}

InferResult infer_reduce(const ReduceFields& fields, Reduction kind, const InferContext& context) {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  const bool order = kind == Reduction::max || kind == Reduction::min;
  if (!allows(order ? Types::all : Types::numbers, context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be numbers, got {}", to_string(context[0].type)));
  }
  const Shape& in = context.shape(0);
  MJ_TRY(normalize_axes(context, fields.axes, context[0].type.rank()));
  const std::vector<int64_t> axes = fields.resolved(context[0].type.rank());
  Shape out;
  for (size_t d = 0; d < in.size(); ++d) {
    if (!std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(d))) {
      out.push_back(in[d]);
    } else if (fields.keepdims) {
      out.push_back(1);
    }
  }
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  const std::optional<std::vector<Dim>> all = context.concrete() ? std::nullopt : context[0].elements();
  if (all && in.size() == 1) {
    if (std::optional<Dim> result = reduce_dims(kind, *all)) info.contents = std::vector<Dim>{std::move(*result)};
  }
  return one(std::move(info));
}

Result<void> reduce(const ReduceFields& fields, Reduction kind, const Tensor& x, Tensor& y) {
  const std::vector<int64_t> axes = fields.resolved(x.rank());
  int64_t length = 1;
  for (int64_t axis : axes) length *= x.dims()[static_cast<size_t>(axis)];
  const Tensor lines = reordered(x, axes);
  if (is_float(x.dtype())) {
    const std::vector<double> values = widened(lines);
    std::vector<double> result(static_cast<size_t>(y.size()));
    for (int64_t i = 0; i < y.size(); ++i) {
      result[i] = reduce_line(kind, std::span(values).subspan(i * length, length));
    }
    narrow(result.data(), y.size(), y);
    return {};
  }
  const std::vector<int64_t> values = lines.to_i64();
  for (int64_t i = 0; i < y.size(); ++i) {
    const int64_t result = reduce_line(kind, std::span(values).subspan(i * length, length), x.dtype());
    dispatch(y.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) y.mutable_data<T>()[i] = static_cast<T>(result);
    });
  }
  return {};
}

MJ_REGISTER_OP(ReduceSum)
MJ_REGISTER_OP(ReduceMean)
MJ_REGISTER_OP(ReduceMax)
MJ_REGISTER_OP(ReduceMin)
MJ_REGISTER_OP(ReduceProd)
MJ_REGISTER_OP(ReduceL1)
MJ_REGISTER_OP(ReduceL2)
MJ_REGISTER_OP(ReduceLogSum)
MJ_REGISTER_OP(ReduceLogSumExp)
MJ_REGISTER_OP(ReduceSumSquare)

}  // namespace mj
