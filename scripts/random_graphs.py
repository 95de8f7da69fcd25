# SPDX-License-Identifier: Apache-2.0
"""Random valid ONNX graphs, node by node: each node is run as it is added, so that the next one sees true shapes and
values. What two correct implementations may answer differently is left out: numbers beyond 1e4 or without a value,
comparisons and roundings of what lies on an edge, sums that cancel to nothing.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSETS = (21, 23, 23, 24, 26)  # each has operators that ONNX Runtime does not have in another
EDGE = 2e-3  # how far from an edge a number lies that is rounded or compared
LARGEST = 1e4


class Rejected(Exception):
    """A node that cannot be had here; the graph goes on without it."""


def quiet_session(model, optimized=True):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def info(name, array, shape=None):
    dtype = TensorProto.STRING if array.dtype.kind in "UO" else helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, dtype, array.shape if shape is None else shape)


def made_model(nodes, inputs, outputs, constants=(), opset=23):
    graph = helper.make_graph(nodes, "random", inputs, outputs, initializer=list(constants))
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10)


def inputs_of(nodes):
    """The names that they read, also in their branches and bodies, in order."""
    names = {}
    for node in nodes:
        names |= dict.fromkeys(name for name in node.input if name)
        for attribute in node.attribute:
            names |= dict.fromkeys(inputs_of(attribute.g.node))
    return list(names)


class Graph:
    def __init__(self, rng, opset=23):
        self.opset = opset
        self.most = 20000  # elements of a value
        self.rng, self.nodes, self.values, self.inputs, self.constants = rng, [], {}, [], {}
        self.hidden = set()  # values that no other node shall read

    # --- drawing
    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        items = list(items)
        if not items:
            raise Rejected
        return items[self.rng.integers(len(items))]

    def number(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def floats(self, shape, low=-2.0, high=2.0):
        return self.rng.uniform(low, high, shape).astype(np.float32)

    # --- leaves
    def add_input(self, array):
        name = f"x{len(self.inputs)}"
        self.inputs.append(name)
        self.values[name] = np.array(array, order="C")
        return name

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants[name] = self.values[name] = np.array(array, order="C")
        return name

    def ints(self, values):
        return self.constant(np.array(values, np.int64))

    def leaf(self, shape, low=-2.0, high=2.0, constant=None):
        constant = self.chance(0.6) if constant is None else constant
        return (self.constant if constant else self.add_input)(self.floats(shape, low, high))

    # --- what is there
    def shape(self, name):
        return self.values[name].shape

    def rank(self, name):
        return self.values[name].ndim

    def some(self, fits=lambda array: True, dtype=np.float32):
        """A value that is there, later ones first."""
        names = [name for name, array in self.values.items()
                 if array.dtype == dtype and name not in self.constants and name not in self.hidden and fits(array)]
        if not names:
            raise Rejected
        return names[-1 - int(min(self.rng.exponential(3), len(names) - 1))]

    def image(self, channels=None):
        """[N,C,H,W], also made from what is there."""
        try:
            return self.some(lambda a: a.ndim == 4 and a.size and min(a.shape[2:]) >= 3 and a.shape[1] <= 12
                             and (channels is None or a.shape[1] == channels))
        except Rejected:
            return self.add_input(self.floats((self.number(1, 2), channels or self.pick((1, 2, 3, 4, 6, 8)),
                                               self.number(4, 9), self.number(4, 9))))

    def rows(self, width=None):
        """[..., width], at least two dims."""
        try:
            return self.some(lambda a: a.ndim in (2, 3) and a.size and 2 <= a.shape[-1] <= 24
                             and width in (None, a.shape[-1]))
        except Rejected:
            lead = [self.number(1, 3)] * self.chance(0.5) + [self.number(2, 7)]
            return self.add_input(self.floats((*lead, width or self.pick((2, 3, 4, 8, 12, 16)))))

    def apart(self, name, *edges):
        """Its numbers lie apart from these."""
        for edge in edges:
            if np.any(np.abs(self.values[name].astype(np.float64) - edge) < EDGE):
                raise Rejected

    # --- nodes
    def node(self, op, inputs, outputs=1, domain="", **attributes):
        """The names of its outputs, or the name of the only one."""
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.add([helper.make_node(op, inputs, names, domain=domain, **attributes)], names)
        return names[0] if outputs == 1 else names

    def together(self, build):
        """`build(node)` makes nodes of which nobody sees but the last value: what lies between need not be tensors."""
        nodes = []

        def node(op, inputs, outputs=1, **attributes):
            names = [f"v{len(self.nodes) + len(nodes)}_{i}" for i in range(outputs)]
            nodes.append(helper.make_node(op, inputs, names, **attributes))
            return names[0] if outputs == 1 else names

        name = build(node)
        self.add(nodes, [name])
        return name

    def add(self, nodes, names):
        """Runs them; what they make under these names is there from now on."""
        given = [name for name in inputs_of(nodes) if name in self.values]
        constants = [numpy_helper.from_array(self.values[name], name) for name in given if name in self.constants]
        varying = [info(name, self.values[name]) for name in given if name not in self.constants]
        untyped = [onnx.ValueInfoProto(name=name) for name in names]
        ops = ", ".join(node.op_type for node in nodes)
        try:
            model = made_model(nodes, varying, untyped, constants, self.opset)
            results = quiet_session(model, optimized=False).run(None, {v.name: self.values[v.name] for v in varying})
        except Exception as error:
            raise Rejected(f"{ops}: {error}") from None
        for array in results:
            if not isinstance(array, np.ndarray) or array.dtype.kind in "UO":
                raise Rejected(ops)
            if array.size > self.most or array.ndim > 6:
                raise Rejected(ops)
            if array.dtype.kind == "f" and array.size:
                if not np.all(np.isfinite(array)) or np.abs(array).max() > LARGEST:
                    raise Rejected(ops)
        self.nodes += nodes
        self.values.update(zip(names, results))

    def model(self, symbolic=0.0):
        """(model, feed): what nobody reads is an output, and some of what is read."""
        read = set(inputs_of(self.nodes))
        made = [name for node in self.nodes for name in node.output if name in self.values]
        outputs = [name for name in made if name not in read or self.chance(0.08)]
        used = [name for name in self.inputs if name in read]

        def dims(name):
            return [f"{name}_{axis}" if size > 1 and self.chance(symbolic) else size
                    for axis, size in enumerate(self.shape(name))]

        inputs = [info(name, self.values[name], dims(name)) for name in used]
        untyped = []
        for name in outputs:
            value = info(name, self.values[name])
            value.type.tensor_type.ClearField("shape")
            untyped.append(value)
        constants = [numpy_helper.from_array(array, name) for name, array in self.constants.items() if name in read]
        feed = {name: self.values[name] for name in used}
        return made_model(self.nodes, inputs, untyped, constants, self.opset), feed


# --- single operators

SMOOTH = ["Abs", "Neg", "Erf", "Tanh", "Sigmoid", "Relu", "Softplus", "Softsign", "Mish", "HardSwish", "Sin", "Cos",
          "Atan", "Asinh", "Identity", "Selu"]


def unary(g):
    g.node(g.pick(SMOOTH), [g.some()])


def unary_with_number(g):
    op, attributes = g.pick([("LeakyRelu", "alpha"), ("Elu", "alpha"), ("Celu", "alpha"), ("HardSigmoid", "alpha"),
                             ("ThresholdedRelu", "alpha"), ("Shrink", "lambd")])
    x, value = g.some(), float(np.float32(g.rng.uniform(0.05, 1.5)))
    if op in ("ThresholdedRelu", "Shrink"):
        g.apart(x, value, -value)
    g.node(op, [x], **{attributes: value})


def gelu(g):
    g.node("Gelu", [g.some()], approximate=g.pick(["none", "tanh"]))


def guarded(g):
    """Operators with a domain, behind what brings any number into it."""
    op = g.pick(["Sqrt", "Log", "Reciprocal", "Exp", "Asin", "Acos", "Atanh", "Acosh", "Sinh", "Cosh", "Tan"])
    x = g.some()
    if op in ("Sqrt", "Log", "Reciprocal", "Acosh"):
        x = g.node("Add", [g.node("Abs", [x]), g.constant(np.float32(1.5))])
    elif op in ("Exp", "Sinh", "Cosh"):
        x = g.node("Clip", [x, g.constant(np.float32(-4)), g.constant(np.float32(4))])
    else:
        x = g.node("Mul", [g.node("Tanh", [x]), g.constant(np.float32(0.9))])
    g.node(op, [x])


def rounding(g):
    op, x = g.pick(["Floor", "Ceil", "Round", "Sign"]), g.some()
    array = g.values[x].astype(np.float64)
    away = np.abs(array - np.round(array * 2) / 2) if op != "Sign" else np.abs(array)
    if array.size and away.min() < EDGE:
        raise Rejected
    g.node(op, [x])


def broadcast_partner(g, x):
    shape = list(g.shape(x))
    for axis in range(len(shape)):
        if g.chance(0.3):
            shape[axis] = 1
    shape = shape[g.number(0, len(shape)):] if g.chance(0.4) else shape
    if g.chance(0.1):
        shape = [g.number(1, 2), *shape]
    if g.chance(0.4):
        try:
            return g.some(lambda a: a.shape == tuple(shape))
        except Rejected:
            pass
    return g.leaf(shape)


def binary(g):
    op, x = g.pick(["Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu", "Pow"]), g.some()
    y = broadcast_partner(g, x)
    if op == "PRelu":
        y = g.leaf(g.pick([(1,), g.shape(x)[-1:]]))
    if op == "Div":
        y = g.node("Add", [g.node("Abs", [y]), g.constant(np.float32(0.5))])
    if op == "Pow":
        x = g.node("Add", [g.node("Abs", [x]), g.constant(np.float32(0.1))])
    g.node(op, [x, y] if g.chance(0.7) or op in ("Div", "Pow", "PRelu") else [y, x])


def several(g):
    x = g.some()
    g.node(g.pick(["Sum", "Mean", "Max", "Min"]), [x, *(broadcast_partner(g, x) for _ in range(g.number(0, 2)))])


def clip(g):
    low = float(np.float32(g.rng.uniform(-2, 1)))
    bounds = [g.constant(np.float32(low)), g.constant(np.float32(low + g.rng.uniform(0, 2)))]
    keep = g.number(0, 2)
    g.node("Clip", [g.some(), bounds[0] if keep != 1 else "", *(bounds[1:] if keep else [])])


def compared(g, x, y):
    if np.any(np.abs(g.values[x].astype(np.float64) - g.values[y]) < EDGE):
        raise Rejected
    return g.node(g.pick(["Less", "Greater", "LessOrEqual", "GreaterOrEqual"]), [x, y])


def select(g):
    x = g.some()
    y = broadcast_partner(g, x)
    mask = compared(g, x, y)
    if g.chance(0.3):
        mask = g.node("Not", [mask])
    g.node("Where", [mask, *g.pick([(x, y), (y, x), (x, g.constant(np.float32(0)))])])


def logic(g):
    x = g.some(dtype=np.bool_)
    if g.chance(0.5):
        g.node(g.pick(["And", "Or", "Xor", "Equal"]), [x, g.constant(g.rng.random(g.shape(x)) < 0.5)])
    else:
        g.node("Cast", [x], to=g.pick([TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32]))


def integers(g):
    x = g.some(dtype=np.int64)
    y = g.constant(g.rng.integers(1, 9, g.shape(x)))
    op = g.pick(["Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Neg", "Abs",
                 "Sign", "Cast"])
    if np.abs(g.values[x]).max(initial=0) > 10000:
        raise Rejected
    if op == "Cast":
        return g.node("Cast", [x], to=g.pick([TensorProto.FLOAT, TensorProto.INT32, TensorProto.BOOL]))
    return g.node(op, [x] if op in ("Neg", "Abs", "Sign") else [x, y], **({"fmod": 0} if op == "Mod" else {}))


def cast(g):
    x = g.some()
    if g.chance(0.3):
        return g.node("Cast", [g.node("Cast", [x], to=TensorProto.DOUBLE)], to=TensorProto.FLOAT)
    array = g.values[x].astype(np.float64)
    if array.size and np.abs(array - np.round(array)).min() < EDGE and np.any(array != np.round(array)):
        raise Rejected
    return g.node("Cast", [x], to=g.pick([TensorProto.INT64, TensorProto.INT32]))


def reshape(g):
    x = g.some(lambda a: a.size)
    sizes = [size for size in g.shape(x)]
    parts = []
    for size in sizes:
        split = [k for k in range(2, size) if size % k == 0]
        parts += [k := g.pick(split), size // k] if split and g.chance(0.4) else [size]
    while len(parts) > 1 and g.chance(0.5):
        at = g.number(0, len(parts) - 2)
        parts[at:at + 2] = [parts[at] * parts[at + 1]]
    if len(parts) > 6:
        raise Rejected
    if parts and g.chance(0.5):
        parts[g.number(0, len(parts) - 1)] = -1
    g.node("Reshape", [x, g.ints(parts)])


def reshape_by_shape(g):
    """As exporters write it: dimensions read from a shape, joined with numbers."""
    x = g.some(lambda a: a.ndim >= 2 and a.size)
    shape = g.node("Shape", [x])
    first = g.node("Gather", [shape, g.constant(np.int64(0))], axis=0)
    row = g.node("Unsqueeze", [first, g.ints([0])])
    g.node("Reshape", [x, g.node("Concat", [row, g.ints([-1])], axis=0)])


def transpose(g):
    x = g.some(lambda a: a.ndim >= 2)
    perm = [int(axis) for axis in g.rng.permutation(g.rank(x))]
    g.node("Transpose", [x], perm=perm)


def squeeze_or_unsqueeze(g):
    x = g.some(lambda a: a.ndim <= 4)
    ones = [axis for axis, size in enumerate(g.shape(x)) if size == 1]
    if ones and g.chance(0.5):
        return g.node("Squeeze", [x, g.ints([g.pick(ones)])])
    return g.node("Unsqueeze", [x, g.ints([g.number(-g.rank(x) - 1, g.rank(x))])])


def flatten(g):
    x = g.some(lambda a: a.ndim >= 1)
    g.node("Flatten", [x], axis=g.number(-g.rank(x), g.rank(x)))


def concat(g):
    x = g.some(lambda a: a.ndim >= 1)
    axis = g.number(0, g.rank(x) - 1)
    parts = [x]
    for _ in range(g.number(1, 2)):
        shape = list(g.shape(x))
        shape[axis] = g.number(1, 4)
        try:
            if g.chance(0.4):
                raise Rejected
            parts.append(g.some(lambda a: a.ndim == len(shape) and all(
                d == axis or n == shape[d] for d, n in enumerate(a.shape))))
        except Rejected:
            parts.append(g.leaf(shape))
    g.rng.shuffle(parts)
    g.node("Concat", parts, axis=g.pick([axis, axis - g.rank(x)]))


def split(g):
    x = g.some(lambda a: a.ndim >= 1 and max(a.shape) >= 2)
    axis = g.pick([axis for axis, size in enumerate(g.shape(x)) if size >= 2])
    first = g.number(1, g.shape(x)[axis] - 1)
    g.node("Split", [x, g.ints([first, g.shape(x)[axis] - first])], outputs=2, axis=axis)


def slice_(g):
    x = g.some(lambda a: a.ndim >= 1)
    starts, ends, axes, steps = [], [], [], []
    for axis, size in enumerate(g.shape(x)):
        if g.chance(0.5):
            axes.append(axis)
            step = g.pick([1, 1, 1, 2, -1, 3])
            a, b = g.number(-size - 1, size + 1), g.number(-size - 1, size + 1)
            if step < 0:
                a, b = size - 1, g.pick([-size - 1, 0])
            starts.append(a), ends.append(b), steps.append(step)
    if not axes:
        raise Rejected
    out = g.node("Slice", [x, g.ints(starts), g.ints(ends), g.ints(axes), g.ints(steps)])
    if g.values[out].size == 0 and g.chance(0.8):
        g.nodes.pop()
        del g.values[out]
        raise Rejected


def gather(g):
    x = g.some(lambda a: a.ndim >= 1 and min(a.shape) >= 1)
    axis = g.number(0, g.rank(x) - 1)
    size = g.shape(x)[axis]
    shape = g.pick([(), (1,), (3,), (2, 2)])
    values = g.rng.integers(-size, size, shape)
    indices = g.constant(values) if g.chance(0.7) else g.add_input(values)
    g.node("Gather", [x, indices], axis=axis)


def gather_elements(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    axis = g.number(0, g.rank(x) - 1)
    shape = [g.number(1, size) for size in g.shape(x)]
    shape[axis] = g.number(1, 5)
    g.node("GatherElements", [x, g.constant(g.rng.integers(0, g.shape(x)[axis], shape))], axis=axis)


def gather_nd(g):
    x = g.some(lambda a: a.ndim >= 2 and a.size)
    depth = g.number(1, g.rank(x))
    columns = [g.rng.integers(0, size, (3, 1)) for size in g.shape(x)[:depth]]
    g.node("GatherND", [x, g.constant(np.concatenate(columns, 1))])


def scatter(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    axis = g.number(0, g.rank(x) - 1)
    shape = [g.number(1, size) for size in g.shape(x)]
    size, count = g.shape(x)[axis], shape[axis]
    order = np.argsort(g.rng.random([*shape[:axis], size, *shape[axis + 1:]]), axis)  # each place once
    indices = np.take(order, range(count), axis).astype(np.int64)
    g.node("ScatterElements", [x, g.constant(indices), g.leaf(shape)], axis=axis,
           reduction=g.pick(["none", "add", "max"]))


def scatter_nd(g):
    x = g.some(lambda a: a.ndim >= 2 and a.size)
    depth = g.number(1, g.rank(x))
    places = g.rng.permutation(int(np.prod(g.shape(x)[:depth])))[:3]
    indices = np.stack(np.unravel_index(places, g.shape(x)[:depth]), 1).astype(np.int64)
    g.node("ScatterND", [x, g.constant(indices), g.leaf((len(places), *g.shape(x)[depth:]))])


def expand(g):
    x = g.some(lambda a: a.ndim <= 4 and a.size < 500)
    target = [size if size != 1 else g.number(1, 4) for size in g.shape(x)]
    g.node("Expand", [x, g.ints([g.number(1, 3), *target] if g.chance(0.3) else target)])


def tile(g):
    x = g.some(lambda a: 1 <= a.ndim <= 4 and a.size < 500)
    g.node("Tile", [x, g.ints([g.number(1, 2) for _ in g.shape(x)])])


def pad(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size and min(a.shape) >= 2)
    mode = g.pick(["constant", "reflect", "edge", "wrap"])
    pads = [g.number(0, 1) for _ in range(2 * g.rank(x))]
    extra = [g.constant(np.float32(0.5))] if mode == "constant" and g.chance(0.5) else []
    g.node("Pad", [x, g.ints(pads), *extra], mode=mode)


def reduce(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    op = g.pick(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                 "ReduceSumSquare", "ReduceLogSumExp"])
    axes = sorted(int(a) for a in g.rng.permutation(g.rank(x))[:g.number(1, g.rank(x))])
    given = [] if g.chance(0.2) else [g.ints([a - g.rank(x) * g.chance(0.3) for a in axes])]
    g.node(op, [x, *given], keepdims=g.number(0, 1))


def gaps(g, x, axis):
    array = np.sort(g.values[x].astype(np.float64), axis)
    if array.shape[axis] > 1 and np.diff(array, axis=axis).min() < EDGE:
        raise Rejected


def ranking(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    axis = g.number(0, g.rank(x) - 1)
    gaps(g, x, axis)
    if g.chance(0.5):
        return g.node(g.pick(["ArgMax", "ArgMin"]), [x], axis=axis, keepdims=g.number(0, 1))
    k = g.number(1, g.shape(x)[axis])
    return g.node("TopK", [x, g.ints([k])], outputs=2, axis=axis, largest=g.number(0, 1))


def along_axis(g):
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    axis = g.number(-g.rank(x), g.rank(x) - 1)
    op = g.pick(["Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "CumSum"])
    if op == "Hardmax":
        gaps(g, x, axis)
    if op == "CumSum":
        return g.node(op, [x, g.constant(np.int64(axis))], exclusive=g.number(0, 1), reverse=g.number(0, 1))
    if op == "LpNormalization" and np.abs(g.values[x]).sum(axis).min() < 0.05:
        raise Rejected
    return g.node(op, [x], axis=axis)


def norm(g):
    x = g.image() if g.chance(0.5) else g.rows()
    op = g.pick(["LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization", "LRN",
                 "BatchNormalization", "MeanVarianceNormalization"])
    channels = g.shape(x)[1]
    steady(g, x, -1)
    if op in ("LayerNormalization", "RMSNormalization"):
        axis = g.number(1, g.rank(x) - 1)
        scales = [g.leaf(g.shape(x)[axis:]) for _ in range(1 if op[0] == "R" or g.chance(0.3) else 2)]
        return g.node(op, [x, *scales], axis=axis, epsilon=1e-3)
    if g.rank(x) < 3:
        raise Rejected
    if op == "LRN":
        return g.node(op, [x], size=3)
    if op == "MeanVarianceNormalization":
        return g.node(op, [x], axes=[0, 2])
    pair = [g.leaf((channels,)), g.leaf((channels,))]
    if op == "BatchNormalization":
        return g.node(op, [x, *pair, g.leaf((channels,)), g.leaf((channels,), 0.3, 2)])
    if op == "GroupNormalization":
        return g.node(op, [x, *pair], num_groups=g.pick([k for k in range(1, channels + 1) if channels % k == 0]),
                      epsilon=1e-3)
    return g.node(op, [x, *pair], epsilon=1e-3)


def steady(g, x, axis):
    """A deviation of nearly 0 would blow up any difference."""
    if g.values[x].shape[axis] < 2 or g.values[x].std(axis).min() < 0.05:
        raise Rejected


def conv(g, x=None, kernel=None, **more):
    x = x or g.image()
    channels = g.shape(x)[1]
    group = g.pick([k for k in range(1, channels + 1) if channels % k == 0])
    filters = group * g.number(1, 3)
    kernel = kernel or [g.number(1, 3) for _ in range(2)]
    weights = g.leaf((filters, channels // group, *kernel), -0.6, 0.6, constant=g.chance(0.85))
    bias = [g.leaf((filters,))] if g.chance(0.6) else []
    attributes = {"strides": [g.number(1, 2) for _ in range(2)], "dilations": [g.pick([1, 1, 1, 2]) for _ in range(2)],
                  "group": group}
    if g.chance(0.3):
        attributes["auto_pad"] = g.pick(["SAME_UPPER", "SAME_LOWER", "VALID"])
        attributes["dilations"] = [1, 1]
    else:
        attributes["pads"] = [g.number(0, 1) for _ in range(4)]
    return g.node("Conv", [x, weights, *bias], **{**attributes, **more})


def conv_1d(g):
    try:
        x = g.some(lambda a: a.ndim == 3 and a.size and a.shape[2] >= 3 and a.shape[1] <= 12)
    except Rejected:
        x = g.add_input(g.floats((g.number(1, 2), g.pick((2, 3, 4)), g.number(4, 12))))
    channels = g.shape(x)[1]
    group = g.pick([1, channels])
    weights = g.leaf((group * 2, channels // group, g.number(1, 3)), -0.6, 0.6)
    g.node("Conv", [x, weights], group=group, pads=[1, 1], strides=[g.number(1, 2)])


def conv_transpose(g):
    x = g.image()
    channels = g.shape(x)[1]
    group = g.pick([1, channels])
    weights = g.leaf((channels, g.number(1, 2), g.number(1, 3), g.number(1, 3)), -0.6, 0.6)
    strides = [g.number(1, 2), g.number(1, 2)]
    bias = [g.leaf((g.shape(weights)[1] * group,))] if g.chance(0.5) else []
    g.node("ConvTranspose", [x, weights, *bias], group=group, strides=strides,
           pads=[g.number(0, 1) for _ in range(4)], output_padding=[g.number(0, s - 1) for s in strides])


def pool(g):
    op = g.pick(["MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool"])
    if op.startswith("Global"):
        return g.node(op, [g.image()])
    attributes = {"kernel_shape": [g.number(1, 3), g.number(1, 3)], "strides": [g.number(1, 2), g.number(1, 2)],
                  "ceil_mode": g.number(0, 1)}
    attributes["pads"] = [g.number(0, min(1, size - 1)) for size in attributes["kernel_shape"] * 2]
    if op == "AveragePool":
        attributes["count_include_pad"] = g.number(0, 1)
        attributes["ceil_mode"] = 0  # implementations differ in what the last window is divided by
    return g.node(op, [g.image()], **attributes)


def matmul(g):
    x = g.rows()
    depth = g.shape(x)[-1]
    if g.chance(0.25):
        rank = g.rank(x)
        return g.node("MatMul", [x, g.node("Transpose", [x], perm=[*range(rank - 2), rank - 1, rank - 2])])
    lead = g.shape(x)[:-2] if g.chance(0.2) else ()
    y = g.node("MatMul", [x, g.leaf((*lead, depth, g.pick((1, 3, 4, 8))), -0.6, 0.6, constant=g.chance(0.85))])
    return g.node("Add", [y, g.leaf((g.shape(y)[-1],))]) if g.chance(0.6) else y


def gemm(g):
    x = g.some(lambda a: a.ndim == 2 and a.size and max(a.shape) <= 32)
    turned_a, turned_b = g.number(0, 1), g.number(0, 1)
    rows, depth = g.shape(x)[::-1] if turned_a else g.shape(x)
    width = g.number(1, 8)
    weights = g.leaf((width, depth) if turned_b else (depth, width), -0.6, 0.6)
    bias = [g.leaf(g.pick([(width,), (1, width), (rows, 1), ()]))] if g.chance(0.7) else []
    g.node("Gemm", [x, weights, *bias], transA=turned_a, transB=turned_b, alpha=g.pick([1.0, 0.5]),
           beta=g.pick([1.0, 2.0]))


def einsum(g):
    x = g.some(lambda a: a.ndim == 3 and a.size and max(a.shape) <= 16)
    a, b, c = g.shape(x)
    text, shape = g.pick([("abc,cd->abd", (c, 3)), ("abc,acd->abd", (a, c, 2)), ("abc,dc->dab", (2, c)),
                          ("abc,b->ac", (b,))])
    g.node("Einsum", [x, g.leaf(shape)], equation=text)


def recurrent(g):
    op = g.pick(["LSTM", "GRU", "RNN"])
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    try:
        x = g.some(lambda a: a.ndim == 3 and a.size and max(a.shape) <= 12)
    except Rejected:
        x = g.add_input(g.floats((g.number(1, 5), g.number(1, 3), g.number(1, 6))))
    _, batch, width = g.shape(x)
    direction = g.pick(["forward", "reverse", "bidirectional"])
    ways, hidden = 1 + (direction == "bidirectional"), g.number(1, 5)
    inputs = [x, g.leaf((ways, gates * hidden, width), -0.6, 0.6, True),
              g.leaf((ways, gates * hidden, hidden), -0.6, 0.6, True)]
    inputs.append(g.leaf((ways, 2 * gates * hidden), -0.5, 0.5, True) if g.chance(0.7) else "")
    state = g.number(0, 2)
    if state:
        zeros = g.constant(np.zeros((ways, batch, hidden), np.float32))
        inputs += ["", zeros if state == 1 else g.leaf((ways, batch, hidden))]
        if op == "LSTM" and g.chance(0.7):
            inputs.append(zeros if state == 1 else g.leaf((ways, batch, hidden)))
    more = {"linear_before_reset": g.number(0, 1)} if op == "GRU" else {}
    g.node(op, inputs, outputs=3 if op == "LSTM" else 2, hidden_size=hidden, direction=direction, **more)


def resize(g):
    x = g.image()
    mode = g.pick(["nearest", "nearest", "linear", "cubic"])
    scales = [1, 1, g.pick([2, 1, 0.5, 1.5]), g.pick([2, 1, 0.5])]
    how = g.pick(["asymmetric", "half_pixel", "align_corners"])
    more = {"nearest_mode": "floor"} if mode == "nearest" else {}
    if mode == "nearest":
        how = "asymmetric"
    sizes = [max(1, int(size * scale)) for size, scale in zip(g.shape(x), scales)]
    if g.chance(0.5) and how != "align_corners":  # ONNX Runtime rounds its lengths, ONNX does not
        return g.node("Resize", [x, "", g.constant(np.array(scales, np.float32))], mode=mode,
                      coordinate_transformation_mode=how, **more)
    return g.node("Resize", [x, "", "", g.ints(sizes)], mode=mode, coordinate_transformation_mode=how, **more)


def blocks(g):
    x = g.image(g.pick([4, 8]))
    if g.chance(0.5):
        return g.node("DepthToSpace", [x], blocksize=2, mode=g.pick(["DCR", "CRD"]))
    return g.node("SpaceToDepth", [x], blocksize=1 + all(size % 2 == 0 for size in g.shape(x)[2:]))


def late(g):
    """Sizes that only running can tell."""
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    kind = g.number(0, 2)
    if kind == 0:
        g.apart(x, 0.0)
        places = g.node("NonZero", [g.node("Relu", [x])])
        return g.node("GatherND", [x, g.node("Transpose", [places], perm=[1, 0])])
    if kind == 1:
        axis = g.number(0, g.rank(x) - 1)
        return g.node("Compress", [x, g.constant(g.rng.random(g.shape(x)[axis]) < 0.6)], axis=axis)
    gaps(g, g.node("Reshape", [x, g.ints([-1])]), 0)
    return g.node("Unique", [x], outputs=4, sorted=1)


def small(g):
    x = g.some(lambda a: a.ndim >= 1)
    op = g.pick(["Shape", "Size", "EyeLike", "Trilu", "OneHot", "IsNaN", "ReverseSequence"])
    if op == "EyeLike":
        return g.node(op, [g.some(lambda a: a.ndim == 2)], k=g.number(-1, 1))
    if op == "Trilu":
        return g.node(op, [g.some(lambda a: a.ndim >= 2), g.constant(np.int64(g.number(-1, 1)))], upper=g.number(0, 1))
    if op == "OneHot":
        indices = g.constant(g.rng.integers(0, 4, (g.number(1, 4),)))
        values = g.constant(np.array([0, 1], np.float32))
        return g.node(op, [indices, g.constant(np.int64(4)), values], axis=g.pick([0, -1]))
    if op == "ReverseSequence":
        x = g.some(lambda a: a.ndim >= 2 and a.size)
        lengths = g.constant(g.rng.integers(1, g.shape(x)[0] + 1, g.shape(x)[1]))
        return g.node(op, [x, lengths], time_axis=0, batch_axis=1)
    return g.node(op, [x])


def constant_of_shape(g):
    x = g.some(lambda a: a.ndim >= 1)
    value = numpy_helper.from_array(np.array([0.5], np.float32))
    g.node("Add", [x, g.node("ConstantOfShape", [g.node("Shape", [x])], value=value)])


def branch(g):
    """An If, with a condition that is known or not."""
    x = g.some(lambda a: a.size)
    flag = g.number(0, 1) == 1
    condition = g.constant(np.array(flag)) if g.chance(0.3) else g.add_input(np.array(flag))
    graphs = []
    for op in g.rng.permutation(["Relu", "Neg", "Sigmoid", "Tanh"])[:2]:
        out = helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, None)
        graphs.append(helper.make_graph([helper.make_node(str(op), [x], [f"{op}_out"])], str(op), [], [out]))
    g.node("If", [condition], then_branch=graphs[0], else_branch=graphs[1])


# --- what rewrites look for, each with what nearly fits

def spelled_norm(g):
    x = g.rows() if g.chance(0.7) else g.image()
    axis = g.pick([-1, -1, -1, 1])
    steady(g, x, axis)
    axes, keep = g.ints([axis]), g.pick([1, 1, 1, 1, 0])
    if not keep and g.shape(x)[-1] != g.shape(x)[-2]:
        keep = 1
    mean = g.node("ReduceMean", [x, axes], keepdims=keep)
    centered = x if g.chance(0.25) else g.node("Sub", [x, mean])
    other = centered if g.chance(0.85) else x
    square = (g.node("Pow", [centered, g.constant(np.float32(g.pick([2, 2, 2, 3])))]) if g.chance(0.5)
              else g.node("Mul", [centered, other]))
    spread = g.node("ReduceMean", [g.node("Abs", [square]), axes], keepdims=1) if g.chance(0.1) else g.node(
        "ReduceMean", [square, axes], keepdims=1)
    if g.values[spread].min() < 0.01:
        raise Rejected
    root = g.node("Sqrt", [g.node("Add", [spread, g.constant(np.float32(g.pick([1e-5, 1e-3, 1.0])))])])
    y = g.node("Div", [centered, root]) if g.chance(0.6) else g.node("Mul", [centered, g.node("Reciprocal", [root])])
    width = g.shape(x)[axis]
    scale = g.pick([(width,), (1,), (), (g.shape(x)[-2], 1)])
    y = g.node("Mul", [y, g.leaf(scale)])
    if g.chance(0.8):
        g.node("Add", [y, g.leaf(g.pick([scale, (width,), (1,)]))])


def spelled_group_norm(g):
    x = g.image(g.pick([4, 6, 8]))
    steady(g, x, -1)
    n, c, h, w = g.shape(x)
    groups = g.pick([2, c, 1])
    y = g.node("Reshape", [x, g.ints([n if g.chance(0.5) else 0, groups, -1])])
    ones = (np.ones(groups) if g.chance(0.8) else g.rng.uniform(0.5, 1.5, groups)).astype(np.float32)
    y = g.node("InstanceNormalization", [y, g.constant(ones), g.constant(np.zeros(groups, np.float32))], epsilon=1e-3)
    y = g.node("Reshape", [y, g.ints([n, c, h, w])])
    y = g.node("Mul", [y, g.leaf(g.pick([(c, 1, 1), (1, c, 1, 1), (1,)]))])
    g.node("Add", [y, g.leaf((c, 1, 1))])


def spelled_activation(g):
    x = g.some()
    c = lambda value: g.constant(np.float32(value))  # noqa: E731
    other = x if g.chance(0.8) else broadcast_partner(g, x)
    kind = g.number(0, 6)
    if kind == 0:
        inner = g.node("Erf", [g.node("Div", [x, c(g.pick([1.4142135, 1.4142135, 1.5]))])])
        y = g.node("Mul", [other, g.node("Add", [inner, c(1)])])
        return g.node("Mul", [y, c(g.pick([0.5, 0.5, 0.25]))])
    if kind == 1:
        cube = g.node("Pow", [x, c(3)])
        inner = g.node("Add", [x, g.node("Mul", [cube, c(0.044715)])])
        inner = g.node("Tanh", [g.node("Mul", [inner, c(0.7978846)])])
        return g.node("Mul", [g.node("Mul", [other, c(0.5)]), g.node("Add", [inner, c(1)])])
    if kind == 2:
        factor = x if g.chance(0.7) else g.node("Mul", [x, c(1.702)])
        return g.node("Mul", [other, g.node("Sigmoid", [factor])])
    if kind == 3:
        inner = g.node("Clip", [g.node("Add", [x, c(g.pick([3, 3, 2]))]), c(0), c(6)])
        return g.node("Div", [g.node("Mul", [other, inner]), c(g.pick([6, 6, 5]))])
    if kind == 4:
        return g.node("Mul", [other, g.node("Tanh", [g.node("Softplus", [x])])])
    if kind == 5:
        return g.node("Mul", [other, g.node("HardSigmoid", [x], alpha=g.pick([1 / 6, 0.2]), beta=0.5)])
    return g.node("Div", [c(1), g.node("Add", [g.node("Exp", [g.node("Neg", [g.node("Tanh", [x])])]), c(1)])])


def spelled_softmax(g):
    x = g.some(lambda a: a.ndim >= 2 and a.size)
    axis = g.pick([-1, -1, 0])
    axes = g.ints([axis])
    shifted = g.node("Sub", [x, g.node("ReduceMax", [x, axes], keepdims=1)])
    powers = g.node("Exp", [shifted])
    total = g.node("ReduceSum", [powers, axes if g.chance(0.8) else g.ints([-1])], keepdims=1)
    g.node("Div", [powers, total])


def attention(g):
    batch, heads, queries, head = g.number(1, 2), g.pick([1, 2, 4]), g.number(2, 6), g.pick([2, 4, 8])
    x = g.rows(heads * head)
    if g.rank(x) != 3:
        x = g.add_input(g.floats((batch, queries, heads * head)))
    batch, queries, width = g.shape(x)
    kv_heads = heads if g.chance(0.8) else 1

    def projected(count, turned=False):
        y = g.node("MatMul", [x, g.constant(g.floats((width, count * head), -0.4, 0.4))])
        if g.chance(0.6):
            y = g.node("Add", [y, g.leaf((count * head,), constant=True)])
        y = g.node("Reshape", [y, g.ints([0, 0, count, head])])
        return g.node("Transpose", [y], perm=[0, 2, 3, 1] if turned else [0, 2, 1, 3])

    q, k, v = projected(heads), projected(kv_heads, turned=True), projected(kv_heads)
    if g.chance(0.3):
        q = g.node("Mul", [q, g.constant(np.float32(0.5))])
    scores = g.node("MatMul", [q, k])
    if g.chance(0.7):
        scores = g.node(g.pick(["Div", "Mul"]), [scores, g.constant(np.float32(g.pick([1.4, 2.0, 0.5])))])
    if g.chance(0.5):
        shape = g.pick([(queries, queries), (batch, 1, 1, queries), (1, heads, queries, queries), (1,)])
        if g.chance(0.5):
            scores = g.node("Add", [scores, g.leaf(shape)])
        else:
            mask = g.constant(g.rng.random(shape) < 0.8)
            scores = g.node("Where", [mask, scores, g.constant(np.float32(g.pick([-1e4, -1.0, -3.0e3])))])
    weights = g.node("Softmax", [scores], axis=g.pick([-1, -1, -1, -1, 2]))
    y = g.node("MatMul", [weights, v])
    y = g.node("Transpose", [y], perm=[0, 2, 1, 3])
    g.node("Reshape", [y, g.ints([0, 0, heads * head])])


def rotary(g):
    width = g.pick([4, 8])
    x = g.add_input(g.floats((1, 2, g.number(2, 5), width)))
    half = width // 2
    low = g.node("Slice", [x, g.ints([0]), g.ints([half]), g.ints([3])])
    high = g.node("Slice", [x, g.ints([half]), g.ints([9999]), g.ints([-1])])
    turned = g.node("Concat", [g.node("Neg", [high]), low] if g.chance(0.8) else [low, g.node("Neg", [high])], axis=-1)
    angles = g.floats((1, 1, g.shape(x)[2], width))
    if g.chance(0.7):
        angles[..., half:] = angles[..., :half]
    cosine, sine = g.constant(np.cos(angles)), g.constant(np.sin(angles))
    g.node("Add", [g.node("Mul", [x, cosine]), g.node("Mul", [turned, sine])])


def conv_and_scale(g):
    y = conv(g)
    channels = g.shape(y)[1]
    for _ in range(g.number(1, 2)):
        kind = g.number(0, 3)
        if kind == 0:
            known = g.chance(0.8)
            y = g.node("BatchNormalization", [y, *(g.leaf((channels,), constant=known) for _ in range(3)),
                                              g.leaf((channels,), 0.3, 2, known)])
        elif kind == 1:
            y = g.node("Mul", [y, g.leaf(g.pick([(1, channels, 1, 1), (channels, 1, 1), (), g.shape(y)[-1:]]))])
        elif kind == 2:
            y = g.node("Add", [y, g.leaf(g.pick([(1, channels, 1, 1), (1, 1, 1, 1), g.shape(y)]))])
        else:
            y = g.node(g.pick(["Relu", "Sigmoid", "HardSwish", "Clip"]), [y])


def squeeze_and_excite(g):
    x = g.image(g.pick([4, 8]))
    channels = g.shape(x)[1]
    pooled = g.node("GlobalAveragePool", [x])
    small_ = g.node("Relu", [g.node("Conv", [pooled, g.leaf((2, channels, 1, 1), constant=True)])])
    wide = g.node("Conv", [small_, g.leaf((channels, 2, 1, 1), constant=True)])
    gate = g.node(g.pick(["Sigmoid", "HardSigmoid"]), [wide])
    scaled = g.node("Mul", [x, gate])
    g.node("Conv", [scaled, g.leaf((g.number(2, 6), channels, 1, 1), constant=True)])


def depthwise_then_pointwise(g):
    x = g.image(g.pick([4, 8]))
    channels = g.shape(x)[1]
    wide = g.node("Relu", [g.node("Conv", [x, g.leaf((2 * channels, channels, 1, 1), -0.5, 0.5, True)])])
    y = g.node("Conv", [wide, g.leaf((2 * channels, 1, 3, 3), -0.5, 0.5, True), g.leaf((2 * channels,), constant=True)],
               group=2 * channels, pads=[1, 1, 1, 1], strides=g.pick([[1, 1], [2, 2]]))
    y = g.node(g.pick(["Relu", "HardSwish"]), [y])
    y = g.node("Conv", [y, g.leaf((channels, 2 * channels, 1, 1), -0.5, 0.5, True)])
    if g.shape(y) == g.shape(x):
        g.node("Add", [y, x])


def linear_and_scale(g):
    y = matmul(g)
    width = g.shape(y)[-1]
    if g.rank(y) == 2 and g.chance(0.3):
        return g.node("BatchNormalization", [y, *(g.leaf((width,)) for _ in range(3)), g.leaf((width,), 0.3, 2)])
    y = g.node(g.pick(["Mul", "Add"]), [y, g.leaf(g.pick([(width,), (1,), (g.shape(y)[-2], 1)]))])
    return g.node("Mul", [y, g.leaf((width,))])


def transposes(g):
    x = g.some(lambda a: a.ndim in (3, 4) and a.size)
    perm = [int(axis) for axis in g.rng.permutation(g.rank(x))]
    back = [int(axis) for axis in np.argsort(perm)]
    y = g.node("Transpose", [x], perm=perm)
    kind = g.number(0, 4)
    if kind == 0:
        y = g.node(g.pick(SMOOTH), [y])
    elif kind == 1:
        y = g.node("Add", [y, broadcast_partner(g, y)])
    elif kind == 2:
        axis = g.number(0, g.rank(y) - 1)
        y = g.node("Softmax", [y], axis=axis)
    elif kind == 3:
        y = g.node("Concat", [y, y], axis=g.number(0, g.rank(y) - 1))
    g.node("Transpose", [y], perm=back if g.chance(0.7) else perm)


def reshapes(g):
    x = g.some(lambda a: a.ndim >= 2 and a.size)
    shape = g.shape(x)
    y = g.node("Reshape", [x, g.ints([-1, shape[-1]])])
    if g.chance(0.5):
        y = g.node(g.pick(SMOOTH), [y])
    if g.chance(0.4):
        y = g.node("Transpose", [y], perm=[1, 0])
    g.node("Reshape", [y, g.ints(shape if g.chance(0.7) else [shape[0], -1])])


def pieces(g):
    """Slices of one value joined again, in order or nearly."""
    x = g.some(lambda a: a.ndim >= 2 and max(a.shape) >= 4)
    axis = int(np.argmax(g.shape(x)))
    size = g.shape(x)[axis]
    cut = g.number(1, size - 1)

    def piece(a, b):
        return g.node("Slice", [x, g.ints([a]), g.ints([b]), g.ints([axis])])

    parts = [piece(0, cut), piece(cut, size) if g.chance(0.7) else piece(cut - 1, size)]
    if g.chance(0.3):
        parts[0] = g.node("Relu", [parts[0]])
    if g.chance(0.2):
        parts.reverse()
    y = g.node("Concat", parts, axis=axis)
    if g.chance(0.5):
        g.node("Concat", [y, g.leaf([1 if d == axis else n for d, n in enumerate(g.shape(x))])], axis=axis)


def lookups(g):
    table = g.constant(g.floats((6, g.pick([3, 4]))))
    indices = g.add_input(g.rng.integers(0, 6, (g.number(1, 2), g.number(1, 5))))
    kind = g.number(0, 2)
    if kind == 0:
        y = g.node("Gather", [table, indices], axis=0)
        y = g.node("Add", [y, g.leaf((g.shape(table)[1],), constant=True)])
        return g.node("Mul", [y, g.leaf(g.pick([(), (1,), (g.shape(table)[1],)]), constant=True)])
    if kind == 1:
        values = g.constant(np.array([0, g.pick([1, 1, 2])], np.float32))
        one_hot = g.node("OneHot", [indices, g.constant(np.int64(6)), values])
        return g.node("MatMul", [one_hot, table])
    x = g.some(lambda a: a.ndim >= 1 and a.size)
    axis = g.number(0, g.rank(x) - 1)
    size = g.shape(x)[axis]
    start = g.number(0, size - 1)
    order = np.arange(start, size, g.pick([1, 1, 2]))
    return g.node("Gather", [x, g.constant(order[::-1].copy() if g.chance(0.2) else order)], axis=axis)


def positions(g):
    """A mask from positions, as exporters of decoders write it."""
    x = g.some(lambda a: a.ndim >= 2 and a.size and max(a.shape[-2:]) <= 12)
    shape = g.node("Shape", [x])
    counts = [g.node("Gather", [shape, g.constant(np.int64(axis))], axis=0) for axis in (-2, -1)]
    zero, one = g.constant(np.int64(0)), g.constant(np.int64(1))
    rows, columns = (g.node("Range", [zero, count, one]) for count in counts)
    rows = g.node("Unsqueeze", [rows, g.ints([1])])
    if g.chance(0.4):
        rows = g.node("Add", [rows, g.constant(np.int64(g.pick([1, -1, 2])))])
    op = g.pick(["Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
    mask = g.node(op, g.pick([[rows, columns], [columns, rows]]))
    g.node("Where", [mask, x, g.constant(np.float32(g.pick([0, -1])))])


def expanded(g):
    x = g.some(lambda a: a.ndim >= 2 and a.size < 300)
    shape = list(g.shape(x))
    row = g.leaf([1 if g.chance(0.6) else n for n in shape], constant=False)
    y = g.node("Expand", [row, g.ints(shape)])
    y = g.node(g.pick(["Add", "Mul", "Sub"]), [y, x])
    if g.chance(0.4):
        g.node("ReduceSum", [y, g.ints([-1])], keepdims=g.number(0, 1))


def powers(g):
    exponent = g.pick([2, 3, 0.5, -1, 1, 0, -2, 2.5, 4, -0.5])
    x = g.node("Add", [g.node("Abs", [g.some()]), g.constant(np.float32(0.3))])
    g.node("Pow", [x, g.constant(np.array(exponent, np.float32).reshape(g.pick([(), (1,)])))])


def division(g):
    g.node("Div", [g.some(), g.constant(np.float32(g.pick([2, 3, 0.1, -7, 1e-3])))])


def shared_products(g):
    x = g.rows()
    depth = g.shape(x)[-1]
    for _ in range(g.number(2, 3)):
        y = g.node("MatMul", [x, g.leaf((depth, g.pick([4, 4, 3])), -0.5, 0.5, constant=g.chance(0.9))])
        if g.chance(0.7):
            g.node("Add", [y, g.leaf((g.shape(y)[-1],), constant=True)])


def joined_product(g):
    x = g.rows()
    more = g.leaf((*g.shape(x)[:-1], g.number(1, 3)), constant=g.chance(0.3))
    if g.chance(0.4):
        more = g.node("Expand", [g.leaf((*[1] * (g.rank(x) - 1), 2), constant=False), g.ints([*g.shape(x)[:-1], 2])])
    y = g.node("Concat", [x, more], axis=-1)
    g.node("MatMul", [y, g.leaf((g.shape(y)[-1], 4), -0.5, 0.5, constant=True)])


def twice(g):
    node = g.pick([n for n in g.nodes if n.op_type != "If" and not n.op_type.startswith("Random")])
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    again = g.node(node.op_type, list(node.input), outputs=len(node.output), **attributes)
    first = again if isinstance(again, str) else again[0]
    if g.values[first].dtype == np.float32:
        g.node(g.pick(["Add", "Sub", "Mul"]), [node.output[0], first])


def resized_conv(g):
    x = g.image()
    y = g.node("Resize", [x, "", g.constant(np.array([1, 1, 2, 2], np.float32))], mode="nearest", nearest_mode="floor",
               coordinate_transformation_mode="asymmetric")
    conv(g, y, kernel=g.pick([[1, 1], [1, 1], [3, 3]]))


def sliced_conv(g):
    y = conv(g)
    axis = g.pick([1, 1, 2])
    size = g.shape(y)[axis]
    if size < 2:
        raise Rejected
    g.node("Slice", [y, g.ints([g.number(0, size - 2)]), g.ints([size]), g.ints([axis])])


def casts(g):
    x = g.some()
    if g.chance(0.5):
        return g.node("Cast", [g.node("Cast", [x], to=TensorProto.DOUBLE)], to=TensorProto.FLOAT)
    y = cast(g)
    return g.node("Cast", [g.node("Cast", [y], to=g.pick([TensorProto.INT32, TensorProto.INT64, TensorProto.DOUBLE]))],
                  to=TensorProto.FLOAT)


SINGLE = [unary, unary_with_number, gelu, guarded, rounding, binary, binary, several, clip, select, logic, integers,
          cast, reshape, reshape_by_shape, transpose, squeeze_or_unsqueeze, flatten, concat, split, slice_, gather,
          gather_elements, gather_nd, scatter, scatter_nd, expand, tile, pad, reduce, reduce, ranking, along_axis, norm,
          conv, conv, conv_1d, conv_transpose, pool, matmul, matmul, gemm, einsum, recurrent, resize, blocks, late,
          small, constant_of_shape, branch]
PATTERNS = [spelled_norm, spelled_group_norm, spelled_activation, spelled_softmax, attention, rotary, conv_and_scale,
            squeeze_and_excite, depthwise_then_pointwise, linear_and_scale, transposes, reshapes, pieces, lookups,
            positions, expanded, powers, division, shared_products, joined_product, twice, resized_conv, sliced_conv,
            casts]
