# SPDX-License-Identifier: Apache-2.0
"""Q/DQ and QLinear models: computed in integers, at most one step from ONNX Runtime's maths in f32."""

import json

import mjlib
import numpy as np
import pytest
from conftest import model_of, normal
from onnx import numpy_helper


def with_constants(model, **values):
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in values.items())
    return model


BLOCK = """agraph (float[N,3,9,11] x) => (float[N,5] y) {
    xq = QuantizeLinear(x, sx, zx)          xf = DequantizeLinear(xq, sx, zx)
    wf = DequantizeLinear<axis = 0>(w, sw, zw)  bf = DequantizeLinear<axis = 0>(b, sb, zb)
    c = Conv<pads = [1,1,1,1]>(xf, wf, bf)  r = Relu(c)
    cq = QuantizeLinear(r, sc, zc)          cf = DequantizeLinear(cq, sc, zc)
    p = MaxPool<kernel_shape = [3,3], strides = [1,1], pads = [1,1,1,1]>(cf)
    pq = QuantizeLinear(p, sc, zc)          pf = DequantizeLinear(pq, sc, zc)
    a = Add(pf, cf)
    aq = QuantizeLinear(a, sa, za)          af = DequantizeLinear(aq, sa, za)
    g = GlobalAveragePool(af)
    gq = QuantizeLinear(g, sg, zg)          gf = DequantizeLinear(gq, sg, zg)
    h = Flatten(gf)
    hq = QuantizeLinear(h, sg, zg)          hf = DequantizeLinear(hq, sg, zg)
    vf = DequantizeLinear<axis = 0>(v, sv, zv)
    m = Gemm<transB = 1>(hf, vf)
    mq = QuantizeLinear(m, sm, zm)          y = DequantizeLinear(mq, sm, zm)
}"""


def block(x, activations):
    """A network of the operators that a quantized ResNet has; x and activations are the types of bytes."""
    rng = np.random.default_rng(3)
    f32 = np.float32
    scale = {"sx": f32(0.03), "sc": f32(0.05), "sa": f32(0.09), "sg": f32(0.02), "sm": f32(0.011)}
    low = {np.uint8: 0, np.int8: -128}
    zero = {"zx": x(low[x] + 120), "zc": activations(low[activations]), "za": activations(low[activations] + 9),
            "zg": activations(low[activations]), "zm": np.int8(-3)}
    sw = rng.uniform(0.002, 0.01, 16).astype(f32)
    return with_constants(
        model_of(BLOCK), w=rng.integers(-127, 128, (16, 3, 3, 3), np.int8), sw=sw, zw=np.zeros(16, np.int8),
        b=rng.integers(-3000, 3000, 16, np.int32), sb=scale["sx"] * sw, zb=np.zeros(16, np.int32),
        v=rng.integers(-127, 128, (5, 16), np.int8), sv=rng.uniform(0.002, 0.01, 5).astype(f32),
        zv=np.zeros(5, np.int8), **scale, **zero)


@pytest.mark.parametrize("x", [np.uint8, np.int8])
@pytest.mark.parametrize("activations", [np.uint8, np.int8])
def test_a_block_runs_in_integers(bench, x, activations):
    path = bench.save(block(x, activations))
    engine = bench.compile(path)
    reference = mjlib.Reference(path, as_written=True)
    for batch in (1, 3):
        feed = {"x": normal(batch, 3, 9, 11, seed=batch)}
        steps = np.abs(np.rint((bench.run(engine, feed)["y"] - reference.run(feed)["y"]) / 0.011))
        assert steps.max() <= 1
    plan = json.loads(mjlib.millijoule("inspect", engine, "--json", "-").stdout)
    assert "quantized_conv" in json.dumps(plan) and "quantized_add" in json.dumps(plan)


