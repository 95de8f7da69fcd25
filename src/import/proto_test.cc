// SPDX-License-Identifier: Apache-2.0
#include "import/proto.h"

#include <gtest/gtest.h>

#include "import/onnx_builder_test_util.h"

namespace mj::onnx {
namespace {

using namespace test;

Bytes small_model() {
  GraphBuilder graph;
  graph.input("x", {"N", 3})
      .initializer(floats("w", {3}, {1, 2, 3}))
      .node("Mul", {"x", "w"}, {"y"}, {{"alpha", 0.5f}, {"axes", Integers{1, -2}}}, "mul_0")
      .output("y");
  return model(graph);
}

TEST(proto, reads_what_a_model_holds) {
  const Bytes bytes = small_model();
  Result<ModelProto> model = parse_model(bytes);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->ir_version, 8);
  EXPECT_EQ(model->producer_name, "test");
  ASSERT_EQ(model->opsets.size(), 2u);
  EXPECT_EQ(model->opsets[0].version, 17);
  ASSERT_EQ(model->graph.nodes.size(), 1u);
  const NodeProto& node = model->graph.nodes[0];
  EXPECT_EQ(node.name, "mul_0");
  ASSERT_EQ(node.attributes.size(), 2u);
  EXPECT_EQ(node.attributes[0].f, 0.5f);
  EXPECT_EQ(node.attributes[1].ints, (std::vector<int64_t>{1, -2}));
  ASSERT_EQ(model->graph.inputs.size(), 1u);
  EXPECT_EQ(model->graph.inputs[0].type.dims[0].param, "N");
  EXPECT_EQ(model->graph.inputs[0].type.dims[1].value, 3);
  EXPECT_EQ(model->graph.initializers[0].float_data, (std::vector<float>{1, 2, 3}));
}

TEST(proto, packed_and_unpacked_lists_are_the_same) {
  const Integers values{0, 1, -1, int64_t{1} << 40};
  const Bytes packed = message([&](auto& w) { w.add_packed_int64(7, values.begin(), values.end()); });
  const Bytes unpacked = message([&](auto& w) {
    for (int64_t value : values) w.add_int64(7, value);
  });
  const Bytes unpacked_floats = message([&](auto& w) {
    for (float value : {1.5f, -2.0f}) w.add_float(4, value);
  });
  GraphBuilder graph;
  graph.initializer(packed).initializer(unpacked).initializer(packed + unpacked).initializer(unpacked_floats);
  const Bytes bytes = model(graph);
  Result<ModelProto> read = parse_model(bytes);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const std::vector<TensorProto>& tensors = read->graph.initializers;
  EXPECT_EQ(tensors[0].int64_data, values);
  EXPECT_EQ(tensors[1].int64_data, values);
  EXPECT_EQ(tensors[2].int64_data.size(), 8u);
  EXPECT_EQ(tensors[3].float_data, (std::vector<float>{1.5f, -2.0f}));
}

TEST(proto, a_field_of_the_wrong_wire_type_is_no_field) {
  GraphBuilder graph;
  graph.add(1, message([](auto& w) {
              w.add_int64(4, 7);    // op_type as a number
              w.add_fixed32(1, 7);  // input as 4 bytes
              w.add_string(4, "Relu");
            }));
  const Bytes bytes = model(graph);
  Result<ModelProto> read = parse_model(bytes);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->graph.nodes[0].op_type, "Relu");
  EXPECT_TRUE(read->graph.nodes[0].inputs.empty());
}

TEST(proto, every_truncation_is_refused_or_harmless) {
  const Bytes bytes = small_model();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut(bytes.data(), size);  // of its own size, so that a read beyond it is seen
    Result<ModelProto> read = parse_model(cut);
    EXPECT_TRUE(read.ok() || read.error().message.starts_with("the file is")) << read.error().message;
  }
  EXPECT_FALSE(parse_model("").ok());
  EXPECT_FALSE(parse_model("not onnx at all").ok());
}

TEST(proto, flipped_bits_never_crash) {
  const Bytes bytes = small_model();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    (void)parse_model(flipped).ok();
  }
}

TEST(proto, depth_is_limited) {
  Bytes graph;
  for (int i = 0; i < 200; ++i) {
    graph = message([&](auto& w) {
      w.add_message(1, message([&](auto& n) { n.add_message(5, Attribute::graph("then_branch", graph).bytes); }));
    });
  }
  GraphBuilder outer;
  outer.bytes = graph;
  const Bytes bytes = model(outer);
  Result<ModelProto> read = parse_model(bytes);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("deeper than 100"), std::string::npos) << read.error().message;
}

TEST(proto, many_empty_messages_are_refused_before_they_fill_memory) {
  GraphBuilder graph;
  for (int i = 0; i < 3000; ++i) graph.add(1, "");
  const Bytes bytes = model(graph);
  ParseLimits limits;
  limits.nodes = 2999;
  EXPECT_FALSE(parse_model(bytes, limits).ok());
  limits.nodes = 3000;
  limits.parsed_bytes = 1000;
  EXPECT_FALSE(parse_model(bytes, limits).ok());
  limits.parsed_bytes = 1 << 20;
  EXPECT_TRUE(parse_model(bytes, limits).ok());
}

}  // namespace
}  // namespace mj::onnx
