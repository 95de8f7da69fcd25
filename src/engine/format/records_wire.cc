// SPDX-License-Identifier: Apache-2.0
#include "engine/format/records_wire.h"

#include <algorithm>
#include <cstring>

#include "engine/format/wire_fields.h"

namespace mj {
namespace wire {

std::string Via<Dim>::to(const Dim& dim) { return dim.to_string(); }

Dim Via<Dim>::from(const std::string& text) {
  constexpr size_t kMaxText = 1 << 14;
  if (text.size() > kMaxText) throw Malformed{fmt::format("a dim of {} characters, at most {}", text.size(), kMaxText)};
  auto dim = Dim::parse(text);
  if (!dim.ok()) throw Malformed{dim.error().message};
  return *dim;
}

TypeWire Via<Type>::to(const Type& type) {
  TypeWire wire{.kind = type.kind, .dtype = type.dtype, .ranked = type.ranked(), .dims = {}};
  if (type.shape) wire.dims.assign(type.shape->begin(), type.shape->end());
  return wire;
}

Type Via<Type>::from(TypeWire wire) {
  if (!wire.ranked && !wire.dims.empty()) throw Malformed{"a type without rank that has dims"};
  Type type{wire.kind, wire.dtype, std::nullopt};
  if (wire.ranked) type.shape.emplace(wire.dims.begin(), wire.dims.end());
  return type;
}

TensorWire Via<Tensor>::to(const Tensor& tensor) {
  TensorWire wire{.dtype = tensor.dtype(), .dims = tensor.dims(), .data = {}, .strings = {}};
  if (tensor.dtype() == DType::string) {
    wire.strings = tensor.string_data();
  } else {
    wire.data.assign(static_cast<const char*>(tensor.raw()), static_cast<size_t>(tensor.bytes()));
  }
  return wire;
}

Tensor Via<Tensor>::from(TensorWire wire) {
  if (wire.dtype == DType::none) return {};
  const bool is_string = wire.dtype == DType::string;
  int64_t count = 1;
  for (int64_t dim : wire.dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) throw Malformed{"a tensor's dims overflow"};
  }
  int64_t bytes = 0;
  const bool fits = !__builtin_mul_overflow(count, storage_bytes(wire.dtype), &bytes) &&
                    bytes == static_cast<int64_t>(wire.data.size()) &&
                    (is_string ? count : 0) == static_cast<int64_t>(wire.strings.size());
  if (!fits) throw Malformed{"a tensor's contents do not fit its dims"};
  if (is_string) return Tensor::strings(std::move(wire.dims), std::move(wire.strings));
  if (!valid_elements(wire.dtype, std::as_bytes(std::span(wire.data)))) {
    throw Malformed{fmt::format("a tensor holds what is no {}", name(wire.dtype))};
  }
  Tensor tensor = Tensor::zeros(wire.dtype, std::move(wire.dims));
  if (!wire.data.empty()) std::memcpy(tensor.mutable_raw(), wire.data.data(), wire.data.size());
  return tensor;
}

FieldWire Via<NamedField>::to(const NamedField& field) {
  FieldWire wire;
  wire.number = field.number;
  wire.type = field.value.index() + 1;
  std::visit(
      [&]<class T>(const T& value) {
        if constexpr (std::same_as<T, int64_t>)
          wire.i = value;
        else if constexpr (std::same_as<T, float>)
          wire.f = value;
        else if constexpr (std::same_as<T, bool>)
          wire.b = value;
        else if constexpr (std::same_as<T, std::string>)
          wire.s = value;
        else if constexpr (std::same_as<T, DType>)
          wire.dtype = value;
        else if constexpr (std::same_as<T, std::vector<int64_t>>)
          wire.ints = value;
        else if constexpr (std::same_as<T, std::vector<float>>)
          wire.floats = value;
        else if constexpr (std::same_as<T, std::vector<std::string>>)
          wire.strings = value;
        else
          wire.tensor = value;
      },
      field.value);
  return wire;
}

NamedField Via<NamedField>::from(FieldWire wire) {
  NamedField field;
  field.number = wire.number;
  switch (wire.type) {
    case 1:
      field.value = wire.i;
      break;
    case 2:
      field.value = wire.f;
      break;
    case 3:
      field.value = wire.b;
      break;
    case 4:
      field.value = std::move(wire.s);
      break;
    case 5:
      field.value = wire.dtype;
      break;
    case 6:
      field.value = std::move(wire.ints);
      break;
    case 7:
      field.value = std::move(wire.floats);
      break;
    case 8:
      field.value = std::move(wire.strings);
      break;
    case 9:
      field.value = wire.tensor.value_or(Tensor());
      break;
    default:
      throw Malformed{fmt::format("an operator's field of type {}, which this build does not know", wire.type)};
  }
  static_assert(std::variant_size_v<FieldValue> == 9, "a new alternative gets the next number, at the end");
  return field;
}

OpWire Via<Op>::to(const Op& op) {
  if (!op) return {};
  return {std::string(op.name()), op.fields()};
}

Op Via<Op>::from(OpWire wire) {
  if (wire.name.empty()) return {};
  // By number alone: names of fields are not in the file, so a field 0 (which make_op reads as "no number") is refused.
  for (const NamedField& field : wire.fields) {
    if (field.number <= 0) throw Malformed{fmt::format("{}: a field without a number", wire.name)};
  }
  auto op = make_op(wire.name, wire.fields);
  if (!op.ok()) throw Malformed{op.error().message};
  return *op;
}

namespace {

template <class T>
std::vector<std::byte> to_bytes(const T& x) {
  const std::string text = encode(x);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

template <class T>
Result<T> from_bytes(std::span<const std::byte> bytes, std::string_view what) {
  // 64 MiB and eight bytes for each of the file's: what a legitimate manifest of any size stays well below.
  Budget budget{.bytes = (int64_t{64} << 20) + 8 * static_cast<int64_t>(bytes.size())};
  T x;
  try {
    decode(protozero::data_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), x, budget);
  } catch (const Malformed& malformed) {
    return model_error("the {} is malformed: {}", what, malformed.reason);
  } catch (const protozero::exception& exception) {
    return model_error("the {} is malformed: {}", what, exception.what());
  }
  return x;
}

}  // namespace
}  // namespace wire

std::vector<std::byte> serialize(const ManifestRecord& manifest) { return wire::to_bytes(manifest); }
std::vector<std::byte> serialize(const MeasurementsRecord& measurements) { return wire::to_bytes(measurements); }

Result<ManifestRecord> parse_manifest(std::span<const std::byte> bytes) {
  return wire::from_bytes<ManifestRecord>(bytes, "manifest");
}
Result<MeasurementsRecord> parse_measurements(std::span<const std::byte> bytes) {
  return wire::from_bytes<MeasurementsRecord>(bytes, "measurements section");
}

bool valid_elements(DType dtype, std::span<const std::byte> bytes) {
  if (bits(dtype) >= 8 && dtype != DType::boolean) return true;  // weights are large
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](std::byte b) { return is_element(dtype, std::to_integer<uint8_t>(b)); });
}

}  // namespace mj
