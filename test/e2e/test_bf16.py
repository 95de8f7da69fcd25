# SPDX-License-Identifier: Apache-2.0
"""--precision bf16: products of operands rounded to bf16, held against the f32 reference before anything is written."""

import json

import mjlib
import numpy as np
import onnx
import pytest
from conftest import normal
from onnx import TensorProto, helper, numpy_helper

PLAIN = "gemm:gemm_bf16,conv:conv_bf16"  # the rows that run on any machine


def network():
    """Two convolutions, a mean, a dense layer."""
    weights = {"w0": normal(16, 3, 3, 3), "w1": normal(32, 16, 3, 3, seed=1),
               "w2": normal(32, 10, seed=2), "b2": normal(10, seed=3)}
    nodes = [helper.make_node("Conv", ["x", "w0"], ["c0"], "first", pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["c0"], ["r0"]),
             helper.make_node("Conv", ["r0", "w1"], ["c1"], "second", strides=[2, 2]),
             helper.make_node("Relu", ["c1"], ["r1"]),
             helper.make_node("ReduceMean", ["r1"], ["m"], axes=[2, 3], keepdims=0),
             helper.make_node("Gemm", ["m", "w2", "b2"], ["y"], "last")]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 17, 19])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(w, name) for name, w in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def cancelling():
    """y = x * (w, -w) is nothing but what was rounded away: no product of bf16 passes any gate."""
    w = normal(64, 8, seed=4)
    both = np.concatenate([w, -(w * np.float32(1 + 2**-12))])
    graph = helper.make_graph(
        [helper.make_node("Concat", ["x", "x"], ["xx"], axis=1), helper.make_node("MatMul", ["xx", "w"], ["y"], "cancel")],
        "cancelling", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])], [numpy_helper.from_array(both, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def products(engine):
    """Of each kernel step what its operands are rounded to, by row."""
    steps = mjlib.millijoule_json("inspect", engine)["targets"][0]["steps"]
    return {s["tactic"]: s["precision"].get("products", "f32") for s in steps if s["kind"] == "kernel"}


def compile_json(bench, model, *options):
    report = bench.folder / "compile.json"
    engine = bench.compile(model, *options, "--json", report)
    return engine, json.loads(report.read_text())


def test_runs_near_f32_and_says_what_it_rounded(bench, monkeypatch):
    monkeypatch.setenv("MJ_TACTIC", PLAIN)
    engine, report = compile_json(bench, network(), "--precision", "bf16")
    assert report["precision"] == {"asked": "bf16", "steps": 3, "kept_high": []}
    assert report["verification"]["tolerance"] == 0.02
    assert 0 < report["verification"]["max_error"] < 0.02
    assert products(engine)["gemm_bf16"] == products(engine)["conv_bf16"] == "bf16"
    monkeypatch.delenv("MJ_TACTIC")
    feed = {"x": normal(5, 3, 17, 19, seed=9)}
    ours, theirs = bench.run(engine, feed)["y"], mjlib.Reference(bench.save(network())).run(feed)["y"]
    error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    assert 1e-5 < error < 0.02
    one = bench.run(engine, {"x": feed["x"][2:3]})["y"]
    np.testing.assert_array_equal(one, ours[2:3])
    inspected = mjlib.millijoule("inspect", engine, "--steps").stdout
    assert "products in bf16" in inspected and "gate 0.02: passed" in inspected and "random inputs" in inspected
    assert "products in bf16" in mjlib.millijoule("tactics", engine).stdout
    steps = mjlib.millijoule_json("profile", engine, "--iterations", "1")["steps"]
    assert sum(step.get("products") == "bf16" for step in steps) == 3


def test_leaves_the_choice_to_the_clock(bench):
    """Whatever this machine has, what was chosen is what was faster; f32 rows stay on the table."""
    engine, report = compile_json(bench, network(), "--precision", "bf16")
    steps = mjlib.millijoule_json("inspect", engine)["targets"][0]["steps"]
    offered = {c["tactic"] for s in steps if s["kind"] == "kernel" for c in s["candidates"]}
    assert {"conv_f32", "conv_bf16", "gemm_f32", "gemm_bf16"} <= offered
    assert report["precision"]["steps"] == sum(
        s["precision"].get("products") == "bf16" for s in steps if s["kind"] == "kernel")


def test_rounds_nothing_unasked(bench, monkeypatch):
    engine = bench.compile(network())
    assert set(products(engine).values()) == {"f32"}
    assert "bf16" not in mjlib.millijoule("inspect", engine, "--steps").stdout
    monkeypatch.setenv("MJ_TACTIC", PLAIN)
    assert set(products(bench.compile(network())).values()) == {"f32"}


def test_caches_both_precisions_apart(bench, monkeypatch):
    cache = bench.folder / "tactics.jsonl"
    monkeypatch.setenv("MJ_TACTIC", PLAIN)
    bench.compile(network(), "--precision", "bf16", "--cache", cache)
    engine, report = compile_json(bench, network(), "--precision", "bf16", "--cache", cache)
    assert report["precision"]["steps"] == 3 and report["tactics_measured"] == 0
    assert set(products(bench.compile(network(), "--cache", cache)).values()) == {"f32"}


def test_steps_that_miss_the_gate_go_back_to_f32(bench, monkeypatch):
    monkeypatch.setenv("MJ_TACTIC", PLAIN)
    engine, report = compile_json(bench, cancelling(), "--precision", "bf16")
    assert report["precision"]["steps"] == 0
    assert len(report["precision"]["kept_high"]) == 1
    assert set(products(engine).values()) == {"f32"}
    assert "kept high: " in mjlib.millijoule("inspect", engine).stdout


def test_only_as_many_go_back_as_must(bench, monkeypatch):
    monkeypatch.setenv("MJ_TACTIC", PLAIN)
    _, report = compile_json(bench, network(), "--precision", "bf16")
    reached = report["verification"]["max_error"]
    engine, report = compile_json(bench, network(), "--precision", "bf16", "--tolerance", str(0.9 * reached))
    kept = report["precision"]["kept_high"]
    assert 0 < len(kept) < 3 and report["precision"]["steps"] == 3 - len(kept)
    assert report["verification"]["max_error"] <= 0.9 * reached


def test_a_gate_that_nothing_passes_leaves_no_engine(bench, monkeypatch):
    monkeypatch.setenv("MJ_TACTIC", PLAIN)
    done = bench.compile(network(), "--precision", "bf16", "--tolerance", "0", check=False)
    assert done.returncode == 1 and "no engine was written" in done.stderr
    assert not (bench.folder / "model.engine").exists()


def test_verifies_on_the_users_samples(bench, monkeypatch):
    monkeypatch.setenv("MJ_TACTIC", PLAIN)
    sample = bench.folder / "sample.npz"
    np.savez(sample, x=normal(2, 3, 17, 19))
    engine = bench.compile(network(), "--precision", "bf16", "--samples", sample)
    assert "random inputs" not in mjlib.millijoule("inspect", engine).stdout


@pytest.mark.parametrize("precision", ["tf32", "int8", "auto"])
def test_other_precisions_are_refused_by_name(bench, precision):
    done = bench.compile(network(), "--precision", precision, check=False)
    assert done.returncode == 3 and f"--precision {precision}" in done.stderr


def test_a_model_without_products_has_nothing_to_round(bench):
    model = helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu",
                          [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    _, report = compile_json(bench, model, "--precision", "bf16")
    assert report["precision"] == {"asked": "bf16", "steps": 0, "kept_high": []}
