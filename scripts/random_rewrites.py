# SPDX-License-Identifier: Apache-2.0
"""What rewrites look for (src/passes/rewrites), each with what nearly fits; more of them stand in random_graphs.py."""

import numpy as np
from onnx import TensorProto

from random_graphs import SMOOTH, Rejected, conv, matmul, steady


def number(g, value):
    return g.constant(np.float32(value))


def transposes_and_reshapes(g):
    """Transposes with a reshape between them: heads split and merged, pixels as rows."""
    x = g.image()
    n, c, h, w = g.shape(x)
    y = g.node("Transpose", [x], perm=g.pick([[0, 2, 3, 1], [0, 3, 1, 2], [0, 2, 1, 3]]))
    a, b, d, e = g.shape(y)
    y = g.node("Reshape", [y, g.ints(g.pick([[a, b * d, e], [a, b, d * e], [a * b, d, e], [a, e, d * b]]))])
    if g.chance(0.3):
        y = g.node(g.pick(SMOOTH), [y])
    y = g.node("Transpose", [y], perm=g.pick([[0, 2, 1], [0, 2, 1], [1, 0, 2], [2, 1, 0]]))
    if g.chance(0.5):
        y = g.node("Reshape", [y, g.ints(g.pick([[n, c, h, w], [n, c, -1], [n, -1]]))])
        if g.rank(y) > 2 and g.chance(0.5):
            g.node("Transpose", [y], perm=[0, *reversed(range(1, g.rank(y)))])


def tiles(g):
    """A transposed convolution whose windows lie side by side, or nearly."""
    x = g.image()
    kernel = [g.number(1, 3), g.number(1, 3)]
    strides = kernel if g.chance(0.8) else [1, kernel[1]]
    group = 1 if g.chance(0.8) else g.shape(x)[1]
    weights = g.leaf((g.shape(x)[1], g.number(1, 3), *kernel), -0.6, 0.6, constant=g.chance(0.9))
    bias = [g.leaf((g.shape(weights)[1] * group,))] if g.chance(0.5) else []
    more = g.pick([{}, {}, {"pads": [1, 0, 0, 0]}, {"output_padding": [max(0, strides[0] - 1), 0]},
                   {"auto_pad": "SAME_UPPER"}])
    y = g.node("ConvTranspose", [x, weights, *bias], strides=strides, group=group, **more)
    if g.chance(0.5):
        g.node("Relu", [y])


def gemm_between_reshapes(g):
    x = g.leaf((g.number(1, 3), g.number(1, 4), g.pick([2, 4, 6])), constant=False)
    n, s, k = g.shape(x)
    y = g.node("Reshape", [x, g.ints([-1, k] if g.chance(0.8) else [n, -1])])
    depth, width, turned = g.shape(y)[1], g.pick([2, 4]), g.number(0, 1)
    weights = g.leaf((width, depth) if turned else (depth, width), -0.6, 0.6, constant=g.chance(0.9))
    bias = [g.leaf(g.pick([(width,), (width,), (1,), (g.shape(y)[0], 1)]))] if g.chance(0.7) else []
    more = g.pick([{}, {}, {"alpha": 0.5}, {"beta": 2.0}])
    y = g.node("Gemm", [y, weights, *bias], transB=turned, **more)
    if g.chance(0.2):
        y = g.node("Relu", [y])
    if g.shape(y)[0] == n * s:
        y = g.node("Reshape", [y, g.ints(g.pick([[n, s, width], [n, s, -1], [n, -1, 2], [s, n, width]]))])
    if g.rank(y) == 3 and g.chance(0.4):
        g.node("Add", [y, g.leaf(g.shape(y))])


