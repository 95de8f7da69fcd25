# SPDX-License-Identifier: Apache-2.0
"""What travels in npz files: exact names and dtypes, arrays of rank 0 and of no elements, types numpy does not know."""

import mjlib
import numpy as np
import pytest
from conftest import model_of, normal
from onnx import TensorProto, helper


def renamed(model, **names):
    """ONNX's text form has no `/` and `:` in names; real exports do."""
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    return model


def test_exact_names(bench):
    model = model_of("agraph (float[N] x) => (float[N] y) { y = Neg(x) }")
    bench.agree(renamed(model, x="serving/in:0", y="/block.1/out:0"), {"serving/in:0": normal(3)})


def test_rank_0(bench):
    bench.agree(model_of("agraph (float x, int64 i) => (float y, int64 j) { y = Exp(x)  j = Neg(i) }"),
                {"x": np.array(0.5, np.float32), "i": np.array(7, np.int64)})


def test_no_elements(bench):
    model = model_of("""agraph (float[N,4] x) => (float[N,4] y, float[4] s) {
        y = Relu(x)  s = ReduceSum<axes = [0], keepdims = 0>(x) }""", 12)
    bench.agree(model, {"x": normal(0, 4)}, {"x": normal(2, 4)})


def test_no_inputs(bench):
    bench.agree(model_of("agraph () => (float[3] y) { c = Constant<value = float[3] {1, 4, 9}>()  y = Sqrt(c) }"), {})


def test_output_that_is_an_input(bench):
    bench.agree(model_of("agraph (float[N] x) => (float[N] y) { y = Identity(x) }"), {"x": normal(3)})


def test_bfloat16_travels_as_two_bytes(bench):
    model = model_of("agraph (bfloat16[N] x) => (float[N] y, bfloat16[N] z) { y = Cast<to = 1>(x)  z = Neg(x) }")
    values = np.array([1.0, -2.5, 0.15625], np.float32)
    high = (values.view(np.uint32) >> 16).astype(np.uint16)
    got = bench.run(bench.compile(model), {"x": high.view("V2")})
    np.testing.assert_array_equal(got["y"], values)
    assert got["z"].dtype == np.dtype("V2")
    np.testing.assert_array_equal(got["z"].view(np.uint16), high ^ 0x8000)


def test_float8_travels_as_one_byte(bench):
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E4M3FN)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT8E4M3FN, ["N"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    got = bench.run(bench.compile(model), {"x": np.array([1, -2, 448], np.float32)})["y"]
    assert got.dtype == np.dtype("V1")
    assert got.tobytes() == bytes([0x38, 0xC0, 0x7E])


@pytest.mark.parametrize("kind, numbers, held", [
    ("INT2", [-2, -1, 0, 1], [0xFE, 0xFF, 0, 1]),
    ("UINT2", [0, 1, 2, 3], [0, 1, 2, 3]),
    ("FLOAT8E4M3FNUZ", [1, -0.5, 240], [0x40, 0xB8, 0x7F]),
    ("FLOAT8E5M2FNUZ", [1, -0.5, 57344], [0x40, 0xBC, 0x7F]),
    ("FLOAT4E2M1", [0.5, -6, 3], [1, 15, 5]),
    ("FLOAT8E8M0", [1, 0.5, 8], [127, 126, 130]),
])
def test_small_types_travel_one_a_byte(bench, kind, numbers, held):
    kind, same = getattr(TensorProto, kind), helper.make_node("Identity", ["x"], ["z"])
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT), same], "g",
                              [helper.make_tensor_value_info("x", kind, ["N"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"]),
                               helper.make_tensor_value_info("z", kind, ["N"])])
    engine = bench.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=11))
    got = bench.run(engine, {"x": np.array(held, np.uint8).view("V1")})
    np.testing.assert_array_equal(got["y"], numbers)
    assert got["z"].dtype == np.dtype("V1")
    assert got["z"].tobytes() == bytes(held)
    if max(held) < 16 or kind == TensorProto.INT2:
        done = bench.run(engine, {"x": np.array([0x47], np.uint8).view("V1")}, check=False)
        assert done.returncode != 0 and "element 0 is 0x47" in done.stderr


