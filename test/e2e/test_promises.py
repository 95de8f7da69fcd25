# SPDX-License-Identifier: Apache-2.0
"""Equal bytes from equal compiles, equal answers from equal questions."""

import mjlib
import numpy as np
import pytest
from conftest import model_of, normal
from onnx import numpy_helper

CONVOLUTION = """agraph (float[N,3,H,W] x) => (float[N,5] y) {
    a = Conv<pads = [1,1,1,1], kernel_shape = [3,3]>(x, w)  r = Relu(a)
    b = Conv<strides = [2,2], kernel_shape = [1,1]>(r, v)  p = GlobalAveragePool(b)  f = Flatten(p)  y = Softmax(f)
}"""
PERCEPTRON = "agraph (float[N,33] x) => (float[N,7] y) { h = Gemm(x, w, c)  g = Tanh(h)  y = MatMul(g, v) }"


def network(kind):
    """(model, feed of one request)."""
    if kind == "convolution":
        body, weights, feed = CONVOLUTION, {"w": normal(8, 3, 3, 3), "v": normal(5, 8, 1, 1)}, normal(1, 3, 13, 9)
    else:
        body, weights, feed = PERCEPTRON, {"w": normal(33, 65), "c": normal(65), "v": normal(65, 7)}, normal(1, 33)
    model = model_of(body)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    return model, {"x": feed}


@pytest.fixture(params=["convolution", "perceptron"])
def net(request):
    return network(request.param)


def test_compiles_twice_to_the_same_bytes(bench, net):
    cache = ["--cache-dir", bench.folder / "cache"]
    digests = []
    for _ in range(2):
        engine = bench.compile(net[0], *cache)
        assert str(bench.folder).encode() not in engine.read_bytes(), "an engine holds no paths"
        sections = mjlib.millijoule_json("inspect", engine)["sections"]
        digests.append({part["name"]: part["sha256"] for part in sections if part["name"] != "measurements"})
    assert digests[0] == digests[1] and len(digests[0]) >= 2


def test_answers_the_same_every_time(bench, net):
    bench.run(bench.compile(net[0]), net[1], "--repeat", "1000", "--check-equal", "--threads", "2")


def test_answers_alone_as_in_a_batch(bench, net):
    engine = bench.compile(net[0])
    feeds = [{"x": normal(*net[1]["x"].shape, seed=seed)} for seed in range(8)]
    alone = mjlib.run_steps(engine, feeds)["y"][:, 0]
    together = bench.run(engine, {"x": np.concatenate([feed["x"] for feed in feeds])})["y"]
    np.testing.assert_array_equal(alone, together)


def test_agrees(bench, net):
    bench.agree(net[0], net[1], {"x": normal(3, *net[1]["x"].shape[1:], seed=1)})


def test_compare_finds_engine_and_model_equal_and_another_model_not(bench, net):
    engine = bench.compile(net[0])
    assert mjlib.millijoule("compare", bench.folder / "model.onnx", engine, check=False).returncode == 0
    weights = numpy_helper.to_array(net[0].graph.initializer[0]).copy()
    weights *= -1
    net[0].graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, net[0].graph.initializer[0].name))
    assert mjlib.millijoule("compare", bench.save(net[0], "other.onnx"), engine, check=False).returncode == 1


def test_compare_finds_the_steps_that_both_sides_make(bench, net):
    engine = bench.compile(net[0])
    report = mjlib.millijoule_json("compare", bench.folder / "model.onnx", engine, "--steps")
    steps = [row for row in report["rows"] if row["kind"] == "step"]
    assert len(steps) == report["steps"]["compared"] > report["steps"]["made"] / 2
    assert all(row["fine"] for row in steps)
    said = mjlib.millijoule("compare", bench.folder / "model.onnx", engine, "--steps").stdout
    assert f"{len(steps)} of {report['steps']['made']} tensors that steps make have a counterpart in" in said
