// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/nvrtc.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "device/cuda/module.h"

namespace mj {
namespace {

constexpr char kDouble[] = R"(extern "C" __global__ void __launch_bounds__(256) twice(const float* x, float* y, int n) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  if (i < n) y[i] = 2.0f * x[i];
}
)";

#define MJ_NEED_NVRTC() \
  if (nvrtc_version().empty()) GTEST_SKIP() << nvrtc().error().message

TEST(Nvrtc, CompilesForEveryArchitecture) {
  MJ_NEED_NVRTC();
  for (const CudaArch arch : std::vector<CudaArch>{{75}, {80}, {86}, {89}, {90}, {90, true}, {100}, {120}}) {
    const auto code = compile_cuda(kDouble, arch, "twice");
    ASSERT_TRUE(code.ok()) << code.error().message;
    EXPECT_EQ(std::memcmp(code->data(), "\177ELF", 4), 0) << arch.text();
    EXPECT_EQ(cuda_code_fault(*code), std::nullopt) << arch.text();
    EXPECT_EQ(*code, *compile_cuda(kDouble, arch, "twice")) << arch.text();
  }
}

TEST(Nvrtc, CompilesOnManyThreads) {
  MJ_NEED_NVRTC();
  const std::vector<std::byte> expected = compile_cuda(kDouble, {90}, "twice").value();
  std::vector<std::thread> threads;
  std::vector<std::vector<std::byte>> codes(4);
  for (std::vector<std::byte>& code : codes) {
    threads.emplace_back([&code] { code = compile_cuda(kDouble, {90}, "twice").value(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<std::byte>& code : codes) EXPECT_EQ(code, expected);
}

TEST(Nvrtc, ShowsWhatIsWrongWithASource) {
  MJ_NEED_NVRTC();
  const auto failed = compile_cuda("__global__ void f(float* x) {\n  *x = wrong;\n}\n", {90}, "epilogue 7");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::environment);
  for (const std::string part : {"compiling CUDA kernel 'epilogue 7' for sm_90: NVRTC_ERROR_COMPILATION\n",
                                 "epilogue 7(2): error: identifier \"wrong\" is undefined"}) {
    EXPECT_PRED_FORMAT2(testing::IsSubstring, part, failed.error().message);
  }
}

TEST(Nvrtc, NamesTheArchitecturesItKnows) {
  MJ_NEED_NVRTC();
  const auto failed = compile_cuda(kDouble, {61}, "twice");
  ASSERT_FALSE(failed.ok());
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "does not compile for sm_61, only for sm_", failed.error().message);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "an older one", failed.error().message);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "a newer one", compile_cuda(kDouble, {999}, "x").error().message);
}

// wgmma whose accumulators are touched without a fence: ptxas mends it and says so in a note.
TEST(Nvrtc, ANoteOfMendedFencesIsAnError) {
  MJ_NEED_NVRTC();
  const auto failed = compile_cuda(R"(
extern "C" __global__ void f(unsigned long long a, unsigned long long b, float* y, int n) {
  float d[4] = {y[0], y[1], y[2], y[3]};
  for (int i = 0; i < n; ++i) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;\n"
                 "wgmma.commit_group.sync.aligned;\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a), "l"(b));
    d[0] += 1.0f;
  }
  y[threadIdx.x] = d[0] + d[1] + d[2] + d[3];
}
)",
                                   {90, true}, "unfenced");
  ASSERT_FALSE(failed.ok());
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "'unfenced' for sm_90a: ptxas had to change it\n", failed.error().message);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "C75", failed.error().message);
}

// A compiler whose log has thirty lines.
TEST(Nvrtc, ShowsTheBeginningOfALongLog) {
  static std::string log;
  log.clear();
  for (int i = 1; i <= 30; ++i) log += fmt::format("line {}\n", i);
  static int programs = 0;
  Nvrtc fake;
  fake.version = [](int*, int*) { return Nvrtc::kSuccess; };
  fake.error_string = [](Nvrtc::Status) { return "FAILED"; };
  fake.num_supported_archs = [](int*) { return Nvrtc::kInvalidOption; };  // it does not say: then compiling tells
  fake.create_program = [](Nvrtc::Program* program, auto...) {
    *program = reinterpret_cast<Nvrtc::Program>(&log);
    ++programs;
    return Nvrtc::kSuccess;
  };
  fake.destroy_program = [](Nvrtc::Program*) { return --programs, Nvrtc::kSuccess; };
  fake.compile_program = [](auto...) { return Nvrtc::kCompilation; };
  fake.program_log_size = [](Nvrtc::Program, size_t* bytes) { return *bytes = log.size() + 1, Nvrtc::kSuccess; };
  fake.program_log = [](Nvrtc::Program, char* text) {
    std::memcpy(text, log.c_str(), log.size() + 1);
    return Nvrtc::kSuccess;
  };
  const std::string message = compile_cuda(fake, "", {90}, "long").error().message;
  EXPECT_EQ(message.find("compiling CUDA kernel 'long' for sm_90: FAILED\nline 1\nline 2\n"), 0u) << message;
  EXPECT_TRUE(message.ends_with("line 19\nline 20\n...")) << message;
  log = "\nline 1\n\n";
  EXPECT_TRUE(compile_cuda(fake, "", {90}, "long").error().message.ends_with("FAILED\n\nline 1"));
  log = "";
  EXPECT_TRUE(compile_cuda(fake, "", {90}, "long").error().message.ends_with("FAILED\n"));
  fake.compile_program = [](auto...) { return Nvrtc::kSuccess; };
  fake.cubin_size = [](Nvrtc::Program, size_t* bytes) { return *bytes = 0, Nvrtc::kSuccess; };
  EXPECT_EQ(compile_cuda(fake, "", {90}, "nothing").error().message,
            "compiling CUDA kernel 'nothing' for sm_90: NVRTC made no code");
  EXPECT_EQ(programs, 0);
}

TEST(Nvrtc, SaysWhenALibraryIsNone) {
  EXPECT_EQ(load_nvrtc("libm.so.6").error().message,
            "libm.so.6 is no NVRTC of CUDA 12.0 or newer: it lacks nvrtcVersion");
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "libnvrtc_not_there.so",
                      load_nvrtc("libnvrtc_not_there.so").error().message);
}

TEST(Nvrtc, IsLookedForInThePythonEnvironment) {
  const std::filesystem::path root = std::filesystem::path(testing::TempDir()) / "nvrtc_places";
  const std::filesystem::path library = root / "lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12";
  std::filesystem::create_directories(library.parent_path());
  ASSERT_TRUE(write_file_atomically(library.string(), "").ok());
  setenv("VIRTUAL_ENV", root.c_str(), 1);
  const std::vector<std::string> places = nvrtc_places();
  EXPECT_EQ(places.front(), "libnvrtc.so.13");
  EXPECT_EQ(places.back(), library.string());
  setenv("MJ_NVRTC", "/some/where.so", 1);
  EXPECT_EQ(nvrtc_places(), std::vector<std::string>{"/some/where.so"});
  unsetenv("MJ_NVRTC");
  unsetenv("VIRTUAL_ENV");
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace mj
