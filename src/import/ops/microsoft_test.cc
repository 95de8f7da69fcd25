// SPDX-License-Identifier: Apache-2.0
// What operators of domain com.microsoft become. Whether that is what they mean, test/e2e/test_microsoft.py says.
#include <gtest/gtest.h>

#include "import/import_test_util.h"
#include "import/rows.h"

namespace mj::onnx {
namespace {

using namespace test;

struct In {
  std::string name;
  std::vector<AxisDim> dims;
  int32_t type = kFloat;
};

// One node of com.microsoft, its inputs in order ("" where one is left out) of those in `given` and `constants`:
// "operators : types of the outputs", or the error.
std::string imported(const std::string& op, const Strings& order, const std::vector<In>& given,
                     const Attributes& attributes = {}, const std::vector<Bytes>& constants = {},
                     const Strings& outputs = {"y"}) {
  GraphBuilder graph;
  for (const In& in : given) graph.input(in.name, in.dims, in.type);
  for (const Bytes& tensor : constants) graph.initializer(tensor);
  graph.node(op, order, outputs, attributes, "n", "com.microsoft");
  for (const std::string& output : outputs) {
    if (!output.empty()) graph.output(output);
  }
  const Bytes opsets = message([](auto& w) { w.add_message(8, operator_set("com.microsoft", 1)); });
  Result<Model> model = import_model(test::model(graph) + opsets);
  if (!model.ok()) return model.error().message;
  std::string text = ops_of(model->graph);
  for (constexpr std::string_view copy = "; identity"; text.ends_with(copy);) text.resize(text.size() - copy.size());
  text += " :";  // without the copies that bear the outputs' names
  for (ValueId id : model->graph.outputs) text += " " + to_string(model->graph.type(id));
  return text;
}

Bytes ones(const std::string& name, const Integers& dims) {
  int64_t count = 1;
  for (int64_t dim : dims) count *= dim;
  return floats(name, dims, Floats(static_cast<size_t>(count), 1));
}

TEST(microsoft, is_a_domain_of_its_own) {
  EXPECT_NE(find_row("com.microsoft", "Attention", 1), nullptr);
  EXPECT_NE(find_row("com.microsoft", "Attention", 1)->import, find_row("", "Attention", 23)->import);
  EXPECT_EQ(find_row("com.microsoft", "Relu", 1), nullptr);
  EXPECT_EQ(find_row("", "FusedConv", 23), nullptr);
  EXPECT_EQ(find_row("com.microsoft", "FusedConv", 0), nullptr) << "the model does not import the domain";
}

TEST(microsoft, activations) {
  const std::vector<In> x{{"x", {"N", 4}}};
  EXPECT_EQ(imported("Gelu", {"x"}, x), "gelu : f32[N,4]");
  EXPECT_EQ(imported("FastGelu", {"x"}, x), "gelu {approximate=\"tanh\"} : f32[N,4]");
  EXPECT_EQ(imported("BiasGelu", {"x", "b"}, x, {}, {ones("b", {4})}), "add; gelu : f32[N,4]");
  EXPECT_TRUE(holds(imported("BiasGelu", {"x", "b"}, x, {}, {ones("b", {3})}), "as long as the last axis"));
  EXPECT_EQ(imported("QuickGelu", {"x"}, x), "mul; sigmoid; mul : f32[N,4]");
  EXPECT_EQ(imported("QuickGelu", {"x"}, x, {{"alpha", 1.0f}}), "silu : f32[N,4]");
}

TEST(microsoft, products) {
  const std::vector<In> image{{"x", {"N", 2, 5, 5}}};
  EXPECT_EQ(imported("FusedConv", {"x", "w"}, image, {{"activation", "LeakyRelu"}, {"activation_params", Floats{0.5f}}},
                     {ones("w", {3, 2, 3, 3})}),
            "conv; leaky_relu {alpha=0.5} : f32[N,3,3,3]");
  EXPECT_EQ(imported("FusedConv", {"x", "w", "", "z"}, {image[0], {"z", {"N", 3, 3, 3}}}, {{"activation", "Relu"}},
                     {ones("w", {3, 2, 3, 3})}),
            "conv; add; relu : f32[N,3,3,3]");
  EXPECT_TRUE(
      holds(imported("FusedConv", {"x", "w"}, image, {{"kernel_shape", Integers{2, 2}}}, {ones("w", {3, 2, 3, 3})}),
            "kernel_shape does not fit"));
  EXPECT_TRUE(holds(imported("FusedConv", {"x", "w"}, image, {{"activation", "Softmax"}}, {ones("w", {3, 2, 3, 3})}),
                    "activation 'Softmax' is not known"));
  const std::vector<In> pair{{"a", {"N", 2, 3, 4}}, {"b", {4, 5}}};
  EXPECT_EQ(imported("FusedMatMul", {"a", "b"}, pair), "matmul : f32[N,2,3,5]");
  EXPECT_EQ(imported("FusedMatMul", {"a", "b"}, {{"a", {3, "N", 2, 4}}, {"b", {4, 5}}},
                     {{"transBatchA", 1}, {"alpha", 0.5f}}),
            "transpose {perm=[1, 2, 0, 3]}; matmul; mul : f32[N,2,3,5]");
  EXPECT_EQ(imported("TransposeMatMul", {"a", "b"}, {{"a", {4, "N"}}, {"b", {4, 5}}}, {{"transA", 1}}),
            "transpose {perm=[1, 0]}; matmul : f32[N,5]");
  EXPECT_EQ(imported("FusedGemm", {"a", "b"}, {{"a", {"N", 4}}, {"b", {4, 5}}}, {{"activation", "Tanh"}}),
            "gemm; tanh : f32[N,5]");
}

TEST(microsoft, norms) {
  const std::vector<In> x{{"x", {"B", "S", 8}}, {"s", {"B", "S", 8}}};
  EXPECT_EQ(imported("SkipLayerNormalization", {"x", "s", "g"}, x, {}, {ones("g", {8})}, {"y", "", "", "sum"}),
            "add; layer_norm {epsilon=1e-12} : f32[B,S,8] f32[B,S,8]");
  EXPECT_EQ(imported("SkipSimplifiedLayerNormalization", {"x", "s", "g"}, x, {{"epsilon", 0.5f}}, {ones("g", {8})}),
            "add; rms_norm {epsilon=0.5} : f32[B,S,8]");
  EXPECT_TRUE(holds(imported("SkipLayerNormalization", {"x", "s", "g"}, x, {}, {ones("g", {8})}, {"y", "mean"}),
                    "output 1, of training, is used"));
  const std::string embedded =
      imported("EmbedLayerNormalization", {"i", "", "w", "p", "", "g", "b"}, {{"i", {"B", "S"}, kInt32}}, {},
               {ones("w", {7, 8}), ones("p", {5, 8}), ones("g", {8}), ones("b", {8})});
  EXPECT_TRUE(holds(embedded, "gather; add; layer_norm {epsilon=1e-12} : f32[B,S,8]")) << embedded;
}

TEST(microsoft, quantized) {
  const std::vector<In> bytes{{"a", {"N", 4}, kUint8}, {"b", {4}, kUint8}};
  const std::vector<Bytes> scales{floats("s", {}, {0.5f}), int32_field("z", kUint8, {}, {3})};
  EXPECT_EQ(imported("QLinearAdd", {"a", "s", "z", "b", "s", "z", "s", "z"}, bytes, {}, scales),
            "dequantize_linear {axis=0}; dequantize_linear {axis=0}; add; quantize_linear : u8[N,4]");
  EXPECT_EQ(imported("QLinearSigmoid", {"a", "s", "", "s"}, bytes, {}, scales),
            "dequantize_linear {axis=0}; sigmoid; quantize_linear {output_dtype=u8} : u8[N,4]");
  EXPECT_TRUE(
      holds(imported("QLinearConv", {"a", "s", "z", "a", "s", "z", "s", "z"}, bytes, {{"channels_last", 1}}, scales),
            "channels_last is 1"));
  const std::string product =
      imported("MatMulIntegerToFloat", {"a", "w", "s", "t", "z", "z"}, bytes, {},
               {scales[0], scales[1], ones("t", {5}), int32_field("w", kUint8, {4, 5}, std::vector<int32_t>(20, 1))});
  EXPECT_TRUE(holds(product, "expand; dequantize_linear {axis=-1}; matmul : f32[N,5]"))
      << product << ": one zero point for all columns";
}

TEST(microsoft, weights_of_a_few_bits) {
  const auto product = [](int bits, int64_t block, const Integers& shape, size_t bytes) {
    return imported("MatMulNBits", {"a", "w", "s"}, {{"a", {"N", 32}}},
                    {{"N", 4}, {"K", 32}, {"bits", bits}, {"block_size", block}},
                    {raw_tensor("w", kUint8, shape, std::string(bytes, '\x21')), ones("s", {4, 2})});
  };
  EXPECT_EQ(product(4, 16, {4, 2, 8}, 64),
            "reshape; dequantize_linear {block_size=16}; transpose {perm=[1, 0]}; matmul : f32[N,4]");
  EXPECT_TRUE(holds(product(4, 16, {4, 2, 4}, 32), "must have 64 elements"));
  EXPECT_TRUE(holds(product(3, 16, {4, 2, 8}, 64), "bits must be 2, 4 or 8, got 3"));
  EXPECT_TRUE(holds(product(4, 20, {4, 2, 8}, 64), "power of 2 and at least 16"));
}

TEST(microsoft, attentions) {
  const std::vector<Bytes> weights{ones("w", {8, 24}), ones("b", {24})};
  EXPECT_EQ(imported("Attention", {"x", "w", "b"}, {{"x", {"B", "S", 8}}}, {{"num_heads", 2}, {"unidirectional", 1}},
                     weights),
            "matmul; add; attention {heads=2, causal=true, layout=\"qkv\"} : f32[B,S,8]");
  const std::string masked = imported("Attention", {"x", "w", "b", "m"},
                                      {{"x", {"B", "S", 8}}, {"m", {"B", "S"}, kInt32}}, {{"num_heads", 2}}, weights);
  EXPECT_TRUE(holds(masked, "greater; unsqueeze {axes=[1, 2]}; where; attention")) << masked;
  const std::vector<In> qkv{{"q", {"B", "S", 8}}, {"k", {"B", "T", 8}}, {"v", {"B", "T", 6}}};
  EXPECT_EQ(imported("MultiHeadAttention", {"q", "k", "v"}, qkv, {{"num_heads", 2}}),
            "attention {heads=2, kv_heads=2} : f32[B,S,6]");
  const std::string cached =
      imported("MultiHeadAttention", {"q", "k", "k", "", "", "", "p", "p"}, {qkv[0], qkv[1], {"p", {"B", 2, "P", 4}}},
               {{"num_heads", 2}, {"unidirectional", 1}});
  EXPECT_TRUE(holds(cached, "concat {axis=2}; attention {heads=2, kv_heads=2, causal=true, layout=\"bhsd\"}"))
      << cached;
  const std::string grouped =
      imported("GroupQueryAttention", {"q", "k", "k", "", "", "l", "t"},
               {{"q", {"B", "S", 16}}, {"k", {"B", "S", 8}}, {"l", {"B"}, kInt32}, {"t", {1}, kInt32}},
               {{"num_heads", 4}, {"kv_num_heads", 2}});
  EXPECT_TRUE(holds(grouped, "attention {heads=4, kv_heads=2, causal=true} : f32[B,S,16]")) << grouped;
  EXPECT_TRUE(holds(imported("Attention", {"x", "w", "b"}, {{"x", {"B", "S", 8}}}, {{"num_heads", 5}}, weights),
                    "do not hold"));
}

TEST(microsoft, rotary_embedding) {
  const std::vector<Bytes> tables{ones("c", {16, 4}), ones("s", {16, 4})};
  const std::vector<In> given{{"x", {"B", "S", 16}}, {"p", {"B", "S"}, kInt64}};
  const std::string whole = imported("RotaryEmbedding", {"x", "p", "c", "s"}, given, {{"interleaved", 1}}, tables);
  EXPECT_TRUE(holds(whole, "rotary {interleaved=true}; reshape : f32[B,S,16]")) << whole;
  const std::string part =
      imported("RotaryEmbedding", {"x", "p", "c", "s"}, given, {{"num_heads", 1}, {"rotary_embedding_dim", 8}}, tables);
  EXPECT_TRUE(holds(part, "slice; slice; rotary; concat {axis=3}")) << part;
  EXPECT_TRUE(holds(
      imported("RotaryEmbedding", {"x", "p", "c", "s"}, given, {{"num_heads", 1}, {"rotary_embedding_dim", 4}}, tables),
      "rotary_embedding_dim is 4, but cos_cache turns 8 elements"));
}

}  // namespace
}  // namespace mj::onnx
