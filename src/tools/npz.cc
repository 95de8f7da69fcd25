// SPDX-License-Identifier: Apache-2.0
#include "tools/npz.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "tools/npy.h"

namespace mj {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50;

// Little-endian numbers of a zip record, checked against the end of the file.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, size_t at) : bytes_(bytes), at_(at) {}
  template <class T>
  T get() {
    T value = 0;
    if (at_ > bytes_.size() || sizeof(T) > bytes_.size() - at_) {
      failed_ = true;
      return 0;
    }
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string text(size_t n) {
    if (n > bytes_.size() - std::min(at_, bytes_.size())) {
      failed_ = true;
      return "";
    }
    std::string out(reinterpret_cast<const char*>(bytes_.data()) + at_, n);
    at_ += n;
    return out;
  }
  void skip(size_t n) { at_ += n; }
  size_t at() const { return at_; }
  bool failed() const { return failed_; }

 private:
  std::span<const std::byte> bytes_;
  size_t at_;
  bool failed_ = false;
};

struct Entry {
  std::string name;
  uint16_t method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};

// The sizes that a 32-bit field could not hold stand in extra field 1, in this order.
void read_zip64(Entry& entry, const std::string& extra) {
  Reader reader(std::as_bytes(std::span(extra)), 0);
  while (reader.at() + 4 <= extra.size()) {
    const auto id = reader.get<uint16_t>();
    const auto length = reader.get<uint16_t>();
    if (id != 1) {
      reader.skip(length);
      continue;
    }
    for (uint64_t* field : {&entry.size, &entry.packed, &entry.offset}) {
      if (*field == 0xffffffff) *field = reader.get<uint64_t>();
    }
    return;
  }
}

std::optional<std::vector<Entry>> directory(std::span<const std::byte> file) {
  if (file.size() < 22) return std::nullopt;
  size_t end = file.size() - 22;
  const size_t stop = end > 0xffff ? end - 0xffff : 0;
  while (Reader(file, end).get<uint32_t>() != kEnd) {
    if (end-- == stop) return std::nullopt;
  }
  Reader tail(file, end + 10);
  uint64_t count = tail.get<uint16_t>();
  tail.skip(4);
  uint64_t at = tail.get<uint32_t>();
  if ((count == 0xffff || at == 0xffffffff) && end >= 20) {
    Reader locator(file, end - 20 + 8);
    Reader wide(file, locator.get<uint64_t>());
    if (wide.get<uint32_t>() != kEnd64) return std::nullopt;
    wide.skip(28);
    count = wide.get<uint64_t>();
    wide.skip(8);
    at = wide.get<uint64_t>();
  }
  std::vector<Entry> entries;
  Reader reader(file, at);
  for (uint64_t i = 0; i < count; ++i) {
    if (reader.get<uint32_t>() != kCentral) return std::nullopt;
    reader.skip(6);
    Entry entry;
    entry.method = reader.get<uint16_t>();
    reader.skip(4);
    entry.crc = reader.get<uint32_t>();
    entry.packed = reader.get<uint32_t>();
    entry.size = reader.get<uint32_t>();
    const auto name = reader.get<uint16_t>(), extra = reader.get<uint16_t>(), comment = reader.get<uint16_t>();
    reader.skip(8);
    entry.offset = reader.get<uint32_t>();
    entry.name = reader.text(name);
    read_zip64(entry, reader.text(extra));
    reader.skip(comment);
    if (reader.failed()) return std::nullopt;
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::vector<std::byte>> contents(std::span<const std::byte> file, const Entry& entry) {
  auto bad = [&](std::string_view why) { return model_error("entry '{}': {}", entry.name, why); };
  Reader local(file, entry.offset);
  if (local.get<uint32_t>() != kLocal) return bad("its place in the archive is wrong");
  local.skip(22);
  const auto name = local.get<uint16_t>(), extra = local.get<uint16_t>();
  const size_t start = local.at() + name + extra;
  if (local.failed() || start > file.size() || entry.packed > file.size() - start) return bad("it is cut off");
  const std::span<const std::byte> packed = file.subspan(start, entry.packed);
  std::vector<std::byte> out;
  if (entry.method == 0) {
    out.assign(packed.begin(), packed.end());
  } else if (entry.method == 8) {
    // Deflate shrinks by a factor of 1032 at most, so a lie about the size cannot cost more memory than that.
    if (entry.size > entry.packed * 1032 + 64) return bad("its size is not possible");
    out.resize(entry.size);
    z_stream stream{};
    inflateInit2(&stream, -MAX_WBITS);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (status != Z_STREAM_END || stream.total_out != out.size()) return bad("its compressed data are damaged");
  } else {
    return bad("it is compressed in another way than np.savez does");
  }
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(out.data()), out.size());
  if (crc != entry.crc) return bad("its checksum is wrong");
  return out;
}

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

}  // namespace

Result<Tensor> as_dtype(const NumpyArray& array, DType want, std::string_view name) {
  const Tensor& tensor = array.tensor;
  if (want == DType::none || tensor.dtype() == want) return tensor;
  if (array.raw && want != DType::boolean && storage_bytes(want) == storage_bytes(tensor.dtype())) {
    const auto* bytes = static_cast<const uint8_t*>(tensor.raw());
    const auto* end = bytes + (storage_bytes(want) == 1 ? tensor.size() : 0);
    const auto* bad = std::find_if_not(bytes, end, [&](uint8_t byte) { return is_element(want, byte); });
    if (bad != end) {
      return model_error("{}: element {} is 0x{:02x}, which is no {}", name, bad - bytes, *bad, mj::name(want));
    }
    return Tensor::view(want, tensor.dims(), tensor.raw(), std::make_shared<Tensor>(tensor));
  }
  return model_error("{}: got {}, expected {}", name, mj::name(tensor.dtype()), mj::name(want));
}

Result<Npz> read_numpy(const std::string& path) {
  MJ_ASSIGN(const std::shared_ptr<const MappedFile> mapped, MappedFile::open(path));
  const std::span<const std::byte> file = mapped->bytes();
  Npz npz;
  if (file.size() >= 6 && std::memcmp(file.data(), "\x93NUMPY", 6) == 0) {
    Result<NumpyArray> array = parse_npy(file, path);
    if (!array.ok()) return array.error();
    npz.emplace("", std::move(array).value());
    return npz;
  }
  const std::optional<std::vector<Entry>> entries = directory(file);
  if (!entries) return model_error("'{}' is neither an .npz nor an .npy file", path);
  uint64_t left = file.size();
  for (const Entry& entry : *entries) {
    // Entries that share their bytes would let a small file ask for any amount of memory.
    if (entry.packed > left) return model_error("{}: entry '{}' is cut off, or overlaps another", path, entry.name);
    left -= entry.packed;
    Result<std::vector<std::byte>> bytes = contents(file, entry);
    if (!bytes.ok()) return bytes.error().in(path);
    std::string name = entry.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    Result<NumpyArray> array = parse_npy(*bytes, name);
    if (!array.ok()) return array.error().in(path);
    if (!npz.emplace(name, std::move(array).value()).second)
      return model_error("{}: two arrays named '{}'", path, name);
  }
  return npz;
}

Result<void> write_numpy(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& arrays) {
  if (!path.ends_with(".npy")) return write_npz(path, arrays);
  if (arrays.size() != 1) {
    return error(ErrorCode::usage, "'{}': an .npy holds one array, there are {}; name an .npz", path, arrays.size());
  }
  const std::string header = npy_header(arrays[0].second);
  const NpyElements elements = npy_elements(arrays[0].second);
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(header)), elements.bytes};
  return write_file_atomically(path, pieces);
}

