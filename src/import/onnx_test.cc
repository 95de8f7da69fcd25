// SPDX-License-Identifier: Apache-2.0
#include "import/onnx.h"

#include <climits>

#include "base/log.h"
#include "import/import_test_util.h"

namespace mj::onnx {
namespace {

using namespace test;

Bytes add_model() {
  GraphBuilder graph;
  graph.input("x", {"N", 3}).initializer(floats("w", {3}, {1, 2, 3})).node("Add", {"x", "w"}, {"y"}).output("y");
  return model(graph);
}

TEST(import, names_types_and_header) {
  Result<Model> model = import_model(add_model());
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->opset, 17);
  EXPECT_EQ(model->producer, "test");
  const mj::Graph& graph = model->graph;
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.value(graph.inputs[0]).name, "x");
  EXPECT_EQ(to_string(graph.type(graph.inputs[0])), "f32[N,3]");
  ASSERT_EQ(graph.outputs.size(), 1u);
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
  EXPECT_EQ(to_string(graph.type(graph.outputs[0])), "f32[N,3]");
  EXPECT_EQ(model->hash, import_model(add_model())->hash);
}

TEST(import, dimensions_without_a_name_become_symbols_of_their_own) {
  GraphBuilder graph;
  graph.input("a", {"N", "", "?", -1})
      .input("b", {"N", "a.1"})
      .input_without_shape("c")
      .node("Relu", {"a"}, {"y"})
      .output("y");
  Result<Model> model = import_model(test::model(graph));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const mj::Graph& g = model->graph;
  EXPECT_EQ(g.shape(g.inputs[0])[0], g.shape(g.inputs[1])[0]);
  EXPECT_NE(g.shape(g.inputs[0])[1], g.shape(g.inputs[0])[2]);
  EXPECT_NE(g.shape(g.inputs[0])[2], g.shape(g.inputs[0])[3]);
  EXPECT_NE(g.shape(g.inputs[0])[1], g.shape(g.inputs[1])[1]) << "a made-up symbol took a name of the model";
  EXPECT_FALSE(g.type(g.inputs[2]).ranked());
}

TEST(import, an_initializer_that_is_an_input_is_a_constant) {
  GraphBuilder graph;
  graph.input("x", {2})
      .input("w", {2})
      .initializer(floats("w", {2}, {1, 2}))
      .node("Mul", {"x", "w"}, {"y"})
      .output("y");
  Result<Model> model = import_model(test::model(graph));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->graph.inputs.size(), 1u);
}

TEST(import, outputs_keep_their_names) {
  GraphBuilder graph;
  graph.input("x", {2})
      .initializer(floats("w", {2}, {1, 2}))
      .node("Identity", {"x"}, {"same"})
      .node("Relu", {"x"}, {"r"})
      .node("Identity", {"r"}, {"also"})
      .output("same")
      .output("r")
      .output("also")
      .output("w");
  Result<Model> model = import_model(test::model(graph));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const mj::Graph& g = model->graph;
  std::string names;
  for (ValueId id : g.outputs) names += g.value(id).name + " ";
  EXPECT_EQ(names, "same r also w ");
  EXPECT_EQ(g.value(g.inputs[0]).name, "x");
}

TEST(import, outputs_are_what_the_model_says_they_are) {
  std::string said;
  set_log_sink([&](LogLevel, std::string_view message) { said = message; });
  const auto declared = [&](const std::vector<AxisDim>& dims, int32_t type = kFloat) {
    GraphBuilder graph;
    graph.input("x", {"N", 3}).node("Neg", {"x"}, {"y"}).output("y", dims, type);
    said.clear();
    return error_of(model(graph));
  };
  EXPECT_EQ(
      declared({"N", 3}, kInt64),
      "output 'y' is declared as i64, but the graph makes f32[N,3]; export the model anew, or mend the declaration");
  EXPECT_EQ(declared({"M", 3}), "no error");
  EXPECT_EQ(said, "") << "other names of the same size are nothing wrong";
  EXPECT_EQ(declared({"N", 4}), "no error");
  EXPECT_EQ(said, "output 'y' is declared as f32[\"?\",4], but the graph makes f32[N,3]");
  EXPECT_EQ(declared({"N"}), "no error");
  EXPECT_EQ(said, "output 'y' is declared as f32[\"?\"], but the graph makes f32[N,3]");
  set_log_sink({});
}

