// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/device.h"

#include <array>
#include <cstring>
#include <mutex>

namespace mj {
namespace {

std::string uuid_text(const cuda::Uuid& uuid) {
  std::string text = "GPU-";
  for (size_t i = 0; i < sizeof(uuid.bytes); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid.bytes[i]);
  }
  return text;
}

Result<CudaFacts> read_facts(const CudaDriver& driver, cuda::Device device) {
  CudaFacts facts;
  constexpr std::string_view kDoing = "asking the NVIDIA driver about the GPU";
  std::array<char, 256> name = {};
  MJ_TRY(cuda_result(driver, driver.device_name(name.data(), static_cast<int>(name.size()) - 1, device), kDoing));
  facts.name = name.data();
  cuda::Uuid uuid = {};
  MJ_TRY(cuda_result(driver, driver.device_uuid(&uuid, device), kDoing));
  facts.uuid = uuid_text(uuid);
  size_t memory_bytes = 0;
  MJ_TRY(cuda_result(driver, driver.device_total_mem(&memory_bytes, device), kDoing));
  facts.memory_bytes = static_cast<int64_t>(memory_bytes);
  MJ_TRY(cuda_result(driver, driver.driver_version(&facts.driver_version), kDoing));

  int major = 0, minor = 0, clock = 0, memory_clock = 0, bus = 0, l2 = 0, shared = 0;
  const std::pair<cuda::DeviceAttribute, int*> attributes[] = {
      {cuda::kCapabilityMajor, &major},
      {cuda::kCapabilityMinor, &minor},
      {cuda::kMultiprocessors, &facts.multiprocessors},
      {cuda::kClockKhz, &clock},
      {cuda::kMemoryClockKhz, &memory_clock},
      {cuda::kMemoryBusBits, &bus},
      {cuda::kL2Bytes, &l2},
      {cuda::kSharedBytesPerBlockOptin, &shared},
  };
  for (const auto& [attribute, value] : attributes) {
    MJ_TRY(cuda_result(driver, driver.device_attribute(value, attribute, device), kDoing));
  }
  facts.sm = 10 * major + minor;
  facts.clock_khz = clock;
  facts.memory_clock_khz = memory_clock;
  facts.memory_bus_bits = bus;
  facts.l2_bytes = l2;
  facts.shared_bytes_per_block_optin = shared;
  return facts;
}

}  // namespace

Result<int> CudaDevice::count(const CudaDriver& driver) {
  int count = 0;
  MJ_TRY(cuda_result(driver, driver.device_count(&count), "counting the GPUs"));
  return count;
}

Result<std::shared_ptr<CudaDevice>> CudaDevice::open(int ordinal, const CudaDriver& driver) {
  MJ_ASSIGN(const int devices, count(driver));
  if (ordinal < 0 || ordinal >= devices) {
    return error(ErrorCode::environment, "there is no GPU {}: {}", ordinal,
                 devices ? fmt::format("this machine has {}, counted from 0", devices)
                         : "the NVIDIA driver sees none (CUDA_VISIBLE_DEVICES hides those it does not list)");
  }
  const std::shared_ptr<CudaDevice> device(new CudaDevice(ordinal, driver));
  MJ_TRY(cuda_result(driver, driver.device_get(&device->device_, ordinal), fmt::format("opening GPU {}", ordinal)));
  MJ_ASSIGN(device->facts_, read_facts(driver, device->device_));
  const CudaFacts& facts = device->facts_;
  if (facts.sm < kOldestSm) {
    return error(ErrorCode::environment, "GPU {} ({}) is an sm_{}; Millijoule needs sm_{} (Turing) or newer", ordinal,
                 facts.name, facts.sm, kOldestSm);
  }
  cuda::Context context = nullptr;
  MJ_TRY(cuda_result(driver, driver.primary_ctx_retain(&context, device->device_),
                     fmt::format("opening GPU {} ({})", ordinal, facts.name)));
  device->context_ = context;
  return device;
}

CudaDevice::~CudaDevice() {
  if (context_) driver_.primary_ctx_release(device_);
}

Result<void> CudaDevice::make_current() const {
  return cuda_result(driver_, driver_.ctx_set_current(context_), "switching to the GPU");
}

Result<CudaDevice::Memory> CudaDevice::memory() const {
  MJ_TRY(make_current());
  size_t free_bytes = 0, total_bytes = 0;
  MJ_TRY(cuda_result(driver_, driver_.mem_get_info(&free_bytes, &total_bytes), "asking for the GPU's free memory"));
  return Memory{static_cast<int64_t>(free_bytes), static_cast<int64_t>(total_bytes)};
}

Result<std::shared_ptr<const CudaDevice>> CudaDevice::first() {
  static std::mutex mutex;
  static std::weak_ptr<const CudaDevice> known;
  const std::lock_guard lock(mutex);
  if (std::shared_ptr<const CudaDevice> device = known.lock()) return device;
  MJ_ASSIGN(const CudaDriver* driver, cuda_driver());
  MJ_ASSIGN(std::shared_ptr<const CudaDevice> device, open(0, *driver));
  known = device;
  return device;
}

}  // namespace mj
