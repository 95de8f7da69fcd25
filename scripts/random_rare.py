# SPDX-License-Identifier: Apache-2.0
"""Operators that few models have, each as a node or a few together."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from random_graphs import EDGE, Rejected


def whole(g, shape=(2, 3), dtype=np.int64, low=0, high=30):
    values = g.rng.integers(low, high, shape).astype(dtype)
    return g.add_input(values) if g.chance(0.5) else g.constant(values)


def bits(g):
    op, dtype = g.pick(["BitShift", "BitwiseNot", "BitwiseAnd", "BitwiseOr", "BitwiseXor"]), np.uint32
    if op != "BitShift":
        dtype = g.pick([np.uint8, np.int32, np.int64])
    x = whole(g, dtype=dtype)
    if op == "BitShift":
        return g.node(op, [x, whole(g, (3,), dtype, 0, 9)], direction=g.pick(["LEFT", "RIGHT"]))
    return g.node(op, [x] if op == "BitwiseNot" else [x, whole(g, (3,), dtype)])


def truths(g):
    x = g.node("Greater", [g.some(), g.constant(np.float32(7.7e3))]) if g.chance(0.2) else g.constant(
        g.rng.random((2, 3)) < 0.5)
    y = g.add_input(g.rng.random(g.shape(x)) < 0.5)
    y = g.node(g.pick(["And", "Or", "Xor", "Equal"]), [x, y])
    if g.chance(0.4):
        y = g.node("Not", [y])
    g.node("Cast", [y], to=TensorProto.FLOAT)


def special_numbers(g):
    values = g.floats((2, 4))
    values[0, 1], values[1, 2], values[1, 0] = np.inf, -np.inf, np.nan
    x = g.add_input(values)
    g.hidden.add(x)
    if g.chance(0.3):
        return g.node("IsNaN", [x])
    g.node("IsInf", [x], detect_positive=g.number(0, 1), detect_negative=g.number(0, 1))


def cast_like(g):
    x = g.some()
    if g.chance(0.5):
        x = g.node("Floor", [g.node("Add", [x, g.constant(np.float32(0.25))])]) if g.chance(0.5) else x
    array = g.values[x].astype(np.float64)
    if array.size and np.abs(array - np.round(array)).min() < EDGE and np.any(array != np.round(array)):
        raise Rejected
    like = g.constant(np.zeros(1, g.pick([np.float64, np.int32, np.float32, np.int64])))
    g.node("CastLike", [x, like])


def held(g):
    array = g.floats(g.pick([(), (3,), (2, 2)]))
    value = g.node("Constant", [], value=numpy_helper.from_array(array))
    g.node("Add", [g.node("Dropout", [g.add_input(g.floats((2, 2, 3))[..., :1])]), value])


def crop_or_pad(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    axes = sorted(int(a) for a in g.rng.permutation(g.rank(x))[:g.number(1, g.rank(x))])
    g.node("CenterCropPad", [x, g.ints([max(1, g.shape(x)[a] + g.number(-2, 2)) for a in axes])], axes=axes)


def columns_to_image(g):
    h, w, kh, kw = g.number(3, 5), g.number(3, 5), g.number(1, 2), g.number(1, 2)
    strides, pads, dilations = [g.number(1, 2)] * 2, [g.number(0, 1)] * 4, [g.number(1, 2)] * 2
    counts = [(size + 2 * pads[0] - d * (k - 1) - 1) // s + 1
              for size, k, s, d in zip((h, w), (kh, kw), strides, dilations)]
    x = g.leaf((g.number(1, 2), g.number(1, 2) * kh * kw, counts[0] * counts[1]), constant=False)
    g.node("Col2Im", [x, g.ints([h, w]), g.ints([kh, kw])], strides=strides, pads=pads, dilations=dilations)


def sequences(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    y = g.leaf(g.shape(x))
    kind, axis = g.number(0, 5), g.number(0, g.rank(x) - 1)

    def build(node):
        if kind == 0:
            s = node("SequenceConstruct", [x, y, x])
            at = g.constant(np.int64(g.number(-3, 2)))
            if g.chance(0.5):
                s = node("SequenceInsert", [s, y, at])
            if g.chance(0.5):
                s = node("SequenceErase", [s, g.constant(np.int64(g.number(-3, 2)))])
            return node("SequenceAt", [s, g.constant(np.int64(g.pick([0, 1, -1])))])
        if kind == 1:
            return node("ConcatFromSequence", [node("SequenceConstruct", [x, y])], axis=axis, new_axis=g.number(0, 1))
        if kind == 2:
            more = {"keepdims": g.number(0, 1)} if g.chance(0.5) else {}
            sizes = [] if more else [g.pick([g.constant(np.int64(g.number(1, g.shape(x)[axis]))),
                                             g.ints([1, g.shape(x)[axis] - 1])])]
            parts = node("SplitToSequence", [x, *sizes], axis=axis, **more)
            return node("SequenceAt", [parts, g.constant(np.int64(g.pick([0, -1])))])
        if kind == 3:
            return node("SequenceLength", [node("SplitToSequence", [x], axis=axis)])
        if kind == 4:
            s = node("SequenceInsert", [node("SequenceEmpty", []), x])
            return node("ConcatFromSequence", [node("SequenceInsert", [s, y, g.constant(np.int64(0))])], axis=axis)
        body = helper.make_graph([helper.make_node(g.pick(["Neg", "Relu", "Tanh"]), ["item"], ["made"])], "body",
                                 [helper.make_tensor_value_info("item", TensorProto.FLOAT, None)],
                                 [helper.make_tensor_value_info("made", TensorProto.FLOAT, None)])
        mapped = node("SequenceMap", [node("SequenceConstruct", [x, y])], body=body)
        return node("SequenceAt", [mapped, g.constant(np.int64(1))])

    g.together(build)


def optionals(g):
    x = g.some()

    def build(node):
        box = node("Optional", [x])
        return node("OptionalGetElement" if g.chance(0.6) else "OptionalHasElement", [box])

    g.together(build)


def loop(g):
    """A Loop that carries a value and lays rows aside, with a number of trips that is known or not."""
    x = g.some(lambda a: a.size and a.size < 200)
    trips = g.pick([g.constant, g.add_input])(np.array(g.number(0, 4)))
    more = g.pick([g.constant, g.add_input])(np.array(True)) if g.chance(0.8) else ""
    limit = g.constant(np.int64(g.number(0, 5)))
    shape = list(g.shape(x))
    value = lambda name, dtype, dims: helper.make_tensor_value_info(name, dtype, dims)  # noqa: E731
    nodes = [helper.make_node("Less", ["i", limit], ["go_on"]),
             helper.make_node("Cast", ["i"], ["number"], to=TensorProto.FLOAT),
             helper.make_node("Add", ["number", x], ["moved"]),
             helper.make_node("Mul", ["carried", g.constant(np.float32(0.5))], ["halved"]),
             helper.make_node("Add", ["halved", "moved"], ["next"])]
    outputs = [value("go_on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, shape)]
    rows = g.chance(0.6)
    if rows:
        nodes.append(helper.make_node("Tanh", ["next"], ["row"]))
        outputs.append(value("row", TensorProto.FLOAT, shape))
    body = helper.make_graph(nodes, "body", [value("i", TensorProto.INT64, []), value("going", TensorProto.BOOL, []),
                                             value("carried", TensorProto.FLOAT, shape)], outputs)
    g.node("Loop", [trips, more, x], outputs=1 + rows, body=body)


def scan(g):
    x = g.some(lambda a: a.ndim >= 2 and a.size and a.size < 300)
    rest = list(g.shape(x)[1:])
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, rest)  # noqa: E731
    nodes = [helper.make_node("Add", ["sum", "row"], ["next"]), helper.make_node("Tanh", ["next"], ["made"])]
    body = helper.make_graph(nodes, "body", [value("sum"), value("row")], [value("next"), value("made")])
    ways = {"scan_input_directions": [g.number(0, 1)], "scan_output_directions": [g.number(0, 1)]}
    g.node("Scan", [g.leaf(rest), x], outputs=2, body=body, num_scan_inputs=1, **(ways if g.chance(0.4) else {}))


def spectrum(g):
    length = g.number(2, 9)
    kind = g.number(0, 3)
    if kind == 0:
        x = g.leaf((g.number(1, 2), length, g.pick([1, 2])), constant=False)
        once = g.shape(x)[2] == 1 and g.chance(0.5)
        more = [g.constant(np.int64(length + g.number(-1, 2)))] if g.chance(0.4) else [""]
        return g.node("DFT", [x, *more, g.constant(np.int64(1))], onesided=int(once),
                      inverse=0 if once else g.number(0, 1))
    if kind == 1:
        x = g.leaf((1, 12 + g.number(0, 6), 1), constant=False)
        window = g.leaf((4,), 0.2, 1, True) if g.chance(0.7) else ""
        return g.node("STFT", [x, g.constant(np.int64(g.number(2, 4))), window, g.constant(np.int64(4))],
                      onesided=g.number(0, 1))
    if kind == 2:
        op = g.pick(["HannWindow", "HammingWindow", "BlackmanWindow"])
        return g.node(op, [g.constant(np.int64(length))], periodic=g.number(0, 1))
    numbers = [np.int64(g.number(2, 4)), np.int64(16), np.int64(8000), np.float32(20), np.float32(3000)]
    return g.node("MelWeightMatrix", [g.constant(n) for n in numbers])


def determinant(g):
    size = g.number(1, 3)
    g.node("Det", [g.leaf((*g.pick([(), (2,)]), size, size), constant=False)])


def sampled(g):
    x = g.image()
    n, c, h, w = g.shape(x)
    kind = g.number(0, 3)
    if kind == 0:
        theta = g.leaf((n, 2, 3), -1, 1)
        size = g.ints([n, c, g.number(2, 4), g.number(2, 4)])
        grid = g.node("AffineGrid", [theta, size], align_corners=g.number(0, 1))
        return g.node("GridSample", [x, grid], mode="linear", padding_mode=g.pick(["zeros", "border"]),
                      align_corners=g.number(0, 1))
    if kind == 1:
        grid = g.leaf((n, g.number(1, 3), g.number(1, 3), 2), -1.3, 1.3)
        return g.node("GridSample", [x, grid], mode=g.pick(["linear", "cubic"]),
                      padding_mode=g.pick(["zeros", "border", "reflection"]), align_corners=g.number(0, 1))
    if kind == 2:
        boxes = np.sort(g.rng.uniform(0, 5, (2, 2, 2)), 1).reshape(2, 4).astype(np.float32)
        boxes[:, 2:] += 1
        picked = g.ints(g.rng.integers(0, n, 2))
        return g.node("RoiAlign", [x, g.constant(boxes), picked], output_height=g.number(1, 3), output_width=2,
                      sampling_ratio=g.number(1, 2), spatial_scale=g.pick([1.0, 0.5]), mode="avg",
                      coordinate_transformation_mode=g.pick(["half_pixel", "output_half_pixel"]))
    k = g.number(1, 2)
    out = [h - k + 1, w - k + 1]
    return g.node("DeformConv", [x, g.leaf((g.number(1, 3), c, k, k), -0.6, 0.6),
                                 g.leaf((n, 2 * k * k, *out), -0.7, 0.7)], kernel_shape=[k, k])


def unpooled(g):
    shape = (g.number(1, 2), g.number(1, 2), g.pick([4, 6]), g.pick([4, 6]))
    x = g.add_input(g.rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32))
    size = [2, 2]
    y, places = g.node("MaxPool", [x], outputs=2, kernel_shape=size, strides=size)
    shape = [g.ints(g.shape(x))] if g.chance(0.5) else []
    g.node("MaxUnpool", [y, places, *shape], kernel_shape=size, strides=size)


def losses(g):
    n, c = g.number(1, 3), g.number(2, 4)
    rest = g.pick([(), (2,), (2, 3)])
    x = g.leaf((n, c, *rest), constant=False)
    labels = g.constant(g.rng.integers(0, c, (n, *rest)))
    weights = [g.leaf((c,), 0.2, 2)] if g.chance(0.5) else []
    more = {"ignore_index": g.number(0, c - 1)} if g.chance(0.3) else {}
    more["reduction"] = g.pick(["none", "sum", "mean"])
    if g.chance(0.5):
        return g.node("NegativeLogLikelihoodLoss", [g.node("LogSoftmax", [x], axis=1), labels, *weights], **more)
    return g.node("SoftmaxCrossEntropyLoss", [x, labels, *weights], **more)


def boxes(g):
    count = g.number(2, 6)
    corners = np.sort(g.rng.uniform(0, 4, (1, count, 2, 2)), 2).reshape(1, count, 4).astype(np.float32)
    scores = g.rng.permutation(count * 2).reshape(1, 2, count).astype(np.float32) / 10
    best = np.int64(g.number(0, 4))
    g.node("NonMaxSuppression", [g.add_input(corners), g.add_input(scores), g.constant(best),
                                 g.constant(np.float32(g.rng.uniform(0.1, 0.9))), g.constant(np.float32(0.25))])


def strings(g):
    words = np.array(["a", "bc", "the", "The", "x y", ""])
    drawn = words[g.rng.integers(0, 5, g.pick([(3,), (4,)]))]
    x = g.add_input(drawn) if g.chance(0.5) else g.constant(drawn.astype(object))
    kind = g.number(0, 4)

    def build(node):
        if kind == 0:
            pattern = g.pick(["a+", "(bc)*", ".*e", "[a-z ]*"])
            return node("RegexFullMatch", [node("StringConcat", [x, x])], pattern=pattern)
        if kind == 1:
            return node("StringSplit", [x], outputs=2, delimiter=g.pick([" ", "h"]))[1]
        if kind == 2:
            lower = node("StringNormalizer", [x], case_change_action=g.pick(["LOWER", "UPPER"]), stopwords=["zzz"],
                         is_case_sensitive=1)
            return node("Equal", [lower, g.constant(np.array(["the"], object))])
        if kind == 3:
            return node("TfIdfVectorizer", [x], mode=g.pick(["TF", "IDF", "TFIDF"]), min_gram_length=1,
                        max_gram_length=2, max_skip_count=g.number(0, 1), ngram_counts=[0, 2], ngram_indexes=[0, 1, 2],
                        pool_strings=["a", "the", "a", "bc"], weights=[0.5, 2.0, 1.0])
        return node("Size", [node("Gather", [x, g.ints([0, -1, 1])])])

    g.together(build)


def turned(g):
    heads, s, head = g.number(1, 2), g.number(1, 4), g.pick([2, 4, 8])
    x = g.leaf((g.number(1, 2), heads, s, head), constant=False)
    angles = g.floats((5, head // 2))
    places = whole(g, (g.shape(x)[0], s), high=5)
    g.node("RotaryEmbedding", [x, g.constant(np.cos(angles)), g.constant(np.sin(angles)), places],
           interleaved=g.number(0, 1))


def whole_attention(g):
    heads = g.pick([1, 2, 4])
    kv = g.pick([heads, 1])
    n, s, t, head = g.number(1, 2), g.number(1, 4), g.number(1, 5), g.pick([2, 4])
    if g.chance(0.5):
        inputs = [g.leaf((n, count, size, head), constant=False) for count, size in ((heads, s), (kv, t), (kv, t))]
        more = {}
    else:
        inputs = [g.leaf((n, size, count * head), constant=False) for count, size in ((heads, s), (kv, t), (kv, t))]
        more = {"q_num_heads": heads, "kv_num_heads": kv}
    if g.chance(0.4):
        inputs.append(g.leaf(g.pick([(s, t), (n, 1, s, t), (1, heads, s, t)])))
    elif g.chance(0.3) and s <= t:
        more["is_causal"] = 1
    if g.chance(0.3):
        more["scale"] = 0.4
    if g.chance(0.2):
        more["softcap"] = 3.0
    g.node("Attention", inputs, **more)


def dynamic_bytes(g):
    x = g.add_input(g.floats((2, 5)))
    array = g.values[x].astype(np.float64)
    scale = (max(array.max(), 0) - min(array.min(), 0)) / 255
    steps = array / scale
    if scale == 0 or np.any(np.abs(np.abs(steps - np.floor(steps)) - 0.5) < 0.01):
        raise Rejected
    zero = -min(array.min(), 0) / scale
    if abs(abs(zero - np.floor(zero)) - 0.5) < 0.01:
        raise Rejected
    g.node("DequantizeLinear", g.node("DynamicQuantizeLinear", [x], outputs=3))


def chance_known(g):
    """Random operators whose answers are known all the same."""
    kind = g.number(0, 3)
    if kind == 0:
        x = g.constant((g.rng.random((2, 3)) < 0.5).astype(np.float32))
        return g.node("Bernoulli", [x])
    if kind == 1:
        row = np.full((1, 4), -60, np.float32)
        row[0, g.number(0, 3)] = 60
        return g.node("Multinomial", [g.add_input(row)], sample_size=3, dtype=TensorProto.INT64)
    x = g.some(lambda a: a.ndim >= 1)

    def build(node):
        if kind == 2:
            noise = node(g.pick(["RandomNormalLike", "RandomUniformLike"]), [x], seed=3.0)
        else:
            noise = node(g.pick(["RandomNormal", "RandomUniform"]), [], shape=list(g.shape(x)), seed=3.0)
        return node("Add", [node("Mul", [noise, g.constant(np.float32(0))]), x])

    g.together(build)


def newer(g):
    kind = g.number(1, 3)
    if kind == 1:
        x = g.some(lambda a: a.ndim >= 1 and a.size)
        return g.node("CumProd", [x, g.constant(np.int64(g.number(-g.rank(x), g.rank(x) - 1)))],
                      exclusive=g.number(0, 1), reverse=g.number(0, 1))
    if kind == 2:
        return g.node("BitCast", [whole(g, dtype=np.int32)], to=TensorProto.UINT32)
    past = g.leaf((2, 2, 5, 3), constant=False)
    more = g.leaf((2, 2, g.number(1, 2), 3))
    return g.node("TensorScatter", [past, more, g.ints([g.number(0, 3), g.number(0, 3)])],
                  mode=g.pick(["linear", "circular"]))


def more_reductions(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    if g.chance(0.5) or g.rank(x) < 3:
        x = g.node("Add", [g.node("Abs", [x]), g.constant(np.float32(0.5))])
        return g.node("ReduceLogSum", [x, g.ints([g.number(0, g.rank(x) - 1)])], keepdims=g.number(0, 1))
    return g.node("GlobalLpPool", [x], p=g.number(1, 3))


def norm_over_channels(g):
    x = g.image()
    g.node("LRN", [x], size=g.pick([1, 3, 5]), alpha=0.01, beta=g.pick([0.5, 0.75]), bias=1.5)


SINGLE = [bits, truths, special_numbers, cast_like, held, crop_or_pad, columns_to_image, sequences, sequences,
          optionals, loop, loop, scan, spectrum, spectrum, determinant, sampled, sampled, unpooled, losses, boxes,
          strings, strings, turned, whole_attention, whole_attention, dynamic_bytes, chance_known, newer, newer,
          more_reductions, norm_over_channels]
