// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/module.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "device/cuda/testing/fake_driver.h"

namespace mj {
namespace {

std::span<const std::byte> code_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// A file header, 24 bytes of contents, one section header.
std::vector<std::byte> small_cubin() {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = EM_CUDA;
  header.e_shoff = sizeof(header) + 24;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 1;
  Elf64_Shdr section = {};
  section.sh_type = SHT_PROGBITS;
  section.sh_offset = sizeof(header);
  section.sh_size = 24;
  std::vector<std::byte> code(sizeof(header) + 24 + sizeof(section));
  std::memcpy(code.data(), &header, sizeof(header));
  std::memcpy(code.data() + header.e_shoff, &section, sizeof(section));
  return code;
}

TEST(CudaModule, HandsOverTheCodeAndItsKernels) {
  FakeDriver fake;
  {
    const auto device = CudaDevice::open(0, fake.driver()).value();
    std::vector<std::byte> seen;
    fake.has_function = [&](std::span<const std::byte> code, const std::string& name) {
      seen.assign(code.begin(), code.end());
      return name == "relu";
    };
    std::vector<std::byte> code = small_cubin();
    const CudaModule module = CudaModule::load(device, code).value();
    code[70] = std::byte{1};  // a copy was loaded
    const CudaFunction relu = module.function("relu").value();
    EXPECT_EQ(relu.name, "relu");
    EXPECT_EQ(module.function("relu").value().handle, relu.handle);
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "looking for kernel 'gelu'", module.function("gelu").error().message);
    EXPECT_EQ(seen, small_cubin());
    EXPECT_EQ(fake.left(), "1 contexts left; 1 modules left; ");
    const CudaModule text = CudaModule::load(device, code_of("a kernel")).value();
    EXPECT_TRUE(text.function("relu").ok());
    EXPECT_EQ(seen.size(), 8u);
  }
  EXPECT_EQ(fake.left(), "");
}

TEST(CudaModule, RefusesCodeThatWouldLeadTheDriverAstray) {
  FakeDriver fake;
  const auto device = CudaDevice::open(0, fake.driver()).value();
  EXPECT_EQ(CudaModule::load(device, {}).error().message, "the GPU code of 0 bytes is damaged: it is empty");
  EXPECT_EQ(*cuda_code_fault(code_of(std::string_view("\x50\xed\x55\xba\x01\0\x10\0", 8))),
            "it is neither a cubin nor text");
  EXPECT_EQ(cuda_code_fault(small_cubin()), std::nullopt);
  // Cut short anywhere.
  const std::vector<std::byte> whole = small_cubin();
  for (size_t bytes = SELFMAG; bytes < whole.size(); ++bytes) {
    EXPECT_NE(cuda_code_fault(std::span(whole).first(bytes)), std::nullopt) << bytes;
  }
  // Any byte of the headers at its largest: what is accepted stays within the file all the same.
  int refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<std::byte> code = small_cubin();
    code[at] = std::byte{0xff};
    refused += cuda_code_fault(code).has_value();
  }
  EXPECT_GT(refused, 30);
  std::vector<std::byte> host = small_cubin();
  host[offsetof(Elf64_Ehdr, e_machine)] = std::byte{EM_X86_64};
  EXPECT_EQ(*cuda_code_fault(host), "it is an ELF file, but not of a GPU's code");
}

}  // namespace
}  // namespace mj
