// SPDX-License-Identifier: Apache-2.0
// Speed of the fp32 kernels on the layers of ResNet-50 and BERT-base: kernel_bench [filter] [batch]
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cpu/conv.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/peak.h"

namespace mj::cpu {
namespace {

struct Case {
  std::string name;
  double flops;    // of one call
  int64_t count;   // calls in the model
  ConvShape conv;  // n == 0: a matrix product
  int64_t m, n, k;
};

Case conv_case(int64_t batch, int64_t size, int64_t c, int64_t k, int64_t kernel, int64_t stride, int64_t count) {
  ConvShape s;
  s.n = batch, s.h = s.w = size, s.c = c, s.k = k, s.kh = s.kw = kernel, s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = kernel / 2;
  s.oh = s.ow = (size + 2 * s.pad_top - kernel) / stride + 1;
  const double flops = 2.0 * static_cast<double>(batch * s.oh * s.ow * k * c * kernel * kernel);
  return {fmt::format("conv {0}x{0} /{1} {2}x{2} {3}->{4}", kernel, stride, size, c, k), flops, count, s, 0, 0, 0};
}

Case gemm_case(std::string name, int64_t m, int64_t n, int64_t k, int64_t count) {
  return {fmt::format("gemm {} {}x{}x{}", name, m, n, k), 2.0 * static_cast<double>(m * n * k), count, {}, m, n, k};
}

std::vector<Case> cases(int64_t b) {
  std::vector<Case> all = {conv_case(b, 224, 3, 64, 7, 2, 1)};
  int64_t in = 64, size = 56;
  const int64_t blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t mid = 64 << stage, out = 4 * mid, stride = stage == 0 ? 1 : 2, after = size / stride;
    all.push_back(conv_case(b, size, in, mid, 1, 1, 1));
    all.push_back(conv_case(b, size, mid, mid, 3, stride, 1));
    all.push_back(conv_case(b, size, in, out, 1, stride, 1));
    all.push_back(conv_case(b, after, mid, out, 1, 1, blocks[stage]));
    all.push_back(conv_case(b, after, out, mid, 1, 1, blocks[stage] - 1));
    all.push_back(conv_case(b, after, mid, mid, 3, 1, blocks[stage] - 1));
    in = out;
    size = after;
  }
  all.push_back(gemm_case("resnet.fc", b, 1000, 2048, 1));
  all.push_back(gemm_case("bert.qkv+out", 128 * b, 768, 768, 48));
  all.push_back(gemm_case("bert.up", 128 * b, 3072, 768, 12));
  all.push_back(gemm_case("bert.down", 128 * b, 768, 3072, 12));
  return all;
}

using Buffer = std::vector<float>;
Buffer filled(int64_t size) {
  Buffer data(static_cast<size_t>(size));
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
  return data;
}

// Best seconds of one call within about 60 ms.
template <class Call>
double best_seconds(Call call) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity(), total = 0;
  for (int i = 0; i < 3 || total < 0.06; ++i) {
    const auto start = Clock::now();
    call();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

double measure(ThreadPool& pool, Isa isa, const Case& c) {
  Epilogue e;
  e.clip = true;
  e.hi = std::numeric_limits<float>::infinity();
  if (c.conv.n == 0) {
    const Buffer a = filled(c.m * c.k), b = filled(c.n * c.k), bias = filled(c.n);
    Buffer packed(static_cast<size_t>(packed_b_floats(isa, c.k, c.n))), out(static_cast<size_t>(c.m * c.n));
    pack_b(isa, b.data(), c.n, false, c.k, c.n, packed.data());
    e.bias = bias.data();
    const Gemm g{c.m, c.n, c.k, a.data(), c.k, packed.data(), out.data(), c.n, e};
    return best_seconds([&] { gemm(pool, isa, g); });
  }
  const ConvShape& s = c.conv;
  const Buffer x = filled(s.n * s.h * s.w * s.c), w = filled(s.k * s.c * s.kh * s.kw), bias = filled(s.k);
  Buffer packed(static_cast<size_t>(packed_conv_floats(isa, s))), y(static_cast<size_t>(s.n * s.oh * s.ow * s.k));
  pack_conv(isa, s, w.data(), packed.data());
  std::vector<char> workspace(static_cast<size_t>(conv_workspace(isa, s, pool.threads())));
  e.bias = bias.data();
  return best_seconds([&] { conv(pool, isa, s, x.data(), packed.data(), y.data(), e, workspace.data()); });
}

void bench(const std::string& filter, int64_t batch) {
  const Isa isa = detect_isa();
  ThreadPool one(1), all(default_threads());
  const double peak1 = measure_peak_gflops(one, isa), peak = measure_peak_gflops(all, isa);
  fmt::print("{}, batch {}, fp32 peak {:.1f} GFLOP/s on 1 thread, {:.1f} on {}\n", name(isa), batch, peak1, peak,
             all.threads());
  fmt::print("{:38} {:>9} {:>6} {:>9} {:>6}\n", "", "1 thread", "peak", fmt::format("{} threads", all.threads()),
             "peak");
  struct Total {
    double flops = 0, one = 0, all = 0;
  } totals[2];
  for (const Case& c : cases(batch)) {
    if (c.name.find(filter) == std::string::npos) continue;
    const double t1 = measure(one, isa, c), t = measure(all, isa, c);
    fmt::print("{:38} {:9.1f} {:5.1f}% {:9.1f} {:5.1f}%\n", c.name, c.flops / t1 * 1e-9, c.flops / t1 / peak1 * 1e-7,
               c.flops / t * 1e-9, c.flops / t / peak * 1e-7);
    Total& total = totals[c.name.find("bert") != std::string::npos];
    const auto count = static_cast<double>(c.count);
    total.flops += count * c.flops, total.one += count * t1, total.all += count * t;
  }
  const char* names[] = {"ResNet-50 layers", "BERT-base products"};
  for (int i = 0; i < 2; ++i)
    if (totals[i].flops > 0)
      fmt::print("{}: {:.2f} ms on 1 thread, {:.2f} ms on {} ({:.1f} GFLOP)\n", names[i], totals[i].one * 1e3,
                 totals[i].all * 1e3, all.threads(), totals[i].flops * 1e-9);
}

}  // namespace
}  // namespace mj::cpu

int main(int argc, char** argv) {
  mj::cpu::bench(argc > 1 ? argv[1] : "", argc > 2 ? std::stoll(argv[2]) : 1);
  return 0;
}
