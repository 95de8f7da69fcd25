// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/testing/emulate.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "kernels/cuda/kernel_text.h"

namespace mj {
namespace {

// What the text finds in place of CUDA. A block's threads are fibers: each runs to its next barrier, then the next one.
constexpr std::string_view kRuntime = R"(#define MJ_EMULATED 1
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(n) __attribute__((aligned(n)))
struct uint3 { unsigned x, y, z; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(8) float2 { float x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };
struct __align__(16) int4 { int x, y, z, w; };
struct __align__(8) uint2 { unsigned x, y; };
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static uint3 threadIdx, blockIdx, blockDim, gridDim;
static unsigned char* mj_dynamic;  // of the current block; those of a cluster follow each other
#define DYNAMIC_SHARED(type, name) type* const name = (type*)mj_dynamic
static const int kMost = 4096;
// A fiber is entered by its context and switched by jumps, which make no system call.
static ucontext_t mj_main, mj_fibers[kMost];
static jmp_buf mj_main_jump, mj_jumps[kMost];
static bool mj_done[kMost], mj_entered[kMost];
static unsigned char mj_slots[kMost][32];
static unsigned mj_current;        // among the threads of all blocks of a cluster
static unsigned mj_block_threads;  // in a block
static uint3 mj_first_block;       // of the cluster
static unsigned mj_arrived, mj_round, mj_cluster_threads;
static unsigned char* mj_dynamic_first;
static size_t mj_dynamic_bytes;
static void (*mj_kernel)(void**);
static void** mj_args;
static void mj_become(unsigned self) {
  const unsigned t = self % mj_block_threads, rank = self / mj_block_threads;
  mj_current = self;
  threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
  blockIdx = {mj_first_block.x + rank, mj_first_block.y, mj_first_block.z};
  mj_dynamic = mj_dynamic_first + rank * mj_dynamic_bytes;
}
static void mj_yield() {
  const unsigned self = mj_current;
  if (_setjmp(mj_jumps[self]) == 0) _longjmp(mj_main_jump, 1);
  mj_become(self);
}
// Of each block of a cluster: how many of its threads wait, how many have ended, and how often all have met.
struct mj_meeting { unsigned waiting, ended, round; };
static mj_meeting mj_meetings[16];
static void mj_count(unsigned mj_meeting::*which) {
  mj_meeting& here = mj_meetings[mj_current / mj_block_threads];
  ++(here.*which);
  if (here.waiting + here.ended == mj_block_threads) here.waiting = 0, ++here.round;
}
static void __syncthreads() {
  const mj_meeting& here = mj_meetings[mj_current / mj_block_threads];
  const unsigned round = here.round;
  mj_count(&mj_meeting::waiting);
  while (here.round == round) mj_yield();
}
static inline void __syncwarp(unsigned = 0) { mj_yield(); }
template <class T>
static T mj_exchange(T x, unsigned from) {
  memcpy(mj_slots[mj_current], &x, sizeof x);
  mj_yield();
  memcpy(&x, mj_slots[from], sizeof x);
  mj_yield();
  return x;
}
template <class T>
static T __shfl_xor_sync(unsigned, T x, int mask) { return mj_exchange(x, mj_current ^ (unsigned)mask); }
template <class T>
static T __shfl_down_sync(unsigned, T x, int by) {
  return mj_exchange(x, mj_current % 32 + by < 32 ? mj_current + by : mj_current);
}
template <class T>
static T __shfl_sync(unsigned, T x, int lane) { return mj_exchange(x, mj_current / 32 * 32 + (unsigned)lane % 32); }
template <class T>
static T __ldg(const T* p) { return *p; }
static inline float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
static inline unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
static inline float __int_as_float(int x) { float y; memcpy(&y, &x, 4); return y; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
#define __expf expf
static inline float short_exp2(float x) { return exp2f(x); }
static inline float short_reciprocal(float x) { return 1.0f / x; }
static inline float __fdividef(float x, float y) { return x / y; }
template <class T> static T min(T a, T b) { return b < a ? b : a; }
template <class T> static T max(T a, T b) { return a < b ? b : a; }
static inline float f16_to_f32(unsigned short x) { _Float16 y; memcpy(&y, &x, 2); return (float)y; }
static inline unsigned short f32_to_f16(float x) {
  const _Float16 y = (_Float16)x;
  unsigned short z;
  memcpy(&z, &y, 2);
  return z;
}
static void mj_fiber() {
  mj_kernel(mj_args);
  mj_done[mj_current] = true;
  mj_count(&mj_meeting::ended);
  _longjmp(mj_main_jump, 1);
}
static void mj_go_on(unsigned t) {
  mj_become(t);
  if (_setjmp(mj_main_jump) != 0) return;
  if (mj_entered[t]) _longjmp(mj_jumps[t], 1);
  mj_entered[t] = true;
  swapcontext(&mj_main, &mj_fibers[t]);
}
static bool mj_meet;  // do threads wait for each other anywhere?
static void mj_run(void (*kernel)(void**), const unsigned* grid, const unsigned* block, int shared, int cluster,
                   void** args) {
  const size_t kStack = 64 << 10;
  blockDim = {block[0], block[1], block[2]};
  gridDim = {grid[0], grid[1], grid[2]};
  mj_block_threads = block[0] * block[1] * block[2];
  const unsigned threads = mj_cluster_threads = mj_block_threads * cluster;
  mj_dynamic_bytes = ((size_t)shared + 2047) / 1024 * 1024;
  char* stacks = (char*)malloc(kStack * threads);
  mj_dynamic_first = (unsigned char*)aligned_alloc(1024, mj_dynamic_bytes * cluster);
  mj_kernel = kernel;
  mj_args = args;
  for (unsigned z = 0; z < grid[2]; ++z)
    for (unsigned y = 0; y < grid[1]; ++y)
      for (unsigned x = 0; x < grid[0]; x += cluster) {
        mj_first_block = {x, y, z};
        memset(mj_dynamic_first, 0xff, mj_dynamic_bytes * cluster);
        memset(mj_meetings, 0, sizeof mj_meetings);
        if (!mj_meet) {
          for (unsigned t = 0; t < threads; ++t) {
            mj_become(t);
            kernel(args);
          }
          continue;
        }
        for (unsigned t = 0; t < threads; ++t) {
          mj_done[t] = mj_entered[t] = false;
          getcontext(&mj_fibers[t]);
          mj_fibers[t].uc_stack.ss_sp = stacks + kStack * t;
          mj_fibers[t].uc_stack.ss_size = kStack;
          mj_fibers[t].uc_link = &mj_main;
          makecontext(&mj_fibers[t], mj_fiber, 0);
        }
        for (bool any = true; any;) {
          any = false;
          for (unsigned t = 0; t < threads; ++t) {
            if (mj_done[t]) continue;
            mj_go_on(t);
            any = any || !mj_done[t];
          }
        }
      }
  free(stacks);
  free(mj_dynamic_first);
}

// Tensor cores and what feeds them (tensor_core_text.h).
static inline void wait_for_previous() {}
template <int kBytes>
static void copy_async(void* to, const void* from, bool valid) {
  if (valid) memcpy(to, from, kBytes); else memset(to, 0, kBytes);
}
static inline void end_stage() {}
template <int kLeft> static void wait_stages() {}
static void mj_load_matrices(unsigned* r, const void* row, bool transposed) {
  const void* mine = row;
  memcpy(mj_slots[mj_current], &mine, sizeof mine);
  mj_yield();
  const unsigned lane = mj_current % 32, warp = mj_current - lane;
  for (unsigned j = 0; j < 4; ++j) {
    unsigned short pair[2];
    for (unsigned e = 0; e < 2; ++e) {
      const unsigned along = lane % 4 * 2 + e, across = lane / 4;
      const unsigned short* from;
      memcpy(&from, mj_slots[warp + j * 8 + (transposed ? along : across)], sizeof from);
      pair[e] = from[transposed ? across : along];
    }
    memcpy(&r[j], pair, 4);
  }
  mj_yield();
}
static void load_matrices(unsigned* r, const void* row) { mj_load_matrices(r, row, false); }
static void load_matrices_transposed(unsigned* r, const void* row) { mj_load_matrices(r, row, true); }
static float mj_half(const unsigned char* at, bool bf16) {
  unsigned short x;
  memcpy(&x, at, 2);
  return bf16 ? __uint_as_float((unsigned)x << 16) : f16_to_f32(x);
}
static void mj_multiply(float* sums, const unsigned* a, unsigned b0, unsigned b1, bool bf16) {
  unsigned char* slot = mj_slots[mj_current];
  memcpy(slot, a, 16);
  memcpy(slot + 16, &b0, 4);
  memcpy(slot + 20, &b1, 4);
  mj_yield();
  const unsigned lane = mj_current % 32, warp = mj_current - lane;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4, upper = i / 2, column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned char* x = mj_slots[warp + row * 4 + k % 8 / 2] + (upper + k / 8 * 2) * 4 + k % 2 * 2;
      const unsigned char* y = mj_slots[warp + column * 4 + k % 8 / 2] + 16 + k / 8 * 4 + k % 2 * 2;
      sums[i] += mj_half(x, bf16) * mj_half(y, bf16);
    }
  }
  mj_yield();
}
static void multiply_f16(float* sums, const unsigned* a, unsigned b0, unsigned b1) {
  mj_multiply(sums, a, b0, b1, false);
}
static void multiply_bf16(float* sums, const unsigned* a, unsigned b0, unsigned b1) {
  mj_multiply(sums, a, b0, b1, true);
}
static inline void fence_async() {}
static inline void begin_group() {}
static inline void end_group() {}
template <int kLeft> static void wait_groups() {}
// element(tile, line, at) of either operand.
template <class A, class B>
static void mj_multiply_lines(float* sums, int columns, unsigned k, A a, B b) {
  const unsigned lane = mj_current % 32, warp = mj_current / 32 % 4;
  for (int j = 0; j < columns / 8; ++j)
    for (unsigned i = 0; i < 4; ++i)
      for (unsigned at = k; at < k + 16; ++at)
        sums[j * 4 + i] += a(warp * 16 + lane / 4 + i / 2 * 8, at) * b(j * 8 + lane % 4 * 2 + i % 2, at);
}
static void mj_multiply_group(float* sums, const unsigned short* a, const unsigned short* b, int k, int columns,
                              bool bf16) {
  const auto element = [&](const unsigned short* tile, unsigned line, unsigned at) {
    return mj_half((const unsigned char*)(tile + line * 64 + ((at >> 3 ^ line & 7) << 3) + (at & 7)), bf16);
  };
  mj_multiply_lines(
      sums, columns, k, [&](unsigned line, unsigned at) { return element(a, line, at); },
      [&](unsigned line, unsigned at) { return element(b, line, at); });
}
static void mj_multiply_windows(float* sums, const unsigned short* a, const unsigned short* b, int columns, bool bf16) {
  mj_multiply_lines(
      sums, columns, 0,
      [&](unsigned line, unsigned at) { return mj_half((const unsigned char*)(a + line * 8 + at), bf16); },
      [&](unsigned line, unsigned at) {
        return mj_half((const unsigned char*)(b + at / 8 * columns * 8 + line * 8 + at % 8), bf16);
      });
}
// Barriers of warps that bring data and warps that use it (barrier_text.h): twice the bytes to come, and the parity.
struct __align__(8) Barrier { short pending, count; int bytes_and_parity; };
static void mj_advance(Barrier* b) {
  if (b->pending == 0 && b->bytes_and_parity >> 1 == 0) b->pending = b->count, b->bytes_and_parity ^= 1;
}
static void barrier_init(Barrier* b, int count) { *b = {(short)count, (short)count, 0}; }
static inline void barrier_init_end() {}
static void barrier_wait(Barrier* b, unsigned parity) {
  while ((b->bytes_and_parity & 1) == (int)parity) mj_yield();
}
static void barrier_arrive(Barrier* b) { --b->pending; mj_advance(b); }
template <int kBytes> static void barrier_expect(Barrier* b) {
  b->bytes_and_parity += kBytes * 2;
  --b->pending;
  mj_advance(b);
}
static void copies_arrive(Barrier* b) { barrier_arrive(b); }
template <int kBytes> static void copy_bulk(void* to, const void* from, Barrier* b) {
  memcpy(to, from, kBytes);
  b->bytes_and_parity -= kBytes * 2;
  mj_advance(b);
}
static void cluster_sync() {
  const unsigned round = mj_round;
  if (++mj_arrived == mj_cluster_threads) mj_arrived = 0, ++mj_round;
  do mj_yield(); while (mj_round == round);
}
template <class T>
static T cluster_read(const T* p, int rank) {
  return *(const T*)((const unsigned char*)p - mj_dynamic + mj_dynamic_first + rank * mj_dynamic_bytes);
}
)";

struct KernelSignature {
  std::string name;
  std::vector<std::string> types;  // of the parameters
  std::string cluster = "1";       // blocks of one
};

std::vector<KernelSignature> signatures(const std::string& source) {
  static const std::regex kKernel(
      R"(__global__ void (?:__cluster_dims__\((\d+), 1, 1\) )?__launch_bounds__\(\d+(?:, \d+)?\) (\w+)\(([^)]*)\))");
  std::vector<KernelSignature> found;
  for (std::sregex_iterator at(source.begin(), source.end(), kKernel), end; at != end; ++at) {
    KernelSignature& kernel = found.emplace_back(KernelSignature{(*at)[2], {}});
    if ((*at)[1].matched) kernel.cluster = (*at)[1];
    const std::string list = std::regex_replace((*at)[3].str(), std::regex("__restrict__"), "");
    for (size_t from = 0; from < list.size();) {
      const size_t comma = std::min(list.find(',', from), list.size());
      const std::string one = list.substr(from, comma - from);
      kernel.types.push_back(one.substr(0, one.find_last_of(" *") + 1));
      from = comma + 1;
    }
  }
  return found;
}

// One entry for each kernel that takes its parameters from an array of addresses.
std::string entries(const std::string& source) {
  std::string text;
  for (const KernelSignature& kernel : signatures(source)) {
    std::string call;
    for (size_t i = 0; i < kernel.types.size(); ++i) {
      call += fmt::format("{}*({}*)args[{}]", i ? ", " : "", kernel.types[i], i);
    }
    text += fmt::format("static void call_{0}(void** args) {{ {0}({1}); }}\n", kernel.name, call);
    text += fmt::format(
        "extern \"C\" void mj_entry_{0}(const unsigned* grid, const unsigned* block, int shared, void** args) {{\n"
        "  mj_run(call_{0}, grid, block, shared, {1}, args);\n}}\n",
        kernel.name, kernel.cluster);
  }
  return text;
}

// Fibers are needed where a kernel (not the prelude, which has what all may use) waits.
std::string start(const std::string& source) {
  const std::string_view prelude = kernel_prelude();
  const std::string kernels = source.starts_with(prelude) ? source.substr(prelude.size()) : source;
  bool meet = false;
  for (const char* word : {"__sync", "__shfl", "_reduce(", "load_matrices", "cluster_"})
    meet = meet || kernels.find(word) != std::string::npos;
  return meet ? "static const bool mj_waits = mj_meet = true;\n" : "";
}

const char* compiler() {
  const char* named = std::getenv("CXX");
  return named ? named : "c++";
}

}  // namespace

