// SPDX-License-Identifier: Apache-2.0
// Numbers drawn: even ones, normal ones, and what is chosen by them.
#include "import/ops/random.h"

#include "base/hash64.h"
#include "import/ops/irregular.h"

namespace mj::onnx {

int64_t drawn_seed(NodeImport& node) {
  std::string from = node.label();
  if (node.has_attribute("seed")) {
    const bool whole = node.proto.op_type == "Dropout";
    from = whole ? fmt::format("{}", node.integer("seed", 0)) : fmt::format("{}", node.number("seed", 0));
  }
  return static_cast<int64_t>(hash64(from));
}

namespace {

struct Drawn {
  bool normal;
  std::string_view a, b;  // their attributes
  float otherwise_a, otherwise_b;
};
constexpr Drawn kEven{false, "low", "high", 0, 1}, kNormal{true, "mean", "scale", 0, 1};

void draw(NodeImport& node, const Drawn& what, DType dtype, ValueId shape) {
  const float a = node.number(what.a, what.otherwise_a), b = node.number(what.b, what.otherwise_b);
  const Op random =
      op("random",
         {{0, "normal", what.normal}, {0, "dtype", dtype}, {0, "a", a}, {0, "b", b}, {0, "seed", drawn_seed(node)}});
  node.finish(random, {shape});
}

void draw_shape(NodeImport& node, const Drawn& what) {
  node.inputs_between(0, 0);
  const auto shape = node.integers("shape");
  if (!shape) return node.fail("attribute 'shape' is missing");
  draw(node, what, node.dtype("dtype", DType::f32), node.integers_constant(*shape));
}

void draw_like(NodeImport& node, const Drawn& what) {
  node.inputs_between(1, 1);
  draw(node, what, node.dtype("dtype", node.dtype(node.in(0))), node.emit(op("shape"), {node.in(0)}));
}

// Evenly from [0, 1).
ValueId even(NodeImport& node, DType dtype, ValueId shape) {
  return node.emit(op("random", {{0, "dtype", dtype}, {0, "seed", drawn_seed(node)}}), {shape});
}

}  // namespace

void import_random_uniform(NodeImport& node) { draw_shape(node, kEven); }
void import_random_normal(NodeImport& node) { draw_shape(node, kNormal); }
void import_random_uniform_like(NodeImport& node) { draw_like(node, kEven); }
void import_random_normal_like(NodeImport& node) { draw_like(node, kNormal); }

// 1 with the probability that x says.
void import_bernoulli(NodeImport& node) {
  node.inputs_between(1, 1);
  const ValueId x = node.in(0);
  const DType dtype = node.dtype("dtype", node.dtype(x));
  const ValueId hit = node.emit(op("less"), {even(node, node.dtype(x), node.emit(op("shape"), {x})), x});
  node.finish(op("cast", {{0, "to", dtype}}), {hit});
}

// Classes drawn by the logarithms of their probabilities, x [B,C]: argmax(x - log(-log(u))), u [B,samples,C].
void import_multinomial(NodeImport& node) {
  node.inputs_between(1, 1);
  const ValueId x = node.in(0);
  if (node.rank(x) != 2) return node.fail("input 0 must have 2 dims, got {}", to_string(node.type(x)));
  const int64_t samples[] = {node.integer("sample_size", 1)};
  const DType dtype = node.dtype("dtype", DType::i32), real = node.dtype(x);
  const auto part = [&](int64_t at) { return node.emit(op("shape", {{0, "start", at}, {0, "end", at + 1}}), {x}); };
  const ValueId shape =
      node.emit(op("concat", {{0, "axis", int64_t{0}}}), {part(0), node.integers_constant(samples), part(1)});
  // From [2^-25, 1): of 0 there is no logarithm.
  const ValueId u =
      node.emit(op("random", {{0, "dtype", real}, {0, "a", 0x1p-25f}, {0, "seed", drawn_seed(node)}}), {shape});
  const ValueId once = node.emit(op("neg"), {node.emit(op("log"), {u})});
  const ValueId noise = node.emit(op("log"), {once});
  const ValueId rows = node.emit(op("unsqueeze", {{0, "axes", std::vector<int64_t>{1}}}), {x});
  const ValueId best = node.emit(op("arg_max", {{0, "axis", int64_t{2}}, {0, "keepdims", false}}),
                                 {node.emit(op("sub"), {rows, noise})});
  node.finish(op("cast", {{0, "to", dtype}}), {best});
}

}  // namespace mj::onnx
