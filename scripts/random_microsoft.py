# SPDX-License-Identifier: Apache-2.0
"""Operators of domain com.microsoft, whose results are real numbers: what is rounded to bytes may differ by a step."""

import numpy as np

from random_graphs import Rejected


def node(g, op, inputs, outputs=1, **attributes):
    while inputs and not inputs[-1]:
        inputs = inputs[:-1]
    return g.node(op, inputs, outputs, domain="com.microsoft", **attributes)


def maybe(g, make, p=0.5):
    return make() if g.chance(p) else ""


def gelus(g):
    x = g.rows()
    op = g.pick(["Gelu", "FastGelu", "BiasGelu", "QuickGelu"])
    if op == "QuickGelu":
        return node(g, op, [x], alpha=float(np.float32(g.pick([1.0, 1.702, 0.5]))))
    bias = op == "BiasGelu" or (op == "FastGelu" and g.chance(0.5))
    node(g, op, [x, g.leaf(g.shape(x)[-1:])] if bias else [x])


def fused_conv(g):
    x = g.image()
    channels, out = g.shape(x)[1], g.pick([2, 3, 4, 8])
    activation, numbers = g.pick([("Relu", []), ("Tanh", []), ("LeakyRelu", [0.25]), ("Clip", [-1.0, 2.0]),
                                  ("HardSigmoid", [0.2, 0.5]), ("HardSwish", []), ("Sigmoid", [])])
    attributes = {"activation": activation, "pads": [1, 1, 1, 1], "strides": [g.number(1, 2)] * 2}
    if numbers:
        attributes["activation_params"] = numbers
    y = node(g, "FusedConv", [x, g.leaf((out, channels, 3, 3), -0.5, 0.5, constant=True),
                              maybe(g, lambda: g.leaf((out,)))], **attributes)
    if g.chance(0.5):  # the same once more, with what is added
        node(g, "FusedConv", [y, g.leaf((out, out, 1, 1), -0.5, 0.5), "", y], activation="Relu")


def fused_gemm(g):
    x = g.some(lambda a: a.ndim == 2 and a.size and a.shape[1] <= 24)
    turned = g.number(0, 1)
    m, k = g.shape(x)[::-1] if turned else g.shape(x)
    n, other = g.number(1, 9), g.number(0, 1)
    activation, numbers = g.pick([("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Softplus", {}),
                                  ("Elu", {"activation_alpha": 0.6}), ("Tanh", {})])
    node(g, "FusedGemm", [x, g.leaf((n, k) if other else (k, n)), maybe(g, lambda: g.leaf((n,)))], transA=turned,
         transB=other, alpha=g.pick([1.0, 0.5]), activation=activation, **numbers)


def fused_matmul(g):
    x = g.rows()
    shape = g.shape(x)
    other, batch = g.number(0, 1), len(shape) == 3 and g.chance(0.3)
    lead = (shape[1],) if batch else shape[:-2] if g.chance(0.5) else ()
    if batch:
        lead = (shape[1],)
    n = g.number(1, 8)
    y = g.leaf(lead + ((n, shape[-1]) if other else (shape[-1], n)))
    node(g, "FusedMatMul", [x, y], transB=other, transBatchA=int(batch), alpha=g.pick([1.0, 0.25, -2.0]))


def sequence(g, width=None):
    """[B,S,width]"""
    try:
        return g.some(lambda a: a.ndim == 3 and a.size and a.shape[1] <= 12 and
                      (a.shape[2] in (4, 8, 12, 16, 32) if width is None else a.shape[2] == width))
    except Rejected:
        return g.add_input(g.floats((g.number(1, 3), g.number(1, 7), width or g.pick((8, 16, 32)))))


def skip_norm(g):
    x = sequence(g)
    shape = g.shape(x)
    skip = g.leaf(g.pick([shape, (1, *shape[1:]), shape[1:]]), constant=False)
    width = shape[-1:]
    if g.chance(0.5):
        return node(g, "SkipLayerNormalization", [x, skip, g.leaf(width), maybe(g, lambda: g.leaf(width)),
                                                  maybe(g, lambda: g.leaf(width))], epsilon=1e-5)
    node(g, "SkipSimplifiedLayerNormalization", [x, skip, g.leaf(width), maybe(g, lambda: g.leaf(width))], epsilon=1e-5)


def simplified_norm(g):
    x = sequence(g)
    g.node("SimplifiedLayerNormalization", [x, g.leaf(g.shape(x)[-1:])], axis=-1, epsilon=1e-5)


def embed_norm(g):
    batch, length, width = g.number(1, 3), g.number(1, 6), g.pick([4, 8])

    def ids(high):
        return g.add_input(g.rng.integers(0, high, (batch, length)).astype(np.int32))

    segments = g.chance(0.5)
    names = [ids(7), ids(2) if segments else "", g.leaf((7, width), constant=True), g.leaf((9, width), constant=True),
             g.leaf((2, width), constant=True) if segments else "", g.leaf((width,)), g.leaf((width,)),
             maybe(g, lambda: ids(2)), maybe(g, lambda: ids(9))]
    g.hidden.add(node(g, "EmbedLayerNormalization", names, 2, epsilon=1e-5)[1])


def padding(g, batch, queries, keys):
    kind = g.number(0, 3)
    if kind == 0:
        return ""
    if kind == 1:
        return g.add_input(g.rng.integers(1, keys + 1, (batch,)).astype(np.int32))
    shape = (batch, keys) if kind == 2 else (batch, queries, keys)
    values = g.rng.integers(0, 2, shape).astype(np.int32)
    values[..., 0] = 1
    return g.add_input(values)


