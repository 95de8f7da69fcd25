# SPDX-License-Identifier: Apache-2.0
"""Mistakes of users: the exit code, the name of the thing in the message, nothing written."""

import mjlib
import numpy as np
import onnx
import pytest
from conftest import model_of, normal
from onnx import helper, numpy_helper

FAILED, USAGE, UNSUPPORTED = 1, 2, 3
SMALL = "agraph (float[N,4] x, int64[N] i) => (float[N,4] y, int64[N] j) { y = Relu(x)  j = Neg(i) }"


def refused(done, codes, *words):
    assert done.returncode in codes, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr and "CHECK" not in done.stderr


def no_engine(bench, model, codes, *words):
    refused(bench.compile(model, check=False), codes, *words)
    assert not (bench.folder / "model.engine").exists()


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x0a\xff\xff\xff\xff\x0f", b"\x3a" + b"\x80" * 9])
def test_not_a_model(bench, content):
    no_engine(bench, content, [FAILED], "model.onnx")


def test_truncated_model(bench):
    whole = model_of(SMALL).SerializeToString()
    no_engine(bench, whole[: len(whole) - 5], [FAILED], "model.onnx")


def test_missing_model(bench):
    done = mjlib.millijoule("compile", bench.folder / "absent.onnx", "-o", bench.folder / "x.engine", check=False)
    refused(done, [FAILED, USAGE, 4], "absent.onnx")


@pytest.mark.parametrize("arguments", ["nosuchverb", "compile", "run --nosuchflag", "bench x.engine --threads many"])
def test_usage(arguments):
    assert mjlib.millijoule(*arguments.split(), check=False).returncode == USAGE


def test_every_unsupported_operator_is_listed(bench):
    model = model_of("agraph (float[N] x) => (float[N] y) { a = Neg(x)  b = Abs(a)  y = Exp(b) }")
    for node, kind in zip(model.graph.node, ("FluxCapacitor", "Abs", "Perpetuum")):
        if kind != node.op_type:
            node.op_type, node.domain, node.name = kind, "made.up", f"the_{kind.lower()}"
    model.opset_import.append(helper.make_opsetid("made.up", 1))
    no_engine(bench, model, [UNSUPPORTED], "FluxCapacitor", "Perpetuum")


def test_undefined_name(bench):
    model = model_of("agraph (float[N] x) => (float[N] y) { y = Neg(x) }")
    model.graph.node[0].input[0] = "nowhere"
    no_engine(bench, model, [FAILED], "nowhere")


def test_shapes_that_cannot_fit(bench):
    no_engine(bench, model_of("""agraph (float[2,3] x) => (float[2,4] y) {
        w = Constant<value = float[2,2] {1,2,3,4}>()  y = MatMul(x, w) }"""), [FAILED], "MatMul")


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "absent.bin", "link.bin", "short.bin"])
def test_external_data_is_contained(bench, location):
    weights = numpy_helper.from_array(normal(4, 4), "w")
    (bench.folder.parent / "weights.bin").write_bytes(weights.raw_data)
    (bench.folder / "link.bin").symlink_to(bench.folder.parent / "weights.bin")
    (bench.folder / "short.bin").write_bytes(weights.raw_data[:-1])
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "64")):
        weights.external_data.add(key=key, value=value)
    model = model_of("agraph (float[N,4] x) => (float[N,4] y) { y = MatMul(x, w) }")
    model.graph.initializer.append(weights)
    missing = 4  # a file that is not there is the environment's fault, not the model's
    no_engine(bench, model, [missing if location == "absent.bin" else FAILED], location.rsplit("/", 1)[-1])


GOOD = {"x": normal(3, 4), "i": np.zeros(3, np.int64)}
BAD_FEEDS = {
    "missing": ({"x": GOOD["x"]}, ["i"]),
    "unknown": ({**GOOD, "surplus": normal(1)}, ["surplus"]),
    "rank": ({**GOOD, "x": normal(3)}, ["x", "[3]"]),
    "size": ({**GOOD, "x": normal(3, 5)}, ["x", "5", "4"]),
    "one name, two sizes": ({**GOOD, "i": np.zeros(2, np.int64)}, ["N"]),
    "dtype": ({**GOOD, "x": normal(3, 4, dtype=np.float64)}, ["x", "f64", "f32"]),
}


@pytest.mark.parametrize("name", BAD_FEEDS)
def test_wrong_inputs(bench, name):
    feed, words = BAD_FEEDS[name]
    engine = bench.compile(model_of(SMALL))
    refused(bench.run(engine, feed, check=False), [FAILED, USAGE], *words)
    assert set(bench.run(engine, GOOD)) == {"y", "j"}


def test_index_out_of_range(bench):
    model = model_of("""agraph (int64[N] ids) => (float[N,2] y) {
        table = Constant<value = float[3,2] {1,2,3,4,5,6}>()  y = Gather(table, ids) }""")
    engine = bench.compile(model)
    refused(bench.run(engine, {"ids": np.array([0, 3])}, check=False), [FAILED], "3")
    bench.agree(model, {"ids": np.array([2, -3, 0])})


def test_outside_the_profile(bench):
    engine = bench.compile(model_of(SMALL), "--profile", "N=1:2:4")
    refused(bench.run(engine, {"x": normal(5, 4), "i": np.zeros(5, np.int64)}, check=False), [FAILED, USAGE], "N", "4")
    assert bench.run(engine, GOOD)["y"].shape == (3, 4)


@pytest.mark.parametrize("damage", ["truncated", "appended", "flipped", "empty"])
def test_damaged_engine(bench, damage):
    engine = bench.compile(model_of(SMALL))
    whole = engine.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damaged = {"truncated": whole[:-1], "appended": whole + b"\0", "flipped": bytes(flipped), "empty": b""}
    engine.write_bytes(damaged[damage])
    refused(bench.run(engine, GOOD, check=False), [FAILED], "model.engine")


def test_not_an_npz(bench):
    engine = bench.compile(model_of(SMALL))
    broken = bench.folder / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 and then nothing")
    done = mjlib.millijoule("run", engine, "--inputs", broken, "--outputs", bench.folder / "out.npz", check=False)
    refused(done, [FAILED, USAGE], "broken.npz")
