// SPDX-License-Identifier: Apache-2.0
// Tensor: a dense row-major array on the host. Copies share the bytes; the last one frees them.
//
// Values that are no arrays travel under the same type, so that whatever passes values on need not know them: a
// sequence is a Tensor that holds tensors and has no elements or bytes of its own; an optional without a value is an
// absent one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "base/dtype.h"
#include "base/half.h"
#include "base/result.h"

namespace mj {

template <DType>
struct CppTypeOf;
template <class T>
struct DTypeOf;
#define MJ_DTYPE(dtype, type)                    \
  template <>                                    \
  struct CppTypeOf<DType::dtype> {               \
    using T = type;                              \
  };                                             \
  template <>                                    \
  struct DTypeOf<type> {                         \
    static constexpr DType value = DType::dtype; \
  };
MJ_DTYPE(f32, float)
MJ_DTYPE(f64, double)
MJ_DTYPE(f16, F16)
MJ_DTYPE(bf16, Bf16)
MJ_DTYPE(f8e4m3, F8E4M3)
MJ_DTYPE(f8e5m2, F8E5M2)
MJ_DTYPE(f8e4m3fnuz, F8E4M3Fnuz)
MJ_DTYPE(f8e5m2fnuz, F8E5M2Fnuz)
MJ_DTYPE(f4e2m1, F4E2M1)
MJ_DTYPE(f8e8m0, F8E8M0)
MJ_DTYPE(i8, int8_t)
MJ_DTYPE(i16, int16_t)
MJ_DTYPE(i32, int32_t)
MJ_DTYPE(i64, int64_t)
MJ_DTYPE(u8, uint8_t)
MJ_DTYPE(u16, uint16_t)
MJ_DTYPE(u32, uint32_t)
MJ_DTYPE(u64, uint64_t)
MJ_DTYPE(boolean, bool)
#undef MJ_DTYPE

class Tensor {
 public:
  Tensor() = default;  // absent: dtype none, no elements

  // Zeroed memory, aligned to 64 bytes. CHECKs that the size does not overflow: sizes from files are budgeted before.
  static Tensor zeros(DType dtype, std::vector<int64_t> dims);
  // The same with contents that are anything, for who writes them all. Not of strings.
  static Tensor unset(DType dtype, std::vector<int64_t> dims);
  // A view of memory that `owner` keeps alive (a mapped file, a message). `data` need not be aligned beyond its
  // element.
  static Tensor view(DType dtype, std::vector<int64_t> dims, const void* data, std::shared_ptr<const void> owner);
  static Tensor strings(std::vector<int64_t> dims, std::vector<std::string> values);
  // Every item is a tensor of `dtype`.
  static Tensor sequence(DType dtype, std::vector<Tensor> items);
  template <class T>
  static Tensor of(std::vector<int64_t> dims, std::span<const T> values);
  template <class T>
  static Tensor scalar(T value) {
    return of<T>({}, std::span<const T>(&value, 1));
  }
  static Tensor of_i64(std::span<const int64_t> values) {
    return of<int64_t>({static_cast<int64_t>(values.size())}, values);
  }

  bool present() const { return dtype_ != DType::none; }
  bool is_sequence() const { return items_ != nullptr; }
  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& dims() const { return dims_; }
  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  int64_t size() const { return size_; }  // elements
  int64_t bytes() const { return size_ * storage_bytes(dtype_); }
  bool writable() const { return mutable_ != nullptr; }

  const void* raw() const { return data_; }
  void* mutable_raw() {
    CHECK(mutable_ || size_ == 0, "a view is read-only");
    return mutable_;
  }
  // Elements; T must be the C++ type of dtype(). Integers below a byte read as int8_t or uint8_t.
  template <class T>
  std::span<const T> data() const {
    check_type<T>();
    return {static_cast<const T*>(data_), static_cast<size_t>(size_)};
  }
  template <class T>
  std::span<T> mutable_data() {
    check_type<T>();
    return {static_cast<T*>(mutable_raw()), static_cast<size_t>(size_)};
  }
  const std::vector<std::string>& string_data() const { return *strings_; }
  std::vector<std::string>& mutable_string_data() { return *strings_; }

  const std::vector<Tensor>& items() const { return *items_; }  // of a sequence

  // The same bytes under other dims; the element count must stay.
  Tensor reshaped(std::vector<int64_t> dims) const;
  // Integers and bools widened to int64_t; empty for other types.
  std::vector<int64_t> to_i64() const;
  // Any numeric type as double.
  std::vector<double> to_f64() const;

 private:
  template <class T>
  void check_type() const {
    constexpr DType want = DTypeOf<T>::value;
    const bool narrow = want == DType::i8   ? dtype_ == DType::i4 || dtype_ == DType::i2
                        : want == DType::u8 ? dtype_ == DType::u4 || dtype_ == DType::u2
                                            : false;
    CHECK(dtype_ == want || narrow, "tensor is {}, read as {}", name(dtype_), name(want));
  }

  DType dtype_ = DType::none;
  std::vector<int64_t> dims_;
  int64_t size_ = 0;
  const void* data_ = nullptr;
  void* mutable_ = nullptr;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<std::vector<std::string>> strings_;
  std::shared_ptr<const std::vector<Tensor>> items_;
};

// Bitwise equality of type, dims and contents; of sequences, of their items.
bool identical(const Tensor& a, const Tensor& b);
// "f32[2,3] {1, 2, ...}" with at most `limit` elements; "seq(f32) {f32[1] {1}, f32[2] {1, 2}}".
std::string to_string(const Tensor& tensor, int64_t limit = 16);

template <class T>
Tensor Tensor::of(std::vector<int64_t> dims, std::span<const T> values) {
  Tensor tensor = zeros(DTypeOf<T>::value, std::move(dims));
  CHECK(static_cast<size_t>(tensor.size()) == values.size(), "{} values for {} elements", values.size(), tensor.size());
  std::span<T> out = tensor.mutable_data<T>();
  for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
  return tensor;
}

// Calls f.template operator()<T>() with the C++ type of a numeric or bool dtype. Integers below a byte come as
// int8_t or uint8_t.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::f64:
      return f.template operator()<double>();
    case DType::f16:
      return f.template operator()<F16>();
    case DType::bf16:
      return f.template operator()<Bf16>();
    case DType::f8e4m3:
      return f.template operator()<F8E4M3>();
    case DType::f8e5m2:
      return f.template operator()<F8E5M2>();
    case DType::f8e4m3fnuz:
      return f.template operator()<F8E4M3Fnuz>();
    case DType::f8e5m2fnuz:
      return f.template operator()<F8E5M2Fnuz>();
    case DType::f4e2m1:
      return f.template operator()<F4E2M1>();
    case DType::f8e8m0:
      return f.template operator()<F8E8M0>();
    case DType::i2:
    case DType::i4:
    case DType::i8:
      return f.template operator()<int8_t>();
    case DType::i16:
      return f.template operator()<int16_t>();
    case DType::i32:
      return f.template operator()<int32_t>();
    case DType::i64:
      return f.template operator()<int64_t>();
    case DType::u2:
    case DType::u4:
    case DType::u8:
      return f.template operator()<uint8_t>();
    case DType::u16:
      return f.template operator()<uint16_t>();
    case DType::u32:
      return f.template operator()<uint32_t>();
    case DType::u64:
      return f.template operator()<uint64_t>();
    case DType::boolean:
      return f.template operator()<bool>();
    case DType::none:
    case DType::string:
      break;
  }
  check_failed("dispatch", __FILE__, __LINE__, "no C++ number for dtype " + std::string(name(dtype)));
}

}  // namespace mj
