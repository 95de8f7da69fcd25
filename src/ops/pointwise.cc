// SPDX-License-Identifier: Apache-2.0
#include "ops/pointwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "ops/data_movement.h"

namespace mj {

bool allows(Types types, DType dtype) {
  const bool is_bool = dtype == DType::boolean;
  switch (types) {
    case Types::floats:
      return is_float(dtype);
    case Types::signed_numbers:
      return is_signed(dtype);
    case Types::numbers:
      return is_float(dtype) || is_integer(dtype);
    case Types::integers:
      return is_integer(dtype);
    case Types::booleans:
      return is_bool;
    case Types::all:
      return is_float(dtype) || is_integer(dtype) || is_bool;
  }
  return false;
}

std::string_view name(Types types) {
  switch (types) {
    case Types::floats:
      return "floating point";
    case Types::signed_numbers:
      return "signed numbers";
    case Types::numbers:
      return "numbers";
    case Types::integers:
      return "integers";
    case Types::booleans:
      return "bool";
    case Types::all:
      return "numbers or bool";
  }
  return "";
}

namespace detail {
namespace {

constexpr int64_t kChunk = 512;  // elements that are widened, mapped and narrowed at a time: they stay in L1

// The symbolic result where every operand's elements are known.
std::optional<std::vector<Dim>> symbolic_contents(const PointwiseTable& table, const InferContext& context) {
  if (!table.symbolic || context.concrete()) return std::nullopt;
  std::vector<std::vector<Dim>> operands;
  size_t n = 1;
  for (const ValueInfo& input : context.inputs) {
    if (input.type.rank() > 1) return std::nullopt;
    std::optional<std::vector<Dim>> elements = input.elements();
    if (!elements) return std::nullopt;
    if (elements->size() != 1) n = elements->size();
    operands.push_back(std::move(*elements));
  }
  std::vector<Dim> out;
  for (size_t i = 0; i < n; ++i) {
    std::vector<Dim> x;
    for (const std::vector<Dim>& operand : operands) x.push_back(operand[operand.size() == 1 ? 0 : i]);
    std::optional<Dim> y = table.symbolic(x);
    if (!y) return std::nullopt;
    out.push_back(std::move(*y));
  }
  return out;
}

struct Layout {
  std::vector<int64_t> dims;                    // outer first; neighbours that every operand walks alike are one
  std::vector<std::array<int64_t, 3>> strides;  // of the operands; 0 where they are broadcast
};

Layout broadcast_layout(std::span<const Tensor> in, const Tensor& out) {
  std::array<int64_t, 3> step{1, 1, 1};
  Layout layout;
  for (int64_t back = 1; back <= out.rank(); ++back) {
    const int64_t dim = out.dims()[static_cast<size_t>(out.rank() - back)];
    std::array<int64_t, 3> stride{};
    for (size_t i = 0; i < in.size(); ++i) {
      const int64_t own = back <= in[i].rank() ? in[i].dims()[static_cast<size_t>(in[i].rank() - back)] : 1;
      stride[i] = own == 1 ? 0 : step[i];
      step[i] *= own;
    }
    if (dim == 1) continue;
    bool merges = !layout.dims.empty();
    for (size_t i = 0; merges && i < in.size(); ++i) {
      merges = stride[i] == layout.strides.front()[i] * layout.dims.front();
    }
    if (merges) {
      layout.dims.front() *= dim;
    } else {
      layout.dims.insert(layout.dims.begin(), dim);
      layout.strides.insert(layout.strides.begin(), stride);
    }
  }
  if (layout.dims.empty()) {
    layout.dims.push_back(1);
    layout.strides.push_back({});
  }
  return layout;
}

template <class C>
void load(const Tensor& tensor, int64_t offset, int64_t stride, int64_t n, C* out) {
  dispatch(tensor.dtype(), [&]<class T>() {
    const T* data = tensor.data<T>().data() + offset;
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<C>(data[i * stride]);
  });
}

template <class C>
void store(const C* values, int64_t n, int64_t offset, Tensor& tensor) {
  dispatch(tensor.dtype(), [&]<class T>() {
    T* data = tensor.mutable_data<T>().data() + offset;
    if constexpr (std::is_same_v<T, bool>) {
      for (int64_t i = 0; i < n; ++i) data[i] = values[i] != 0;
    } else if constexpr (std::is_integral_v<T> == std::is_integral_v<C>) {
      using Via = std::conditional_t<std::is_arithmetic_v<T>, T, float>;
      for (int64_t i = 0; i < n; ++i) data[i] = static_cast<T>(static_cast<Via>(values[i]));
    } else {
      CHECK(false, "{} result of maths in another kind of number", name(tensor.dtype()));
    }
  });
}

template <class C>
void run(PointwiseMap<C> map, const void* op, std::span<const Tensor> in, Tensor& out) {
  if (out.size() == 0) return;
  const Layout layout = broadcast_layout(in, out);
  const size_t rank = layout.dims.size();
  std::array<std::array<C, kChunk>, 3> operands;
  std::array<C, kChunk> result;
  const std::array<const C*, 3> pointers{operands[0].data(), operands[1].data(), operands[2].data()};
  std::vector<int64_t> index(rank);
  const int64_t run_length = layout.dims.back();
  for (int64_t done = 0; done < out.size(); done += run_length) {
    for (int64_t at = 0; at < run_length; at += kChunk) {
      const int64_t n = std::min(kChunk, run_length - at);
      for (size_t i = 0; i < in.size(); ++i) {
        int64_t offset = at * layout.strides.back()[i];
        for (size_t d = 0; d + 1 < rank; ++d) offset += index[d] * layout.strides[d][i];
        load(in[i], offset, layout.strides.back()[i], n, operands[i].data());
      }
      map(op, pointers.data(), n, result.data());
      store(result.data(), n, done + at, out);
    }
    for (size_t d = rank - 1; d-- > 0;) {
      if (++index[d] < layout.dims[d]) break;
      index[d] = 0;
    }
  }
}

}  // namespace

InferResult infer_pointwise(const PointwiseTable& table, const InferContext& context) {
  const auto arity = static_cast<size_t>(table.arity);
  MJ_TRY(context.inputs_between(arity, arity));
  const size_t first = table.condition ? 1 : 0;
  if (table.condition && context.dtype(0) != DType::boolean) {
    return context.fail(fmt::format("input 0 must be bool, got {}", to_string(context[0].type)));
  }
  Shape shape;
  bool ranked = true;
  for (size_t i = 0; i < arity; ++i) {
    if (!context.has(i)) return context.fail(fmt::format("input {} is missing", i));
    const bool strings = table.strings && context.dtype(i) == DType::string;
    if (i >= first && !strings && !allows(table.types, context.dtype(i))) {
      return context.fail(fmt::format("input {} must be {}, got {}", i, name(table.types), to_string(context[i].type)));
    }
    if (i > first) MJ_TRY(context.same_dtype(first, i));
    if (!context[i].type.ranked()) {
      ranked = false;
      continue;
    }
    Result<Shape> both = broadcast_shapes(shape, context.shape(i));
    if (!both.ok()) return context.fail(both.error().message);
    shape = std::move(*both);
  }
  const DType dtype = table.result.value_or(context.dtype(first));
  if (!ranked) return one(ValueInfo::of(Type::unranked(dtype)));
  ValueInfo info = ValueInfo::of(Type::tensor(dtype, std::move(shape)));
  if (info.type.rank() <= 1) info.contents = symbolic_contents(table, context);
  return one(std::move(info));
}

Result<void> run_pointwise(const PointwiseTable& table, const void* op, std::span<const Tensor> in, Tensor& out) {
  const DType dtype = in[table.condition ? 1 : 0].dtype();
  if (dtype == DType::string) {
    std::vector<Tensor> operands;
    for (const Tensor& operand : in) operands.push_back(broadcast_to(operand, out.dims()));
    table.strings(operands, out);
  } else if (dtype == DType::f64) {
    run(table.f64, op, in, out);
  } else if (is_float(dtype)) {
    run(table.f32, op, in, out);
  } else if (is_signed(dtype) || dtype == DType::boolean) {
    run(table.i64, op, in, out);
  } else {
    run(table.u64, op, in, out);
  }
  return {};
}

}  // namespace detail
}  // namespace mj
