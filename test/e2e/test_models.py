# SPDX-License-Identifier: Apache-2.0
"""Forms that ONNX files come in: opsets, weights in every place, functions, branches, dimensions without a value."""

import numpy as np
import onnx
import pytest
from conftest import model_of, normal
from onnx import TensorProto, helper, numpy_helper


def with_weights(model, **weights):
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    return model


@pytest.mark.parametrize("opset", range(7, onnx.defs.onnx_opset_version() + 1))
def test_every_opset(bench, opset):
    model = model_of("""agraph (float[N,4] x) => (float[N,3] y) {
        h = MatMul(x, w)  a = Add(h, b)  r = Relu(a)  y = Softmax<axis = 1>(r)
    }""", opset)
    model = with_weights(model, w=normal(4, 3), b=normal(3, seed=1))
    bench.agree(model, {"x": normal(1, 4)}, {"x": normal(5, 4)})


OLD_FORMS = {
    "clip_by_attributes": (7, "(float[N,4] x) => (float[N,4] y) { y = Clip<min = -0.5, max = 0.5>(x) }"),
    "clip_by_inputs": (13, """(float[N,4] x) => (float[N,4] y) {
        low = Constant<value = float {-0.5}>()  y = Clip(x, low) }"""),
    "slice_by_attributes": (9, """(float[N,4] x) => (float[N,2] y) {
        y = Slice<axes = [1], starts = [1], ends = [3]>(x) }"""),
    "slice_backwards": (13, """(float[N,4] x) => (float[N,4] y) {
        s = Constant<value = int64[1] {-1}>()  e = Constant<value = int64[1] {-9}>()
        a = Constant<value = int64[1] {1}>()
        y = Slice(x, s, e, a, s) }"""),
    "pad_by_attributes": (9, "(float[N,4] x) => (float[M,6] y) { y = Pad<pads = [0,1,0,1], value = 2.0>(x) }"),
    "pad_reflect": (13, """(float[N,4] x) => (float[N,7] y) {
        p = Constant<value = int64[4] {0,2,0,1}>()  y = Pad<mode = "reflect">(x, p) }"""),
    "squeeze_by_attributes": (11, """(float[N,4] x) => (float[N,4] y) {
        u = Unsqueeze<axes = [1]>(x)  y = Squeeze<axes = [1]>(u) }"""),
    "reduce_by_input": (18, """(float[N,4] x) => (float[N,1] y) {
        a = Constant<value_ints = [1]>()  y = ReduceMean(x, a) }"""),
    "reduce_by_attribute": (13, "(float[N,4] x) => (float[N] y) { y = ReduceMax<axes = [1], keepdims = 0>(x) }"),
    "softmax_over_the_rest": (11, "(float[N,2,3] x) => (float[N,2,3] y) { y = Softmax<axis = 1>(x) }"),
    "dropout_is_identity": (12, "(float[N,4] x) => (float[N,4] y) { y = Dropout(x) }"),
}


@pytest.mark.parametrize("name", OLD_FORMS)
def test_forms_that_changed(bench, name):
    opset, graph = OLD_FORMS[name]
    shape = (3, 2, 3) if "float[N,2,3] x" in graph else (3, 4)
    bench.agree(model_of("agraph " + graph, opset), {"x": normal(*shape)})