std::vector<size_t> parameter_sizes(const std::string& source, const std::string& function) {
  std::vector<size_t> sizes;
  for (const KernelSignature& kernel : signatures(source)) {
    if (kernel.name != function) continue;
    for (const std::string& type : kernel.types) sizes.push_back(type.find('*') == std::string::npos ? 4 : 8);
  }
  return sizes;
}

bool can_emulate() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;  // fibers jump between stacks, of which sanitizers know nothing
#else
  static const bool can = EmulatedModule::compile("").ok();
  return can;
#endif
}

Result<std::shared_ptr<EmulatedModule>> EmulatedModule::compile(const std::string& source) {
  static std::atomic<int> count = 0;
  const std::filesystem::path folder = std::filesystem::temp_directory_path();
  const std::string stem = (folder / fmt::format("mj-emulate-{}-{}", getpid(), count++)).string();
  std::ofstream(stem + ".cc") << kRuntime << source << entries(source) << start(source);
  // Distributions preset checks of longjmp, which know nothing of fibers. C++14, since the math.h of later ones takes
  // longer than all the rest; with floats in hexadecimal.
  const std::string command = fmt::format(
      "{0} -std=gnu++14 -O1 -U_FORTIFY_SOURCE -w -shared -fPIC {1}.cc -o {1}.so > {1}.log 2>&1", compiler(), stem);
  const bool made = std::system(command.c_str()) == 0;
  std::string log;
  if (!made) {
    std::ifstream in(stem + ".log");
    log.assign(std::istreambuf_iterator<char>(in), {});
  }
  void* library = made ? dlopen((stem + ".so").c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  const std::string why = made && !library ? dlerror() : log;
  for (const char* suffix : {".cc", ".so", ".log"}) std::filesystem::remove(stem + suffix);
  if (!library) return model_error("generated text cannot be run here: {}\n{}", why.substr(0, 2000), source);
  return std::shared_ptr<EmulatedModule>(new EmulatedModule(library));
}

EmulatedModule::~EmulatedModule() { dlclose(library_); }

Result<void> EmulatedModule::launch(const std::string& function, std::array<unsigned, 3> grid,
                                    std::array<unsigned, 3> block, int shared_bytes, void** args) const {
  using Entry = void (*)(const unsigned*, const unsigned*, int, void**);
  const auto entry = reinterpret_cast<Entry>(dlsym(library_, ("mj_entry_" + function).c_str()));
  if (!entry) return model_error("generated text has no kernel '{}'", function);
  entry(grid.data(), block.data(), shared_bytes, args);
  return {};
}

}  // namespace mj