TEST(import, all_unsupported_operators_at_once) {
  GraphBuilder graph;
  graph.input("x", {2})
      .node("Foo", {"x"}, {"a"}, {}, "foo_0", "custom")
      .node("Relu", {"a"}, {"b"})
      .node("Foo", {"b"}, {"c"}, {}, "foo_1", "custom")
      .node("NoSuchThing", {"c"}, {"d"})
      .node("Mystery", {"d"}, {"y"}, {}, "m", "unlisted.domain")
      .output("y");
  Result<Model> model = import_model(test::model(graph));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::unsupported);
  EXPECT_EQ(
      model.error().message,
      "the model uses operators that are not supported:\n"
      "  Foo (custom, opset 1); 2 nodes: foo_0 (Foo), foo_1 (Foo)\n"
      "  NoSuchThing (ai.onnx, opset 17); 1 node: #3 of type NoSuchThing\n"
      "  Mystery (unlisted.domain, a domain without opset); 1 node: m (Mystery)\n"
      "write such an operator as a plugin (millijoule/plugin.h) and name it with --plugin FILE, or leave nodes to "
      "ONNX Runtime, by name or type: --fallback ort:Foo --fallback ort:NoSuchThing --fallback ort:Mystery");
}

TEST(import, opsets_that_we_do_not_know) {
  GraphBuilder graph;
  graph.input("x", {2}).node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_TRUE(holds(error_of(model(graph, 0)), "opset 0"));
  EXPECT_TRUE(holds(error_of(model(graph, 999)), "opset 999"));
  EXPECT_EQ(error_of(model(graph, 6)), "no error");
}

TEST(import, cycles_and_unknown_names) {
  GraphBuilder cycle;
  cycle.input("x", {2}).node("Add", {"x", "b"}, {"a"}, {}, "first").node("Relu", {"a"}, {"b"}).output("b");
  EXPECT_TRUE(holds(error_of(model(cycle)), "first (Add): 'b' is not defined")) << error_of(model(cycle));
  GraphBuilder twice;
  twice.input("x", {2}).node("Relu", {"x"}, {"y"}).node("Abs", {"x"}, {"y"}).output("y");
  EXPECT_TRUE(holds(error_of(model(twice)), "'y' is defined twice"));
  GraphBuilder missing;
  missing.input("x", {2}).node("Relu", {"x"}, {"y"}).output("z");
  EXPECT_TRUE(holds(error_of(model(missing)), "'z' is not defined"));
}

TEST(import, errors_name_the_node_and_what_was_found) {
  GraphBuilder graph;
  graph.input("x", {2, 3}).node("Softmax", {"x"}, {"y"}, {{"axis", 5}}, "probs").output("y");
  EXPECT_TRUE(holds(error_of(model(graph)), "probs (Softmax)")) << error_of(model(graph));
  GraphBuilder typed;
  typed.input("x", {2, 3}).node("Softmax", {"x"}, {"y"}, {{"axis", 1.0f}}, "probs").output("y");
  EXPECT_TRUE(holds(error_of(model(typed)), "attribute 'axis' must be of type int, got float"));
  GraphBuilder unknown;
  unknown.input("x", {2, 3}).node("Relu", {"x"}, {"y"}, {{"slope", 1}}, "r").output("y");
  EXPECT_TRUE(holds(error_of(model(unknown)), "attribute 'slope' is not known"));
  GraphBuilder two_outputs;
  two_outputs.input("x", {2, 3}).node("Relu", {"x"}, {"y", "z"}, {}, "r").output("y");
  EXPECT_TRUE(holds(error_of(model(two_outputs)), "output 1 ('z')"));
}

