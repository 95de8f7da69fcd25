// SPDX-License-Identifier: Apache-2.0
#include "import/tensors.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace mj::onnx {
namespace {

// In the order of onnx.proto's TensorProto.DataType; none: known to ONNX, not to us.
constexpr DType kTypes[] = {
    DType::none, DType::f32,    DType::u8,      DType::i8,     DType::u16,        DType::i16,    DType::i32,
    DType::i64,  DType::string, DType::boolean, DType::f16,    DType::f64,        DType::u32,    DType::u64,
    DType::none, DType::none,   DType::bf16,    DType::f8e4m3, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz,
    DType::u4,   DType::i4,     DType::f4e2m1,  DType::f8e8m0, DType::u2,         DType::i2,     DType::none};
constexpr std::string_view kTypeNames[] = {
    "undefined",  "float",        "uint8",          "int8",       "uint16",         "int16",  "int32",     "int64",
    "string",     "bool",         "float16",        "double",     "uint32",         "uint64", "complex64", "complex128",
    "bfloat16",   "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",  "int4",      "float4e2m1",
    "float8e8m0", "uint2",        "int2",           "float6e2m3", "float6e3m2"};

bool below_byte(DType dtype) { return bits(dtype) > 0 && bits(dtype) < 8; }

// Bytes that `elements` take in a file, where those below a byte share it.
int64_t packed_bytes(DType dtype, int64_t elements) {
  if (!below_byte(dtype)) return elements * storage_bytes(dtype);
  const int64_t in_byte = 8 / bits(dtype);
  return elements / in_byte + (elements % in_byte != 0);
}

// The first element is in the lowest bits.
Tensor unpack(DType dtype, std::vector<int64_t> dims, const std::byte* bytes) {
  Tensor tensor = Tensor::zeros(dtype, std::move(dims));
  auto* out = static_cast<int8_t*>(tensor.mutable_raw());
  const auto n = static_cast<int>(bits(dtype));
  const int sign = is_integer(dtype) && is_signed(dtype) ? 1 << (n - 1) : 0;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const int value = std::to_integer<int>(bytes[i * n / 8]) >> (i * n % 8) & ((1 << n) - 1);
    out[i] = static_cast<int8_t>(value - 2 * (value & sign));
  }
  return tensor;
}

// The typed lists of TensorProto: `Store` is what one element is in memory.
template <class Store, class T>
Result<Tensor> from_list(DType dtype, std::vector<int64_t> dims, int64_t elements, const std::vector<T>& list,
                         std::string_view field) {
  if (static_cast<int64_t>(list.size()) != elements) {
    return model_error("{} holds {} values, its dims need {}", field, list.size(), elements);
  }
  Tensor tensor = Tensor::zeros(dtype, std::move(dims));
  auto* out = static_cast<Store*>(tensor.mutable_raw());
  for (size_t i = 0; i < list.size(); ++i) {
    if constexpr (std::is_integral_v<T>) {
      if (list[i] < static_cast<T>(std::numeric_limits<Store>::min()) ||
          list[i] > static_cast<T>(std::numeric_limits<Store>::max())) {
        return model_error("{} holds {}, which is no {}", field, list[i], name(dtype));
      }
    }
    out[i] = static_cast<Store>(list[i]);
  }
  return tensor;
}