def test_weights_as_constant_nodes(bench):
    weights = numpy_helper.from_array(normal(4, 3, 3, 3))
    nodes = [helper.make_node("Constant", [], ["w"], value=weights),
             helper.make_node("Constant", [], ["half"], value_float=0.5),
             helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4, kernel_shape=[3, 3]),
             helper.make_node("Mul", ["c", "half"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, "H", "W"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    bench.agree(model, {"x": normal(1, 3, 5, 7)}, {"x": normal(2, 3, 16, 16)}, {"x": normal(3, 3, 1, 1)})


def test_external_data(bench):
    model = with_weights(model_of("agraph (float[N,64] x) => (float[N,32] y) { y = MatMul(x, w) }"), w=normal(64, 32))
    path = bench.folder / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.bin", size_threshold=0)
    bench.agree(path, {"x": normal(3, 64)})


def test_local_function(bench):
    function = """<domain: "local", opset_import: ["" : 17]>
        Scaled <by> (a, b) => (c) { s = Constant<value_float: float = @by>()  m = Mul(a, s)  c = Add(m, b) }"""
    model = model_of("""agraph (float[N,4] x) => (float[N,4] y) {
        h = local.Scaled<by = 2.0>(x, x)  y = local.Scaled<by = 0.25>(h, x) }""", functions=function)
    bench.agree(model, {"x": normal(3, 4)})


IF_ON_INPUT = """agraph (bool cond, float[N,4] x) => (float[N,4] y) {
    outer = Relu(x)
    y = If(cond) <
        then_branch = a () => (float[N,4] p) { p = Add(outer, x) },
        else_branch = b () => (float[N,4] q) { two = Constant<value_float = 2.0>()  q = Mul(outer, two) }
    >
}"""


def test_if_on_an_input(bench):
    feeds = [{"cond": np.array(cond), "x": normal(n, 4)} for cond in (True, False) for n in (1, 3)]
    bench.agree(model_of(IF_ON_INPUT), *feeds)


def test_if_on_a_shape(bench):
    model = model_of("""agraph (float[N,S] x) => (float[N,S] y) {
        shape = Shape(x)  one = Constant<value = int64 {1}>()  s = Gather(shape, one)
        eight = Constant<value = int64 {8}>()  short = Less(s, eight)
        y = If(short) <
            then_branch = a () => (float[N,S] p) { p = Neg(x) },
            else_branch = b () => (float[N,S] q) { q = Exp(x) }
        >
    }""")
    bench.agree(model, {"x": normal(2, 3)}, {"x": normal(2, 8)})


def test_nested_if(bench):
    model = model_of("""agraph (bool c, bool d, float[N] x) => (float[N] y) {
        y = If(c) <
            then_branch = a () => (float[N] p) {
                p = If(d) <
                    then_branch = e () => (float[N] s) { s = Neg(x) },
                    else_branch = f () => (float[N] t) { t = Abs(x) }
                >
            },
            else_branch = b () => (float[N] q) { q = Exp(x) }
        >
    }""")
    both = (np.array(False), np.array(True))
    bench.agree(model, *({"c": c, "d": d, "x": normal(3)} for c in both for d in both))


@pytest.mark.parametrize("absent", ["nameless", "minus_one"])
def test_dimensions_without_a_value(bench, absent):
    model = model_of("agraph (float[N,M] x) => (float[N,M] y) { y = Sigmoid(x) }")
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
            if absent == "minus_one":
                dim.dim_value = -1
    bench.agree(model, {"x": normal(2, 3)}, {"x": normal(7, 1)})


def test_reshape_from_shapes(bench):
    model = model_of("""agraph (float[N,S,6] x) => (float[N,T,3] y) {
        shape = Shape(x)  zero = Constant<value = int64[1] {0}>()  n = Gather(shape, zero)
        rest = Constant<value = int64[2] {-1, 3}>()  to = Concat<axis = 0>(n, rest)  y = Reshape(x, to) }""")
    bench.agree(model, {"x": normal(1, 4, 6)}, {"x": normal(3, 5, 6)})


def test_data_dependent_shape(bench):
    model = model_of("agraph (float[N] x) => (int64[1,K] y) { r = Relu(x)  y = NonZero(r) }")
    bench.agree(model, {"x": normal(9)}, {"x": -np.ones(4, np.float32)})


def test_lstm_with_carried_state(bench):
    model = with_weights(model_of("""agraph (float[T,N,3] x, float[1,N,5] h, float[1,N,5] c)
            => (float[T,1,N,5] y, float[1,N,5] hn, float[1,N,5] cn) {
        y, hn, cn = LSTM<hidden_size = 5>(x, w, r, b, , h, c) }"""),
        w=normal(1, 20, 3), r=normal(1, 20, 5, seed=1), b=normal(1, 40, seed=2))
    bench.agree(model, *({"x": normal(t, n, 3), "h": normal(1, n, 5, seed=3), "c": normal(1, n, 5, seed=4)}
                         for t, n in ((1, 1), (7, 3))))


@pytest.mark.parametrize("dtype", ["float16", "double", "int32", "int64", "uint8", "int8"])
def test_dtypes(bench, dtype):
    kind = {"double": np.float64}.get(dtype) or np.dtype(dtype)
    model = model_of(f"""agraph ({dtype}[N,4] x) => ({dtype}[4,N] y, bool[N,4] z) {{
        y = Transpose(x)  z = Equal(x, x) }}""")
    bench.agree(model, {"x": (normal(3, 4) * 20).astype(kind)})


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_pool_whose_first_window_sticks_out(bench, operator):
    """By less than a stride it counts: a text recogniser made for lines of 48 pixels is given lines of 32."""
    model = model_of(f"""agraph (float[N,3,H,W] x) => (float[N,3,P,Q] y) {{
        y = {operator}<kernel_shape = [3, 2], strides = [3, 2]>(x) }}""")
    bench.agree(model, *({"x": normal(2, 3, h, w)} for h, w in ((3, 4), (2, 4), (1, 5), (1, 1), (7, 2))))


def test_maxima_with_their_places(bench):
    model = model_of("""agraph (float[N,3,H,W] x) => (float[N,3,P,Q] y, int64[N,3,P,Q] i) {
        y, i = MaxPool<kernel_shape = [2, 2], strides = [2, 2], pads = [0, 1, 0, 1]>(x) }""")
    bench.agree(model, {"x": normal(2, 3, 4, 6)}, {"x": normal(1, 3, 5, 7)})
