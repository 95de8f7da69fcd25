// SPDX-License-Identifier: Apache-2.0
// Speed of the kernels on the layers of ResNet-50, BERT-base and a three-layer LSTM, in fp32 and with products of bf16
// by each unit of this machine: kernel_bench [filter] [batch]
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/lstm.h"
#include "kernels/cpu/peak.h"
#include "kernels/cpu/winograd.h"

namespace mj::cpu {
namespace {

struct Case {
  std::string name;
  double flops;    // of one call
  int64_t count;   // calls in the model
  ConvShape conv;  // n == 0: a matrix product
  int64_t m, n, k;
  int64_t steps = 0;      // not 0: an LSTM of m sequences, k inputs and n units
  bool winograd = false;  // the other way to do the convolution
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

Case lstm_case(int64_t batch, int64_t steps, int64_t inputs, int64_t hidden, int64_t count) {
  return {fmt::format("lstm {}x{} {}->{}", steps, batch, inputs, hidden),
          8.0 * static_cast<double>(steps * batch * hidden * (inputs + hidden)),
          count,
          {},
          batch,
          hidden,
          inputs,
          steps};
}

// The same layer by Winograd's form; outside the totals.
Case winograd_case(Case c) {
  c.name = "winograd " + c.name;
  c.count = 0;
  c.winograd = true;
  return c;
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
    all.push_back(winograd_case(all.back()));
    in = out;
    size = after;
  }
  all.push_back(gemm_case("resnet.fc", b, 1000, 2048, 1));
  all.push_back(gemm_case("bert.qkv+out", 128 * b, 768, 768, 48));
  all.push_back(gemm_case("bert.up", 128 * b, 3072, 768, 12));
  all.push_back(gemm_case("bert.down", 128 * b, 768, 3072, 12));
  all.push_back(lstm_case(b, 200, 80, 512, 1));
  all.push_back(lstm_case(b, 200, 512, 512, 2));
  return all;
}

using Buffer = std::vector<float>;
Buffer filled(int64_t size) {
  Buffer data(static_cast<size_t>(size));
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
  return data;
}

// Copies of the weights, used in turn: in a network every layer finds its weights out of cache.
class ColdWeights {
 public:
  explicit ColdWeights(int64_t floats)
      : floats_(floats),
        copies_(std::clamp<int64_t>(kBeyondCaches / std::max<int64_t>(1, floats), 1, 64)),
        data_(static_cast<size_t>(floats_ * copies_)) {}
  float* first() { return data_.data(); }
  void replicate() {
    for (int64_t i = 1; i < copies_; ++i) std::copy_n(data_.data(), floats_, data_.data() + i * floats_);
  }
  const float* next() { return data_.data() + (turn_++ % copies_) * floats_; }

