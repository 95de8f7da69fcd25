// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/winograd.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/test_support.h"

namespace mj::cpu {
namespace {

using Floats = std::vector<float>;

Floats run(Isa isa, int threads, const ConvShape& s, const Floats& x, const Floats& w, const Epilogue& e) {
  ThreadPool pool(threads);
  Floats packed(static_cast<size_t>(packed_winograd_floats(isa, s)));
  Floats y(static_cast<size_t>(s.n * s.oh * s.ow * s.k), -7);
  pack_winograd(isa, s, w.data(), packed.data());
  std::vector<char> workspace(static_cast<size_t>(winograd_workspace(isa, s, threads)));
  winograd(pool, isa, s, x.data(), packed.data(), y.data(), e, workspace.data());
  return y;
}

// The direct form has its own test against the naive loop.
Floats direct(Isa isa, const ConvShape& s, const Floats& x, const Floats& w, const Epilogue& e) {
  ThreadPool pool(1);
  Floats packed(static_cast<size_t>(packed_conv_floats(isa, s))), y(static_cast<size_t>(s.n * s.oh * s.ow * s.k));
  pack_conv(isa, s, w.data(), packed.data());
  std::vector<char> workspace(static_cast<size_t>(conv_workspace(isa, s, 1)));
  conv(pool, isa, s, x.data(), packed.data(), y.data(), e, workspace.data());
  return y;
}

ConvShape random_shape(Random& random) {
  ConvShape s;
  s.kh = s.kw = 3;
  s.n = random.one_of({0, 1, 1, 3});
  s.h = random.one_of({1, 2, 5, 14, 17});
  s.w = random.one_of({1, 3, 8, 13});
  s.c = random.one_of({1, 5, 16, 40, 300});
  s.k = random.one_of({1, 7, 16, 50});
  s.pad_top = random.pick(0, 2), s.pad_left = random.pick(0, 2);
  s.oh = std::max<int64_t>(0, s.h + s.pad_top + random.pick(0, 2) - 2);
  s.ow = std::max<int64_t>(0, s.w + s.pad_left + random.pick(0, 2) - 2);
  return s;
}

class WinogradTest : public PerIsa {};
INSTANTIATE_TEST_SUITE_P(Isa, WinogradTest, kEveryIsa, name_of);

TEST_P(WinogradTest, equals_the_direct_form) {
  Random random(31);
  for (int trial = 0; trial < 60; ++trial) {
    const ConvShape s = random_shape(random);
    const Floats x = random.floats(s.n * s.h * s.w * s.c), w = random.floats(s.k * s.c * 9);
    const Floats bias = random.floats(s.k), residual = random.floats(s.n * s.oh * s.ow * s.k);
    Epilogue e;
    if (random.pick(0, 1)) e.bias = bias.data();
    if (random.pick(0, 1)) e.residual = residual.data(), e.ld_residual = s.k;
    if (random.pick(0, 1)) e.clip = true, e.lo = -0.5f, e.hi = 1.5f;
    if (random.pick(0, 1))
      e.callback = [](void*, float* values, int64_t, int64_t, int64_t n) {
        for (int64_t i = 0; i < n; ++i) values[i] = 2 * values[i] + 1;
      };
    const Floats want = direct(isa(), s, x, w, e), got = run(isa(), static_cast<int>(random.pick(1, 3)), s, x, w, e);
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(want[i], got[i], 2e-6 * std::sqrt(static_cast<double>(s.c)) * 9)
          << s.n << "x" << s.h << "x" << s.w << "x" << s.c << " -> " << s.k << " at " << i;
  }
}

TEST_P(WinogradTest, a_sample_equals_itself_within_a_batch_on_any_number_of_threads) {
  Random random(32);
  for (int trial = 0; trial < 10; ++trial) {
    ConvShape one = random_shape(random);
    one.n = 1;
    ConvShape batch = one;
    batch.n = 4;
    const int64_t sample = one.h * one.w * one.c;
    const Floats x = random.floats(4 * sample), w = random.floats(one.k * one.c * 9);
    const Floats together = run(isa(), 2, batch, x, w, {});
    const Floats alone = run(isa(), 1, one, Floats(x.begin() + 2 * sample, x.begin() + 3 * sample), w, {});
    ASSERT_TRUE(same_bits(alone, together, 2 * std::ssize(alone)));
  }
}

}  // namespace
}  // namespace mj::cpu
