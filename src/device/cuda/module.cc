// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/module.h"

#include <elf.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <vector>

namespace mj {
namespace {

constexpr int64_t kSharedWithoutAsking = 48 << 10;  // bytes a kernel may use on every architecture

template <class T>
bool read_at(std::span<const std::byte> code, uint64_t offset, T* value) {
  if (offset > code.size() || code.size() - offset < sizeof(T)) return false;
  std::memcpy(value, code.data() + offset, sizeof(T));
  return true;
}

std::optional<std::string> elf_fault(std::span<const std::byte> code) {
  const auto inside = [&](uint64_t offset, uint64_t bytes) {
    return offset <= code.size() && bytes <= code.size() - offset;
  };
  Elf64_Ehdr header;
  if (!read_at(code, 0, &header)) return "it ends within its header";
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_CUDA) {
    return "it is an ELF file, but not of a GPU's code";
  }
  if (header.e_shnum == 0 || header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shstrndx >= header.e_shnum ||
      (header.e_phnum && header.e_phentsize != sizeof(Elf64_Phdr))) {
    return "its header has no proper tables";
  }
  for (size_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    if (header.e_shoff > code.size() || !read_at(code, header.e_shoff + i * sizeof(section), &section) ||
        (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL && !inside(section.sh_offset, section.sh_size))) {
      return fmt::format("section {} of {} lies beyond its end", i, header.e_shnum);
    }
  }
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (header.e_phoff > code.size() || !read_at(code, header.e_phoff + i * sizeof(segment), &segment) ||
        !inside(segment.p_offset, segment.p_filesz)) {
      return fmt::format("segment {} of {} lies beyond its end", i, header.e_phnum);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> cuda_code_fault(std::span<const std::byte> code) {
  if (code.empty()) return "it is empty";
  if (code.size() >= SELFMAG && std::memcmp(code.data(), ELFMAG, SELFMAG) == 0) return elf_fault(code);
  // Text ends where its zero byte does; other containers (fatbins) hold sizes and even addresses.
  if (std::find(code.begin(), code.end(), std::byte{0}) != code.end()) return "it is neither a cubin nor text";
  return std::nullopt;
}

Result<CudaModule> CudaModule::load(std::shared_ptr<const CudaDevice> device, std::span<const std::byte> code) {
  if (const auto fault = cuda_code_fault(code)) {
    return error(ErrorCode::model, "the GPU code of {} bytes is damaged: {}", code.size(), *fault);
  }
  MJ_TRY(device->make_current());
  std::vector<std::byte> image(code.begin(), code.end());
  image.push_back(std::byte{0});
  cuda::Module handle = nullptr;
  const cuda::Status status = device->driver().module_load_data(&handle, image.data());
  if (status != cuda::kSuccess) {
    return cuda_error(device->driver(), status,
                      fmt::format("loading {} bytes of code onto GPU {} ({}, sm_{})", code.size(), device->ordinal(),
                                  device->facts().name, device->facts().sm));
  }
  CudaModule module;
  module.module_ = {std::move(device), handle};
  return module;
}

Result<CudaFunction> CudaModule::function(const std::string& name, int64_t shared_bytes) const {
  CHECK(shared_bytes >= 0 && shared_bytes <= INT_MAX, "{} bytes of shared memory", shared_bytes);
  MJ_TRY(module_.device().make_current());
  const CudaDriver& driver = module_.driver();
  CudaFunction function{nullptr, name};
  cuda::Status status = driver.module_get_function(&function.handle, module_.get(), name.c_str());
  if (status != cuda::kSuccess) return cuda_error(driver, status, fmt::format("looking for kernel '{}'", name));
  if (shared_bytes <= kSharedWithoutAsking) return function;
  status = driver.func_set_attribute(function.handle, cuda::kMaxDynamicSharedBytes, static_cast<int>(shared_bytes));
  if (status == cuda::kSuccess) return function;
  return cuda_error(driver, status,
                    fmt::format("giving kernel '{}' {} bytes of shared memory, where the GPU has {}", name,
                                shared_bytes, module_.device().facts().shared_bytes_per_block_optin));
}

}  // namespace mj