def attention(g):
    x = sequence(g)
    batch, length, width = g.shape(x)
    heads = g.pick([1, 2, 4])
    past = g.number(1, 4) if g.chance(0.3) else 0
    keys = length + past
    names = [x, g.leaf((width, 3 * 8), -0.5, 0.5), g.leaf((3 * 8,)), padding(g, batch, length, keys),
             g.leaf((2, batch, heads, past, 8 // heads), constant=False) if past else "",
             "" if past else maybe(g, lambda: g.leaf((g.pick([1, batch]), g.pick([1, heads]), length, keys)), 0.3)]
    node(g, "Attention", names, 2 if past or g.chance(0.2) else 1, num_heads=heads, unidirectional=g.number(0, 1))


def multi_head_attention(g):
    q = sequence(g)
    batch, length, width = g.shape(q)
    heads = g.pick([1, 2, 4])
    past = g.number(1, 4) if g.chance(0.3) else 0
    fresh = length if past or g.chance(0.5) else g.number(1, 6)
    keys = fresh + past
    causal = int(fresh == length and g.chance(0.4))
    value = width if past else heads * g.number(1, 5)

    def given(*shape):
        return g.leaf(shape, constant=False)

    names = [q, given(batch, fresh, width), given(batch, fresh, value),
             maybe(g, lambda: g.leaf((2 * width + value,)), 0.2), padding(g, batch, length, keys),
             maybe(g, lambda: g.leaf((g.pick([1, batch]), g.pick([1, heads]), length, keys)), 0.3),
             *([given(batch, heads, past, width // heads) for _ in range(2)] if past else [])]
    node(g, "MultiHeadAttention", names, 3 if past or g.chance(0.2) else 1, num_heads=heads, unidirectional=causal)


def group_query_attention(g):
    kv, depth = g.pick([1, 2]), g.pick([8, 16])
    heads = kv * g.pick([1, 2, 3])
    q = sequence(g, heads * depth) if g.chance(0.3) else g.add_input(
        g.floats((g.number(1, 2), g.number(1, 6), heads * depth)))
    batch, length, _ = g.shape(q)
    past = 0 if length > 1 and batch > 1 else g.pick([0, g.number(1, 5)])
    total = past + length
    turned = depth == 16 and g.chance(0.5)

    def table():
        return g.leaf((24, depth // 2), constant=True) if turned else ""

    def cache():
        return g.leaf((batch, kv, past, depth), constant=False) if past else ""

    fresh = [g.leaf((batch, length, kv * depth), constant=False) for _ in "kv"]
    names = [q, *fresh, cache(), cache(), g.add_input(np.full(batch, total - 1, np.int32)),
             (g.add_input if g.chance(0.5) else g.constant)(np.array([total], np.int32)), table(), table(), "",
             maybe(g, lambda: g.leaf((batch, heads, length, total)), 0.3), maybe(g, lambda: g.leaf((heads,)), 0.2)]
    attributes = g.pick([{}, {}, {"softcap": 0.75}, {"local_window_size": g.number(1, 3)}, {"scale": 0.3}])
    node(g, "GroupQueryAttention", names, 3, num_heads=heads, kv_num_heads=kv, do_rotary=int(turned),
         rotary_interleaved=g.number(0, 1), **attributes)


def rotary(g):
    heads = g.pick([1, 2])
    x = sequence(g, 16 * heads)
    batch, length, _ = g.shape(x)
    positions = (np.array([g.number(0, 5)]) if g.chance(0.4) else g.rng.integers(0, 20, (batch, length)))
    tables = [g.leaf((24, 8), constant=True) for _ in "cs"]
    node(g, "RotaryEmbedding", [x, g.add_input(positions.astype(np.int64)), *tables],
         interleaved=g.number(0, 1), num_heads=heads)


def few_bits(g):
    bits, block, n = g.pick([2, 4, 8]), g.pick([16, 32]), g.number(1, 9)
    k = g.pick([16, 24, 32, 40])
    x = g.rows(k) if k == 24 else g.add_input(g.floats((g.number(1, 4), k)))
    blocks = -(-k // block)
    names = [x, g.constant(g.rng.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8)),
             g.leaf((n, blocks), 0.01, 0.1, constant=True),
             maybe(g, lambda: g.constant(g.rng.integers(0, 256, (n, -(-blocks * bits // 8))).astype(np.uint8))), "",
             maybe(g, lambda: g.leaf((n,)))]
    node(g, "MatMulNBits", names, N=n, K=k, bits=bits, block_size=block)


def bytes_to_floats(g):
    m, k, n = g.number(1, 5), g.number(1, 12), g.number(1, 7)
    columns = g.chance(0.5)
    scale = g.leaf((n,) if columns else (), 0.01, 0.05, constant=True)
    zero = g.constant(g.rng.integers(-3, 4, (n,) if columns else ()).astype(np.int8))
    b = g.constant(g.rng.integers(-60, 61, (k, n)).astype(np.int8))  # beyond, ONNX Runtime saturates where VNNI is not
    a = g.add_input(g.rng.integers(0, 256, (m, k)).astype(np.uint8))
    node(g, "MatMulIntegerToFloat", [a, b, g.constant(np.float32(0.03)), scale, g.constant(np.uint8(g.number(0, 255))),
                                     zero, maybe(g, lambda: g.leaf((n,)))])


SINGLE = [gelus, fused_conv, fused_gemm, fused_matmul, skip_norm, simplified_norm, embed_norm, attention,
          multi_head_attention, group_query_attention, rotary, few_bits, bytes_to_floats]
