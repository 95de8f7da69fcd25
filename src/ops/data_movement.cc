// SPDX-License-Identifier: Apache-2.0
#include "ops/data_movement.h"

#include <algorithm>
#include <cstring>

namespace mj {

std::vector<int64_t> row_major(std::span<const int64_t> dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t d = dims.size(); d-- > 1;) strides[d - 1] = strides[d] * dims[d];
  return strides;
}

int64_t product(std::span<const int64_t> dims) {
  int64_t n = 1;
  for (int64_t dim : dims) n *= dim;
  return n;
}

Tensor broadcast_to(const Tensor& in, const std::vector<int64_t>& dims) {
  Tensor out = Tensor::zeros(in.dtype(), dims);
  Walk from{.offset = 0, .strides = std::vector<int64_t>(dims.size(), 0)};
  const std::vector<int64_t> own = row_major(in.dims());
  const size_t added = dims.size() - own.size();
  for (size_t d = 0; d < own.size(); ++d) from.strides[added + d] = in.dims()[d] == 1 ? 0 : own[d];
  copy_box(dims, in, from, out, {.offset = 0, .strides = row_major(dims)});
  return out;
}

bool next_index(std::span<const int64_t> dims, std::vector<int64_t>& index) {
  for (size_t d = dims.size(); d-- > 0;) {
    if (++index[d] < dims[d]) return true;
    index[d] = 0;
  }
  return false;
}

void copy_elements(const Tensor& in, int64_t from, Tensor& out, int64_t to, int64_t n) {
  if (in.dtype() == DType::string) {
    std::copy_n(in.string_data().begin() + from, n, out.mutable_string_data().begin() + to);
    return;
  }
  const int64_t bytes = storage_bytes(in.dtype());
  if (n == 0) return;
  std::memcpy(static_cast<std::byte*>(out.mutable_raw()) + to * bytes,
              static_cast<const std::byte*>(in.raw()) + from * bytes, static_cast<size_t>(n * bytes));
}

void copy_all(const Tensor& in, Tensor& out) { copy_elements(in, 0, out, 0, in.size()); }

namespace {

template <class T>
void copy_row(int64_t n, const T* in, int64_t in_stride, T* out, int64_t out_stride) {
  for (int64_t i = 0; i < n; ++i) out[i * out_stride] = in[i * in_stride];
}

void copy_row(int64_t n, const Tensor& in, int64_t from, int64_t in_stride, Tensor& out, int64_t to,
              int64_t out_stride) {
  const auto row = [&]<class T>() {
    copy_row(n, static_cast<const T*>(in.raw()) + from, in_stride, static_cast<T*>(out.mutable_raw()) + to, out_stride);
  };
  if (in.dtype() == DType::string) {
    copy_row(n, in.string_data().data() + from, in_stride, out.mutable_string_data().data() + to, out_stride);
    return;
  }
  switch (storage_bytes(in.dtype())) {
    case 1:
      return row.operator()<uint8_t>();
    case 2:
      return row.operator()<uint16_t>();
    case 4:
      return row.operator()<uint32_t>();
    default:
      return row.operator()<uint64_t>();
  }
}

}  // namespace

void copy_box(std::span<const int64_t> dims, const Tensor& in, const Walk& from, Tensor& out, const Walk& to) {
  if (product(dims) == 0) return;
  if (dims.empty()) return copy_elements(in, from.offset, out, to.offset, 1);
  const size_t last = dims.size() - 1;
  const std::span<const int64_t> outer = dims.first(last);
  std::vector<int64_t> index(last);
  do {
    int64_t source = from.offset, target = to.offset;
    for (size_t d = 0; d < last; ++d) {
      source += index[d] * from.strides[d];
      target += index[d] * to.strides[d];
    }
    copy_row(dims[last], in, source, from.strides[last], out, target, to.strides[last]);
  } while (next_index(outer, index));
}

}  // namespace mj
