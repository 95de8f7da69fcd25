// SPDX-License-Identifier: Apache-2.0
// What the irregular operators become, opset by opset: ONNX node -> operators of ours.
#include <gtest/gtest.h>

#include "import/import_test_util.h"
#include "import/rows.h"

namespace mj::onnx {
namespace {

using namespace test;

// "operators : type of the output", or the error.
std::string imported(const Bytes& bytes) {
  Result<Model> model = import_model(bytes);
  if (!model.ok()) return model.error().message;
  const mj::Graph& graph = model->graph;
  return ops_of(graph) + " : " + to_string(graph.type(graph.outputs[0]));
}

TEST(rows, the_newest_one_up_to_the_opset) {
  EXPECT_EQ(find_row("", "Softmax", 12)->since, 1);
  EXPECT_NE(find_row("", "Softmax", 12)->import, nullptr);
  EXPECT_EQ(find_row("", "Softmax", 17)->since, 13);
  EXPECT_EQ(find_row("ai.onnx", "Softmax", 17)->import, nullptr);
  EXPECT_EQ(find_row("", "Gelu", 19), nullptr);
  EXPECT_EQ(find_row("custom", "Relu", 17), nullptr);
}

TEST(ops, constants) {
  const auto constant = [](const Attribute& value) {
    GraphBuilder graph;
    graph.input("x", {2}).node("Constant", {}, {"y"}, {value}).output("y");
    return imported(model(graph));
  };
  EXPECT_EQ(constant({"value_float", 1.5f}), "identity : f32[]");
  EXPECT_EQ(constant({"value_int", 3}), "identity : i64[]");
  EXPECT_EQ(constant({"value_floats", Floats{1, 2}}), "identity : f32[2]");
  EXPECT_EQ(constant({"value_ints", Integers{1, 2, 3}}), "identity : i64[3]");
  EXPECT_EQ(constant({"value_strings", Strings{"a", "b"}}), "identity : string[2]");
  EXPECT_EQ(constant(Attribute::tensor("value", floats("", {1, 2}, {3, 4}))), "identity : f32[1,2]");
}

TEST(ops, identity_and_dropout_are_nothing) {
  GraphBuilder graph;
  graph.input("x", {2})
      .initializer(floats("ratio", {}, {0.5f}))
      .node("Identity", {"x"}, {"a"})
      .node("Dropout", {"a", "ratio"}, {"b"})
      .node("Relu", {"b"}, {"y"})
      .output("y");
  EXPECT_EQ(imported(model(graph)), "relu : f32[2]");
  GraphBuilder mask;
  mask.input("x", {2}).node("Dropout", {"x"}, {"a", "mask"}).node("Relu", {"a"}, {"y"}).output("y");
  EXPECT_EQ(imported(model(mask)), "shape; expand; relu : f32[2]") << "until a pass drops what nobody uses";
  GraphBuilder masked;
  masked.input("x", {2, "N"}).node("Dropout", {"x"}, {"a", "mask"}).output("mask");
  EXPECT_EQ(imported(model(masked)), "shape; expand : bool[2,N]");
  GraphBuilder training;
  training.input("x", {2})
      .initializer(floats("ratio", {}, {0.5f}))
      .initializer(int32_field("training", kBool, {}, {1}))
      .node("Dropout", {"x", "ratio", "training"}, {"y"})
      .output("y");
  EXPECT_TRUE(holds(imported(model(training)), "random {"));
}

TEST(ops, cast) {
  EXPECT_EQ(imported(one_node(17, "Cast", {{"x", {2}}}, {{"to", kInt64}})), "cast {to=i64} : i64[2]");
  EXPECT_EQ(imported(one_node(17, "CastLike", {{"x", {2}}}, {}, {int64s("t", {1})}, {"x", "t"})),
            "cast {to=i64} : i64[2]");
  EXPECT_TRUE(holds(imported(one_node(17, "Cast", {{"x", {2}}})), "attribute 'to' is missing"));
  EXPECT_TRUE(holds(imported(one_node(17, "Cast", {{"x", {2}}}, {{"to", 14}})), "complex64 is not supported"));
}

TEST(ops, clip_takes_attributes_then_inputs) {
  const std::string both = "clip {min=0.0, max=6.0} : f32[N]";
  EXPECT_EQ(imported(one_node(10, "Clip", {{"x", {"N"}}}, {{"min", 0.0f}, {"max", 6.0f}})), both);
  const Bytes low = floats("low", {}, {0}), high = floats("high", {}, {6});
  EXPECT_EQ(imported(one_node(11, "Clip", {{"x", {"N"}}}, {}, {low, high}, {"x", "low", "high"})), both);
  EXPECT_EQ(imported(one_node(13, "Clip", {{"x", {"N"}}}, {}, {high}, {"x", "", "high"})), "clip {max=6.0} : f32[N]");
  EXPECT_EQ(imported(one_node(13, "Clip", {{"x", {"N"}}, {"low", {}}})), "max : f32[N]") << "a computed bound";
  EXPECT_EQ(imported(one_node(13, "Clip", {{"x", {"N"}}}, {}, {low, high}, {"x", "high", "low"})), "max; min : f32[N]")
      << "crossed bounds";
}

TEST(ops, variadic_ones_become_chains) {
  const std::vector<std::pair<std::string, std::vector<AxisDim>>> three{{"a", {"N"}}, {"b", {"N"}}, {"c", {}}};
  EXPECT_EQ(imported(one_node(13, "Max", three)), "max; max : f32[N]");
  EXPECT_EQ(imported(one_node(13, "Min", {{"a", {2}}, {"b", {2}}})), "min : f32[2]");
  EXPECT_EQ(imported(one_node(13, "Sum", three)), "add; add : f32[N]");
  EXPECT_EQ(imported(one_node(13, "Mean", three)), "add; add; mul : f32[N]");
  EXPECT_EQ(imported(one_node(13, "Sum", {{"a", {2}}})), "identity : f32[2]");
}

TEST(ops, pow_of_mixed_types) {
  EXPECT_EQ(imported(one_node(13, "Pow", {{"x", {2}}}, {}, {floats("e", {}, {2})}, {"x", "e"})), "pow : f32[2]");
  EXPECT_EQ(imported(one_node(13, "Pow", {{"x", {2}}}, {}, {int64s("e", {}, {2})}, {"x", "e"})), "cast; pow : f32[2]");
  EXPECT_EQ(imported(one_node(13, "Pow", {{"x", {2}}}, {}, {int64s("b", {3})}, {"b", "x"})),
            "cast; pow; cast {to=i64} : i64[2]");
}

TEST(ops, bit_shift_and_swish) {
  GraphBuilder graph;
  graph.input("x", {2}, kUint8)
      .input("n", {2}, kUint8)
      .node("BitShift", {"x", "n"}, {"y"}, {{"direction", "LEFT"}})
      .output("y");
  EXPECT_EQ(imported(model(graph)), "shift_left : u8[2]");
  EXPECT_EQ(imported(one_node(24, "Swish", {{"x", {2}}})), "silu : f32[2]");
  EXPECT_EQ(imported(one_node(24, "Swish", {{"x", {2}}}, {{"alpha", 2.0f}})), "mul; sigmoid; mul : f32[2]");
}

TEST(ops, flatten) {
  EXPECT_EQ(imported(one_node(13, "Flatten", {{"x", {"N", 3, 4}}})), "reshape : f32[N,12]");
  EXPECT_EQ(imported(one_node(13, "Flatten", {{"x", {2, "N"}}}, {{"axis", -1}})), "reshape : f32[2,N]");
  EXPECT_EQ(imported(one_node(13, "Flatten", {{"x", {2, 3}}}, {{"axis", 0}})), "reshape : f32[1,6]");
  EXPECT_EQ(imported(one_node(13, "Flatten", {{"x", {2, 3}}}, {{"axis", 2}})), "reshape : f32[6,1]");
  EXPECT_TRUE(imported(one_node(13, "Flatten", {{"x", {"A", "B", "C"}}})).ends_with(" : f32[A,B*C]"));
  EXPECT_TRUE(
      holds(imported(one_node(13, "Flatten", {{"x", {2, 3}}}, {{"axis", 3}})), "axis must be in [-2, 2], got 3"));
}

TEST(ops, squeeze_and_unsqueeze_take_axes_as_attribute_then_as_input) {
  const Bytes axes = int64s("axes", {0});
  EXPECT_EQ(imported(one_node(11, "Squeeze", {{"x", {1, 3, 1}}}, {{"axes", Integers{0}}})),
            "squeeze {axes=[0]} : f32[3,1]");
  EXPECT_EQ(imported(one_node(13, "Squeeze", {{"x", {1, 3, 1}}}, {}, {axes}, {"x", "axes"})),
            "squeeze {axes=[0]} : f32[3,1]");
  EXPECT_EQ(imported(one_node(13, "Squeeze", {{"x", {1, 3, 1}}})), "squeeze {axes=[0, 2]} : f32[3]");
  EXPECT_EQ(imported(one_node(13, "Squeeze", {{"x", {1, "N"}}})), "squeeze_at : f32[?]") << "N may be 1";
  EXPECT_EQ(imported(one_node(11, "Unsqueeze", {{"x", {3}}}, {{"axes", Integers{0}}})),
            "unsqueeze {axes=[0]} : f32[1,3]");
  EXPECT_EQ(imported(one_node(13, "Unsqueeze", {{"x", {3}}}, {}, {axes}, {"x", "axes"})),
            "unsqueeze {axes=[0]} : f32[1,3]");
  GraphBuilder computed;
  computed.input("x", {3}).input("axes", {1}, kInt64).node("Unsqueeze", {"x", "axes"}, {"y"}, {}, "u").output("y");
  EXPECT_EQ(imported(model(computed)), "unsqueeze_at : f32[dim,dim.1]");
}

TEST(ops, what_is_computed_may_be_axes_and_sizes) {
  const auto with = [](const std::string& op, const Attributes& attributes = {}, const Strings& outputs = {"y"}) {
    GraphBuilder graph;
    graph.input("x", {"N", 4}).input("n", {1}, kInt64).node(op, {"x", "n"}, outputs, attributes).output("y");
    return imported(model(graph, 18));
  };
  EXPECT_EQ(with("ReduceSum"), "reduce_at : f32[dim,dim.1]");
  EXPECT_EQ(with("ReduceMax", {{"keepdims", 0}}), "reduce_at {reduction=\"reduce_max\", keepdims=false} : f32[dim]");
  EXPECT_EQ(with("Split", {{"axis", 1}}), "split_at {axis=1} : f32[N,part]");
  EXPECT_TRUE(holds(with("Split", {{"axis", 1}}, {"y", "z"}), "1 sizes for 2 outputs"));
  EXPECT_EQ(with("Squeeze"), "squeeze_at : f32[dim]");
}

TEST(ops, losses) {
  const auto with = [&](const std::string& op, const Attributes& attributes) {
    GraphBuilder graph;
    graph.input("x", {"N", 4}).input("t", {"N"}, kInt64).node(op, {"x", "t"}, {"y"}, attributes).output("y");
    return imported(model(graph));
  };
  EXPECT_EQ(with("NegativeLogLikelihoodLoss", {{"reduction", "none"}}),
            "unsqueeze {axes=[1]}; gather_elements {axis=1}; squeeze {axes=[1]}; neg : f32[N]");
  EXPECT_EQ(with("SoftmaxCrossEntropyLoss", {{"reduction", "sum"}}),
            "log_softmax {axis=1}; unsqueeze {axes=[1]}; gather_elements {axis=1}; squeeze {axes=[1]}; neg; "
            "reduce_sum {keepdims=false} : f32[]");
  EXPECT_TRUE(holds(with("NegativeLogLikelihoodLoss", {{"reduction", "median"}}), "must be none, mean or sum"));
}

TEST(ops, split) {
  const auto split = [](int64_t opset, const Attributes& attributes, const Strings& inputs) {
    GraphBuilder graph;
    graph.input("x", {6, "N"})
        .initializer(int64s("sizes", {2, 4}))
        .node("Split", inputs, {"y", "z"}, attributes)
        .output("y");
    return imported(model(graph.output("z"), opset));
  };
  EXPECT_EQ(split(11, {{"split", Integers{2, 4}}}, {"x"}), "split {sizes=[2, 4]} : f32[2,N]");
  EXPECT_EQ(split(13, {}, {"x", "sizes"}), "split {sizes=[2, 4]} : f32[2,N]");
  EXPECT_EQ(split(13, {}, {"x"}), "split {num_outputs=2} : f32[3,N]");
  EXPECT_EQ(split(18, {{"num_outputs", 2}}, {"x"}), "split {num_outputs=2} : f32[3,N]");
  EXPECT_TRUE(holds(split(18, {{"num_outputs", 3}}, {"x"}), "num_outputs is 3, but the node has 2 outputs"));
  EXPECT_TRUE(holds(split(11, {{"split", Integers{6}}}, {"x"}), "1 sizes for 2 outputs"));
}

TEST(ops, slice_and_pad_by_attributes) {
  EXPECT_EQ(imported(one_node(9, "Slice", {{"x", {5, "N"}}},
                              {{"starts", Integers{1}}, {"ends", Integers{3}}, {"axes", Integers{0}}})),
            "slice : f32[2,N]");
  EXPECT_EQ(imported(one_node(9, "Pad", {{"x", {5}}}, {{"pads", Integers{1, 2}}, {"value", 1.0f}})), "pad : f32[8]");
  EXPECT_EQ(imported(one_node(13, "Pad", {{"x", {5}}}, {{"mode", "edge"}}, {int64s("pads", {1, 2})}, {"x", "pads"})),
            "pad {mode=\"edge\"} : f32[8]");
}

TEST(ops, scatter) {
  EXPECT_EQ(imported(one_node(9, "Scatter", {{"x", {3}}, {"u", {1}}}, {}, {int64s("i", {1})}, {"x", "i", "u"})),
            "scatter_elements : f32[3]");
}

TEST(ops, softmax_of_a_matrix_before_opset_13) {
  EXPECT_EQ(imported(one_node(11, "Softmax", {{"x", {"N", 5}}})), "softmax : f32[N,5]");
  EXPECT_EQ(imported(one_node(11, "Softmax", {{"x", {"N", 2, 3}}})), "reshape; softmax; shape; reshape : f32[N,2,3]");
  EXPECT_EQ(imported(one_node(11, "LogSoftmax", {{"x", {4, 2, 3}}}, {{"axis", 2}})), "log_softmax : f32[4,2,3]");
  EXPECT_EQ(imported(one_node(11, "Hardmax", {{"x", {4, 2}}})), "hardmax : f32[4,2]");
  EXPECT_EQ(imported(one_node(13, "Softmax", {{"x", {"N", 2, 3}}}, {{"axis", 1}})), "softmax {axis=1} : f32[N,2,3]");
}

TEST(ops, reductions) {
  EXPECT_EQ(imported(one_node(13, "ReduceMean", {{"x", {2, 3}}}, {{"axes", Integers{1}}})),
            "reduce_mean {axes=[1]} : f32[2,1]");
  EXPECT_EQ(imported(one_node(18, "ReduceMean", {{"x", {2, 3}}}, {{"keepdims", 0}}, {int64s("a", {1})}, {"x", "a"})),
            "reduce_mean {axes=[1], keepdims=false} : f32[2]");
  EXPECT_EQ(imported(one_node(13, "ReduceSum", {{"x", {2, 3}}}, {}, {int64s("a", {-1})}, {"x", "a"})),
            "reduce_sum {axes=[-1]} : f32[2,1]");
  EXPECT_EQ(imported(one_node(13, "ReduceSum", {{"x", {2, 3}}}, {{"noop_with_empty_axes", 1}})), "identity : f32[2,3]");
  EXPECT_EQ(imported(one_node(13, "ReduceMax", {{"x", {2, 3}}}, {{"keepdims", 0}})),
            "reduce_max {axes=[0, 1], keepdims=false} : f32[]");
  for (const char* name :
       {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMin", "ReduceProd", "ReduceSumSquare"}) {
    EXPECT_TRUE(imported(one_node(13, name, {{"x", {2, 3}}})).ends_with(" : f32[1,1]")) << name;
  }
}

TEST(ops, global_pools) {
  EXPECT_EQ(imported(one_node(13, "GlobalAveragePool", {{"x", {"N", 8, 7, 7}}})),
            "reduce_mean {axes=[2, 3]} : f32[N,8,1,1]");
  EXPECT_EQ(imported(one_node(13, "GlobalMaxPool", {{"x", {1, 8, "L"}}})), "reduce_max {axes=[2]} : f32[1,8,1]");
  EXPECT_EQ(imported(one_node(13, "GlobalLpPool", {{"x", {1, 8, 4}}})), "reduce_l2 {axes=[2]} : f32[1,8,1]");
  EXPECT_TRUE(holds(imported(one_node(13, "GlobalMaxPool", {{"x", {1, 8}}})), "at least 3 dims, got f32[1,8]"));
}

TEST(ops, top_k) {
  EXPECT_EQ(imported(one_node(9, "TopK", {{"x", {2, 9}}}, {{"k", 3}})), "topk : f32[2,3]");
  EXPECT_EQ(imported(one_node(11, "TopK", {{"x", {2, 9}}}, {{"largest", 0}}, {int64s("k", {4})}, {"x", "k"})),
            "topk {largest=false} : f32[2,4]");
}

TEST(ops, convolutions_and_pools) {
  const Bytes w = floats("w", {4, 3, 1, 1}, Floats(12, 1));
  EXPECT_EQ(imported(one_node(11, "Conv", {{"x", {"N", 3, 8, 8}}},
                              {{"kernel_shape", Integers{1, 1}}, {"strides", Integers{2, 2}}}, {w}, {"x", "w"})),
            "conv {strides=[2, 2]} : f32[N,4,4,4]");
  EXPECT_TRUE(
      holds(imported(one_node(11, "Conv", {{"x", {1, 3, 8, 8}}}, {{"kernel_shape", Integers{3, 3}}}, {w}, {"x", "w"})),
            "kernel_shape does not fit the weights, which are f32[4,3,1,1]"));
  EXPECT_EQ(
      imported(one_node(11, "ConvTranspose", {{"x", {1, 4, 8, 8}}}, {{"strides", Integers{2, 2}}}, {w}, {"x", "w"})),
      "conv_transpose {strides=[2, 2]} : f32[1,3,15,15]");
  EXPECT_EQ(imported(one_node(11, "MaxPool", {{"x", {1, 3, 8, 8}}},
                              {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}})),
            "max_pool {kernel_shape=[2, 2], strides=[2, 2]} : f32[1,3,4,4]");
  EXPECT_EQ(imported(one_node(11, "AveragePool", {{"x", {1, 3, 8}}},
                              {{"kernel_shape", Integers{2}}, {"count_include_pad", 1}})),
            "average_pool {kernel_shape=[2], count_include_pad=true} : f32[1,3,7]");
  GraphBuilder indices;
  indices.input("x", {1, 3, 8}).node("MaxPool", {"x"}, {"y", "i"}, {{"kernel_shape", Integers{2}}}).output("y");
  EXPECT_EQ(imported(model(indices)), "max_pool {kernel_shape=[2]}; max_pool_indices {kernel_shape=[2]} : f32[1,3,7]");
}

TEST(ops, normalizations) {
  const Bytes one = floats("s", {4}, {1, 1, 1, 1});
  const std::string batch_norm = "batch_norm {epsilon=0.5} : f32[N,4,2]";
  const Strings five{"x", "s", "s", "s", "s"};
  EXPECT_EQ(imported(one_node(9, "BatchNormalization", {{"x", {"N", 4, 2}}}, {{"epsilon", 0.5f}, {"momentum", 0.9f}},
                              {one}, five)),
            batch_norm);
  EXPECT_EQ(imported(one_node(15, "BatchNormalization", {{"x", {"N", 4, 2}}}, {{"epsilon", 0.5f}, {"training_mode", 0}},
                              {one}, five)),
            batch_norm);
  EXPECT_EQ(imported(one_node(15, "BatchNormalization", {{"x", {"N", 4, 2}}}, {{"training_mode", 1}}, {one}, five)),
            "reduce_mean {axes=[0, 2]}; sub; reduce_mean {axes=[0, 2], keepdims=false}; mul; "
            "reduce_mean {axes=[0, 2], keepdims=false}; batch_norm : f32[N,4,2]");
  EXPECT_EQ(
      imported(one_node(17, "LayerNormalization", {{"x", {"N", 4}}}, {{"stash_type", 1}}, {one}, {"x", "s", "s"})),
      "layer_norm : f32[N,4]");
  EXPECT_EQ(imported(one_node(23, "RMSNormalization", {{"x", {"N", 4}}}, {}, {one}, {"x", "s"})),
            "rms_norm : f32[N,4]");
  EXPECT_EQ(
      imported(one_node(21, "GroupNormalization", {{"x", {"N", 4, 5}}}, {{"num_groups", 2}}, {one}, {"x", "s", "s"})),
      "group_norm {num_groups=2} : f32[N,4,5]");
  EXPECT_EQ(
      imported(one_node(18, "GroupNormalization", {{"x", {"N", 8, 5}}}, {{"num_groups", 4}}, {one}, {"x", "s", "s"})),
      "reshape; expand; reshape; reshape; expand; reshape; group_norm {num_groups=4} : f32[N,8,5]");
  EXPECT_EQ(imported(one_node(13, "LpNormalization", {{"x", {"N", 4}}})),
            "reduce_l2 {axes=[-1]}; equal; where; div : f32[N,4]");
  EXPECT_TRUE(
      imported(one_node(13, "MeanVarianceNormalization", {{"x", {"N", 4, 2, 2}}})).ends_with("div : f32[N,4,2,2]"));
}

TEST(ops, recurrent_ones_keep_the_places_of_absent_inputs) {
  const Bytes w = floats("w", {1, 12, 2}, Floats(24, 1)), r = floats("r", {1, 12, 3}, Floats(36, 1));
  GraphBuilder graph;
  graph.input("x", {"T", "N", 2})
      .input("h", {1, "N", 3})
      .initializer(w)
      .initializer(r)
      .node("LSTM", {"x", "w", "r", "", "", "h"}, {"y", "", "c"}, {{"hidden_size", 3}})
      .output("y")
      .output("c");
  Result<Model> lstm = import_model(model(graph));
  ASSERT_TRUE(lstm.ok()) << lstm.error().message;
  const Node& node = lstm->graph.node(0);
  EXPECT_EQ(to_string(node.op), "lstm {hidden_size=3}");
  ASSERT_EQ(node.inputs.size(), 6u);
  EXPECT_EQ(node.inputs[3], kAbsent);
  EXPECT_EQ(node.inputs[5], lstm->graph.inputs[1]);
  EXPECT_EQ(to_string(lstm->graph.type(lstm->graph.outputs[0])), "f32[T,1,N,3]");
  EXPECT_EQ(to_string(lstm->graph.type(lstm->graph.outputs[1])), "f32[1,N,3]");

  const Bytes w3 = floats("w", {1, 9, 2}, Floats(18, 1)), r3 = floats("r", {1, 9, 3}, Floats(27, 1));
  EXPECT_EQ(imported(one_node(14, "GRU", {{"x", {"T", 1, 2}}}, {{"hidden_size", 3}}, {w3, r3}, {"x", "w", "r"})),
            "gru {hidden_size=3} : f32[T,1,1,3]");
  const Bytes w1 = floats("w", {1, 3, 2}, Floats(6, 1)), r1 = floats("r", {1, 3, 3}, Floats(9, 1));
  EXPECT_EQ(imported(one_node(14, "RNN", {{"x", {"T", 1, 2}}}, {{"hidden_size", 3}}, {w1, r1}, {"x", "w", "r"})),
            "rnn {hidden_size=3} : f32[T,1,1,3]");
}

TEST(ops, resize_and_upsample) {
  const Bytes scales = floats("scales", {2}, {1, 2}), half = floats("scales", {2}, {1, 0.5f});
  const std::string doubled =
      "resize {coordinate_transformation_mode=\"asymmetric\", nearest_mode=\"floor\"} : f32[1,8]";
  EXPECT_EQ(imported(one_node(7, "Upsample", {{"x", {1, 4}}}, {{"scales", Floats{1, 2}}})), doubled);
  EXPECT_EQ(imported(one_node(9, "Upsample", {{"x", {1, 4}}}, {}, {scales}, {"x", "scales"})), doubled);
  EXPECT_EQ(imported(one_node(10, "Resize", {{"x", {1, 4}}}, {}, {scales}, {"x", "scales"})), doubled);
  EXPECT_TRUE(
      holds(imported(one_node(10, "Resize", {{"x", {1, 4}}}, {}, {half}, {"x", "scales"})), "nearest_mode=\"ceil\""));
  EXPECT_EQ(imported(one_node(13, "Resize", {{"x", {1, 4}}}, {{"mode", "linear"}},
                              {floats("none", {0}, {}), int64s("sizes", {1, 6})}, {"x", "none", "none", "sizes"})),
            "resize {mode=\"linear\"} : f32[1,6]");
}

TEST(ops, quantized_ones) {
  GraphBuilder dynamic;
  dynamic.input("x", {"N", 3})
      .node("DynamicQuantizeLinear", {"x"}, {"y", "s", "z"})
      .output("y")
      .output("s")
      .output("z");
  EXPECT_TRUE(imported(model(dynamic)).ends_with(" : u8[N,3]")) << imported(model(dynamic));
  GraphBuilder narrow;  // found by fuzzing: 255 is no i8
  narrow.input("x", {2}, kInt8).node("DynamicQuantizeLinear", {"x"}, {"y", "s", "z"}).output("y");
  EXPECT_TRUE(
      holds(imported(model(narrow)), "needs the constant 255, which is out of the range of its inputs' type i8"))
      << imported(model(narrow));
  GraphBuilder integer;
  integer.input("a", {"N", 3}, kUint8)
      .initializer(int32_field("b", kInt8, {3, 2}, {1, 2, 3, 4, 5, 6}))
      .initializer(int32_field("az", kUint8, {}, {128}))
      .node("MatMulInteger", {"a", "b", "az"}, {"y"})
      .output("y");
  EXPECT_EQ(imported(model(integer)), "cast {to=i32}; cast {to=i32}; sub; cast {to=i32}; matmul : i32[N,2]");
  GraphBuilder conv;
  conv.input("x", {1, 1, 4}, kUint8)
      .initializer(int32_field("w", kUint8, {2, 1, 3}, {1, 2, 3, 4, 5, 6}))
      .initializer(int32_field("z", kUint8, {}, {1}))
      .initializer(floats("s", {}, {0.5f}))
      .initializer(int32_field("b", kInt32, {2}, {1, 2}))
      .node("ConvInteger", {"x", "w"}, {"i"})
      .node("QLinearConv", {"x", "s", "z", "w", "s", "z", "s", "z", "b"}, {"y"})
      .output("y")
      .output("i");
  EXPECT_EQ(imported(model(conv)),
            "cast {to=i32}; cast {to=i32}; conv; dequantize_linear; dequantize_linear {axis=0}; mul; cast; mul; conv; "
            "quantize_linear : u8[1,2,2]");
  GraphBuilder each;
  each.input("x", {1, 1, 4}, kUint8)
      .initializer(int32_field("w", kUint8, {2, 1, 3}, {1, 2, 3, 4, 5, 6}))
      .initializer(int32_field("z", kUint8, {2}, {1, 2}))
      .node("ConvInteger", {"x", "w", "", "z"}, {"i"})
      .output("i");
  EXPECT_EQ(imported(model(each)),
            "unsqueeze {axes=[1, 2]}; cast {to=i32}; cast {to=i32}; cast {to=i32}; sub; conv : i32[1,2,2]");
  GraphBuilder matmul;
  matmul.input("a", {"N", 3}, kUint8)
      .initializer(int32_field("b", kUint8, {3, 2}, {1, 2, 3, 4, 5, 6}))
      .initializer(int32_field("z", kUint8, {}, {1}))
      .initializer(floats("s", {}, {0.5f}))
      .node("QLinearMatMul", {"a", "s", "z", "b", "s", "z", "s", "z"}, {"y"})
      .output("y");
  EXPECT_TRUE(imported(model(matmul)).ends_with("matmul; quantize_linear : u8[N,2]")) << imported(model(matmul));
}

TEST(ops, sequences_and_optionals) {
  const auto through = [](const Bytes& type, const std::string& op, const Attributes& attributes = {}) {
    GraphBuilder graph;
    if (!type.empty()) graph.add(11, typed_value("x", type));
    return imported(model(graph.node(op, type.empty() ? Strings{} : Strings{"x"}, {"y"}, attributes).output("y"), 18));
  };
  const Bytes tensor = tensor_type(kFloat, {2, "N"}), sequence = wrapped_type(4, tensor);
  EXPECT_EQ(through(sequence, "SequenceLength"), "sequence_length : i64[]");
  EXPECT_EQ(through(sequence, "SequenceErase"), "sequence_erase : seq(f32[2,\"?\"])");
  EXPECT_EQ(through(sequence, "ConcatFromSequence", {{"axis", 1}, {"new_axis", 1}}),
            "concat_from_sequence {axis=1, new_axis=true} : f32[2,item,item.1]");
  EXPECT_EQ(through("", "SequenceEmpty", {{"dtype", 7}}), "sequence_empty {dtype=i64} : seq(i64[?])");
  EXPECT_EQ(through("", "SequenceEmpty"), "sequence_empty : seq(f32[?])");
  EXPECT_EQ(through(tensor, "Optional"), "optional : opt(f32[2,N])");
  EXPECT_EQ(through("", "Optional", {Attribute::type("type", tensor)}), "optional : opt(f32[?])");
  EXPECT_EQ(through("", "Optional", {Attribute::type("type", sequence)}),
            "optional {sequence=true} : opt(seq(f32[?]))");
  EXPECT_TRUE(holds(through("", "Optional"), "attribute 'type' must hold a type"));
  EXPECT_EQ(through(wrapped_type(9, sequence), "OptionalGetElement"), "optional_get_element : seq(f32[2,\"?\"])");
  EXPECT_EQ(through(wrapped_type(9, tensor), "OptionalHasElement"), "optional_has_element : bool[]");
  EXPECT_TRUE(holds(through(wrapped_type(4, sequence), "SequenceLength"), "nothing else is supported"));
  EXPECT_TRUE(holds(through(sequence, "Relu"), "relu: input 0 must be a tensor, got seq(f32[2,\"?\"])"));
}

TEST(ops, attention) {
  EXPECT_EQ(
      imported(one_node(23, "Attention", {{"q", {"N", 8, "S", 16}}, {"k", {"N", 8, "S", 16}}, {"v", {"N", 8, "S", 16}}},
                        {{"is_causal", 1}})),
      "attention {heads=8, kv_heads=8, causal=true, layout=\"bhsd\", zero_masked_rows=true} : f32[N,8,S,16]");
}

std::string ops_only(const std::string& text) { return text.substr(0, text.find(" : ")); }

// Sums, transpositions and products of matrices where they do; else the operator.
TEST(ops, einsum) {
  const auto one = [](const char* equation, const std::vector<AxisDim>& x) {
    return imported(one_node(12, "Einsum", {{"x", x}}, {{"equation", equation}}));
  };
  EXPECT_EQ(one("ij->ji", {"N", 3}), "transpose {perm=[1, 0]} : f32[3,N]");
  EXPECT_EQ(one("ij->i", {"N", 3}), "reduce_sum {axes=[1], keepdims=false} : f32[N]");
  EXPECT_EQ(one("ii->i", {3, 3}), "einsum {equation=\"ii->i\"} : f32[3]");
  EXPECT_EQ(one("ij->ij", {"N", 3}), "einsum {equation=\"ij->ij\"} : f32[N,3]");
  EXPECT_TRUE(holds(one("ij->ik", {2, 3}), "must have labels of its operands"));
  EXPECT_TRUE(holds(one("ijk", {2, 3}), "does not fit an operand of rank 2"));
  const auto two = [](const char* equation, const std::vector<AxisDim>& x, const std::vector<AxisDim>& y) {
    return imported(one_node(12, "Einsum", {{"x", x}, {"z", y}}, {{"equation", equation}}));
  };
  EXPECT_EQ(two("bij,bjk->bik", {"B", 2, 3}, {"B", 3, 4}), "matmul : f32[B,2,4]");
  EXPECT_EQ(two("bhid,bhjd->bhij", {"B", 8, "S", 16}, {"B", 8, "T", 16}),
            "transpose {perm=[0, 1, 3, 2]}; matmul : f32[B,8,S,T]");
  EXPECT_EQ(two("i,i->", {"N"}, {"N"}),
            "unsqueeze {axes=[0]}; unsqueeze {axes=[1]}; matmul; squeeze {axes=[0, 1]} : f32[]");
  EXPECT_EQ(ops_only(two("bcij,cdij->bd", {"B", 3, 4, 5}, {3, 7, 4, 5})),
            "reshape; transpose {perm=[1, 0, 2, 3]}; reshape; "
            "transpose {perm=[1, 0]}; matmul");
  EXPECT_EQ(two("ij,kl->ik", {2, 3}, {4, 5}), "einsum {equation=\"ij,kl->ik\"} : f32[2,4]")
      << "j and l are summed alone";
}

TEST(ops, attention_in_parts) {
  const std::vector<AxisDim> now = {"N", 2, 1, 8}, before = {"N", 2, "P", 8};
  GraphBuilder cached;
  cached.input("q", now).input("k", now).input("v", now).input("pk", before).input("pv", before);
  cached.node("Attention", {"q", "k", "v", "", "pk", "pv"}, {"y", "present"}, {{"is_causal", 1}}).output("y");
  const std::string with_cache = imported(model(cached, 23));
  EXPECT_TRUE(holds(with_cache, "concat {axis=2}")) << with_cache;
  EXPECT_TRUE(holds(with_cache, "less_equal; where; attention {heads=2, kv_heads=2")) << with_cache;
  EXPECT_TRUE(holds(with_cache, ": f32[N,2,1,8]")) << with_cache;
  const std::vector<std::pair<std::string, std::vector<AxisDim>>> plain = {{"q", now}, {"k", now}, {"v", now}};
  const std::string capped = imported(one_node(23, "Attention", plain, {{"softcap", 2.0f}}));
  EXPECT_TRUE(holds(capped, "tanh; mul; softmax")) << capped;
  GraphBuilder half;
  half.input("q", now).input("k", now).input("v", now).input("pk", before);
  half.node("Attention", {"q", "k", "v", "", "pk"}, {"y"}).output("y");
  EXPECT_TRUE(holds(imported(model(half, 23)), "past_key and past_value come together"));
  EXPECT_TRUE(holds(imported(one_node(25, "Attention", plain, {{"left_window_size", -2}})), "-1 or more"));
}

TEST(ops, rotary_embedding) {
  const std::vector<std::pair<std::string, std::vector<AxisDim>>> inputs = {
      {"x", {"N", "S", 16}}, {"cos", {"N", "S", 4}}, {"sin", {"N", "S", 4}}};
  const std::string plain = imported(one_node(23, "RotaryEmbedding", inputs, {{"num_heads", 2}}));
  EXPECT_TRUE(holds(plain, "split {axis=-1, num_outputs=2}")) << plain;
  EXPECT_TRUE(holds(plain, ": f32[N,S,16]")) << plain;
  EXPECT_TRUE(holds(imported(one_node(23, "RotaryEmbedding", inputs)), "num_heads be given"));
  EXPECT_TRUE(holds(imported(one_node(23, "RotaryEmbedding", inputs, {{"num_heads", 2}, {"rotary_embedding_dim", 3}})),
                    "must be even, got 3"));
}

TEST(ops, signals_and_grids) {
  GraphBuilder window;
  window.input("n", {}, kInt64).node("HannWindow", {"n"}, {"y"}, {{"periodic", 0}}).output("y");
  EXPECT_TRUE(holds(imported(model(window)), "cos; mul; add; cast : f32["));
  EXPECT_EQ(imported(one_node(17, "DFT", {{"x", {"N", 8, 1}}}, {{"onesided", 1}})),
            "dft {axis=1, onesided=true} : f32[N,5,2]");
  EXPECT_EQ(imported(one_node(16, "GridSample", {{"x", {1, 2, 4, 4}}, {"g", {1, 3, 3, 2}}}, {{"mode", "bicubic"}})),
            "grid_sample {mode=\"cubic\"} : f32[1,2,3,3]");
  GraphBuilder grid;
  grid.input("theta", {"N", 2, 3}).initializer(int64s("size", {1, 1, 4, 5}));
  grid.node("AffineGrid", {"theta", "size"}, {"y"}).output("y");
  EXPECT_TRUE(holds(imported(model(grid, 20)), "matmul; ")) << imported(model(grid, 20));
}

TEST(ops, what_newer_opsets_added) {
  EXPECT_EQ(imported(one_node(28, "SwiGLU", {{"a", {"N"}}, {"b", {"N"}}})), "mul; sigmoid; mul; mul : f32[N]");
  EXPECT_EQ(imported(one_node(28, "SpaceToDepth", {{"x", {"N", 3, 4, 4}}}, {{"blocksize", 2}})),
            "space_to_depth {blocksize=2} : f32[N,12,2,2]");
  EXPECT_TRUE(
      holds(imported(one_node(28, "SpaceToDepth", {{"x", {"N", 3, 4, 4}}}, {{"blocksize", 2}, {"mode", "CRD"}})),
            "transpose {perm=[0, 2, 1, 3, 4]}; reshape"));
  EXPECT_EQ(imported(one_node(18, "LpPool", {{"x", {"N", 3, 4}}}, {{"kernel_shape", Integers{2}}, {"p", 3}})),
            "abs; pow; average_pool {kernel_shape=[2], count_include_pad=true}; mul; pow : f32[N,3,3]");
  const std::string cast = imported(one_node(19, "Cast", {{"x", {2}}}, {{"to", 17}, {"saturate", 0}}));
  EXPECT_EQ(cast, "cast {to=f8e4m3, saturate=false} : f8e4m3[2]");
  EXPECT_EQ(imported(one_node(24, "Cast", {{"x", {2}}}, {{"to", 24}, {"round_mode", "down"}})),
            "cast {to=f8e8m0, round_mode=\"down\"} : f8e8m0[2]");
  EXPECT_EQ(imported(one_node(24, "Cast", {{"x", {2}}}, {{"to", 10}, {"round_mode", "down"}, {"saturate", 0}})),
            "cast {to=f16} : f16[2]");
  GraphBuilder norm;
  norm.input("x", {"N", 4}).initializer(floats("s", {4}, {1, 1, 1, 1}));
  norm.node("LayerNormalization", {"x", "s"}, {"z", "y", "d"}).output("y").output("d").output("z");
  EXPECT_EQ(imported(model(norm)),
            "reduce_mean {axes=[1]}; sub; mul; reduce_mean {axes=[1]}; add; layer_norm; "
            "reduce_mean {axes=[1]}; sqrt; reciprocal : f32[N,1]");
}

}  // namespace
}  // namespace mj::onnx
