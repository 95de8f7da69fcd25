// SPDX-License-Identifier: Apache-2.0
// The driver itself, devices and memory.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "device/cuda/testing/fake_state.h"

namespace mj {
namespace {

constexpr size_t kRedZone = 256;  // bytes; also what memory is aligned to
constexpr char kRed = 0x5a;

size_t fake_block_bytes(size_t bytes) { return (kRedZone + bytes + kRedZone + kRedZone - 1) / kRedZone * kRedZone; }

}  // namespace

FakeDriver::State::Block::Block(size_t bytes)
    : bytes_(bytes), memory_(static_cast<char*>(std::aligned_alloc(kRedZone, fake_block_bytes(bytes)))) {
  CHECK(memory_, "no host memory for {} bytes of a fake device", bytes);
  std::memset(memory_.get(), kRed, fake_block_bytes(bytes));
  std::memset(data(), 0xff, bytes);  // not a number in every float type
}

void FakeDriver::State::Block::Free::operator()(char* memory) const { std::free(memory); }

char* FakeDriver::State::Block::data() const { return memory_.get() + kRedZone; }

bool FakeDriver::State::Block::intact() const {
  const auto red = [](char byte) { return byte == kRed; };
  const char* begin = memory_.get();
  const char* contents = data();
  return std::all_of(begin, contents, red) && std::all_of(contents + bytes_, begin + fake_block_bytes(bytes_), red);
}

cuda::Status FakeDriver::State::init(unsigned /*flags*/) {
  return owner.devices == 0 && owner.init_status == cuda::kSuccess ? cuda::kNoDevice : owner.init_status;
}

cuda::Status FakeDriver::State::driver_version(int* version) {
  *version = owner.facts.driver_version;
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::error_name(Status status, const char** text) {
  *text = status == cuda::kOutOfMemory      ? "CUDA_ERROR_OUT_OF_MEMORY"
          : status == cuda::kIllegalAddress ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : status == cuda::kNoDevice       ? "CUDA_ERROR_NO_DEVICE"
                                            : nullptr;
  return *text ? cuda::kSuccess : cuda::kInvalidValue;
}

cuda::Status FakeDriver::State::error_string(Status status, const char** text) {
  *text = status == cuda::kOutOfMemory      ? "out of memory"
          : status == cuda::kIllegalAddress ? "an illegal memory access was encountered"
          : status == cuda::kNoDevice       ? "no CUDA-capable device is detected"
                                            : nullptr;
  return *text ? cuda::kSuccess : cuda::kInvalidValue;
}

cuda::Status FakeDriver::State::device_count(int* count) {
  *count = owner.devices;
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::device_get(Device* device, int ordinal) {
  if (ordinal < 0 || ordinal >= owner.devices) return cuda::kInvalidDevice;
  *device = ordinal;
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::device_name(char* text, int bytes, Device /*device*/) {
  std::strncpy(text, owner.facts.name.c_str(), static_cast<size_t>(bytes));
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::device_attribute(int* value, DeviceAttribute attribute, Device /*device*/) {
  const CudaFacts& facts = owner.facts;
  const std::pair<DeviceAttribute, int64_t> attributes[] = {
      {cuda::kClockKhz, facts.clock_khz},
      {cuda::kMultiprocessors, facts.multiprocessors},
      {cuda::kMemoryClockKhz, facts.memory_clock_khz},
      {cuda::kMemoryBusBits, facts.memory_bus_bits},
      {cuda::kL2Bytes, facts.l2_bytes},
      {cuda::kCapabilityMajor, facts.sm / 10},
      {cuda::kCapabilityMinor, facts.sm % 10},
      {cuda::kSharedBytesPerBlockOptin, facts.shared_bytes_per_block_optin},
  };
  for (const auto& [known, answer] : attributes) {
    if (known == attribute) return *value = static_cast<int>(answer), cuda::kSuccess;
  }
  return cuda::kInvalidValue;
}

cuda::Status FakeDriver::State::device_total_mem(size_t* bytes, Device /*device*/) {
  *bytes = static_cast<size_t>(owner.facts.memory_bytes);
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::device_uuid(Uuid* uuid, Device /*device*/) {
  for (size_t i = 0; i < sizeof(uuid->bytes); ++i) uuid->bytes[i] = static_cast<unsigned char>(i);
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::mem_alloc(Ptr* memory, size_t bytes) {
  if (bytes == 0) return cuda::kInvalidValue;
  if (bytes > static_cast<size_t>(owner.facts.memory_bytes - allocated)) return cuda::kOutOfMemory;
  Block block(bytes);
  *memory = reinterpret_cast<Ptr>(block.data());
  buffers.emplace(*memory, std::move(block));
  allocated += static_cast<int64_t>(bytes);
  most_allocated = std::max(most_allocated, allocated);
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::give_back(std::map<Ptr, Block>& blocks, Ptr memory) {
  const auto found = blocks.find(memory);
  if (found == blocks.end()) return cuda::kInvalidValue;
  const Block& block = found->second;
  if (!block.intact()) damage += fmt::format("memory of {} bytes was written to beyond its ends; ", block.bytes());
  blocks.erase(found);
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::mem_free(Ptr memory) {
  const auto found = buffers.find(memory);
  if (found != buffers.end()) allocated -= static_cast<int64_t>(found->second.bytes());
  return give_back(buffers, memory);
}

cuda::Status FakeDriver::State::mem_alloc_host(void** memory, size_t bytes) {
  if (bytes == 0) return cuda::kInvalidValue;
  Block block(bytes);
  *memory = block.data();
  pinned.emplace(reinterpret_cast<Ptr>(*memory), std::move(block));
  return cuda::kSuccess;
}

cuda::Status FakeDriver::State::mem_free_host(void* memory) { return give_back(pinned, reinterpret_cast<Ptr>(memory)); }

cuda::Status FakeDriver::State::mem_get_info(size_t* free_bytes, size_t* total_bytes) {
  *total_bytes = static_cast<size_t>(owner.facts.memory_bytes);
  *free_bytes = static_cast<size_t>(owner.facts.memory_bytes - allocated);
  return cuda::kSuccess;
}

bool FakeDriver::State::holds(Ptr memory, size_t bytes) const {
  auto after = buffers.upper_bound(memory);
  if (after == buffers.begin()) return false;
  const auto& [begin, block] = *--after;
  return memory - begin <= block.bytes() && bytes <= block.bytes() - (memory - begin);
}

}  // namespace mj