def gemm_and_norm(g):
    x = g.leaf((g.number(2, 5), g.pick([2, 3, 6])), constant=False)

    def norm(y):
        width = g.shape(y)[1]
        constant = g.chance(0.9)
        return g.node("BatchNormalization", [y, *(g.leaf((width,), constant=constant) for _ in range(3)),
                                             g.leaf((width,), 0.3, 2, constant)])

    before = g.chance(0.5)
    y = norm(x) if before else x
    depth, width, turned = g.shape(y)[1], g.number(1, 5), g.number(0, 1)
    bias = [g.leaf(g.pick([(width,), (1, width), (1,), (g.shape(y)[0], 1)]), constant=g.chance(0.9))]
    y = g.node("Gemm", [y, g.leaf((width, depth) if turned else (depth, width), -0.6, 0.6, True),
                        *(bias if g.chance(0.7) else [])], transB=turned, beta=g.pick([1.0, 1.0, 0.5]))
    if not before or g.chance(0.3):
        norm(y)


def split_products(g):
    """The results of a layer, in parts."""
    if g.chance(0.5):
        y, axis = conv(g), 1
    else:
        y = matmul(g)
        axis = g.rank(y) - 1
    if g.chance(0.15):
        axis = 0
    size = g.shape(y)[axis]
    if size < 2:
        raise Rejected
    if g.chance(0.2):
        y = g.node("Relu", [y])
    if g.chance(0.5):
        cuts = [g.number(1, size - 1)]
        if size - cuts[0] > 1 and g.chance(0.4):
            cuts.append(g.number(1, size - cuts[0] - 1))
        parts = g.node("Split", [y, g.ints([*cuts, size - sum(cuts)])], outputs=len(cuts) + 1,
                       axis=g.pick([axis, axis - g.rank(y)]))
    else:
        cut = g.number(1, size - 1)
        second = cut - 1 if g.chance(0.25) else cut  # an overlap
        parts = [g.node("Slice", [y, g.ints([a]), g.ints([b]), g.ints([axis])]) for a, b in ((0, cut), (second, size))]
    gate = g.node("Sigmoid", [parts[1]])
    if g.shape(gate) == g.shape(parts[0]):
        g.node("Mul", [parts[0], gate])


def heads_of_a_detector(g):
    """Layers joined, then maths on what was joined."""
    x = g.rows()
    if g.rank(x) != 3:
        raise Rejected
    n, s, k = g.shape(x)
    weights = g.constant(g.floats((k, 3), -0.6, 0.6))
    parts = [g.node("MatMul", [x, weights if g.chance(0.6) else g.constant(g.floats((k, 3), -0.6, 0.6))])
             for _ in range(2)]
    if g.chance(0.3):
        parts[1] = g.node(g.pick(SMOOTH), [parts[1]])
    if g.chance(0.25):
        parts.append(g.leaf((n, 2, 3), constant=False))
    y = g.node("Concat", parts, axis=1)
    z = g.node(g.pick(["Sigmoid", "Relu", "Tanh"]), [y])
    z = g.node("Mul", [z, g.leaf(g.pick([(), (1,), (3,), (g.shape(z)[1], 1)]), constant=True)])
    if g.chance(0.2):
        g.node("Neg", [y])


def spelled_instance_norm(g):
    x = g.image()
    steady(g, x, -1)
    axes = g.ints(g.pick([[2, 3], [2, 3], [-2, -1], [3], [1, 2, 3]]))
    d = g.node("Sub", [x, g.node("ReduceMean", [x, axes], keepdims=1)])
    variance = g.node("ReduceMean", [g.node("Mul", [d, d]), axes], keepdims=1)
    if g.values[variance].min() < 0.01:
        raise Rejected
    root = g.node("Sqrt", [g.node("Add", [variance, number(g, 1e-3)])])
    y = g.node("Div", [d, root]) if g.chance(0.5) else g.node("Mul", [d, g.node("Reciprocal", [root])])
    channels = g.shape(x)[1]
    for op in ("Mul", "Add"):
        y = g.node(op, [y, g.leaf(g.pick([(channels, 1, 1), (1, channels, 1, 1), (1,), g.shape(x)[-1:]]))])


