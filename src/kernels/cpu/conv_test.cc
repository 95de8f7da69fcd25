// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/conv.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "kernels/cpu/test_support.h"

namespace mj::cpu {
namespace {

using Floats = std::vector<float>;

Floats run(Isa isa, int threads, const ConvShape& s, const Floats& x, const Floats& w, const Epilogue& e) {
  ThreadPool pool(threads);
  Floats packed(static_cast<size_t>(packed_conv_floats(isa, s))), y(static_cast<size_t>(s.n * s.oh * s.ow * s.k), -7);
  pack_conv(isa, s, w.data(), packed.data());
  std::vector<char> workspace(static_cast<size_t>(conv_workspace(isa, s, threads)));
  conv(pool, isa, s, x.data(), packed.data(), y.data(), e, workspace.data());
  return y;
}

// The sum at one output and the sum of its magnitudes.
std::pair<double, double> naive(const ConvShape& s, const Floats& x, const Floats& w, int64_t n, int64_t oy, int64_t ox,
                                int64_t o) {
  const int64_t channels = s.c / s.groups, first = o / (s.k / s.groups) * channels;
  double sum = 0, magnitude = 0;
  for (int64_t i = 0; i < s.kh; ++i)
    for (int64_t j = 0; j < s.kw; ++j)
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t iy = oy * s.stride_h - s.pad_top + i * s.dilation_h;
        const int64_t ix = ox * s.stride_w - s.pad_left + j * s.dilation_w;
        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
        const int64_t channel = first + c;
        const int64_t at =
            s.x_nchw ? ((n * s.c + channel) * s.h + iy) * s.w + ix : ((n * s.h + iy) * s.w + ix) * s.c + channel;
        const double product = static_cast<double>(x[static_cast<size_t>(at)]) *
                               w[static_cast<size_t>(((o * channels + c) * s.kh + i) * s.kw + j)];
        sum += product;
        magnitude += std::abs(product);
      }
  return {sum, magnitude};
}

ConvShape random_shape(Random& random) {
  ConvShape s;
  s.n = random.one_of({0, 1, 1, 2, 3});
  s.h = random.one_of({1, 2, 5, 7, 11, 14});
  s.w = random.one_of({1, 3, 7, 8, 13, 17});
  s.kh = random.one_of({1, 1, 2, 3, 5});
  s.kw = random.one_of({1, 1, 3, 4, 7});
  s.stride_h = random.one_of({1, 1, 2, 3});
  s.stride_w = random.one_of({1, 1, 2, 3});
  s.dilation_h = random.one_of({1, 1, 2});
  s.dilation_w = random.one_of({1, 1, 2});
  s.pad_top = random.pick(0, s.kh);
  s.pad_left = random.pick(0, s.kw);
  s.groups = random.one_of({1, 1, 2, 5});
  s.c = s.groups * random.one_of({1, 2, 3, 17, 64, 150});
  s.k = s.groups * random.one_of({1, 2, 8, 16, 19, 40});
  if (random.pick(0, 3) == 0) s.groups = s.c, s.k = s.c;
  s.oh = (s.h + s.pad_top + random.pick(0, 2) - (s.kh - 1) * s.dilation_h - 1) / s.stride_h + 1;
  s.ow = (s.w + s.pad_left + random.pick(0, 2) - (s.kw - 1) * s.dilation_w - 1) / s.stride_w + 1;
  s.oh = std::max<int64_t>(s.oh, 0);
  s.ow = std::max<int64_t>(s.ow, 0);
  s.x_nchw = accepts_nchw(s) && random.pick(0, 1);
  return s;
}

std::string describe(const ConvShape& s) {
  return fmt::format("n{} {}x{}x{} -> {}x{}x{} kernel {}x{} stride {}x{} dilation {}x{} pad {},{} groups {} {}", s.n,
                     s.h, s.w, s.c, s.oh, s.ow, s.k, s.kh, s.kw, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w,
                     s.pad_top, s.pad_left, s.groups, s.x_nchw ? "nchw" : "nhwc");
}

class ConvTest : public PerIsa {};
INSTANTIATE_TEST_SUITE_P(Isa, ConvTest, kEveryIsa, name_of);

TEST_P(ConvTest, equals_the_naive_loop) {
  Random random(11);
  for (int trial = 0; trial < 150; ++trial) {
    const ConvShape s = random_shape(random);
    const Floats x = random.floats(s.n * s.h * s.w * s.c), w = random.floats(s.k * s.c / s.groups * s.kh * s.kw);
    const Floats bias = random.floats(s.k), residual = random.floats(s.n * s.oh * s.ow * s.k);
    Epilogue e;
    if (random.pick(0, 1)) e.bias = bias.data();
    if (random.pick(0, 1)) e.residual = residual.data(), e.ld_residual = s.k;
    if (random.pick(0, 1)) e.clip = true, e.lo = -0.5f, e.hi = 1.5f;
    const Floats y = run(isa(), static_cast<int>(random.pick(1, 3)), s, x, w, e);
    size_t at = 0;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t oy = 0; oy < s.oh; ++oy)
        for (int64_t ox = 0; ox < s.ow; ++ox)
          for (int64_t o = 0; o < s.k; ++o, ++at) {
            auto [want, magnitude] = naive(s, x, w, n, oy, ox, o);
            if (e.bias) want += bias[static_cast<size_t>(o)];
            if (e.residual) want += residual[at];
            if (e.clip) want = std::clamp(want, -0.5, 1.5);
            ASSERT_LE(std::abs(want - y[at]), (magnitude + 4) * 3e-6)
                << describe(s) << " at " << n << "," << oy << "," << ox << "," << o;
          }
  }
}

TEST_P(ConvTest, a_sample_equals_itself_within_a_batch_on_any_number_of_threads) {
  Random random(12);
  for (int trial = 0; trial < 30; ++trial) {
    ConvShape one = random_shape(random);
    one.n = 1;
    ConvShape batch = one;
    batch.n = 5;
    const int64_t sample = one.h * one.w * one.c;
    const Floats x = random.floats(5 * sample), w = random.floats(one.k * one.c / one.groups * one.kh * one.kw);
    const Floats together = run(isa(), 2, batch, x, w, {});
    for (int64_t i : {0, 3, 4}) {
      const Floats part(x.begin() + i * sample, x.begin() + (i + 1) * sample);
      const Floats alone = run(isa(), 1, one, part, w, {});
      ASSERT_TRUE(same_bits(alone, together, i * std::ssize(alone))) << describe(one);
    }
  }
}

TEST_P(ConvTest, the_callback_sees_every_finished_element_once) {
  Random random(13);
  for (int64_t groups : {1, 4, 20}) {
    ConvShape s;
    s.n = 2, s.h = s.w = s.oh = s.ow = 9, s.c = 20, s.k = 20, s.kh = s.kw = 3, s.pad_top = s.pad_left = 1;
    s.groups = groups;
    const Floats x = random.floats(s.n * s.h * s.w * s.c), w = random.floats(s.k * s.c / groups * 9);
    const Floats plain = run(isa(), 2, s, x, w, {});
    Epilogue e;
    e.callback = [](void*, float* values, int64_t, int64_t, int64_t count) {
      for (int64_t i = 0; i < count; ++i) values[i] = 2 * values[i] + 1;
    };
    const Floats changed = run(isa(), 2, s, x, w, e);
    for (size_t i = 0; i < plain.size(); ++i) ASSERT_EQ(changed[i], 2 * plain[i] + 1) << groups << " groups";
  }
}

}  // namespace
}  // namespace mj::cpu
