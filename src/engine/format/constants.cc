// SPDX-License-Identifier: Apache-2.0
#include "engine/format/constants.h"

#include <algorithm>
#include <cstring>

#include "engine/format/records_wire.h"

namespace mj {
namespace {

// From here on another section begins: who loads the file hashes sections side by side.
constexpr size_t kFullSection = size_t{16} << 20;

// Strings in a section: for each a u32 length and its bytes.
std::vector<std::byte> pack_strings(const std::vector<std::string>& strings) {
  std::vector<std::byte> out;
  for (const std::string& s : strings) {
    const auto length = static_cast<uint32_t>(s.size());
    const auto head = std::as_bytes(std::span(&length, 1)), body = std::as_bytes(std::span(s));
    out.insert(out.end(), head.begin(), head.end());
    out.insert(out.end(), body.begin(), body.end());
  }
  return out;
}

Result<Tensor> unpack_strings(const std::vector<int64_t>& dims, int64_t count, std::span<const std::byte> bytes) {
  const Error cut_short = model_error("the strings are cut short");
  if (count > static_cast<int64_t>(bytes.size() / sizeof(uint32_t))) return cut_short;
  std::vector<std::string> strings;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    if (bytes.size() < sizeof length) return cut_short;
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes = bytes.subspan(sizeof length);
    if (bytes.size() < length) return cut_short;
    strings.emplace_back(reinterpret_cast<const char*>(bytes.data()), length);
    bytes = bytes.subspan(length);
  }
  if (!bytes.empty()) return model_error("{} bytes stand behind the strings", bytes.size());
  return Tensor::strings(dims, std::move(strings));
}

}  // namespace

StoredTensor ConstantWriter::add(SectionKind kind, int target, const Tensor& tensor) {
  std::vector<std::byte> strings;
  std::span<const std::byte> bytes(static_cast<const std::byte*>(tensor.raw()), static_cast<size_t>(tensor.bytes()));
  if (tensor.dtype() == DType::string) bytes = strings = pack_strings(tensor.string_data());

  const Digest digest = sha256(bytes);
  size_t open = pools_.size();
  for (size_t i = 0; i < pools_.size(); ++i) {
    if (pools_[i].kind != kind || pools_[i].target != target) continue;
    const auto known = pools_[i].known.find(digest);
    if (known != pools_[i].known.end()) return {tensor.dtype(), tensor.dims(), known->second};
    open = i;
  }
  if (open == pools_.size() || pools_[open].bytes.size() >= kFullSection) {
    open = pools_.size();
    pools_.push_back({kind, target, {}, {}});
  }
  Pool& pool = pools_[open];
  pool.bytes.resize((pool.bytes.size() + kConstantAlign - 1) / kConstantAlign * kConstantAlign);
  const ConstantRef place{static_cast<int>(open) + 1, static_cast<int64_t>(pool.bytes.size()),
                          static_cast<int64_t>(bytes.size())};
  pool.known[digest] = place;
  pool.bytes.insert(pool.bytes.end(), bytes.begin(), bytes.end());
  return {tensor.dtype(), tensor.dims(), place};
}

std::vector<SectionData> ConstantWriter::sections() const {
  std::vector<SectionData> sections;
  for (const Pool& pool : pools_) sections.push_back({pool.kind, "", pool.target, pool.bytes});
  return sections;
}

Result<Tensor> ConstantReader::tensor(SectionKind kind, int target, const StoredTensor& stored) const {
  const ConstantRef& place = stored.place;
  if (place.section <= 0 || static_cast<size_t>(place.section) >= sections_.size()) {
    return model_error("it names section {} of {}", place.section, sections_.size());
  }
  const SectionData& section = sections_[static_cast<size_t>(place.section)];
  if (section.kind != kind || (section.target != kAllTargets && section.target != target)) {
    return model_error("section {} holds {} of target {}, not {} of target {}", place.section, name(section.kind),
                       section.target, name(kind), target);
  }
  const auto size = static_cast<int64_t>(section.bytes.size());
  if (place.offset < 0 || place.bytes < 0 || place.offset > size || place.bytes > size - place.offset ||
      place.offset % kConstantAlign != 0) {
    return model_error("{} bytes at {} are not inside section {} of {} bytes, or not at a multiple of {}", place.bytes,
                       place.offset, place.section, size, kConstantAlign);
  }
  if (stored.dtype == DType::none || stored.dims.size() > kMaxRank)
    return model_error("it has no type or too many dims");
  int64_t count = 1, bytes = 0;
  for (int64_t dim : stored.dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) return model_error("its size is negative or overflows");
  }
  const auto view = section.bytes.subspan(static_cast<size_t>(place.offset), static_cast<size_t>(place.bytes));
  if (stored.dtype == DType::string) return unpack_strings(stored.dims, count, view);
  if (__builtin_mul_overflow(count, storage_bytes(stored.dtype), &bytes) || bytes != place.bytes) {
    return model_error("its {} elements of {} are not {} bytes", count, name(stored.dtype), place.bytes);
  }
  if (!valid_elements(stored.dtype, view)) return model_error("it holds what is no {}", name(stored.dtype));
  return Tensor::view(stored.dtype, stored.dims, view.data(), owner_);
}

}  // namespace mj