// --- functions

TEST(import, functions_are_inlined_with_their_attributes) {
  const std::vector<Bytes> functions{function(
      "custom", "Leaky", {"a"}, {"r"}, {"slope"},
      {node("LeakyRelu", {"a"}, {"t"}, {Attribute::reference("alpha", "slope", 1)}), node("Neg", {"t"}, {"r"})})};
  GraphBuilder graph;
  graph.input("x", {2})
      .node("Leaky", {"x"}, {"m"}, {{"slope", 0.25f}}, "f1", "custom")
      .node("Leaky", {"m"}, {"y"}, {}, "f2", "custom")
      .output("y");
  Result<Model> model = import_model(test::model(graph, 17, functions));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(ops_of(model->graph), "leaky_relu {alpha=0.25}; neg; leaky_relu; neg");
  EXPECT_EQ(model->graph.value(model->graph.outputs[0]).name, "y");
}

TEST(import, functions_that_call_themselves_are_refused) {
  const std::vector<Bytes> functions{
      function("custom", "A", {"a"}, {"r"}, {}, {node("B", {"a"}, {"r"}, {}, "b", "custom")}),
      function("custom", "B", {"a"}, {"r"}, {}, {node("A", {"a"}, {"r"}, {}, "a", "custom")})};
  GraphBuilder graph;
  graph.input("x", {2}).node("A", {"x"}, {"y"}, {}, "start", "custom").output("y");
  EXPECT_TRUE(holds(error_of(model(graph, 17, functions)), "calls itself"));
}

TEST(import, functions_that_multiply_run_out_of_budget) {
  std::vector<Bytes> functions;
  functions.push_back(function("custom", "F0", {"a"}, {"r"}, {}, {node("Relu", {"a"}, {"r"})}));
  for (int i = 1; i < 40; ++i) {
    const std::string inner = "F" + std::to_string(i - 1);
    functions.push_back(
        function("custom", "F" + std::to_string(i), {"a"}, {"r"}, {},
                 {node(inner, {"a"}, {"t"}, {}, "", "custom"), node(inner, {"t"}, {"r"}, {}, "", "custom")}));
  }
  GraphBuilder graph;
  graph.input("x", {2}).node("F39", {"x"}, {"y"}, {}, "start", "custom").output("y");
  ImportOptions options;
  options.limits.nodes = 1000;
  Result<Model> result = import_model(model(graph, 17, functions), std::nullopt, options);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(holds(result.error().message, "more than 1000 nodes"));
}

// --- If

Bytes branch(const std::string& op, const std::string& input, const std::string& output) {
  GraphBuilder graph;
  return graph.node(op, {input}, {output}).output(output).bytes;
}

TEST(import, both_branches_of_an_if_take_the_same_captures) {
  GraphBuilder then_branch, else_branch;
  then_branch.node("Add", {"x", "w"}, {"t"}).output("t");
  else_branch.initializer(floats("k", {1}, {2})).node("Mul", {"z", "k"}, {"e"}).output("e");
  GraphBuilder graph;
  graph.input("c", {}, kBool)
      .input("x", {"N", 2})
      .input("z", {4, 2})
      .initializer(floats("w", {2}, {1, 2}))
      .node("If", {"c"}, {"y"},
            {Attribute::graph("then_branch", then_branch.bytes), Attribute::graph("else_branch", else_branch.bytes)},
            "choose")
      .output("y");
  Result<Model> model = import_model(test::model(graph));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const mj::Graph& g = model->graph;
  ASSERT_EQ(ops_of(g), "if");
  const Node& node = g.node(g.order()[0]);
  EXPECT_EQ(node.inputs, (std::vector<ValueId>{g.inputs[0], g.inputs[1], g.inputs[2]})) << "constants are not captured";
  ASSERT_EQ(node.regions.size(), 2u);
  EXPECT_EQ(node.regions[0].inputs.size(), 2u);
  EXPECT_EQ(node.regions[1].inputs.size(), 2u);
  EXPECT_EQ(ops_of(node.regions[0]), "add");
  EXPECT_EQ(ops_of(node.regions[1]), "mul");
  EXPECT_EQ(g.type(g.outputs[0]).rank(), 2);
}