def mask_of_places(g):
    """A mask looked up by the numbers of its own places."""
    n, s = g.number(1, 3), g.number(1, 5)
    mask = g.add_input(g.floats((n, s)))
    shape = g.node("Shape", [mask])
    rows, columns = (g.node("Gather", [shape, g.constant(np.int64(axis))], axis=0) for axis in (0, 1))
    zero, one = g.constant(np.int64(0)), g.constant(np.int64(1))
    if g.chance(0.2) and s > 1:
        columns = g.node("Sub", [columns, one])
    i = g.node("Unsqueeze", [g.node("Range", [zero, rows, one]), g.ints([1])])
    j = g.node("Range", [zero, columns, one])
    if g.chance(0.5):
        width = g.node("Gather", [shape, g.constant(np.int64(1))], axis=0)
        flat = g.node("Reshape", [mask, g.ints(g.pick([[-1], [-1, 1]]))])
        places = g.node("Add", [g.node("Mul", [i, width]), j])
        if g.chance(0.3):
            places = g.node("Transpose", [places], perm=[1, 0])
        y = g.node("Gather", [flat, places], axis=0)
    else:
        full = g.node("Concat", [g.node("Unsqueeze", [size, g.ints([0])]) for size in (rows, columns)], axis=0)
        parts = [g.node("Unsqueeze", [g.node("Expand", [k, full]), g.ints([2])]) for k in (i, j)]
        y = g.node("GatherND", [mask, g.node("Concat", parts, axis=2)])
    g.node("Neg", [y])


def spelled_one_hot(g):
    """An embedding as JAX writes it, also with indices beyond the table."""
    rows, width = g.number(2, 5), g.number(1, 4)
    whole = g.pick([np.int64, np.int32])
    indices = g.add_input(g.rng.integers(-1, rows + 1, (g.number(1, 3), g.number(1, 4), 1)).astype(whole))
    counted = np.arange(rows).astype(whole)
    if g.chance(0.2):
        counted = counted[::-1].copy()
    same = g.node("Equal", [indices, g.constant(counted.reshape(g.pick([(rows,), (1, 1, rows)])))])
    y = g.node("MatMul", [g.node("Cast", [same], to=TensorProto.FLOAT), g.leaf((rows, width), constant=g.chance(0.9))])
    if g.chance(0.4):
        g.node("Add", [y, g.leaf((width,))])


