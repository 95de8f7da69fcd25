# SPDX-License-Identifier: Apache-2.0
"""Operators of domain com.microsoft, compared with ONNX Runtime: with sizes known and with symbols for them."""

import numpy as np
import onnx
import pytest
from conftest import normal
from onnx import helper, numpy_helper


def model_of_node(op, given, constants=(), outputs=("y",), names=None, domain="com.microsoft", dims=None, **attributes):
    """One node. `given` and `constants`: {input: array}; `names`: all inputs in order, "" where one is left out.

    `dims`: {input: dims} of those with symbols. Types of outputs are left to whoever reads the model, but for names
    with a type: "qk:float".
    """
    def info(name, array):
        shape = (dims or {}).get(name, array.shape)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape)

    constants = dict(constants)
    node = helper.make_node(op, names or [*given, *constants], [name.split(":")[0] for name in outputs],
                            domain=domain, **attributes)
    results = []
    for name in filter(None, outputs):
        value = onnx.ValueInfoProto(name=name.split(":")[0])
        if ":" in name:
            value.type.tensor_type.elem_type = onnx.TensorProto.DataType.Value(name.split(":")[1].upper())
        results.append(value)
    graph = helper.make_graph([node], "one", [info(name, array) for name, array in given.items()], results,
                              [numpy_helper.from_array(array, name) for name, array in constants.items()])
    return helper.make_model(graph, ir_version=10,
                             opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])


def agree(bench, op, given, constants=(), steps=0, tolerance=1e-5, valid=None, **more):
    """As ONNX Runtime computes it unoptimized; quantized results may differ by `steps`.

    Twice: with sizes known, and with a symbol for each size of its inputs that is not in `more["fixed"]`, by input.
    `valid`: {output: index} of what counts of it.
    """
    import mjlib

    fixed = more.pop("fixed", {})
    symbols = {name: [size if axis in fixed.get(name, ()) or name in ("total",) else f"{name}{axis}"
                      for axis, size in enumerate(array.shape)] for name, array in given.items()}
    symbols |= {name: dims for name, dims in more.pop("symbols", {}).items() if name in given}
    reference = mjlib.Reference(bench.save(model_of_node(op, given, constants, **more)), as_written=True).run(given)
    for dims in ({}, symbols):
        engine = bench.compile(model_of_node(op, given, constants, dims=dims, **more), "--estimate")
        ours = bench.run(engine, given, "--allow-unverified")
        assert set(ours) == set(reference)
        for name, want in reference.items():
            got = ours[name]
            assert (got.dtype, got.shape) == (want.dtype, want.shape), name
            index = (valid or {}).get(name, ...)
            if want.dtype.kind == "f":
                np.testing.assert_allclose(got[index], want[index], rtol=tolerance, atol=tolerance, err_msg=name)
            else:
                assert np.abs(got[index].astype(int) - want[index].astype(int)).max(initial=0) <= steps, name


def refused(bench, words, op, given, constants=(), code=3, **more):
    done = bench.compile(model_of_node(op, given, constants, **more), "--estimate", check=False)
    assert done.returncode == code, done.stderr
    assert all(word in done.stderr for word in (op, *words)), done.stderr


def integers(*shape, low=0, high=256, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def f32(*values):
    return np.array(values[0] if len(values) == 1 else values, np.float32)


# --- activations, products, norms

@pytest.mark.parametrize("op, given, attributes", [
    ("Gelu", {"x": normal(2, 3)}, {}),
    ("FastGelu", {"x": normal(2, 3)}, {}),
    ("FastGelu", {"x": normal(2, 3, 4), "b": normal(4, seed=1)}, {}),
    ("BiasGelu", {"x": normal(2, 3, 4), "b": normal(4, seed=1)}, {}),
    ("QuickGelu", {"x": normal(2, 3)}, {}),
    ("QuickGelu", {"x": normal(2, 3)}, {"alpha": 1.0}),
])
def test_gelus(bench, op, given, attributes):
    agree(bench, op, given, symbols={"x": [f"x{axis}" for axis in range(given["x"].ndim - 1)] + ["C"], "b": ["C"]},
          **attributes)


@pytest.mark.parametrize("activation, numbers", [
    ("Relu", None), ("Tanh", None), ("Sigmoid", None), ("HardSwish", None), ("LeakyRelu", [0.3]),
    ("Clip", [-0.2, 0.6]), ("HardSigmoid", [0.3, 0.4]), (None, None),
])
def test_fused_conv(bench, activation, numbers):
    attributes = {"activation": activation} if activation else {}
    attributes |= {"activation_params": numbers} if numbers else {}
    agree(bench, "FusedConv", {"x": normal(2, 4, 6, 7)}, {"w": normal(6, 2, 3, 3, seed=1), "b": normal(6, seed=2)},
          group=2, pads=[1, 0, 1, 1], strides=[2, 1], kernel_shape=[3, 3], fixed={"x": (1,)}, **attributes)


def test_fused_conv_adds_before_its_activation(bench):
    agree(bench, "FusedConv", {"x": normal(1, 3, 5, 5), "z": normal(1, 4, 3, 3, seed=3)},
          {"w": normal(4, 3, 3, 3, seed=1), "b": normal(4, seed=2)}, names=["x", "w", "b", "z"], activation="Relu",
          fixed={"x": (1, 2, 3), "z": (1, 2, 3)}, symbols={"x": ["N", 3, 5, 5], "z": ["N", 4, 3, 3]})


@pytest.mark.parametrize("activation, numbers", [
    ("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Elu", {"activation_alpha": 0.7}), ("Softplus", {}),
    ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}), ("Softsign", {}),
    ("ThresholdedRelu", {"activation_alpha": 0.2}),
])
def test_fused_gemm(bench, activation, numbers):
    agree(bench, "FusedGemm", {"a": normal(4, 3)}, {"b": normal(5, 4, seed=1), "c": normal(5, seed=2)}, transA=1,
          transB=1, alpha=0.5, beta=2.0, activation=activation, fixed={"a": (0,)}, **numbers)


