// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/lstm.h"

#include <cmath>

#include "kernels/cpu/test_support.h"

namespace mj::cpu {
namespace {

using Floats = std::vector<float>;

struct Case {
  int64_t steps, batch, inputs, hidden;
  bool backward;
  Floats x, w, r, bias, peephole, h0, c0;  // bias and what follows may be empty
  std::vector<int32_t> lengths;            // may be empty
};

Case random_case(Random& random) {
  Case c{random.one_of({0, 1, 2, 5, 40}),
         random.one_of({1, 1, 2, 3, 8, 13}),
         random.one_of({1, 3, 40}),
         random.one_of({1, 7, 16, 33, 64}),
         random.pick(0, 1) == 1,
         {},
         {},
         {},
         {},
         {},
         {},
         {},
         {}};
  c.x = random.floats(c.steps * c.batch * c.inputs);
  c.w = random.floats(4 * c.hidden * c.inputs);
  c.r = random.floats(4 * c.hidden * c.hidden);
  if (random.pick(0, 1)) c.bias = random.floats(8 * c.hidden);
  if (random.pick(0, 1)) c.peephole = random.floats(3 * c.hidden);
  if (random.pick(0, 1)) c.h0 = random.floats(c.batch * c.hidden);
  if (random.pick(0, 1)) c.c0 = random.floats(c.batch * c.hidden);
  for (int64_t n = 0; n < c.batch && random.pick(0, 1); ++n)
    c.lengths.push_back(static_cast<int32_t>(random.pick(0, c.steps)));
  if (std::ssize(c.lengths) != c.batch) c.lengths.clear();
  return c;
}

struct Result {
  Floats y, h, c;
};

Result run(Isa isa, int threads, const Case& c) {
  ThreadPool pool(threads);
  Floats packed(static_cast<size_t>(lstm_packed(isa, c.inputs, c.hidden).total()));
  const auto data = [](const Floats& f) { return f.empty() ? nullptr : f.data(); };
  pack_lstm(isa, c.inputs, c.hidden, c.w.data(), c.r.data(), data(c.bias), data(c.peephole), packed.data());
  Result out{Floats(static_cast<size_t>(c.steps * c.batch * c.hidden), 9),
             Floats(static_cast<size_t>(c.batch * c.hidden), 9), Floats(static_cast<size_t>(c.batch * c.hidden), 9)};
  LstmLayer l;
  l.steps = c.steps, l.batch = c.batch, l.inputs = c.inputs, l.hidden = c.hidden;
  l.backward = c.backward;
  l.has_peephole = !c.peephole.empty();
  l.packed = packed.data();
  l.lengths = c.lengths.empty() ? nullptr : c.lengths.data();
  l.x = c.x.data(), l.x_step = c.batch * c.inputs, l.x_row = c.inputs;
  l.h0 = data(c.h0), l.c0 = data(c.c0), l.h_last = out.h.data(), l.c_last = out.c.data(), l.state_row = c.hidden;
  l.y = out.y.data(), l.y_step = c.batch * c.hidden, l.y_row = c.hidden;
  std::vector<char> workspace(static_cast<size_t>(lstm_workspace(isa, l)));
  lstm(pool, isa, l, workspace.data());
  return out;
}

double at(const Floats& f, int64_t i) { return f.empty() ? 0.0 : f[static_cast<size_t>(i)]; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

void expect_naive(const Case& c, const Result& got) {
  const int64_t hidden = c.hidden;
  for (int64_t n = 0; n < c.batch; ++n) {
    std::vector<double> h, state;
    for (int64_t j = 0; j < hidden; ++j)
      h.push_back(at(c.h0, n * hidden + j)), state.push_back(at(c.c0, n * hidden + j));
    const int64_t length = c.lengths.empty() ? c.steps : c.lengths[static_cast<size_t>(n)];
    for (int64_t i = 0; i < c.steps; ++i) {
      const int64_t t = i < length && c.backward ? length - 1 - i : i;
      const std::vector<double> before = h;
      for (int64_t j = 0; i < length && j < hidden; ++j) {
        double gate[4];
        for (int64_t g = 0; g < 4; ++g) {
          const int64_t row = g * hidden + j;
          gate[g] = at(c.bias, row) + at(c.bias, 4 * hidden + row);
          for (int64_t k = 0; k < c.inputs; ++k)
            gate[g] += at(c.x, (t * c.batch + n) * c.inputs + k) * at(c.w, row * c.inputs + k);
          for (int64_t k = 0; k < hidden; ++k) gate[g] += before[static_cast<size_t>(k)] * at(c.r, row * hidden + k);
        }
        double& cell = state[static_cast<size_t>(j)];
        const double in = sigmoid(gate[0] + at(c.peephole, j) * cell);
        const double forget = sigmoid(gate[2] + at(c.peephole, 2 * hidden + j) * cell);
        cell = forget * cell + in * std::tanh(gate[3]);
        h[static_cast<size_t>(j)] = sigmoid(gate[1] + at(c.peephole, hidden + j) * cell) * std::tanh(cell);
      }
      for (int64_t j = 0; j < hidden; ++j)
        ASSERT_NEAR(at(got.y, (t * c.batch + n) * hidden + j), i < length ? h[static_cast<size_t>(j)] : 0.0, 2e-5)
            << "sequence " << n << " time " << t;
    }
    for (int64_t j = 0; j < hidden; ++j) {
      ASSERT_NEAR(at(got.h, n * hidden + j), h[static_cast<size_t>(j)], 2e-5) << "last h of " << n;
      ASSERT_NEAR(at(got.c, n * hidden + j), state[static_cast<size_t>(j)], 5e-5) << "last c of " << n;
    }
  }
}

class LstmTest : public PerIsa {};
INSTANTIATE_TEST_SUITE_P(Isa, LstmTest, kEveryIsa, name_of);

TEST_P(LstmTest, equals_the_naive_loop) {
  Random random(21);
  for (int trial = 0; trial < 60 && !HasFailure(); ++trial) {
    Case c = random_case(random);
    // Contracting weights: an unstable recurrence would amplify rounding without bound.
    for (float& r : c.r) r /= static_cast<float>(c.hidden);
    expect_naive(c, run(isa(), static_cast<int>(random.pick(1, 3)), c));
  }
}

TEST_P(LstmTest, a_sequence_equals_itself_within_a_batch_on_any_number_of_threads) {
  Random random(22);
  const Case all = {
      30, 8,  20, 70, false, random.floats(30 * 8 * 20), random.floats(4 * 70 * 20), random.floats(4 * 70 * 70),
      {}, {}, {}, {}, {}};
  const Result together = run(isa(), 2, all);
  for (int64_t n : {0, 5, 7}) {
    Case one = all;
    one.batch = 1;
    one.x.clear();
    for (int64_t t = 0; t < all.steps; ++t)
      one.x.insert(one.x.end(), all.x.begin() + (t * 8 + n) * 20, all.x.begin() + (t * 8 + n + 1) * 20);
    const Result alone = run(isa(), 1, one);
    for (int64_t t = 0; t < all.steps; ++t)
      ASSERT_TRUE(same_bits(std::span(alone.y).subspan(static_cast<size_t>(t * 70), 70), together.y, (t * 8 + n) * 70));
  }
}

TEST_P(LstmTest, threads_that_share_a_large_layer_do_not_show) {
  Random random(23);
  const int64_t steps = 3, batch = 13, inputs = 4, hidden = 600;  // its recurrent weights: 5.8 MB
  Case c = {steps,
            batch,
            inputs,
            hidden,
            true,
            random.floats(steps * batch * inputs),
            random.floats(4 * hidden * inputs),
            random.floats(4 * hidden * hidden),
            {},
            {},
            random.floats(batch * hidden),
            {},
            {3, 0, 1, 2, 3, 3, 3, 1, 2, 3, 3, 3, 0}};
  for (float& r : c.r) r /= static_cast<float>(hidden);
  const Result alone = run(isa(), 1, c);
  expect_naive(c, alone);
  for (int threads : {2, 3, 5}) {
    const Result shared = run(isa(), threads, c);
    EXPECT_EQ(shared.y, alone.y) << threads;
    EXPECT_EQ(shared.h, alone.h) << threads;
    EXPECT_EQ(shared.c, alone.c) << threads;
  }
}

}  // namespace
}  // namespace mj::cpu