TEST(import, ifs_that_do_not_agree) {
  GraphBuilder integers;
  integers.node("Cast", {"x"}, {"t"}, {{"to", kInt64}}).output("t");
  const auto with = [&](const Bytes& then_branch, const Bytes& else_branch) {
    GraphBuilder graph;
    graph.input("c", {}, kBool)
        .input("x", {2})
        .node("If", {"c"}, {"y"},
              {Attribute::graph("then_branch", then_branch), Attribute::graph("else_branch", else_branch)}, "choose")
        .output("y");
    return model(graph);
  };
  EXPECT_EQ(error_of(with(branch("Relu", "x", "r"), branch("Abs", "x", "r"))), "no error");
  EXPECT_TRUE(holds(error_of(with(integers.bytes, branch("Relu", "x", "r"))), "i64[2] in one branch"));
  EXPECT_TRUE(
      holds(error_of(with(branch("Relu", "nothing", "r"), branch("Relu", "x", "r"))), "'nothing' is not defined"));
  EXPECT_TRUE(holds(error_of(with(branch("Foo", "x", "r"), branch("Relu", "x", "r"))), "Foo (ai.onnx, opset 17)"));
  EXPECT_TRUE(holds(error_of(with(branch("Relu", "x", "r"), GraphBuilder().bytes)), "outputs"));
}

// "squeeze it if it is 1": only the branch that fits what follows can have been meant.
TEST(import, a_branch_that_cannot_be_followed_is_not_taken) {
  GraphBuilder squeeze, leave;
  squeeze.node("Squeeze", {"x", "axis"}, {"s"}).output("s");
  leave.node("Identity", {"x"}, {"i"}).output("i");
  const auto with = [&](const std::vector<AxisDim>& dims, const std::string& next) {
    GraphBuilder graph;
    graph.input("x", dims)
        .initializer(int64s("axis", {1}))
        .initializer(int64s("one", {1}))
        .initializer(floats("w", {3, 4}, Floats(12, 1)))
        .node("Shape", {"x"}, {"shape"})
        .node("Gather", {"shape", "axis"}, {"length"})
        .node("Equal", {"length", "one"}, {"is_one"})
        .node("Squeeze", {"is_one"}, {"c"})
        .node("If", {"c"}, {"t"},
              {Attribute::graph("then_branch", squeeze.bytes), Attribute::graph("else_branch", leave.bytes)})
        .node(next, next == "Gemm" ? Strings{"t", "w"} : Strings{"t"}, {"y"})
        .output("y");
    Result<Model> result = import_model(model(graph));
    if (!result.ok()) return result.error().message;
    const std::string ops = ops_of(result->graph);
    return ops.substr(ops.find("; ", ops.find("equal; ")) + 2) + " : " +
           to_string(result->graph.type(result->graph.outputs[0]));
  };
  EXPECT_EQ(with({"N", 1, 3}, "Gemm"), "squeeze {axes=[0]}; squeeze {axes=[1]}; gemm : f32[N,4]") << "known";
  EXPECT_EQ(with({"N", 2, 3}, "Identity"), "squeeze {axes=[0]}; identity : f32[N,2,3]") << "known";
  EXPECT_EQ(with({"N", "L", 3}, "Gemm"), "squeeze {axes=[0]}; squeeze {axes=[1]}; gemm : f32[N,4]")
      << "gemm takes a matrix";
  EXPECT_EQ(with({"N", "L", 3}, "Identity"), "squeeze {axes=[0]}; if : f32[?]") << "either will do";
}

