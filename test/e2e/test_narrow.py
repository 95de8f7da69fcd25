# SPDX-License-Identifier: Apache-2.0
"""--precision fp16 and bf16 for GPUs: what lies in memory between steps has 16 bits, inputs and outputs stay fp32."""

import mjlib
import numpy as np
import pytest
from conftest import model_of, normal
from onnx import numpy_helper
from test_bf16 import compile_json, network

TARGET = ("--target", "cuda-sm90")


def has_nvrtc():
    return any(row["what"] == "NVRTC" and row["state"][0].isdigit() for row in mjlib.millijoule_json("doctor")["findings"])


needs_nvrtc = pytest.mark.skipif(not has_nvrtc(), reason="there is no NVRTC to compile kernels with")


def kernels(engine):
    target = mjlib.millijoule_json("inspect", engine)["targets"][0]
    return target, [step for step in target["steps"] if step["kind"] == "kernel"]


@needs_nvrtc
@pytest.mark.parametrize("precision,dtype", [("fp16", "f16"), ("bf16", "bf16")])
def test_stores_16_bits_between_steps(bench, precision, dtype):
    engine, report = compile_json(bench, network(), "--precision", precision, *TARGET, "--estimate")
    target, steps = kernels(engine)
    assert target["precision"] == precision
    assert report["precision"]["asked"] == precision and report["precision"]["kept_high"] == []
    written = [output for step in steps for output in step["precision"]["outputs"]]
    assert written.count(dtype) == report["precision"]["steps"] == len(written) - 1 and written[-1] == "f32"
    families = ("planar_conv", "conv", "gemm")
    products = {step["family"]: step["precision"]["inputs"][:2] for step in steps if step["family"] in families}
    # The first convolution reads the image as it comes, and rounds it while it does.
    assert products == {"planar_conv": ["f32", dtype], "conv": [dtype, dtype], "gemm": [dtype, dtype]}


@needs_nvrtc
def test_says_what_stays_in_f32_and_why(bench):
    model = model_of("agraph (float[N,4] x) => (float[N,4] y) { h = MatMul(x, large) t = Tanh(h) y = MatMul(t, w) }")
    for name, size in (("large", 1e6), ("w", 1)):
        model.graph.initializer.append(numpy_helper.from_array(normal(4, 4) * np.float32(size), name))
    for i, node in enumerate(model.graph.node):
        node.name = f"n{i}"
    _, report = compile_json(bench, model, "--precision", "fp16", *TARGET, "--estimate")
    assert report["precision"]["kept_high"] == ["n0 (MatMul)"]
    assert "1 stay in f32" in bench.compile(model, "--precision", "fp16", *TARGET, "--estimate", check=False).stdout
    _, report = compile_json(bench, model, "--precision", "bf16", *TARGET, "--estimate")
    assert report["precision"]["kept_high"] == []


@needs_nvrtc
def test_fp32_rounds_nothing(bench):
    _, steps = kernels(bench.compile(network(), *TARGET, "--estimate"))
    assert {output for step in steps for output in step["precision"]["outputs"]} == {"f32"}


def test_fp16_needs_a_gpu(bench):
    done = bench.compile(network(), "--precision", "fp16", check=False)
    assert done.returncode == 2 and "add --target cuda, or use bf16" in done.stderr