 private:
  static constexpr int64_t kBeyondCaches = 16 << 20;
  int64_t floats_, copies_, turn_ = 0;
  Buffer data_;
};

// Best seconds of one call within about 60 ms.
template <class Call>
double best_seconds(Call call) {
  double best = std::numeric_limits<double>::infinity(), total = 0;
  for (int i = 0; i < 3 || total < 0.06; ++i) {
    const auto start = Clock::now();
    call();
    const double seconds = seconds_since(start);
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

double measure_lstm(ThreadPool& pool, Isa isa, const Case& c) {
  const Buffer x = filled(c.steps * c.m * c.k), w = filled(4 * c.n * c.k), r = filled(4 * c.n * c.n);
  ColdWeights packed(lstm_packed(isa, c.k, c.n).total());
  pack_lstm(isa, c.k, c.n, w.data(), r.data(), nullptr, nullptr, packed.first());
  packed.replicate();
  Buffer y(static_cast<size_t>(c.steps * c.m * c.n));
  LstmLayer l;
  l.steps = c.steps, l.batch = c.m, l.inputs = c.k, l.hidden = c.n;
  l.x = x.data(), l.x_step = c.m * c.k, l.x_row = c.k;
  l.y = y.data(), l.y_step = c.m * c.n, l.y_row = c.n;
  std::vector<char> workspace(static_cast<size_t>(lstm_workspace(isa, l)));
  return best_seconds([&] {
    l.packed = packed.next();
    lstm(pool, isa, l, workspace.data());
  });
}

double measure(ThreadPool& pool, Isa isa, const Case& c) {
  if (c.steps) return measure_lstm(pool, isa, c);
  Epilogue e;
  e.clip = true;
  e.hi = std::numeric_limits<float>::infinity();
  if (c.conv.n == 0) {
    const Buffer a = filled(c.m * c.k), b = filled(c.n * c.k), bias = filled(c.n);
    ColdWeights packed(packed_b_floats(isa, c.k, c.n));
    Buffer out(static_cast<size_t>(c.m * c.n));
    pack_b(isa, b.data(), c.n, false, c.k, c.n, packed.first());
    packed.replicate();
    e.bias = bias.data();
    Gemm g{c.m, c.n, c.k, a.data(), c.k, nullptr, out.data(), c.n, e};
    return best_seconds([&] {
      g.packed_b = packed.next();
      gemm(pool, isa, g);
    });
  }
  const ConvShape& s = c.conv;
  const Buffer x = filled(s.n * s.h * s.w * s.c), w = filled(s.k * s.c * s.kh * s.kw), bias = filled(s.k);
  ColdWeights packed(c.winograd ? packed_winograd_floats(isa, s) : packed_conv_floats(isa, s));
  Buffer y(static_cast<size_t>(s.n * s.oh * s.ow * s.k));
  (c.winograd ? pack_winograd : pack_conv)(isa, s, w.data(), packed.first());
  packed.replicate();
  std::vector<char> workspace(
      static_cast<size_t>((c.winograd ? winograd_workspace : conv_workspace)(isa, s, pool.threads())));
  e.bias = bias.data();
  const auto run = c.winograd ? winograd : conv;
  return best_seconds([&] { run(pool, isa, s, x.data(), packed.next(), y.data(), e, workspace.data()); });
}

double measure_bf16(ThreadPool& pool, const Bf16Kernels& kernels, const Case& c) {
  Epilogue e;
  e.clip = true;
  e.hi = std::numeric_limits<float>::infinity();
  const ConvShape& s = c.conv;
  const bool is_conv = s.n != 0;
  const int64_t k = is_conv ? s.kh * s.kw * s.c : c.k, n = is_conv ? s.k : c.n, m = is_conv ? s.n * s.oh * s.ow : c.m;
  const Buffer x = filled(is_conv ? s.n * s.h * s.w * s.c : m * k), w = filled(k * n), bias = filled(n);
  ColdWeights packed(packed_bf16(k, n) / 2);
  auto* const first = reinterpret_cast<uint16_t*>(packed.first());
  if (is_conv)
    pack_bf16_conv(s, w.data(), first);
  else
    pack_bf16(w.data(), n, false, k, n, 1, first);
  packed.replicate();
  e.bias = bias.data();
  Buffer y(static_cast<size_t>(m * n));
  const int64_t bytes =
      is_conv ? bf16_conv_workspace(kernels, s, pool.threads()) : bf16_gemm_workspace(kernels, m, n, k, pool.threads());
  std::vector<char> workspace(static_cast<size_t>(bytes) + 64);
  char* const space = workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64);
  return best_seconds([&] {
    const auto* weights = reinterpret_cast<const uint16_t*>(packed.next());
    if (is_conv)
      bf16_conv(pool, kernels, s, x.data(), weights, y.data(), e, space);
    else
      bf16_gemm(pool, kernels, {m, n, k, x.data(), k, weights, y.data(), n, e}, space);
  });
}

void bench(const std::string& filter, int64_t batch, int threads) {
  const Isa isa = detect_isa();
  ThreadPool pool(threads);
  const double peak = measure_peak_gflops(pool, isa);
  fmt::print("{}, batch {}, {} threads, fp32 peak {:.1f} GFLOP/s\n", name(isa), batch, threads, peak);
  fmt::print("{:38} {:>9} {:>6} {:>9}\n", "", "GFLOP/s", "peak", "ms");
  struct Total {
    double flops = 0, seconds = 0;
  } totals[3];
  for (const Case& c : cases(batch)) {
    if (c.name.find(filter) == std::string::npos) continue;
    const double seconds = measure(pool, isa, c);
    const double gflops = c.flops / seconds * 1e-9;
    fmt::print("{:38} {:9.1f} {:5.1f}% {:9.3f}", c.name, gflops, gflops / peak * 100, seconds * 1e3);
    for (Bf16Unit unit : {Bf16Unit::none, Bf16Unit::avx512_bf16, Bf16Unit::amx_bf16}) {
      if (c.steps || c.winograd || !missing(unit).empty()) continue;
      const double rounded = measure_bf16(pool, bf16_kernels(isa, unit), c);
      fmt::print("   {} {:.1f} GFLOP/s {:.3f} ms", unit == Bf16Unit::none ? "bf16" : name(unit),
                 c.flops / rounded * 1e-9, rounded * 1e3);
    }
    fmt::print("\n");
    Total& total = totals[c.steps ? 2 : c.name.find("bert") != std::string::npos];
    total.flops += static_cast<double>(c.count) * c.flops;
    total.seconds += static_cast<double>(c.count) * seconds;
  }
  const char* names[] = {"ResNet-50 layers", "BERT-base products", "LSTM layers"};
  for (int i = 0; i < 3; ++i)
    if (totals[i].flops > 0)
      fmt::print("{}: {:.2f} ms, {:.1f}% of peak ({:.1f} GFLOP)\n", names[i], totals[i].seconds * 1e3,
                 totals[i].flops / totals[i].seconds / peak * 1e-7, totals[i].flops * 1e-9);
}

}  // namespace
}  // namespace mj::cpu

int main(int argc, char** argv) {
  for (int threads : {1, mj::default_threads()})
    mj::cpu::bench(argc > 1 ? argv[1] : "", argc > 2 ? std::stoll(argv[2]) : 1, threads);
  return 0;
}