Result<Tensor> from_typed_fields(DType dtype, std::vector<int64_t> dims, int64_t elements, const TensorProto& proto) {
  constexpr std::string_view kInt32 = "int32_data";
  switch (dtype) {
    case DType::f32:
      return from_list<float>(dtype, std::move(dims), elements, proto.float_data, "float_data");
    case DType::f64:
      return from_list<double>(dtype, std::move(dims), elements, proto.double_data, "double_data");
    case DType::i64:
      return from_list<int64_t>(dtype, std::move(dims), elements, proto.int64_data, "int64_data");
    case DType::u64:
      return from_list<uint64_t>(dtype, std::move(dims), elements, proto.uint64_data, "uint64_data");
    case DType::u32:
      return from_list<uint32_t>(dtype, std::move(dims), elements, proto.uint64_data, "uint64_data");
    case DType::i32:
      return from_list<int32_t>(dtype, std::move(dims), elements, proto.int32_data, kInt32);
    case DType::i16:
      return from_list<int16_t>(dtype, std::move(dims), elements, proto.int32_data, kInt32);
    case DType::i8:
      return from_list<int8_t>(dtype, std::move(dims), elements, proto.int32_data, kInt32);
    case DType::f16:
    case DType::bf16:
    case DType::u16:
      return from_list<uint16_t>(dtype, std::move(dims), elements, proto.int32_data, kInt32);
    case DType::f8e4m3:
    case DType::f8e5m2:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2fnuz:
    case DType::f8e8m0:
    case DType::u8:
      return from_list<uint8_t>(dtype, std::move(dims), elements, proto.int32_data, kInt32);
    case DType::boolean:
      return from_list<bool>(dtype, std::move(dims), elements, proto.int32_data, kInt32);
    case DType::i2:
    case DType::u2:
    case DType::i4:
    case DType::u4:
    case DType::f4e2m1: {  // packed here too: one byte in each int32
      const int64_t bytes = packed_bytes(dtype, elements);
      MJ_ASSIGN(Tensor packed, from_list<uint8_t>(DType::u8, {bytes}, bytes, proto.int32_data, kInt32));
      return unpack(dtype, std::move(dims), static_cast<const std::byte*>(packed.raw()));
    }
    case DType::string: {
      if (static_cast<int64_t>(proto.string_data.size()) != elements) {
        return model_error("string_data holds {} values, its dims need {}", proto.string_data.size(), elements);
      }
      return Tensor::strings(std::move(dims), {proto.string_data.begin(), proto.string_data.end()});
    }
    case DType::none:
      break;
  }
  return model_error("has no element type");
}

Result<int64_t> decimal(const KeyValue& entry) {
  int64_t value = 0;
  const char* end = entry.value.data() + entry.value.size();
  const auto [stopped, problem] = std::from_chars(entry.value.data(), end, value);
  if (problem != std::errc() || stopped != end || value < 0) {
    return model_error("its external data has {} '{}', which is not a size", entry.key, entry.value.substr(0, 40));
  }
  return value;
}

// What no writer of models has reason to use; containment itself is the business of open_beneath().
Result<void> check_location(std::string_view location) {
  constexpr size_t kLongest = 1024;
  const auto refuse = [&](std::string_view why) {
    return model_error("its external data has location '{}', which {}", location.substr(0, 80), why);
  };
  if (location.empty()) return refuse("is empty");
  if (location.size() > kLongest) return refuse("is too long");
  if (location.front() == '/') return refuse("is not relative to the model");
  for (char c : location) {
    if (c == '\\' || static_cast<unsigned char>(c) < 0x20) return refuse("holds a character that is not allowed");
  }
  for (size_t at = 0; at <= location.size();) {
    const size_t end = std::min(location.find('/', at), location.size());
    if (location.substr(at, end - at) == "..") return refuse("leaves the model's directory");
    at = end + 1;
  }
  return {};
}

}  // namespace

Result<DType> dtype_of(int64_t data_type) {
  if (data_type > 0 && data_type < std::ssize(kTypes) && kTypes[data_type] != DType::none) return kTypes[data_type];
  if (data_type > 0 && data_type < std::ssize(kTypeNames)) {
    return error(ErrorCode::unsupported, "element type {} is not supported", kTypeNames[data_type]);
  }
  return model_error("element type {} is not one of ONNX", data_type);
}

Result<Tensor> TensorReader::read(const TensorProto& proto) {
  Result<Tensor> tensor = read_unnamed(proto);
  if (tensor.ok()) return tensor;
  return tensor.error().in(proto.name.empty() ? "a tensor" : fmt::format("tensor '{}'", proto.name));
}

Result<Tensor> TensorReader::read_unnamed(const TensorProto& proto) {
  MJ_ASSIGN(const DType dtype, dtype_of(proto.data_type));
  if (proto.segmented) return error(ErrorCode::unsupported, "segmented tensors are not supported");
  int64_t elements = 1;
  for (int64_t dim : proto.dims) {
    if (dim < 0) return model_error("has the dimension {}", dim);
    if (__builtin_mul_overflow(elements, dim, &elements) || elements > limits_.tensor_elements) {
      return model_error("has more than {} elements", limits_.tensor_elements);
    }
  }
  bytes_left_ -= elements * std::max<int64_t>(storage_bytes(dtype), 1);
  if (bytes_left_ < 0) return model_error("the constants together exceed {} bytes", limits_.constant_bytes);

  if (proto.data_location == 1) {
    if (dtype == DType::string) return model_error("strings cannot be external data");
    MJ_ASSIGN(External data, external(proto));
    return from_bytes(dtype, proto.dims, elements, std::move(data));
  }
  if (proto.data_location != 0) return model_error("has the data location {}", proto.data_location);
  if (proto.has_raw_data) {
    if (dtype == DType::string) return model_error("strings cannot be raw data");
    return from_bytes(dtype, proto.dims, elements,
                      {owner_, std::as_bytes(std::span(proto.raw_data.data(), proto.raw_data.size()))});
  }
  return from_typed_fields(dtype, proto.dims, elements, proto);
}

