// SPDX-License-Identifier: Apache-2.0
#include "base/tensor.h"

#include <fmt/format.h>

#include <cstring>
#include <new>

#include "base/checked.h"

namespace mj {
namespace {

constexpr std::align_val_t kAlign{64};

int64_t count(const std::vector<int64_t>& dims, int64_t element_bytes) {
  const Result<int64_t> counted = element_count(dims);
  CHECK(counted.ok(), "{}", counted.error().message);
  const int64_t elements = *counted;
  int64_t bytes = 0;
  CHECK(!__builtin_mul_overflow(elements, element_bytes, &bytes), "tensor size overflows");
  return elements;
}

}  // namespace

Tensor Tensor::zeros(DType dtype, std::vector<int64_t> dims) {
  if (dtype != DType::string) {
    Tensor tensor = unset(dtype, std::move(dims));
    std::memset(tensor.mutable_, 0, static_cast<size_t>(tensor.bytes()));
    return tensor;
  }
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.size_ = count(dims, storage_bytes(dtype));
  tensor.dims_ = std::move(dims);
  if (static_cast<size_t>(tensor.size_) > std::vector<std::string>().max_size()) throw std::bad_alloc();
  tensor.strings_ = std::make_shared<std::vector<std::string>>(static_cast<size_t>(tensor.size_));
  return tensor;
}

Tensor Tensor::unset(DType dtype, std::vector<int64_t> dims) {
  CHECK(dtype != DType::string, "strings have no bytes to leave unset");
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.size_ = count(dims, storage_bytes(dtype));
  tensor.dims_ = std::move(dims);
  const auto bytes = static_cast<size_t>(tensor.bytes());
  void* memory = ::operator new(bytes ? bytes : 1, kAlign);
  tensor.owner_ = std::shared_ptr<void>(memory, [](void* p) { ::operator delete(p, kAlign); });
  tensor.data_ = tensor.mutable_ = memory;
  return tensor;
}

Tensor Tensor::view(DType dtype, std::vector<int64_t> dims, const void* data, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.size_ = count(dims, storage_bytes(dtype));
  tensor.dims_ = std::move(dims);
  tensor.data_ = data;
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::strings(std::vector<int64_t> dims, std::vector<std::string> values) {
  Tensor tensor = zeros(DType::string, std::move(dims));
  CHECK(static_cast<size_t>(tensor.size_) == values.size(), "{} strings for {} elements", values.size(), tensor.size_);
  *tensor.strings_ = std::move(values);
  return tensor;
}

Tensor Tensor::sequence(DType dtype, std::vector<Tensor> items) {
  for (const Tensor& item : items) {
    CHECK(item.dtype() == dtype && !item.is_sequence(), "an item of {} in a sequence of {}", name(item.dtype()),
          name(dtype));
  }
  Tensor sequence;
  sequence.dtype_ = dtype;
  sequence.items_ = std::make_shared<const std::vector<Tensor>>(std::move(items));
  return sequence;
}

Tensor Tensor::reshaped(std::vector<int64_t> dims) const {
  Tensor tensor = *this;
  CHECK(count(dims, 1) == size_, "reshape changes the element count from {}", size_);
  tensor.dims_ = std::move(dims);
  return tensor;
}

std::vector<int64_t> Tensor::to_i64() const {
  std::vector<int64_t> out;
  if (!is_integer(dtype_) && dtype_ != DType::boolean) return out;
  dispatch(dtype_, [&]<class T>() {
    for (T x : data<T>()) out.push_back(static_cast<int64_t>(x));
  });
  return out;
}

std::vector<double> Tensor::to_f64() const {
  std::vector<double> out;
  out.reserve(static_cast<size_t>(size_));
  dispatch(dtype_, [&]<class T>() {
    for (T x : data<T>()) out.push_back(static_cast<double>(x));
  });
  return out;
}

bool identical(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims() || a.is_sequence() != b.is_sequence()) return false;
  if (a.is_sequence()) {
    return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(), identical);
  }
  if (a.dtype() == DType::string) return a.string_data() == b.string_data();
  return a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

std::string to_string(const Tensor& tensor, int64_t limit) {
  if (!tensor.present()) return "none";
  if (tensor.is_sequence()) {
    std::string items;
    for (const Tensor& item : tensor.items()) items += (items.empty() ? "" : ", ") + to_string(item, limit);
    return fmt::format("seq({}) {{{}}}", name(tensor.dtype()), items);
  }
  std::string out = fmt::format("{}[{}] {{", name(tensor.dtype()), fmt::join(tensor.dims(), ","));
  const int64_t shown = std::min(limit, tensor.size());
  for (int64_t i = 0; i < shown; ++i) {
    if (i) out += ", ";
    if (tensor.dtype() == DType::string) {
      out += fmt::format("\"{}\"", tensor.string_data()[static_cast<size_t>(i)]);
      continue;
    }
    dispatch(tensor.dtype(), [&]<class T>() {
      const T x = tensor.data<T>()[static_cast<size_t>(i)];
      if constexpr (std::is_integral_v<T>) {
        out += fmt::format("{}", static_cast<int64_t>(x));
      } else if constexpr (std::is_same_v<T, double>) {
        out += fmt::format("{}", x);
      } else {
        out += fmt::format("{}", static_cast<float>(x));
      }
    });
  }
  if (shown < tensor.size()) out += ", ...";
  return out + "}";
}

}  // namespace mj