@pytest.mark.parametrize("a, b, attributes", [
    ((2, 3, 4), (4, 5), {"alpha": 0.25}), ((2, 4, 3), (2, 4, 5), {"transA": 1}), ((2, 3, 4), (2, 5, 4), {"transB": 1}),
    ((4,), (4, 5), {"transA": 1}), ((3, 2, 4), (2, 4, 6), {"transBatchA": 1}),
    ((3, 2, 5, 4), (4, 2, 5, 6), {"transBatchA": 1, "transBatchB": 1}),
    ((3, 2, 5, 4), (2, 5, 3, 6), {"transBatchA": 1, "transA": 1}),
    ((3, 2, 5, 4), (6, 2, 5, 4), {"transBatchA": 1, "transBatchB": 1, "transB": 1, "alpha": -2.0}),
])
def test_fused_matmul(bench, a, b, attributes):
    agree(bench, "FusedMatMul", {"a": normal(*a), "b": normal(*b, seed=1)}, fixed={"b": range(len(b))}, **attributes)


@pytest.mark.parametrize("op", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
@pytest.mark.parametrize("skip", [(2, 3, 8), (1, 3, 8), (3, 8)])
def test_skip_norms(bench, op, skip):
    whole = op == "SkipLayerNormalization"
    constants = {"g": normal(8, seed=2), "b": normal(8, seed=3), "bias": normal(8, seed=4)}
    names = ["x", "skip", "g", "b", "bias"] if whole else ["x", "skip", "g", "bias"]
    agree(bench, op, {"x": normal(2, 3, 8), "skip": normal(*skip, seed=1)},
          {name: constants[name] for name in names[2:]}, names=names, outputs=["y", "", "", "sum"], epsilon=1e-5,
          symbols={"x": ["B", "S", 8], "skip": [*("B", "S")[3 - len(skip):], 8] if skip[0] == 2 or len(skip) == 2
                   else [1, "S", 8]})
    agree(bench, op, {"x": normal(3, 8), "skip": normal(3, 8, seed=1)}, {"g": constants["g"]},
          symbols={"x": ["S", 8], "skip": ["S", 8]})


def test_simplified_layer_normalization(bench):
    agree(bench, "SimplifiedLayerNormalization", {"x": normal(2, 3, 8)}, {"g": normal(8, seed=1)}, domain="",
          outputs=["y", "d:float"], epsilon=1e-3, fixed={"x": (2,)})


@pytest.mark.parametrize("left_out", [(), ("mask",), ("segment", "segments"), ("positions",)])
def test_embed_layer_normalization(bench, left_out):
    given = {"ids": integers(2, 3, high=7, dtype=np.int32), "segment": integers(2, 3, high=2, dtype=np.int32),
             "mask": np.array([[1, 1, 0], [0, 1, 2]], np.int32), "positions": np.array([[2, 0, 1]] * 2, np.int32)}
    constants = {"words": normal(7, 8), "places": normal(5, 8, seed=1), "segments": normal(2, 8, seed=2),
                 "g": normal(8, seed=3), "b": normal(8, seed=4)}
    names = ["ids", "segment", "words", "places", "segments", "g", "b", "mask", "positions"]
    agree(bench, "EmbedLayerNormalization", {name: given[name] for name in given if name not in left_out},
          {name: constants[name] for name in constants if name not in left_out},
          names=["" if name in left_out else name for name in names], outputs=["y", "index", "sum"],
          symbols={name: ["B", "S"] for name in given})


# --- quantized

SCALES = {"sa": f32(0.03), "za": np.uint8(120), "sb": f32(0.05), "zb": np.uint8(100), "sy": f32(0.07),
          "zy": np.uint8(90)}


def points(dtype, **values):
    """Zero points of u8 as they are, those of i8 less 128."""
    return {name: np.array(value if dtype == np.uint8 else value - 128, dtype) for name, value in values.items()}


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantized_pairs(bench, op, dtype):
    low = 0 if dtype == np.uint8 else -128
    given = {"a": integers(2, 3, 4, low=low, high=low + 256, dtype=dtype),
             "b": integers(3, 1, low=low, high=low + 256, seed=1, dtype=dtype)}
    constants = {"sa": f32(0.03), "sb": f32(0.05), "sy": f32(0.07), **points(dtype, za=120, zb=100, zy=90)}
    agree(bench, op, given, constants, steps=1, names=["a", "sa", "za", "b", "sb", "zb", "sy", "zy"],
          symbols={"a": ["N", "C", "W"], "b": ["C", 1]})


@pytest.mark.parametrize("op, attributes", [
    ("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.2}),
    ("QLinearAveragePool", {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 1]}),
    ("QLinearAveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0], "count_include_pad": 1, "ceil_mode": 1}),
    ("QLinearAveragePool", {"kernel_shape": [3, 2], "channels_last": 1}),
    ("QLinearGlobalAveragePool", {}), ("QLinearGlobalAveragePool", {"channels_last": 1}),
    ("QLinearSoftmax", {"opset": 13, "axis": 1}), ("QLinearSoftmax", {"opset": 12, "axis": 2}),
])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantized_of_one_input(bench, op, attributes, dtype):
    low = 0 if dtype == np.uint8 else -128
    softmax = op == "QLinearSoftmax"
    constants = {"sx": f32(0.03), "sy": f32(1 / 256 if op in ("QLinearSigmoid", "QLinearSoftmax") else 0.02),
                 **points(dtype, zx=120, zy=0 if softmax or op == "QLinearSigmoid" else 90)}
    agree(bench, op, {"x": integers(2, 3, 5, 6, low=low, high=low + 256, dtype=dtype)}, constants, steps=1,
          names=["x", "sx", "zx", "sy", "zy"], fixed={"x": (1,)}, **attributes)


def test_quantized_concat_and_where(bench):
    constants = {**SCALES}
    given = {"a": integers(2, 3), "b": integers(2, 2, seed=1)}
    agree(bench, "QLinearConcat", given, constants, steps=1, names=["sy", "zy", "a", "sa", "za", "b", "sb", "zb"],
          axis=1, symbols={"a": ["N", "A"], "b": ["N", "B"]})
    given = {"c": integers(2, 3, high=2, dtype=bool), "a": integers(2, 3), "b": integers(3, seed=1)}
    agree(bench, "QLinearWhere", given, constants, steps=1,
          names=["c", "a", "sa", "za", "b", "sb", "zb", "sy", "zy"],
          symbols={"c": ["N", "C"], "a": ["N", "C"], "b": ["C"]})


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("real", [False, True])
def test_qgemm(bench, per_column, real):
    columns = 5 if per_column else 1
    sb = np.linspace(0.01, 0.03, columns, dtype=np.float32)
    constants = {"sa": f32(0.03), "za": np.uint8(120), "b": integers(5, 8, low=-60, high=60, seed=1, dtype=np.int8),
                 "sb": sb if per_column else sb[0], "zb": np.zeros(columns, np.int8) if per_column else np.int8(3),
                 "c": integers(5, low=-900, high=900, seed=2, dtype=np.int32), "sy": f32(0.07), "zy": np.uint8(90)}
    names = ["a", "sa", "za", "b", "sb", "zb", "c", *([] if real else ["sy", "zy"])]
    agree(bench, "QGemm", {"a": integers(3, 8)}, {name: constants[name] for name in names[1:]}, steps=1, names=names,
          transB=1, alpha=1.5, fixed={"a": (1,)}, tolerance=1e-4)


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_products_of_bytes_with_real_results(bench, per_column, bias):
    scale = np.linspace(0.01, 0.03, 5, dtype=np.float32) if per_column else f32(0.02)
    zero = np.arange(5, dtype=np.int8) if per_column else np.int8(3)
    b = integers(8, 5, low=-60, high=60, seed=1, dtype=np.int8)
    constants = {"b": b, "sa": f32(0.03), "sb": scale, "za": np.uint8(120), "zb": zero, "bias": normal(5, seed=2)}
    end = ["bias"] * bias
    agree(bench, "MatMulIntegerToFloat", {"a": integers(2, 3, 8)},
          {name: constants[name] for name in ["b", "sa", "sb", "za", "zb", *end]},
          names=["a", "b", "sa", "sb", "za", "zb", *end], fixed={"a": (2,)}, tolerance=1e-4)
    agree(bench, "DynamicQuantizeMatMul", {"a": normal(2, 3, 8)},
          {name: constants[name] for name in ["b", "sb", "zb", *end]}, names=["a", "b", "sb", "zb", *end],
          fixed={"a": (2,)}, tolerance=1e-4)


@pytest.mark.parametrize("dtype, low, high", [(np.uint8, 0, 256), (np.int8, -128, 128), (np.uint16, 0, 65536),
                                              (np.int16, -32768, 32768)])
def test_quantize_and_dequantize(bench, dtype, low, high):
    zero = np.array((low + high) // 2 - 3, dtype)
    agree(bench, "QuantizeLinear", {"x": normal(3, 4) * 3}, {"s": f32(0.03), "z": zero}, steps=1)
    whole = integers(3, 4, low=low, high=high, dtype=dtype)
    agree(bench, "DequantizeLinear", {"x": whole}, {"s": f32(0.03), "z": zero})
    agree(bench, "QuantizeLinear", {"x": normal(3, 4) * 3},
          {"s": f32(0.03, 0.01, 0.1), "z": np.array([low, zero, high - 1], dtype)}, steps=1, axis=0, fixed={"x": (0,)})


def packed(numbers, bits):
    """Rows of numbers as bytes, the first ones lowest."""
    each = 8 // bits
    rows = np.pad(numbers, [(0, 0), (0, -numbers.shape[1] % each)]).reshape(len(numbers), -1, each).astype(np.uint32)
    return (rows << (bits * np.arange(each, dtype=np.uint32))).sum(-1).astype(np.uint8)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("k", [32, 80, 33])
@pytest.mark.parametrize("zeros", ["none", "packed", "real"])
def test_matmul_nbits(bench, bits, k, zeros):
    if (bits, zeros) == (8, "real"):
        pytest.skip("ONNX Runtime has no such kernel")
    n, block = 5, 16
    blocks = -(-k // block)
    weights = packed(integers(n, blocks * block, high=2 ** bits), bits).reshape(n, blocks, -1)
    constants = {"w": weights, "s": np.random.default_rng(1).uniform(0.01, 0.1, (n, blocks)).astype(np.float32),
                 "z": packed(integers(n, blocks, high=2 ** bits, seed=2), bits) if zeros == "packed" else
                 normal(n, blocks, seed=2) + 2 ** (bits - 1), "bias": normal(n, seed=3)}
    names = ["a", "w", "s", "" if zeros == "none" else "z", "", "bias"]
    agree(bench, "MatMulNBits", {"a": normal(2, 3, k)}, {name: constants[name] for name in names[1:] if name},
          names=names, N=n, K=k, bits=bits, block_size=block, fixed={"a": (2,)}, tolerance=1e-4)


def test_nhwc_max_pool(bench):
    agree(bench, "NhwcMaxPool", {"x": integers(2, 5, 6, 3)}, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1],
          fixed={"x": (3,)})


# --- attentions

BIASES = {"w": normal(8, 24, seed=1) / 3, "b": normal(24, seed=2)}


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("mask", [None, [[1, 1, 0, 0], [0, 1, 1, 2]], [3, 2], [3, 4, 1, 2], "3d"])
def test_attention(bench, causal, mask):
    given = {"x": normal(2, 4, 8)}
    dims = {"x": ["B", "S", 8]}
    if mask is not None:
        given["m"] = integers(2, 4, 4, high=2, dtype=np.int32) if mask == "3d" else np.array(mask, np.int32)
        dims["m"] = ["B", "S", "S"][:given["m"].ndim]
    if mask == [3, 4, 1, 2]:
        dims = {"x": [2, "S", 8], "m": [4]}  # 2B is no name of a dimension
    agree(bench, "Attention", given, BIASES, names=["x", "w", "b", *(["m"] if mask is not None else [])], num_heads=2,
          unidirectional=causal, symbols=dims)


def test_attention_of_other_values_with_its_cache(bench):
    given = {"x": normal(2, 3, 8), "past": normal(2, 2, 2, 5, 4, seed=3), "m": np.array([[1, 0] * 4] * 2, np.int32)}
    dims = {"x": ["B", "S", 8], "past": [2, "B", 2, "P", 4], "m": ["B", "T"], "bias": ["B", 1, "S", "S"]}
    agree(bench, "Attention", given, BIASES, names=["x", "w", "b", "m", "past"], outputs=["y", "present"], num_heads=2,
          unidirectional=1, scale=0.3, symbols=dims)
    biased = {"x": given["x"], "bias": normal(2, 1, 3, 3, seed=4)}
    agree(bench, "Attention", biased, BIASES, names=["x", "w", "b", "", "", "bias"], num_heads=2, symbols=dims)
    agree(bench, "Attention", {"x": given["x"]}, BIASES, outputs=["y", "present"], num_heads=2, fixed={"x": (2,)})
    agree(bench, "Attention", {"x": given["x"]}, {"w": normal(8, 22, seed=1)}, num_heads=2, qkv_hidden_sizes=[8, 8, 6],
          fixed={"x": (2,)})
    agree(bench, "Attention", {"x": given["x"], "m": np.array([[1, 0, 1]] * 2, np.int32)}, BIASES, num_heads=2,
          names=["x", "w", "b", "m"], mask_filter_value=-1.5, symbols={"x": ["B", "S", 8], "m": ["B", "S"]})


def test_quantized_attention(bench):
    constants = {"w": integers(8, 24, low=-60, high=60, dtype=np.int8), "b": normal(24), "sx": f32(0.02),
                 "sw": f32(0.01), "zx": np.uint8(128), "zw": np.int8(2)}
    names = ["x", "w", "b", "sx", "sw", "m", "zx", "zw"]
    given = {"x": integers(2, 4, 8), "m": np.array([3, 2], np.int32)}
    dims = {"x": ["B", "S", 8], "m": ["B"]}
    agree(bench, "QAttention", given, constants, names=names, num_heads=2, tolerance=1e-4, symbols=dims)
    constants |= {"sw": np.linspace(0.005, 0.02, 24, dtype=np.float32), "zw": np.zeros(24, np.int8)}
    agree(bench, "QAttention", given | {"past": normal(2, 2, 2, 5, 4), "m": np.array([7, 9], np.int32)}, constants,
          names=[*names, "past"], outputs=["y", "present"], num_heads=2, unidirectional=1, tolerance=1e-4,
          symbols=dims | {"past": [2, "B", 2, "P", 4]})


QKV = {"q": normal(2, 3, 8), "k": normal(2, 5, 8, seed=1), "v": normal(2, 5, 6, seed=2)}
QKV_DIMS = {"q": ["B", "S", 8], "k": ["B", "T", 8], "v": ["B", "T", 6], "bias": ["B", 2, "S", "T"]}


@pytest.mark.parametrize("mask, dims", [
    (None, None), ([4, 2], ["B"]), ([[1, 1, 0, 1, 0], [0, 1, 1, 0, 0]], ["B", "T"]),
    (np.tri(3, 5, 1, dtype=np.int32)[None].repeat(2, 0), ["B", "S", "T"]),
])
@pytest.mark.parametrize("bias", [False, True])
def test_multi_head_attention(bench, mask, dims, bias):
    given = dict(QKV)
    names = ["q", "k", "v", "b", "", ""]
    if mask is not None:
        given["m"], names[4] = np.array(mask, np.int32), "m"
    if bias:
        given["bias"], names[5] = normal(2, 2, 3, 5, seed=4), "bias"
    while not names[-1]:
        names.pop()
    agree(bench, "MultiHeadAttention", given, {"b": normal(22, seed=3)}, names=names, num_heads=2,
          symbols=QKV_DIMS | {"m": dims})


def test_multi_head_attention_gives_its_scores_and_caches(bench):
    agree(bench, "MultiHeadAttention", QKV, num_heads=2, scale=0.4, outputs=["y", "", "", "qk:float"],
          symbols=QKV_DIMS)
    agree(bench, "MultiHeadAttention", QKV, num_heads=2, outputs=["y", "k2", "v2"], symbols=QKV_DIMS)
    given = {"q": normal(2, 3, 8), "k": normal(2, 3, 8, seed=1), "v": normal(2, 3, 8, seed=2),
             "pk": normal(2, 2, 4, 4, seed=3), "pv": normal(2, 2, 4, 4, seed=4),
             "m": np.array([[1, 0, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1]], np.int32)}
    dims = {"q": ["B", "S", 8], "k": ["B", "S", 8], "v": ["B", "S", 8], "pk": ["B", 2, "P", 4], "pv": ["B", 2, "P", 4],
            "m": ["B", "T"]}
    agree(bench, "MultiHeadAttention", given, names=["q", "k", "v", "", "m", "", "pk", "pv"], num_heads=2,
          unidirectional=1, outputs=["y", "k2", "v2"], symbols=dims)
    whole = {"q": given["q"], "k": normal(2, 2, 6, 4, seed=5), "v": normal(2, 2, 6, 4, seed=6)}
    agree(bench, "MultiHeadAttention", whole, num_heads=2,
          symbols={"q": ["B", "S", 8], "k": ["B", 2, "L", 4], "v": ["B", 2, "L", 4]})


def test_packed_operands_are_those_of_three_inputs(bench):
    import mjlib

    parts = [normal(2, 3, 2, 4, seed=seed) for seed in range(3)]
    flat = dict(zip("qkv", (part.reshape(2, 3, 8) for part in parts)))
    want = mjlib.Reference(bench.save(model_of_node("MultiHeadAttention", flat, num_heads=2))).run(flat)["y"]
    packings = [{"q": np.stack(parts, 3)}, {"q": flat["q"], "k": np.stack(parts[1:], 3)}]
    for given in packings:
        engine = bench.compile(model_of_node("MultiHeadAttention", given, num_heads=2), "--estimate")
        got = bench.run(engine, given, "--allow-unverified")["y"]
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("x, positions, attributes", [
    ((2, 5, 32), [2], {}), ((2, 5, 32), [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], {"interleaved": 1}),
    ((2, 5, 64), [2], {"num_heads": 2, "rotary_embedding_dim": 16}),
    ((2, 4, 5, 16), [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], {}),
])
def test_rotary_embedding(bench, x, positions, attributes):
    position = np.array(positions, np.int64)
    dims = ["B", "S", x[2]] if len(x) == 3 else ["B", 4, "S", 16]
    agree(bench, "RotaryEmbedding", {"x": normal(*x), "p": position},
          {"cos": normal(16, 8, seed=1), "sin": normal(16, 8, seed=2)},
          symbols={"x": dims, "p": ["B", "S"] if position.ndim == 2 else [1]}, **attributes)


GQA = ["q", "k", "v", "pk", "pv", "lengths", "total", "cos", "sin", "positions", "bias", "sinks"]
GQA_DIMS = {"q": ["B", "S", 64], "k": ["B", "S", 32], "v": ["B", "S", 32], "pk": ["B", 2, "P", 16],
            "pv": ["B", 2, "P", 16], "lengths": ["B"], "total": [1], "positions": ["B", "S"],
            "bias": ["B", 4, "S", "T"]}
TABLES = {"cos": normal(32, 8, seed=5), "sin": normal(32, 8, seed=6)}


def group_query(bench, queries, lengths, total, past=0, more=(), constants=(), rows=None, tolerance=1e-5, **attributes):
    """`rows`: how many of the first batch and so on count; the answers for padding are nobody's."""
    batch = len(lengths)
    given = {"q": normal(batch, queries, 64), "k": normal(batch, queries, 32, seed=1),
             "v": normal(batch, queries, 32, seed=2), "lengths": np.array(lengths, np.int32),
             "total": np.array([total], np.int32), **dict(more)}
    if past:
        given |= {"pk": normal(batch, 2, past, 16, seed=3), "pv": normal(batch, 2, past, 16, seed=4)}
    constants = dict(constants)
    names = [name if name in given or name in constants else "" for name in GQA]
    while not names[-1]:
        names.pop()
    valid = {}
    if rows:
        valid["y"] = np.arange(queries) < np.array(rows)[:, None]
    wide = max(past, total)
    there = (np.arange(wide) <= np.array(lengths)[:, None])[:, None].repeat(2, 1)
    valid |= {"k2": there, "v2": there}
    agree(bench, "GroupQueryAttention", given, constants, names=names, outputs=["y", "k2", "v2"], valid=valid,
          num_heads=4, kv_num_heads=2, symbols=GQA_DIMS, tolerance=tolerance, **attributes)


def test_group_query_attention_of_a_prompt(bench):
    group_query(bench, 5, [4, 2], 5, rows=[5, 3])
    group_query(bench, 5, [4, 4], 5, constants=TABLES, do_rotary=1)
    group_query(bench, 5, [4, 4], 5, more={"positions": np.array([[2, 3, 4, 5, 6]] * 2)}, constants=TABLES, do_rotary=1,
                rotary_interleaved=1)
    group_query(bench, 5, [4, 4], 5, local_window_size=2)
    group_query(bench, 5, [4, 2], 5, causal=0)


@pytest.mark.parametrize("attributes, more", [
    ({"softcap": 0.5}, {}), ({"smooth_softmax": 1}, {}), ({"scale": 0.2}, {"sinks": normal(4, seed=8)}),
    ({"softcap": 0.7}, {"bias": normal(2, 4, 5, 5, seed=7)}), ({}, {"bias": normal(2, 4, 5, 5, seed=7)}),
])
def test_group_query_attention_with_other_scores(bench, attributes, more):
    constants = {"sinks": more.pop("sinks")} if "sinks" in (more := dict(more)) else {}
    group_query(bench, 5, [4, 4], 5, more=more, constants=constants, **attributes)


def test_group_query_attention_with_a_cache(bench):
    group_query(bench, 1, [6, 3], 7, past=6)
    group_query(bench, 1, [4, 3], 5, past=12)  # room for more than there is
    group_query(bench, 1, [6, 3], 7, past=6, constants=TABLES, do_rotary=1)
    group_query(bench, 1, [6, 3], 7, past=6, more={"positions": np.array([[9], [4]])}, constants=TABLES, do_rotary=1)
    group_query(bench, 5, [10], 11, past=6, constants=TABLES, do_rotary=1, local_window_size=3)
    group_query(bench, 5, [10], 11, past=16, more={"bias": normal(1, 4, 5, 11, seed=7)}, softcap=0.9)
    group_query(bench, 1, [6, 3], 7, past=6, causal=0)


def test_group_query_attention_of_packed_and_normed_operands(bench):
    import mjlib

    flat = {"q": normal(2, 5, 64), "k": normal(2, 5, 32, seed=1), "v": normal(2, 5, 32, seed=2)}
    rest = {"lengths": np.array([4, 4], np.int32), "total": np.array([5], np.int32)}
    heads = {"num_heads": 4, "kv_num_heads": 2}

    def reference(operands):
        given = operands | rest
        names = ["q", "k", "v", "", "", "lengths", "total"]
        model = model_of_node("GroupQueryAttention", given, names=names, outputs=["y", "k2", "v2"], **heads)
        return mjlib.Reference(bench.save(model)).run(given)["y"]

    given = {"q": np.concatenate([flat["q"], flat["k"], flat["v"]], -1)} | rest
    agree(bench, "GroupQueryAttention", given, names=["q", "", "", "", "", "lengths", "total"],
          outputs=["y", "k2", "v2"], symbols=GQA_DIMS | {"q": ["B", "S", 128]}, **heads)
    weights = {"qn": normal(16, seed=3), "kn": normal(16, seed=4)}

    def normed(x, weight):
        by_head = x.reshape(2, 5, -1, 16)
        return (by_head / np.sqrt((by_head ** 2).mean(-1, keepdims=True) + 1e-3) * weight).reshape(x.shape)

    names = ["q", "k", "v", "", "", "lengths", "total", "", "", "", "", "", "", "", "qn", "kn"]
    model = model_of_node("GroupQueryAttention", flat | rest, weights, names=names, qk_norm_epsilon=1e-3, **heads)
    got = bench.run(bench.compile(model, "--estimate"), flat | rest, "--allow-unverified")["y"]
    want = reference({"q": normed(flat["q"], weights["qn"]).astype(np.float32),
                      "k": normed(flat["k"], weights["kn"]).astype(np.float32), "v": flat["v"]})
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


# --- what is not supported says so

X = {"x": normal(2, 4, 8)}
MHA = {"q": normal(2, 3, 8), "k": normal(2, 3, 8), "v": normal(2, 3, 8)}
PROMPT = {"q": normal(2, 3, 8), "k": normal(2, 3, 8), "v": normal(2, 3, 8), "lengths": np.array([2, 2], np.int32),
          "total": np.array([3], np.int32)}
PROMPT_NAMES = ["q", "k", "v", "", "", "lengths", "total"]
NBITS = {"w": np.zeros((4, 2, 8), np.uint8), "s": normal(4, 2)}


@pytest.mark.parametrize("words, op, given, constants, more", [
    (["'Swish'", "before ONNX Runtime fused it"], "FusedConv", {"x": normal(1, 2, 5, 5)}, {"w": normal(3, 2, 3, 3)},
     {"activation": "Swish"}),
    (["'unknown'"], "FusedConv", {"x": normal(1, 2, 5, 5)}, {"w": normal(3, 2, 3, 3)}, {"unknown": 1}),
    (["output 1", "for inference"], "SkipLayerNormalization", {"x": normal(2, 3, 8), "s": normal(2, 3, 8)},
     {"g": normal(8)}, {"outputs": ["y", "mean"]}),
    (["do_rotary is 1", "RotaryEmbedding"], "Attention", X, BIASES, {"num_heads": 2, "do_rotary": 1}),
    (["past_present_share_buffer"], "Attention", X, BIASES, {"num_heads": 2, "past_present_share_buffer": 1}),
    (["4 dims", "attention_bias"], "Attention", X | {"m": np.ones((2, 1, 6, 6), np.int32)}, BIASES,
     {"num_heads": 2, "names": ["x", "w", "b", "m"]}),
    (["[8]", "[2B]"], "Attention", X | {"m": np.ones(8, np.int32)}, BIASES,
     {"num_heads": 2, "names": ["x", "w", "b", "m"]}),
    (["as many"], "MultiHeadAttention", MHA | {"k": normal(2, 4, 8), "v": normal(2, 4, 8)}, {},
     {"num_heads": 2, "unidirectional": 1}),
    (["past_sequence_length"], "MultiHeadAttention", MHA, {"n": np.array([3], np.int32)},
     {"num_heads": 2, "names": ["q", "k", "v", "", "", "", "", "", "n"]}),
    (["cache_indirection"], "MultiHeadAttention", MHA, {"n": np.zeros((2, 1, 3), np.int32)},
     {"num_heads": 2, "names": ["q", "k", "v", "", "", "", "", "", "", "n"]}),
    (["k_quant_type is PER_TENSOR"], "GroupQueryAttention", PROMPT, {},
     {"names": PROMPT_NAMES, "num_heads": 2, "kv_num_heads": 2, "k_quant_type": "PER_TENSOR"}),
    (["sliding_window_cache"], "GroupQueryAttention", PROMPT, {},
     {"names": PROMPT_NAMES, "num_heads": 2, "kv_num_heads": 2, "sliding_window_cache": 1}),
    (["output 3"], "GroupQueryAttention", PROMPT, {},
     {"names": PROMPT_NAMES, "num_heads": 2, "kv_num_heads": 2, "outputs": ["y", "", "", "qk"]}),
    (["is_packed_batching"], "RotaryEmbedding", X | {"p": np.zeros(1, np.int64)},
     {"c": normal(16, 4), "s": normal(16, 4)}, {"is_packed_batching": 1}),
    (["scale is 2"], "RotaryEmbedding", X | {"p": np.zeros(1, np.int64)},
     {"c": normal(16, 4), "s": normal(16, 4)}, {"scale": 2.0}),
    (["channels_last"], "QLinearConv", {"x": integers(1, 5, 5, 2)},
     {"sx": f32(1), "zx": np.uint8(0), "w": integers(3, 3, 3, 2), "sw": f32(1), "zw": np.uint8(0), "sy": f32(1),
      "zy": np.uint8(0)}, {"channels_last": 1}),
    (["bits must be 2, 4 or 8, got 5"], "MatMulNBits", {"a": normal(2, 32)}, NBITS,
     {"N": 4, "K": 32, "block_size": 16, "bits": 5}),
    (["weights must be constant"], "MatMulNBits", {"a": normal(2, 32), **NBITS}, {},
     {"N": 4, "K": 32, "block_size": 16}),
    (["weight_prepacked=0"], "MatMulNBits", {"a": normal(2, 32)}, NBITS,
     {"N": 4, "K": 32, "block_size": 16, "weight_prepacked": 1}),
    (["g_idx"], "MatMulNBits", {"a": normal(2, 32)}, NBITS | {"g": np.zeros(32, np.int32)},
     {"N": 4, "K": 32, "block_size": 16, "names": ["a", "w", "s", "", "g"]}),
])
def test_what_is_not_supported_is_named(bench, words, op, given, constants, more):
    refused(bench, words, op, given, constants, **more)


@pytest.mark.parametrize("words, op, given, constants, more", [
    (["Clip needs 2 numbers, got 1"], "FusedConv", {"x": normal(1, 2, 5, 5)}, {"w": normal(3, 2, 3, 3)},
     {"activation": "Clip", "activation_params": [1.0]}),
    (["3 dims or more"], "FusedMatMul", {"a": normal(3, 4), "b": normal(4, 5)}, {}, {"transBatchA": 1}),
    (["skip must be"], "SkipLayerNormalization", {"x": normal(2, 3, 8), "s": normal(2, 1, 8)}, {"g": normal(8)}, {}),
    (["num_heads must be"], "Attention", X, BIASES, {}),
    (["do not hold"], "Attention", X, BIASES, {"num_heads": 3}),
    (["do not hold"], "Attention", X, BIASES, {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 9]}),
    (["come together"], "MultiHeadAttention", MHA, {"pk": normal(2, 2, 4, 4)},
     {"num_heads": 2, "names": ["q", "k", "v", "", "", "", "pk"]}),
    (["or have k and v packed"], "MultiHeadAttention", {"q": normal(2, 3, 8)}, {}, {"num_heads": 2}),
    (["3 heads of queries cannot share 2"], "GroupQueryAttention", PROMPT | {"q": normal(2, 3, 12)}, {},
     {"names": PROMPT_NAMES, "num_heads": 3, "kv_num_heads": 2}),
    (["num_heads must be given"], "RotaryEmbedding", {"x": normal(2, 3, 12), "p": np.zeros(1, np.int64)},
     {"c": normal(16, 4), "s": normal(16, 4)}, {}),
    (["three inputs for each part"], "QLinearConcat", {"a": integers(2, 3)},
     {"sy": f32(1), "zy": np.uint8(0), "s": f32(1)}, {"names": ["sy", "zy", "a", "s"], "axis": 0}),
    (["needs a scale of y"], "QGemm", {"a": integers(2, 3)},
     {"sa": f32(1), "za": np.uint8(0), "b": integers(3, 4), "sb": f32(1), "zb": np.uint8(0), "zy": np.uint8(0)},
     {"names": ["a", "sa", "za", "b", "sb", "zb", "", "", "zy"]}),
    (["power of 2"], "MatMulNBits", {"a": normal(2, 32)}, NBITS, {"N": 4, "K": 32, "block_size": 24}),
    (["64 elements"], "MatMulNBits", {"a": normal(2, 32)}, {"w": np.zeros((4, 2, 4), np.uint8), "s": normal(4, 2)},
     {"N": 4, "K": 32, "block_size": 16}),
])
def test_what_is_wrong_is_said(bench, words, op, given, constants, more):
    refused(bench, words, op, given, constants, code=1, **more)
