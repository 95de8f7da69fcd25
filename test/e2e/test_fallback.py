# SPDX-License-Identifier: Apache-2.0
"""Nodes left to ONNX Runtime: --fallback ort:NAME."""

import json
import pathlib

import mjlib
import numpy as np
import onnxruntime
import pytest
from conftest import model_of, normal
from onnx import helper

FAILED, USAGE, UNSUPPORTED, ENVIRONMENT = 1, 2, 3, 4
MODULE = mjlib.BINARY.parent / "libmj_ort.so"
LIBRARIES = sorted(pathlib.Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
pytestmark = pytest.mark.skipif(not MODULE.exists() or not LIBRARIES, reason="no module, or no ONNX Runtime library")

PLAIN = """agraph (float[N,4] x) => (float[M,4] y) {
    a = Relu(x)  b = Softsign(a)  axes = Constant<value = int64[1] {0}>()  c = ReduceMean<axes=[0]>(b)
    y = Sub(b, c) }"""


@pytest.fixture(autouse=True)
def library(monkeypatch):
    monkeypatch.setenv("MJ_ONNXRUNTIME", str(LIBRARIES[0]))


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def agrees(bench, model, feed, *options, tolerance=1e-6):
    path = bench.save(model)
    engine = bench.compile(path, *options)
    want = mjlib.Reference(path).run(feed)
    got = bench.run(engine, feed, "--plugin", "ort")
    for name, array in want.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        np.testing.assert_allclose(got[name], array, rtol=tolerance, atol=tolerance)
    return engine


def fallen_back(engine):
    steps = mjlib.millijoule_json("inspect", engine)["targets"][0]["steps"]
    return [step["plugin"] for step in steps if "plugin" in step]


def test_a_type_of_node_runs_there_and_is_listed(bench):
    report = bench.folder / "report.json"
    engine = agrees(bench, model_of(PLAIN), {"x": normal(5, 4)}, "--fallback", "ort:Softsign", "--json", report)
    assert [row["operator"] for row in json.loads(report.read_text())["plugins"]] == ["ort:Softsign"]
    assert fallen_back(engine) == ["ort:Softsign"]
    whole = mjlib.millijoule_json("profile", engine, "--iterations", "2", "--plugin", "ort", "--shapes", "x=64x4")
    assert len(whole["plugins"]) == 1 and 0 < whole["plugins"][0]["share"] < 1
    text = mjlib.millijoule("bench", engine, "--duration", "0.01", "--iterations", "1", "--plugin", "ort", "--shapes",
                            "x=64x4").stdout
    assert "by plugin ort:Softsign: 1 step" in text and "% of all steps" in text


def test_off_unless_named_also_where_it_runs(bench):
    engine = bench.compile(model_of(PLAIN), "--fallback", "ort:Softsign")
    refused(bench.run(engine, {"x": normal(2, 4)}, check=False), ENVIRONMENT, "plugin 'ort' version 1 is not loaded",
            "--plugin ort")
    assert fallen_back(bench.compile(model_of(PLAIN))) == []


def test_nodes_by_name_and_several(bench):
    model = model_of(PLAIN)
    for node in model.graph.node:
        node.name = f"the_{node.op_type.lower()}"
    engine = agrees(bench, model, {"x": normal(3, 4)}, "--fallback", "ort:the_relu", "--fallback", "ort:ReduceMean")
    assert fallen_back(engine) == ["ort:Relu", "ort:ReduceMean"]


def test_an_operator_that_nobody_else_here_knows(bench):
    """A contrib operator of ONNX Runtime's own, with attributes and a second, optional output."""
    node = helper.make_node("Inverse", ["x"], ["y"], domain="com.microsoft")
    model = helper.make_model(
        helper.make_graph([node], "inverse", [helper.make_tensor_value_info("x", 1, ["N", 3, 3])],
                          [helper.make_tensor_value_info("y", 1, ["N", 3, 3])]),
        ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
    x = normal(4, 3, 3) + 3 * np.eye(3, dtype=np.float32)
    agrees(bench, model, {"x": x}, "--fallback", "ort:com.microsoft.Inverse", tolerance=1e-4)


def test_sizes_that_only_running_can_tell(bench):
    model = model_of("""agraph (float[N,4] x) => (int64[2,K] y, float[N,4] z) {
        z = Relu(x)  a = NonZero(z)  y = Add(a, a) }""")
    engine = bench.compile(model, "--fallback", "ort:NonZero")
    reference = mjlib.Reference(bench.folder / "model.onnx")
    for rows in (3, 1, 8):
        feed = {"x": normal(rows, 4, seed=rows)}
        want, got = reference.run(feed), bench.run(engine, feed, "--plugin", "ort")
        for name in want:
            np.testing.assert_array_equal(got[name], want[name])


def test_shapes_that_constants_decide(bench):
    agrees(bench, model_of("""agraph (float[N,6] x) => (float[N,2,3] y) {
        shape = Constant<value = int64[3] {0, 2, 3}>()  r = Reshape(x, shape)  y = Relu(r) }"""), {"x": normal(5, 6)},
           "--fallback", "ort:Reshape")


def test_subgraphs_and_what_they_capture(bench):
    model = model_of("""agraph (float[N] x, bool c) => (float[N] y) {
        a = Neg(x)  two = Constant<value = float {2}>()
        b = If (c) <then_branch = t () => (float[N] u) { u = Mul(a, two) },
                    else_branch = e () => (float[N] v) { v = Add(x, a) }>
        y = Abs(b) }""")
    for condition in (True, False):
        engine = agrees(bench, model, {"x": normal(4), "c": np.array(condition)}, "--fallback", "ort:If")
        assert fallen_back(engine) == ["ort:If"]


def test_functions_of_the_model(bench):
    model = model_of("agraph (float[N] x) => (float[N] y) { a = local.twice(x)  y = Neg(a) }", functions="""
        <domain: "local", opset_import: ["" : 17]> twice (p) => (q) { q = Add(p, p) }""")
    engine = agrees(bench, model, {"x": normal(4)}, "--fallback", "ort:twice")
    assert fallen_back(engine) == ["ort:twice"]


def test_large_constants_are_handed_over(bench):
    weights = ", ".join(str(v) for v in np.round(normal(12 * 8).reshape(-1), 3))
    agrees(bench, model_of(f"""agraph (float[N,12] x) => (float[N,8] y) {{
        w = Constant<value = float[12,8] {{{weights}}}>()  m = MatMul(x, w)  y = Relu(m) }}"""), {"x": normal(5, 12)},
           "--fallback", "ort:MatMul", tolerance=1e-5)


def test_what_is_refused(bench):
    refused(bench.compile(model_of(PLAIN), "--fallback", "ort:Nowhere", check=False), USAGE, "ort:Nowhere")
    refused(bench.compile(model_of(PLAIN), "--fallback", "Relu", check=False), USAGE, "ort:NAME")
    strings = model_of("""agraph (string[N] x) => (bool[N] y) { y = RegexFullMatch<pattern="a+">(x) }""", opset=20)
    refused(bench.compile(strings, "--fallback", "ort:RegexFullMatch", check=False), UNSUPPORTED,
            "only tensors of numbers")
    unknown = model_of("agraph (float[N] x) => (float[N] y) { y = Neg(x) }")
    unknown.graph.node[0].op_type = "Perpetuum"
    refused(bench.compile(unknown, "--fallback", "ort:Perpetuum", check=False), FAILED, "Perpetuum")


def test_without_the_library(bench, monkeypatch):
    monkeypatch.setenv("MJ_ONNXRUNTIME", str(bench.folder / "absent.so"))
    refused(bench.compile(model_of(PLAIN), "--fallback", "ort:Relu", check=False), ENVIRONMENT, "absent.so",
            "MJ_ONNXRUNTIME")