def test_numbers_as_strings(bench):
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING),
                               helper.make_node("Cast", ["s"], ["z"], to=TensorProto.FLOAT)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"]),
                               helper.make_tensor_value_info("s", TensorProto.STRING, ["M"])],
                              [helper.make_tensor_value_info("y", TensorProto.STRING, ["N"]),
                               helper.make_tensor_value_info("z", TensorProto.FLOAT, ["M"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    engine = bench.compile(model)
    numbers, texts = np.array([1 / 3, 16777216, np.inf, -2], np.float32), np.array(["1.5", "-1E8", "INF", " 7 "])
    got = bench.run(engine, {"x": numbers, "s": texts})
    assert got["y"].tolist() == ["0.33333334", "16777216", "INF", "-2"]
    np.testing.assert_array_equal(got["z"], np.array([1.5, -1e8, np.inf, 7], np.float32))
    done = bench.run(engine, {"x": numbers, "s": np.array(["joule"])}, check=False)
    assert done.returncode != 0 and '"joule" is no f32' in done.stderr


def test_strings(bench):
    model = model_of("agraph (string[N] x) => (string[N] y) { y = Identity(x) }")
    words = np.array(["joule", "", "Größe"])
    np.testing.assert_array_equal(bench.run(bench.compile(model), {"x": words})["y"], words)


def test_sequence(bench):
    model = model_of("""agraph (float[4] x) => (seq(float[2]) y) {
        two = Constant<value = int64 {2}>()  y = SplitToSequence(x, two) }""")
    got = bench.run(bench.compile(model), {"x": np.arange(4, dtype=np.float32)})
    assert {name: value.tolist() for name, value in got.items()} == {"y.0": [0, 1], "y.1": [2, 3]}


def test_sequence_in_and_out(bench):
    model = model_of("""agraph (seq(float[N]) s, float[M] x) => (seq(float[N]) y, int64 n, float[K] all) {
        y = SequenceInsert(s, x)  n = SequenceLength(s)  all = ConcatFromSequence<axis = 0>(y) }""")
    engine, x = bench.compile(model), np.array([9], np.float32)
    got = bench.run(engine, {"s.0": np.array([1, 2], np.float32), "s.1": np.array([3], np.float32), "x": x})
    assert {name: value.tolist() for name, value in got.items()} == {
        "y.0": [1, 2], "y.1": [3], "y.2": [9], "n": 2, "all": [1, 2, 3, 9]}
    for empty in ({}, {"s": np.zeros(0, np.float32)}):  # no entries, or one that says so
        got = bench.run(engine, {"x": x, **empty})
        assert {name: value.tolist() for name, value in got.items()} == {"y.0": [9], "n": 0, "all": [9]}
    done = bench.run(engine, {"s.1": x, "x": x}, check=False)
    assert done.returncode == 2 and "'s.1' follows no array of the number before" in done.stderr
    done = bench.run(engine, {"s.0": x.astype(np.float64), "x": x}, check=False)
    assert done.returncode != 0 and "s.0" in done.stderr
    random = mjlib.millijoule("run", engine, "--random-inputs", "--outputs", bench.folder / "random.npz")
    assert "n: i64[] {3}" in random.stdout


def test_absent_optional(bench):
    model = model_of("""agraph (optional(float[N]) x, float[3] z) => (float[K] y, optional(float[N]) same) {
        same = Identity(x)
        there = OptionalHasElement(x)
        y = If(there) <then_branch = with () => (float[A] a) { b = OptionalGetElement(x)  a = Neg(b) },
                       else_branch = without () => (float[B] c) { c = Identity(z) }> }""", 18)
    engine, z = bench.compile(model), np.array([1, 2, 3], np.float32)
    got = bench.run(engine, {"x": np.array([4], np.float32), "z": z})
    assert {name: value.tolist() for name, value in got.items()} == {"y": [-4], "same": [4]}
    got = bench.run(engine, {"z": z})
    assert {name: value.tolist() for name, value in got.items()} == {"y": [1, 2, 3]}


def test_outputs_without_arrays(bench):
    model = model_of("""agraph (seq(float[N]) s) => (seq(float[N]) y) { y = Identity(s) }""")
    assert bench.run(bench.compile(model), {}) == {}


def test_strings_are_moved_and_compared(bench):
    model = model_of("""agraph (string[N] x) => (bool[N] same, string[N,2] pairs, seq(string[N]) s) {
        word = Constant<value_string = "joule">()  same = Equal(x, word)
        axis = Constant<value_ints = [1]>()  column = Unsqueeze(x, axis)  pairs = Concat<axis = 1>(column, column)
        s = SequenceConstruct(x) }""")
    got = bench.run(bench.compile(model), {"x": np.array(["joule", "Größe"])})
    assert got["same"].tolist() == [True, False]
    assert got["pairs"].tolist() == [["joule", "joule"], ["Größe", "Größe"]]
    assert got["s.0"].tolist() == ["joule", "Größe"]


def test_random_inputs_stay_inside_the_table(bench):
    """Indices are drawn below the smallest dimension they index; an index past it would be an error."""
    model = model_of("""agraph (int64[N,3] ids) => (float[N,3,2] y) {
        table = Constant<value = float[4,2] {1,2,3,4,5,6,7,8}>()  y = Gather(table, ids) }""")
    engine, outputs = bench.compile(model), bench.folder / "out.npz"
    mjlib.millijoule("run", engine, "--random-inputs", "--outputs", outputs)
    assert np.load(outputs)["y"].shape[1:] == (3, 2)


@pytest.mark.parametrize("body", [
    "agraph (float[N,4] x, int64[M] i) => (float[M,4] y) { y = Gather(x, i) }",
    "agraph (float[1,3] x, int64[M,2] i) => (float[M] y) { y = GatherND(x, i) }",
    "agraph (float[N] x, int64[M] i, float[M] u) => (float[N] y) { y = ScatterElements<axis = 0>(x, i, u) }",
    """agraph (bool c, int64[N] i) => (float[N,1] y) {
        y = If(c) <then_branch = small () => (float[N,1] a) {
            one = Constant<value = float[1,1] {5}>()  a = Gather(one, i) },
          else_branch = large () => (float[N,1] b) {
            four = Constant<value = float[4,1] {1,2,3,4}>()  b = Gather(four, i) }> }""",
    """agraph (int64[N] i) => (float[N,2] y) {
        table = Constant<value = float[2,2] {1,2,3,4}>()  one = Constant<value = int64 {1}>()
        j = Add(i, one)  y = Gather(table, j) }"""])
def test_random_inputs_stay_inside_whatever_they_index(bench, body):
    engine = bench.compile(model_of(body, 18))
    for seed in range(8):
        mjlib.millijoule("run", engine, "--random-inputs", "--seed", seed)


def test_steps_and_carried_state(bench):
    model = model_of("""agraph (float[N] x, float[N] total) => (float[N] y, float[N] next) {
        next = Add(x, total)  y = Neg(next) }""")
    engine = bench.compile(model)
    got = mjlib.run_steps(engine, [{"x": np.full(2, i, np.float32)} for i in range(4)],
                          {"next": ("total", np.zeros(2, np.float32))})
    np.testing.assert_array_equal(got["y"][:, 0], [0, -1, -3, -6])


def test_json_has_nothing_beside_it(bench):
    engine = bench.compile(model_of("agraph (float[N,4] x) => (float[N,4] y) { y = Relu(x) }"))
    record = mjlib.millijoule_json("bench", engine, "--batch", 3, "--threads", 1, "--duration", 0.1)
    assert record["schema"] == "millijoule.bench/1"
    assert {"min", "mean", "median", "p90", "p95", "p99"} <= set(record["results"]["latency_ms"])
    assert record["energy"].get("joules") != 0, "a reading that could not be taken is absent"
    assert mjlib.millijoule_json("inspect", engine)["schema"] == "millijoule.inspect/1"