def interleaved_rotary(g):
    s, width = g.number(1, 4), g.pick([4, 8])
    x = g.add_input(g.floats((g.number(1, 2), s, 2, width)))
    even = g.node("Slice", [x, g.ints([0]), g.ints([2 ** 63 - 1]), g.ints([3]), g.ints([2])])
    odd = g.node("Slice", [x, g.ints([1]), g.ints([2 ** 63 - 1]), g.ints([3]), g.ints([2])])
    angles = g.floats((s, 1, width // 2))
    cosine, sine = g.constant(np.cos(angles)), g.constant(np.sin(angles))
    if g.chance(0.2):
        even, odd = odd, even
    first = g.node("Sub", [g.node("Mul", [even, cosine]), g.node("Mul", [odd, sine])])
    second = g.node(g.pick(["Add", "Add", "Add", "Sub"]), [g.node("Mul", [odd, cosine]), g.node("Mul", [even, sine])])
    if g.chance(0.6):
        parts = [g.node("Unsqueeze", [part, g.ints([4])]) for part in (first, second)]
        g.node("Reshape", [g.node("Concat", parts, axis=4), g.ints([0, 0, 0, width])])
    else:
        g.node("Concat", [first, second], axis=3)


def spelled_silu(g):
    x = g.some()
    power = g.node("Exp", [g.node("Neg", [g.node("Clip", [x, number(g, -9), number(g, 9)]) if g.chance(0.2) else x])])
    lower = g.node("Add", [power, number(g, g.pick([1, 1, 1, 2]))])
    g.node("Div", [g.pick([x, x, number(g, 1)]), lower])


def guarded_softmax(g):
    """With the largest of -inf and what is there, as JAX writes it; also without a largest, and with another axis."""
    x = g.some(lambda a: a.ndim >= 2 and a.size and np.abs(a).max() < 20)
    axis = g.pick([-1, -1, 1])
    axes = g.ints([axis])
    if g.chance(0.7):
        largest = g.node("ReduceMax", [x, axes], keepdims=1)
        if g.chance(0.6):
            largest = g.node("Max", [g.constant(np.float32(g.pick([-np.inf, -np.inf, 1.0]))), largest])
        x = g.node("Sub", [x, largest])
    powers = g.node("Exp", [x])
    total = g.node("ReduceSum", [powers, axes], keepdims=1)
    if g.chance(0.2):
        total = g.node("Add", [total, number(g, 1e-3)])
    g.node("Div", [powers, total])


def resized_and_joined(g):
    """A 1x1 convolution over an enlarged image beside another one."""
    x = g.image()
    n, c, h, w = g.shape(x)
    mode = g.pick(["nearest", "linear"])
    more = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"} if mode == "nearest" else {}
    y = g.node("Resize", [x, "", g.constant(np.array([1, 1, 2, g.pick([2, 2, 1])], np.float32))], mode=mode, **more)
    other = g.leaf((n, g.number(1, 3), *g.shape(y)[2:]), constant=False)
    y = g.node("Concat", [y, other] if g.chance(0.6) else [other, y], axis=1)
    if g.chance(0.2):
        y = g.node("Relu", [y])
    weights = g.leaf((g.number(1, 4), g.shape(y)[1], 1, 1), -0.6, 0.6, constant=g.chance(0.9))
    g.node("Conv", [y, weights, *([g.leaf((g.shape(weights)[0],))] if g.chance(0.6) else [])],
           strides=g.pick([[1, 1], [1, 1], [2, 2]]))


def nothing_to_do(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    kind, rank = g.number(0, 6), g.rank(x)
    if kind == 0:
        x = g.node("Identity", [x])
    elif kind == 1:
        x = g.node("Cast", [x], to=TensorProto.FLOAT)
    elif kind == 2:
        x = g.node("Transpose", [x], perm=list(range(rank)))
    elif kind == 3:
        x = g.node("Reshape", [x, g.ints(g.pick([g.shape(x), [0] * rank, [*g.shape(x)[:-1], -1]]))])
    elif kind == 4:
        x = g.node("Slice", [x, g.ints([0]), g.ints([g.pick([2 ** 62, g.shape(x)[0]])]), g.ints([0]), g.ints([1])])
    elif kind == 5:
        x = g.node("Expand", [x, g.ints(g.pick([g.shape(x), [1]]))])
    else:
        x = g.node(g.pick(["Add", "Sub"]), [x, number(g, 0)])
        x = g.node(g.pick(["Mul", "Div"]), [x, number(g, 1)])
    if g.chance(0.5):
        g.node(g.pick(SMOOTH), [x])


def powers_of_two(g):
    values = np.array([g.pick([2.0, 4, 0.5, -8, 0.25, 3]) for _ in range(g.number(1, 3))], np.float32)
    x = g.some(lambda a: a.ndim >= 1 and a.shape[-1] == len(values) or len(values) == 1)
    g.node("Div", [x, g.constant(values)])


def looked_up(g):
    """Maths on rows of a table that indices from outside pick."""
    rows, width = g.number(2, 6), g.number(1, 4)
    table = g.leaf((rows, width), constant=g.chance(0.9))
    y = g.node("Gather", [table, g.add_input(g.rng.integers(-rows, rows, g.pick([(2,), (1, 3), ()])))],
               axis=g.pick([0, 0, 0, -2]))
    y = g.node(g.pick(["Add", "Mul"]), [y, g.leaf(g.pick([(), (1,), (width,)]))])
    g.node(g.pick(SMOOTH), [y])


def one_too_many(g):
    """An even window with padding on both sides, and the last result, or the first, cut off."""
    x = g.image()
    kernel, pads = [g.pick([2, 2, 3]), g.pick([1, 2])], [1, g.number(0, 1), 1, g.number(0, 1)]
    weights = g.leaf((g.number(1, 3), g.shape(x)[1], *kernel), -0.6, 0.6)
    y = g.node("Conv", [x, weights], pads=pads, strides=[g.pick([1, 1, 2]), 1])
    if g.chance(0.15):
        y = g.node("Relu", [y])
    axis = g.pick([2, 2, 3])
    first, last = g.pick([(0, -1), (1, 2 ** 40), (1, -1), (0, -2)])
    g.node("Slice", [y, g.ints([first]), g.ints([last]), g.ints([g.pick([axis, axis - 4])])])


def positions_and_zero(g):
    """Counted positions compared with a number, as exporters of masks do."""
    x = g.leaf((2, g.number(1, 5)), constant=False)
    count = g.node("Gather", [g.node("Shape", [x]), g.constant(np.int64(-1))], axis=0)
    step = g.constant(np.int64(g.pick([1, 1, 2])))
    start = g.pick([0, 0, 1, -2])
    places = g.node("Range", [g.constant(np.int64(start)), count, step])
    if g.chance(0.4):
        places = g.node("Unsqueeze", [places, g.ints([0])])
    op = g.pick(["GreaterOrEqual", "GreaterOrEqual", "Greater", "Less", "LessOrEqual"])
    mask = g.node(op, [places, g.constant(np.int64(g.pick([0, 0, start, 1])))])
    if g.shape(mask)[-1] in (1, g.shape(x)[-1]):
        g.node("Where", [mask, x, number(g, -3)])
    else:
        g.node("Cast", [mask], to=TensorProto.FLOAT)


def large_images(g):
    """Convolutions over an image that no cache holds (fuse_conv_depthwise, fuse_scaled_conv)."""
    if g.chance(0.6) or g.most > 20000:
        raise Rejected
    g.most = 200000
    x = g.add_input(g.floats((1, 2, 184, 190)))
    g.hidden.add(x)
    act = lambda y: g.node(g.pick(["Relu", "HardSwish", "Sigmoid"]), [y]) if g.chance(0.8) else y  # noqa: E731
    wide = act(g.node("Conv", [x, g.leaf((4, 2, 1, 1), constant=True)]))
    if g.chance(0.5):
        strides = g.pick([[1, 1], [2, 2]])
        y = act(g.node("Conv", [wide, g.leaf((4, 1, 3, 3), -0.5, 0.5, True)], group=4, pads=[1] * 4, strides=strides))
    else:
        scale = g.leaf(g.pick([(1, 4, 1, 1), (4, 1, 1), (1, 1, 1, 190)]), constant=False)
        if g.chance(0.7):  # squeeze and excite
            scale = g.node("Sigmoid", [g.node("Mul", [g.node("GlobalAveragePool", [wide]), g.leaf((4, 1, 1))])])
        y = g.node("Mul", [wide, scale])
    y = g.node("Conv", [y, g.leaf((1, 4, 1, 1), constant=True)])
    if g.chance(0.2):
        g.node("GlobalAveragePool", [wide])
    g.most = 20000


# --- bytes: every scale is a power of two and every sum of products is exact, so that there is but one answer

def quantizer(g, dtype=None):
    dtype = dtype or g.pick([np.uint8, np.int8])
    zero = g.number(100, 140) if dtype == np.uint8 else g.number(-20, 20)
    return g.constant(np.float32(2.0 ** g.number(-5, -3))), g.constant(dtype(zero))


def dequantized(g, x, scale, zero):
    """x [...] rounded to bytes and back."""
    steps = g.values[x].astype(np.float64) / g.values[scale]
    if np.any(np.abs(np.abs(steps - np.floor(steps)) - 0.5) < 0.01):
        raise Rejected
    return g.node("DequantizeLinear", [g.node("QuantizeLinear", [x, scale, zero]), scale, zero])


def off_ties(g, shape, scale):
    """Numbers that lie apart from the middle between two steps."""
    return g.add_input(((g.rng.integers(-60, 60, shape) + g.rng.uniform(-0.3, 0.3, shape)) * g.values[scale])
                       .astype(np.float32))


def settled(g, y, scale, zero):
    """y rounded to bytes: sums of products are multiples of a power of two, and half a step is moved off the tie."""
    step = g.values[scale]
    y = g.node("Add", [y, g.constant(np.float32(step / 64))]) if g.chance(0.5) else y
    steps = g.values[y].astype(np.float64) / step
    near = np.any(np.abs(np.abs(steps - np.floor(steps)) - 0.5) < 1e-4)
    if near and not np.all(steps * 1024 == np.round(steps * 1024)):
        raise Rejected
    return g.node("DequantizeLinear", [g.node("QuantizeLinear", [y, scale, zero]), scale, zero])


def byte_weights(g, shape, axis):
    """Weights of bytes with one scale, or one for each output."""
    held = g.constant(g.rng.integers(-63, 64, shape).astype(np.int8))
    if g.chance(0.5):
        scale = g.constant((2.0 ** g.rng.integers(-7, -4, shape[axis])).astype(np.float32))
        return g.node("DequantizeLinear", [held, scale, g.constant(np.zeros(shape[axis], np.int8))], axis=axis), scale
    scale = g.constant(np.float32(2.0 ** -6))
    return g.node("DequantizeLinear", [held, scale] + [g.constant(np.int8(0))] * g.number(0, 1)), scale


def byte_bias(g, count, x_scale, w_scale):
    scale = (g.values[x_scale] * g.values[w_scale]).astype(np.float32)
    held = g.constant(g.rng.integers(-2000, 2000, count).astype(np.int32))
    if scale.ndim == 0:
        return g.node("DequantizeLinear", [held, g.constant(scale)])
    return g.node("DequantizeLinear", [held, g.constant(scale), g.constant(np.zeros(count, np.int32))], axis=0)


def byte_conv(g):
    scale, zero = quantizer(g)
    channels = g.pick([1, 2, 4])
    x = dequantized(g, off_ties(g, (g.number(1, 2), channels, g.number(3, 6), g.number(3, 6)), scale), scale, zero)
    group = g.pick([1, 1, channels])
    filters = group * g.number(1, 3)
    weights, w_scale = byte_weights(g, (filters, channels // group, g.number(1, 3), g.number(1, 3)), 0)
    bias = [byte_bias(g, filters, scale, w_scale)] if g.chance(0.6) else []
    y = g.node("Conv", [x, weights, *bias], group=group, strides=[g.number(1, 2)] * 2, pads=[g.number(0, 1)] * 4)
    if g.chance(0.5):
        y = g.node("Relu", [y])
    if g.chance(0.15):
        g.node("Neg", [y])
    y_scale, y_zero = g.constant(np.float32(2.0 ** g.number(-3, 0))), quantizer(g)[1]
    y = settled(g, y, y_scale, y_zero)
    follow_bytes(g, y, y_scale, y_zero)


def follow_bytes(g, y, scale, zero):
    """What moves or picks bytes, what adds them, what takes their mean."""
    kind = g.number(0, 4)
    other, other_zero = (scale, zero) if g.chance(0.7) else quantizer(g)
    if kind == 0 and g.rank(y) == 4 and min(g.shape(y)[2:]) >= 2:
        y = g.node("MaxPool", [y], kernel_shape=[2, 2])
        settled(g, y, other, other_zero)
    elif kind == 1:
        y = g.node("Transpose", [y], perm=list(reversed(range(g.rank(y)))))
        settled(g, y, other, other_zero)
    elif kind == 2:
        again = dequantized(g, off_ties(g, g.shape(y), other), other, other_zero)
        y = g.node("Add", [y, again])
        if g.chance(0.5):
            y = g.node("Relu", [y])
        settled(g, y, g.constant(np.float32(2.0 ** g.number(-2, 1))), quantizer(g)[1])
    elif kind == 3 and g.rank(y) == 4 and np.log2(np.prod(g.shape(y)[2:])) % 1 == 0:
        y = g.node("GlobalAveragePool", [y])
        settled(g, y, other, other_zero)
    elif kind == 4:
        settled(g, g.node("Reshape", [y, g.ints([g.shape(y)[0], -1])]), other, other_zero)


def byte_matmul(g):
    scale, zero = quantizer(g)
    depth, width = g.pick([2, 4, 8]), g.pick([1, 3, 4])
    shape = g.pick([(3, depth), (2, 2, depth)])
    x = dequantized(g, off_ties(g, shape, scale), scale, zero)
    if g.chance(0.4) and len(shape) == 2:
        weights, w_scale = byte_weights(g, (width, depth), 0)
        y = g.node("Gemm", [x, weights, *([byte_bias(g, width, scale, w_scale)] if g.chance(0.6) else [])], transB=1)
    else:
        weights, w_scale = byte_weights(g, (depth, width), 1)
        y = g.node("MatMul", [x, weights])
        if g.chance(0.6):
            y = g.node("Add", [y, byte_bias(g, width, scale, w_scale)])
    if g.chance(0.3):
        y = g.node("Relu", [y])
    y_scale, y_zero = g.constant(np.float32(2.0 ** g.number(-3, 0))), quantizer(g)[1]
    follow_bytes(g, settled(g, y, y_scale, y_zero), y_scale, y_zero)


def integer_products(g):
    """QLinearConv, QLinearMatMul and the operators that answer i32."""
    x_zero, w_zero, y_zero = g.number(100, 140), g.constant(np.int8(0)), g.constant(np.uint8(g.number(100, 140)))
    x_scale, w_scale, y_scale = (g.constant(np.float32(2.0 ** -g.number(2, 6))) for _ in range(3))
    byte = g.constant(np.uint8(x_zero))
    kind = g.number(0, 3)
    if kind in (0, 1):
        x = g.add_input(g.rng.integers(0, 256, (1, 2, g.number(3, 5), g.number(3, 5))).astype(np.uint8))
        w = g.constant(g.rng.integers(-63, 64, (g.number(1, 3), 2, g.number(1, 3), g.number(1, 3))).astype(np.int8))
        if kind == 0:
            bias = [g.constant(g.rng.integers(-999, 999, g.shape(w)[0]).astype(np.int32))] if g.chance(0.5) else []
            y = g.node("QLinearConv", [x, x_scale, byte, w, w_scale, w_zero, y_scale, y_zero, *bias],
                       pads=[g.number(0, 1)] * 4)
            return g.node("DequantizeLinear", [y, y_scale, y_zero])
        w = g.constant(g.rng.integers(0, 127, g.shape(w)).astype(np.uint8)) if g.chance(0.5) else w
        zeros = [byte] if g.chance(0.7) else []
        y = g.node("ConvInteger", [x, w, *zeros], pads=[g.number(0, 1)] * 4, strides=[g.number(1, 2)] * 2)
    else:
        depth = g.pick([2, 5, 8])
        x = g.add_input(g.rng.integers(0, 256, g.pick([(3, depth), (2, 2, depth)])).astype(np.uint8))
        w = g.constant(g.rng.integers(-63, 64, (depth, g.number(1, 4))).astype(np.int8))
        if kind == 2:
            y = g.node("QLinearMatMul", [x, x_scale, byte, w, w_scale, w_zero, y_scale, y_zero])
            return g.node("DequantizeLinear", [y, y_scale, y_zero])
        y = g.node("MatMulInteger", [x, w, *([byte] if g.chance(0.7) else [])])
    g.node("Mul", [g.node("Cast", [y], to=TensorProto.FLOAT), g.constant(np.float32(2.0 ** -8))])


PATTERNS = [transposes_and_reshapes, tiles, gemm_between_reshapes, gemm_and_norm, split_products, heads_of_a_detector,
            spelled_instance_norm, mask_of_places, spelled_one_hot, interleaved_rotary, spelled_silu, guarded_softmax,
            resized_and_joined, one_too_many, positions_and_zero,
            large_images, nothing_to_do, powers_of_two, looked_up, byte_conv, byte_conv, byte_matmul,
            integer_products]