def test_every_variant_gives_the_same_bits(bench):
    """The portable kernels, the fast ones and the reference."""
    path = bench.save(block(np.uint8, np.int8))
    feed = {"x": normal(3, 3, 9, 11)}
    outputs = []
    rows = "quantized_product,-quantized_mean,-quantized_add,-quantize_bytes,-dequantize_bytes,-max_pool_bytes"
    for env in {}, {"MJ_ISA": "portable"}, {"MJ_TACTIC": "-" + rows}:
        engine = bench.folder / "variant.engine"
        mjlib.millijoule("compile", path, "-o", engine, env=env)
        outputs.append(bench.run(engine, feed)["y"])
    assert np.array_equal(outputs[0], outputs[1]) and np.array_equal(outputs[0], outputs[2])


QLINEAR = """agraph (uint8[N,3,7,8] x) => (uint8[N,4,5] y) {
    c = QLinearConv<pads = [1,1,1,1]>(x, sx, zx, w, sw, zw, sc, zc, b)
    s = Constant<value_ints = [0, 4, 56]>()
    r = Reshape(c, s)
    y = QLinearMatMul(r, sc, zc, v, sv, zv, sy, zy)
}"""


def test_qlinear_forms(bench):
    rng = np.random.default_rng(5)
    f32 = np.float32
    model = with_constants(
        model_of(QLINEAR), sx=f32(0.02), zx=np.uint8(128), w=rng.integers(0, 256, (4, 3, 3, 3), np.uint8),
        sw=f32(0.01), zw=np.uint8(128), sc=f32(0.04), zc=np.uint8(100), b=rng.integers(-900, 900, 4, np.int32),
        v=rng.integers(0, 256, (56, 5), np.uint8), sv=f32(0.01), zv=np.uint8(131), sy=f32(0.1), zy=np.uint8(127))
    path = bench.save(model)
    engine = bench.compile(path)
    feed = {"x": rng.integers(0, 256, (2, 3, 7, 8), np.uint8)}
    theirs, ours = mjlib.Reference(path, as_written=True).run(feed)["y"], bench.run(engine, feed)["y"]
    assert np.abs(theirs.astype(int) - ours).max() <= 1


BETWEEN = """agraph (float[N,8] x) => (float[N,6] y) {
    xq = QuantizeLinear(x, sx, zx)          xf = DequantizeLinear(xq, sx, zx)
    wf = DequantizeLinear<axis = 1>(w, sw, zw)
    h = MatMul(xf, wf)                      b = Add(h, bias)
    hq = QuantizeLinear(b, sh, zx)          hf = DequantizeLinear(hq, sh, zx)
    p = Softmax<axis = 1>(hf)
    pq = QuantizeLinear(p, sp, zp)          pf = DequantizeLinear(pq, sp, zp)
    vf = DequantizeLinear(v, sv, zx)
    m = MatMul(pf, vf)
    mq = QuantizeLinear(m, sy, zx)          y = DequantizeLinear(mq, sy, zx)
}"""


def test_floats_between_integers(bench):
    """What softmax gives is rounded to bytes again: there engine and reference may differ by a step, and are told so."""
    rng = np.random.default_rng(7)
    f32 = np.float32
    model = with_constants(
        model_of(BETWEEN), sx=f32(0.03), zx=np.int8(0), w=rng.integers(-127, 128, (8, 32), np.int8),
        sw=rng.uniform(0.002, 0.01, 32).astype(f32), zw=np.zeros(32, np.int8), bias=normal(32), sh=f32(0.04),
        sp=f32(1 / 255), zp=np.int8(-128), v=rng.integers(-127, 128, (32, 6), np.int8), sv=f32(0.01), sy=f32(0.01))
    path = bench.save(model)
    engine = bench.compile(path)
    feed = {"x": normal(5, 8, seed=2)}
    theirs, ours = mjlib.Reference(path, as_written=True).run(feed)["y"], bench.run(engine, feed)["y"]
    assert np.abs(np.rint((theirs - ours) / 0.01)).max() <= 1