// --- Loop and what is one

GraphBuilder adding_body() {
  GraphBuilder body;
  body.input("i", {}, kInt64)
      .input("go_on", {}, kBool)
      .input("a", {"c"})
      .node("Identity", {"go_on"}, {"go_on_too"})
      .node("Add", {"a", "w"}, {"b"})
      .output("go_on_too")
      .output("b")
      .output("b");
  return body;
}

TEST(import, a_loop_captures_and_knows_how_often_it_runs) {
  GraphBuilder graph;
  graph.input("w", {"N"})
      .input("x", {"N"})
      .node("Shape", {"x"}, {"m"})
      .node("Loop", {"m", "", "x"}, {"y", "all"}, {Attribute::graph("body", adding_body().bytes)}, "adds")
      .output("y")
      .output("all");
  Result<Model> model = import_model(test::model(graph));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const mj::Graph& g = model->graph;
  EXPECT_EQ(ops_of(g), "shape; loop {carried=1}");
  const Node& node = g.node(g.order()[1]);
  EXPECT_EQ(node.inputs, (std::vector<ValueId>{g.node(g.order()[0]).outputs[0], kAbsent, g.inputs[1], g.inputs[0]}));
  EXPECT_EQ(ops_of(node.regions[0]), "add");
  EXPECT_EQ(to_string(g.type(g.outputs[0])), "f32[N]");
  EXPECT_EQ(to_string(g.type(g.outputs[1])), "f32[N,N]") << "as many as x has elements";
}

// The first run has one row, the next two: the body must hold for any number.
TEST(import, what_a_loop_carries_may_grow) {
  GraphBuilder body;
  body.input("i", {}, kInt64)
      .input("go_on", {}, kBool)
      .input("a", {})
      .node("Concat", {"a", "x"}, {"b"}, {{"axis", 0}})
      .output("go_on")
      .output("b");
  GraphBuilder graph;
  graph.input("m", {}, kInt64)
      .input("x", {1, 2})
      .node("Loop", {"m", "", "x"}, {"y"}, {Attribute::graph("body", body.bytes)}, "grow")
      .output("y");
  Result<Model> model = import_model(test::model(graph));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const mj::Graph& g = model->graph;
  EXPECT_EQ(to_string(g.type(g.outputs[0])), "f32[loop,2]");
  const mj::Graph& inner = g.node(g.order()[0]).regions[0];
  EXPECT_EQ(to_string(inner.type(inner.inputs[1])), "f32[carried,2]");
  EXPECT_EQ(to_string(inner.type(inner.outputs[1])), "f32[carried + 1,2]");
}

TEST(import, loops_that_do_not_fit) {
  const auto with = [&](const Strings& inputs, const GraphBuilder& body) {
    GraphBuilder graph;
    graph.input("w", {"N"}).input("m", {}, kInt64).input("ms", {2}, kInt64).input("c", {}, kBool).input("x", {"N"});
    graph.node("Loop", inputs, {"y"}, {Attribute::graph("body", body.bytes)}, "adds").output("y");
    return error_of(model(graph));
  };
  EXPECT_EQ(with({"m", "c", "x"}, adding_body()), "no error");
  EXPECT_EQ(with({"m", "", "x"}, adding_body()), "no error");
  EXPECT_EQ(with({"", "c", "x"}, adding_body()), "no error");
  EXPECT_TRUE(holds(with({"x", "c", "x"}, adding_body()), "input 'M' must be one i64, got f32[N]"));
  EXPECT_TRUE(holds(with({"ms", "c", "x"}, adding_body()), "input 'M' must be one i64, got i64[2]"));
  EXPECT_TRUE(holds(with({"m", "m", "x"}, adding_body()), "input 'cond' must be one bool"));
  EXPECT_TRUE(holds(with({"m", "c"}, adding_body()), "it carries 0 values, so its body needs 2 inputs"));
  EXPECT_TRUE(holds(with({"m", "c", "m"}, adding_body()), "add"));
  GraphBuilder odd = adding_body();
  EXPECT_TRUE(holds(with({"m", "c", "x"}, odd.node("Foo", {"b"}, {"f"}).output("f")), "Foo (ai.onnx, opset 17)"));
  GraphBuilder integer;
  integer.input("i", {}, kInt64).input("go_on", {}, kBool).input("a", {"c"}).output("go_on").output("i");
  EXPECT_TRUE(holds(with({"m", "c", "x"}, integer), "it is f32[N] before the first run and i64[] after one"));
  GraphBuilder no_bool;
  no_bool.input("i", {}, kInt64).input("go_on", {}, kBool).input("a", {"c"}).output("i").output("a");
  EXPECT_TRUE(holds(with({"m", "c", "x"}, no_bool), "condition must be one bool, got i64[]"));
}