Result<Tensor> TensorReader::from_bytes(DType dtype, std::vector<int64_t> dims, int64_t elements, External data) const {
  const int64_t want = packed_bytes(dtype, elements), got = std::ssize(data.bytes);
  if (got != want) return model_error("has {} bytes of data, its type and dims need {}", got, want);
  if (below_byte(dtype)) return unpack(dtype, std::move(dims), data.bytes.data());
  const bool aligned = reinterpret_cast<uintptr_t>(data.bytes.data()) % static_cast<size_t>(storage_bytes(dtype)) == 0;
  const bool valid = dtype != DType::boolean ||
                     std::all_of(data.bytes.begin(), data.bytes.end(), [](std::byte b) { return b <= std::byte{1}; });
  if (aligned && valid && data.owner) {
    return Tensor::view(dtype, std::move(dims), data.bytes.data(), std::move(data.owner));
  }
  Tensor tensor = Tensor::zeros(dtype, std::move(dims));
  if (want > 0) std::memcpy(tensor.mutable_raw(), data.bytes.data(), data.bytes.size());
  if (!valid) {
    auto* bytes = static_cast<unsigned char*>(tensor.mutable_raw());
    std::transform(bytes, bytes + want, bytes, [](unsigned char b) { return b != 0; });
  }
  return tensor;
}

Result<TensorReader::External> TensorReader::external(const TensorProto& proto) {
  std::string_view location;
  int64_t offset = 0;
  std::optional<int64_t> length;
  for (const KeyValue& entry : proto.external_data) {
    if (entry.key == "location") {
      location = entry.value;
    } else if (entry.key == "offset") {
      MJ_ASSIGN(offset, decimal(entry));
    } else if (entry.key == "length") {
      MJ_ASSIGN(length, decimal(entry));
    } else if (entry.key != "checksum") {
      return model_error("its external data has the unknown key '{}'", entry.key.substr(0, 40));
    }
  }
  MJ_TRY(check_location(location));
  MJ_ASSIGN(auto opened, open(std::string(location)));
  auto& [file, at] = opened;
  const int64_t size = std::ssize(file.bytes);
  if (offset > size || length.value_or(0) > size - offset) {
    return model_error("its external data is {} bytes at {} of '{}', which has {}", length.value_or(0), offset,
                       location, size);
  }
  file.bytes = file.bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(length.value_or(size - offset)));
  used_[at].push_back(file.bytes);
  return file;
}

std::vector<std::vector<std::span<const std::byte>>> TensorReader::files() const {
  std::vector<std::vector<std::span<const std::byte>>> files;
  for (std::vector<std::span<const std::byte>> pieces : used_) {
    std::sort(pieces.begin(), pieces.end(), [](auto a, auto b) { return a.data() < b.data(); });
    auto& merged = files.emplace_back();
    for (std::span<const std::byte> piece : pieces) {
      if (merged.empty() || piece.data() > merged.back().data() + merged.back().size()) {
        merged.push_back(piece);
      } else if (const std::byte* end = piece.data() + piece.size();
                 end > merged.back().data() + merged.back().size()) {
        merged.back() = {merged.back().data(), end};
      }
    }
  }
  return files;
}

Result<std::pair<TensorReader::External, size_t>> TensorReader::open(const std::string& location) {
  const auto known = opened_.find(location);
  if (known != opened_.end()) return known->second;
  if (!directory_)
    return model_error("its external data is in '{}', but the model was given without a directory", location);
  MJ_ASSIGN(std::shared_ptr<const MappedFile> file, MappedFile::open_beneath(*directory_, location));
  const std::pair opened{External{file, file->bytes()}, used_.size()};
  used_.emplace_back();
  opened_.emplace(location, opened);
  return opened;
}

}  // namespace mj::onnx