Result<void> write_npz(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& arrays) {
  // In the 64-bit form, as NumPy writes it, so that size does not matter.
  std::vector<std::string> heads;
  std::vector<NpyElements> bodies;
  std::string central;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : arrays) {
    const std::string entry = name + ".npy", header = npy_header(tensor);
    NpyElements elements = npy_elements(tensor);
    const std::span<const std::byte> bytes = elements.bytes;
    const uint64_t size = header.size() + bytes.size();
    uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(header.data()), header.size());
    // Without bytes zlib would start anew.
    if (!bytes.empty()) crc = crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    std::string common;
    put(common, 45, 2), put(common, 0x800, 2), put(common, 0, 2);  // version, UTF-8 names, stored
    put(common, 0, 2), put(common, 0x21, 2);                       // midnight of 1980-01-01: equal input, equal file
    put(common, crc, 4), put(common, 0xffffffff, 4), put(common, 0xffffffff, 4);
    put(common, entry.size(), 2);
    std::string head;
    put(head, kLocal, 4);
    head += common;
    put(head, 20, 2);
    head += entry;
    put(head, 1, 2), put(head, 16, 2), put(head, size, 8), put(head, size, 8);
    head += header;
    put(central, kCentral, 4), put(central, 45, 2);
    central += common;
    put(central, 28, 2), put(central, 0, 2), put(central, 0, 2), put(central, 0, 2), put(central, 0, 4);
    put(central, 0xffffffff, 4);
    central += entry;
    put(central, 1, 2), put(central, 24, 2), put(central, size, 8), put(central, size, 8), put(central, offset, 8);
    offset += head.size() + bytes.size();
    heads.push_back(std::move(head));
    bodies.push_back(std::move(elements));
  }
  std::string tail = central;
  const uint64_t end64 = offset + central.size();
  if (arrays.empty()) {
    // NumPy knows an empty archive by the record that it begins with: only the 32-bit one will do.
    put(tail, kEnd, 4), put(tail, 0, 8), put(tail, 0, 8), put(tail, 0, 2);
  } else {
    put(tail, kEnd64, 4), put(tail, 44, 8), put(tail, 45, 2), put(tail, 45, 2), put(tail, 0, 4), put(tail, 0, 4);
    put(tail, arrays.size(), 8), put(tail, arrays.size(), 8), put(tail, central.size(), 8), put(tail, offset, 8);
    put(tail, 0x07064b50, 4), put(tail, 0, 4), put(tail, end64, 8), put(tail, 1, 4);
    put(tail, kEnd, 4), put(tail, 0, 4), put(tail, 0xffff, 2), put(tail, 0xffff, 2), put(tail, 0xffffffff, 4);
    put(tail, 0xffffffff, 4), put(tail, 0, 2);
  }
  std::vector<std::span<const std::byte>> spans;
  for (size_t i = 0; i < heads.size(); ++i) {
    spans.push_back(std::as_bytes(std::span(heads[i])));
    spans.push_back(bodies[i].bytes);
  }
  spans.push_back(std::as_bytes(std::span(tail)));
  return write_file_atomically(path, spans);
}

}  // namespace mj