TEST(import, a_scan_is_a_loop_over_slices) {
  GraphBuilder body;
  body.input("s", {"c"})
      .input("e", {"c"})
      .node("Add", {"s", "e"}, {"t"})
      .node("Mul", {"t", "k"}, {"u"})
      .output("t")
      .output("u");
  const auto with = [&](const Attributes& more, const std::vector<AxisDim>& dims = {3, "T", "N"}) {
    Attributes attributes = {Attribute::graph("body", body.bytes), {"num_scan_inputs", 1}};
    attributes.insert(attributes.end(), more.begin(), more.end());
    GraphBuilder graph;
    graph.input("s", {3, "N"}).input("x", dims).initializer(floats("k", {1}, {2}));
    graph.node("Scan", {"s", "x"}, {"y", "z"}, attributes, "sums").output("y").output("z");
    Result<Model> result = import_model(model(graph));
    if (!result.ok()) return result.error().message;
    const mj::Graph& g = result->graph;
    return fmt::format("{} : {}, {}", ops_of(g), to_string(g.type(g.outputs[0])), to_string(g.type(g.outputs[1])));
  };
  EXPECT_EQ(with({{"scan_input_axes", Integers{1}}}),
            "scan_length {axes=[1]}; loop {carried=1} : f32[3,N], f32[T,3,N]");
  EXPECT_EQ(with({{"scan_input_axes", Integers{-2}}, {"scan_output_axes", Integers{-1}}}),
            "scan_length {axes=[1]}; loop {carried=1}; transpose {perm=[1, 2, 0]} : f32[3,N], f32[3,N,T]");
  EXPECT_TRUE(holds(with({{"scan_input_axes", Integers{3}}}), "a scan input's axis must be in [-3, 2], got 3"));
  EXPECT_TRUE(holds(with({{"scan_input_axes", Integers{0, 1}}}), "must have 1 values, it has 2"));
  EXPECT_EQ(with({}, {"T", 4}), "scan_length {axes=[0]}; loop {carried=1} : f32[3,loop], f32[T,3,4]")
      << "N may be 1 before the first run";
}

// --- malformed

TEST(import, truncations_and_flipped_bits_give_errors_of_ours) {
  const Bytes bytes = add_model();
  for (size_t size = 0; size < bytes.size(); ++size) (void)import_model(bytes.substr(0, size)).ok();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    (void)import_model(flipped).ok();
  }
}

TEST(import, inputs_of_more_than_all_memory_are_refused_by_name) {
  GraphBuilder graph;
  graph.input("x", {INT_MAX, INT_MAX, 4}).node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_TRUE(holds(error_of(model(graph)), "input 'x'"));
}

TEST(import, sparse_initializers_are_refused_by_name) {
  GraphBuilder graph;
  graph.input("x", {2});
  graph.add(15, message([](auto& w) { w.add_message(1, floats("sparse_w", {1}, {1})); }));
  graph.node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_TRUE(holds(error_of(model(graph)), "'sparse_w' is sparse"));
}

}  // namespace
}  // namespace mj::onnx
