// SPDX-License-Identifier: Apache-2.0
#include "base/dim.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>
#include <unordered_set>
#include <vector>

#include "base/shape.h"

namespace mj {

void PrintTo(const Dim& dim, std::ostream* out) { *out << dim.to_string(); }

namespace {

const Dim B = Dim::symbol("B"), H = Dim::symbol("H"), N = Dim::symbol("N"), S = Dim::symbol("S"), W = Dim::symbol("W");

Dim parsed(std::string_view text) {
  auto result = Dim::parse(text);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  return result.ok() ? *result : Dim::invalid();
}

TEST(Dim, ConstantsFold) {
  EXPECT_EQ(Dim(2) + 3, Dim(5));
  EXPECT_EQ(Dim(2) - 3, Dim(-1));
  EXPECT_EQ(Dim(2) * 3, 6);
  EXPECT_EQ(floor_div(7, 2), 3);
  EXPECT_EQ(floor_div(-7, 2), -4);
  EXPECT_EQ(ceil_div(7, 2), 4);
  EXPECT_EQ(mod(-7, 4), 1);
  EXPECT_EQ(mod(7, -4), -1);
  EXPECT_EQ(min(2, 5), 2);
  EXPECT_EQ(max(2, 5), 5);
  EXPECT_EQ(broadcast(1, 5), 5);
  EXPECT_EQ(*Dim(4).constant(), 4);
  EXPECT_FALSE(N.is_constant());
  EXPECT_EQ(N.symbol_name(), "N");
  EXPECT_EQ((N + 1).symbol_name(), std::nullopt);
}

TEST(Dim, PolynomialsAreNormalised) {
  EXPECT_EQ(N + S, S + N);
  EXPECT_EQ(N * S * 2 - S * N, N * S);
  EXPECT_EQ(N - N, 0);
  EXPECT_EQ((N + S) * (N - S), N * N - S * S);
  EXPECT_EQ((N + 1) * (N + 1), N * N + 2 * N + 1);
  EXPECT_EQ(N * 0, 0);
  EXPECT_EQ((3 + 2 * N * S).to_string(), "2*N*S + 3");
  EXPECT_EQ((N * N * S - H).to_string(), "N^2*S + -1*H");
}

TEST(Dim, Division) {
  EXPECT_EQ(floor_div(N * 12, 12), N);
  EXPECT_EQ(floor_div(N * S * 4, S), 4 * N);
  EXPECT_EQ(floor_div(N * S * 4 + S * S * 2, S * 2), 2 * N + S);
  EXPECT_EQ(floor_div(N, 1), N);
  EXPECT_EQ(floor_div(N, N), 1);
  EXPECT_EQ(floor_div(floor_div(N, 2), 3), floor_div(N, 6));
  EXPECT_EQ(floor_div(floor_div(N, 2) + 1, 3), floor_div(N + 2, 6));
  EXPECT_EQ(floor_div(2 * N + 1, 2), N);
  EXPECT_EQ(floor_div(2 * N + H, 2), N + floor_div(H, 2));
  EXPECT_EQ(floor_div(4 * N + 2, 8), floor_div(2 * N + 1, 4));
  EXPECT_EQ(-floor_div(-N, 8), ceil_div(N, 8));
  EXPECT_EQ(floor_div(N, -2), floor_div(-N, 2));
  EXPECT_EQ(floor_div(N * S * 64, N * 12), floor_div(16 * S, 3));
  EXPECT_EQ(floor_div(H * 6, 4 * H), 1);
  // What Reshape with -1 does after a strided convolution.
  const Dim rows = floor_div(H - 1, 2) + 1;
  EXPECT_EQ(floor_div(N * rows * (W + 1) * 3, (W + 1) * rows), 3 * N);
  EXPECT_EQ(floor_div(N * H + 1, N + 1).to_string(), "floor_div(H*N + 1, N + 1)");
  EXPECT_EQ(floor_div(H - 1, 2) + 1, floor_div(H + 1, 2));
}

TEST(Dim, Mod) {
  EXPECT_EQ(mod(N * 8, 4), 0);
  EXPECT_EQ(mod(N * S, S), 0);
  EXPECT_EQ(mod(N * 8 + 3, 4), 3);
  EXPECT_EQ(mod(5 * N, 4), mod(N, 4));
  EXPECT_EQ(mod(mod(N, 8), 4), mod(N, 4));
  EXPECT_EQ(mod(mod(N, 4), 8), mod(N, 4));
  EXPECT_EQ(mod(4 * N + 2, 8).to_string(), "4*mod(N, 2) + 2");
  EXPECT_EQ(mod(N, 1), 0);
}

TEST(Dim, MinMaxBroadcast) {
  EXPECT_EQ(min(N, N), N);
  EXPECT_EQ(min(N, N + 1), N);
  EXPECT_EQ(max(N, 2 * N), 2 * N);
  EXPECT_EQ(min(N, 0), 0);
  EXPECT_EQ(max(N, -3), N);
  EXPECT_EQ(min(N, S), min(S, N));
  EXPECT_EQ(min(min(N, S), H), min(H, min(S, N)));
  EXPECT_EQ(min(min(N, S), N), min(N, S));
  EXPECT_EQ(min(max(N, S), N), N);
  EXPECT_EQ(broadcast(1, N), N);
  EXPECT_EQ(broadcast(N, 1), N);
  EXPECT_EQ(broadcast(N, N), N);
  EXPECT_EQ(broadcast(N, 7), 7);
  EXPECT_EQ(broadcast(N, min(N, 512)), N);
  EXPECT_NE(broadcast(N, min(N, 1)), N);
  EXPECT_EQ(broadcast(N + 2, S), N + 2);
  EXPECT_EQ(broadcast(broadcast(N, S), S), broadcast(S, N));
  EXPECT_FALSE(broadcast(2, 3).valid());
}

TEST(Dim, OverflowPoisons) {
  const Dim big = INT64_MAX;
  for (const Dim& dim : {big + 1, big * 2, Dim(INT64_MIN) - 1, N * big * 2, big * N + N, Dim::symbol(""),
                         Dim::symbol(std::string(300, 'x')), floor_div(INT64_MIN, -1)}) {
    EXPECT_FALSE(dim.valid());
    for (const Dim& more :
         {dim + 1, 0 * dim, dim - dim, floor_div(dim, 2), mod(3, dim), min(dim, N), broadcast(dim, 1)}) {
      EXPECT_FALSE(more.valid());
    }
    EXPECT_FALSE(dim.evaluate({{"N", 1}}).ok());
    EXPECT_EQ(equal(dim, dim), Tri::unknown);
    EXPECT_EQ(dim, Dim::invalid());
  }
}

TEST(Dim, CostIsBounded) {
  Dim power = N, sum = 0, deep = N, shared = N;
  for (int i = 0; i < 100; ++i) power *= N;
  for (int i = 0; i < 2000; ++i) sum += Dim::symbol(std::to_string(i));
  for (int i = 0; i < 200; ++i) deep = floor_div(deep * N + 1, S);
  for (int i = 0; i < 60; ++i) shared = floor_div(shared * shared + shared + 1, S);  // 2^60 leaves as a tree
  EXPECT_FALSE(power.valid());
  EXPECT_FALSE(sum.valid());
  EXPECT_FALSE(deep.valid());
  EXPECT_FALSE(shared.valid());
}

TEST(Dim, Compares) {
  EXPECT_EQ(equal(N, N), Tri::yes);
  EXPECT_EQ(equal(N, S), Tri::unknown);
  EXPECT_EQ(equal(N, N + 1), Tri::no);
  EXPECT_EQ(equal(N, -1), Tri::no);
  EXPECT_EQ(equal(2 * N, 2 * S + 1), Tri::no);
  EXPECT_EQ(equal(3, 4), Tri::no);
  EXPECT_EQ(less_equal(0, N), Tri::yes);
  EXPECT_EQ(less_equal(1, N), Tri::unknown);
  EXPECT_EQ(less_equal(N, N * 2 + S), Tri::yes);
  EXPECT_EQ(less_equal(N + 1, N), Tri::no);
  EXPECT_EQ(less_equal(N * S, S), Tri::unknown);
  EXPECT_EQ(less_equal(floor_div(H + 1, 2), H), Tri::yes);
  EXPECT_EQ(less_equal(2 * floor_div(H, 2), H), Tri::yes);
  EXPECT_EQ(less_equal(H, 2 * floor_div(H, 2) + 1), Tri::yes);
  EXPECT_EQ(less_equal(H, 2 * floor_div(H, 2)), Tri::unknown);
  EXPECT_EQ(less_equal(mod(H, 8), 7), Tri::yes);
  EXPECT_EQ(less_equal(mod(H, 8), H), Tri::yes);
  EXPECT_EQ(less_equal(min(N, S), S + 1), Tri::yes);
  EXPECT_EQ(less_equal(N, max(N, S)), Tri::yes);
  EXPECT_EQ(less_equal(max(N, S), N + S), Tri::yes);
  EXPECT_EQ(less_equal(8, mod(H, 8)), Tri::no);
}

TEST(Dim, OrderIsTotalAndHashAgrees) {
  const std::vector<Dim> dims = {0, 1, -1, N, S, N + 1, N * S, 2 * N, floor_div(N, 2), mod(N, 2), Dim::invalid()};
  std::set<Dim> ordered(dims.begin(), dims.end());
  std::unordered_set<Dim> hashed(dims.begin(), dims.end());
  EXPECT_EQ(ordered.size(), dims.size());
  EXPECT_EQ(hashed.size(), dims.size());
  EXPECT_EQ((N + S * 2).hash(), (S + N + S).hash());
  EXPECT_EQ((N + 1).hash(), 0x0u + Dim::parse("N + 1")->hash());
}

TEST(Dim, Evaluates) {
  const Bindings bindings = {{"H", 7}, {"N", 2}, {"S", 5}};
  EXPECT_EQ(*(2 * N * S + floor_div(H - 1, 2) + 3).evaluate(bindings), 26);
  EXPECT_EQ(*(N * N * N).evaluate(bindings), 8);
  EXPECT_EQ(*max(min(N, S), mod(H, 4)).evaluate(bindings), 3);
  EXPECT_EQ(*broadcast(N, S).evaluate({{"N", 1}, {"S", 4}}), 4);
  EXPECT_EQ(*broadcast(N, S).evaluate({{"N", 4}, {"S", 1}}), 4);
  EXPECT_EQ(*broadcast(N, S).evaluate({{"N", 0}, {"S", 1}}), 0);
}

TEST(Dim, EvaluationErrorsShowExpressionAndValues) {
  const auto message = [](const Dim& dim, const Bindings& bindings) { return dim.evaluate(bindings).error().message; };
  EXPECT_EQ(message(N + floor_div(H, S), {{"H", 3}, {"N", 2}, {"S", 0}}),
            "dimension 'N + floor_div(H, S)' with H = 3, N = 2, S = 0: floor_div(H, S) divides 3 by zero");
  EXPECT_EQ(message(floor_div(H, 0), {{"H", 3}}), "dimension 'floor_div(H, 0)' with H = 3: divides 3 by zero");
  EXPECT_EQ(message(N * S, {{"N", 3}}), "dimension 'N*S' with N = 3: S has no value");
  EXPECT_EQ(message(N, {{"N", -3}}), "dimension 'N' with N = -3: is negative");
  EXPECT_EQ(message(N * S, {{"N", INT64_MAX}, {"S", 2}}),
            "dimension 'N*S' with N = 9223372036854775807, S = 2: overflows 64 bits");
  EXPECT_EQ(message(broadcast(N, S), {{"N", 3}, {"S", 2}}),
            "dimension 'broadcast(N, S)' with N = 3, S = 2: needs equal lengths or 1, got 3 and 2");
}

TEST(Dim, Substitutes) {
  EXPECT_EQ((N * S + N).substitute({{"N", S}, {"S", N}}), S * N + S);
  EXPECT_EQ(floor_div(H + 1, 2).substitute({{"H", 2 * W}}), W);
  EXPECT_EQ((N * N).substitute({{"N", Dim(3)}}), 9);
  EXPECT_EQ(broadcast(N, S).substitute({{"N", Dim(1)}}), S);
  EXPECT_EQ((N + S).symbols(), (std::set<std::string>{"N", "S"}));
  EXPECT_EQ((N + floor_div(H, W) * 2).symbols(), (std::set<std::string>{"H", "N", "W"}));
}

TEST(Dim, TextRoundTrips) {
  EXPECT_EQ(parsed("2*N*S + floor_div(H + -1, 2) + 3"), 2 * N * S + floor_div(H - 1, 2) + 3);
  EXPECT_EQ(parsed(" ( N+1 )^2 - -3 * S"), N * N + 2 * N + 1 + 3 * S);
  EXPECT_EQ(parsed("ceil_div(N, 8)"), ceil_div(N, 8));
  EXPECT_EQ(parsed("-9223372036854775808"), Dim(INT64_MIN));
  const Dim odd = Dim::symbol("batch size \"x\\\n\x01 \xc3\xa9") + Dim::symbol("min") + Dim::symbol("2N");
  for (const Dim& dim : {odd, 2 * N * S + floor_div(H - 1, 2) + 3, N - S, min(N, min(S, H)),
                         broadcast(N, S) * mod(H, W), floor_div(N, 0), Dim(INT64_MIN), N * INT64_MAX, -N}) {
    EXPECT_EQ(parsed(dim.to_string()), dim) << dim.to_string();
  }
}

TEST(Dim, ParseRefuses) {
  for (std::string_view text : {"",
                                "N +",
                                "(N",
                                "N)",
                                "N S",
                                "3N",
                                "min(N)",
                                "min",
                                "mod(1,2,3)",
                                "N^",
                                "N^0",
                                "N^99",
                                "99999999999999999999",
                                "\"a",
                                "\"\\x1",
                                "\"\"",
                                "<invalid>",
                                "N,S",
                                "9223372036854775807*2",
                                "broadcast(2, 3)",
                                "N/2"}) {
    EXPECT_FALSE(Dim::parse(text).ok()) << text;
  }
  EXPECT_FALSE(Dim::parse(std::string_view("N\0", 2)).ok());
  for (const char* piece : {"(", "-", "min(", "floor_div(N*"}) {
    std::string deep;
    while (deep.size() < 60'000) deep += piece;
    EXPECT_FALSE(Dim::parse(deep).ok());
  }
  EXPECT_FALSE(Dim::parse(std::string(100'000, ' ')).ok());
  std::string growing = "(a+b+c+d)";
  for (int i = 0; i < 1000; ++i) growing += "*(a+b+c+d)";
  EXPECT_FALSE(Dim::parse(growing).ok());
  EXPECT_EQ(Dim::parse("N + *").error().message, "dimension 'N + *': expected a number, a name or '(' at character 5");
}

// A random expression twice: as a Dim, and as plain arithmetic that knows nothing of simplification.
class RandomExpression {
 public:
  explicit RandomExpression(uint64_t seed) : random_(seed) {}

  using Value = std::function<std::optional<int64_t>(const Bindings&)>;
  struct Both {
    Dim dim;
    Value value;
  };

  Both make(int depth) {
    const int kind = depth == 0 ? pick(2) : pick(10);
    if (kind == 0) {
      const int64_t constant = pick(13) - 4;
      return {constant, [constant](const Bindings&) { return constant; }};
    }
    if (kind == 1) {
      const std::string name(1, "HNSW"[pick(4)]);
      return {Dim::symbol(name), [name](const Bindings& bindings) { return bindings.at(name); }};
    }
    const Both a = make(depth - 1), b = kind >= 6 && pick(3) ? make(0) : make(depth - 1);
    const auto join = [&](Dim dim, auto f) {
      Value value = [a = a.value, b = b.value, f](const Bindings& bindings) -> std::optional<int64_t> {
        const auto x = a(bindings), y = b(bindings);
        if (!x || !y) return std::nullopt;
        return f(*x, *y);
      };
      return Both{std::move(dim), std::move(value)};
    };
    using Maybe = std::optional<int64_t>;
    const auto floor_of = [](int64_t x, int64_t y) {
      int64_t q = x / y;
      return q * y != x && (x < 0) != (y < 0) ? q - 1 : q;
    };
    switch (kind) {
      case 2:
      case 3:
        return join(a.dim + b.dim, [](int64_t x, int64_t y) -> Maybe { return x + y; });
      case 4:
        return join(a.dim - b.dim, [](int64_t x, int64_t y) -> Maybe { return x - y; });
      case 5:
        return join(a.dim * b.dim, [](int64_t x, int64_t y) -> Maybe { return x * y; });
      case 6:
        return join(floor_div(a.dim, b.dim),
                    [floor_of](int64_t x, int64_t y) -> Maybe { return y == 0 ? Maybe() : floor_of(x, y); });
      case 7:
        return join(mod(a.dim, b.dim),
                    [floor_of](int64_t x, int64_t y) -> Maybe { return y == 0 ? Maybe() : x - floor_of(x, y) * y; });
      case 8:
        return join(min(a.dim, b.dim), [](int64_t x, int64_t y) -> Maybe { return std::min(x, y); });
      default:
        return join(max(a.dim, b.dim), [](int64_t x, int64_t y) -> Maybe { return std::max(x, y); });
    }
  }

  Bindings bindings() {
    Bindings values;
    for (const char* name : {"H", "N", "S", "W"}) values[name] = pick(4) ? pick(40) : pick(3);
    return values;
  }

  int pick(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }

 private:
  std::mt19937_64 random_;
};

TEST(Dim, RandomExpressionsEvaluateAsWritten) {
  RandomExpression random(1);
  int compared = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto [dim, value] = random.make(1 + i % 4);
    if (!dim.valid()) continue;
    EXPECT_EQ(parsed(dim.to_string()), dim) << dim.to_string();
    for (int j = 0; j < 8; ++j) {
      const Bindings bindings = random.bindings();
      const std::optional<int64_t> want = value(bindings);
      if (!want) continue;  // divides by zero as written
      const auto got = dim.evaluate(bindings);
      ASSERT_TRUE(got.ok()) << got.error().message;
      ASSERT_EQ(*got, *want) << dim.to_string();
      std::map<std::string, Dim, std::less<>> numbers(bindings.begin(), bindings.end());
      ASSERT_EQ(dim.substitute(numbers), Dim(*want)) << dim.to_string();
      ++compared;
    }
  }
  EXPECT_GT(compared, 10'000);
}

TEST(Dim, RandomComparisonsNeverLie) {
  RandomExpression random(2);
  int decided = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto a = random.make(1 + i % 3), b = random.make(1 + i % 3);
    const Tri same = equal(a.dim, b.dim), less = less_equal(a.dim, b.dim);
    decided += (same != Tri::unknown) + (less != Tri::unknown);
    for (int j = 0; j < 8; ++j) {
      const Bindings bindings = random.bindings();
      const auto x = a.value(bindings), y = b.value(bindings);
      if (!x || !y) continue;
      if (same != Tri::unknown) {
        ASSERT_EQ(same == Tri::yes, *x == *y) << a.dim.to_string() << " | " << b.dim.to_string();
      }
      if (less != Tri::unknown) {
        ASSERT_EQ(less == Tri::yes, *x <= *y) << a.dim.to_string() << " | " << b.dim.to_string();
      }
    }
  }
  EXPECT_GT(decided, 1000);
}

TEST(Shape, TextCountAndEvaluation) {
  const Shape shape = {N, 3, floor_div(H + 1, 2)};
  EXPECT_EQ(to_string(shape), "[N,3,floor_div(H + 1, 2)]");
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(element_count(Shape{}), 1);
  EXPECT_EQ(element_count(Shape{N, 3, S}), 3 * N * S);
  EXPECT_EQ(*evaluate(shape, {{"H", 8}, {"N", 2}}), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(evaluate({N - 5}, {{"N", 2}}).error().message, "axis 0 of shape [N + -5] would have -3 elements");
}

TEST(Shape, Broadcasts) {
  EXPECT_EQ(*broadcast_shapes({N, 1, 3}, {S, 1}), (Shape{N, S, 3}));
  EXPECT_EQ(*broadcast_shapes({}, {N}), Shape{N});
  EXPECT_EQ(*broadcast_shapes({N}, {B}), Shape{broadcast(B, N)});
  EXPECT_EQ(broadcast_shapes({N, 2}, {3}).error().message,
            "shapes [N,2] and [3] do not broadcast: axis 1 from the end is 2 against 3; expected equal or 1");
}

}  // namespace
}  // namespace mj
