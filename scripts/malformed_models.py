# SPDX-License-Identifier: Apache-2.0
"""Models with something wrong, each made from a small valid one: `cases(count, seed)`, the same for the same seed.

By hand: cycles, depth, sizes of data, dims, ranks, external data, names, types, domains, counts, indices. By rule: of
every field of every base model, each value at an edge. Some are still valid; they are to be answered as ONNX Runtime
does.
"""

import dataclasses
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import malformed_places

EDGES = [0, -1, 1, 2 ** 31, 2 ** 62, 2 ** 63 - 1]
MODEL = "model.onnx"


@dataclasses.dataclass
class Case:
    name: str  # family/what
    files: dict  # path: bytes, or what it is instead, as in make()
    feed: dict
    words: tuple = ()  # the message names one of these
    refused: bool = False  # an answer would be wrong, whatever it is


def make(folder, files):
    """Writes them; ("symlink", target), ("hardlink", target), ("fifo",), ("folder",), ("sparse", size) are no bytes."""
    import os

    for path, content in files.items():
        at = folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            at.write_bytes(content)
        elif content[0] == "symlink":
            at.symlink_to(content[1])
        elif content[0] == "hardlink":
            at.hardlink_to(folder / content[1])
        elif content[0] == "fifo":
            os.mkfifo(at)
        elif content[0] == "folder":
            at.mkdir()
        elif content[0] == "sparse":
            with open(at, "wb") as file:
                file.truncate(content[1])


# --- the valid ones

TEXTS = {
    "mlp": """agraph (float[N,4] x) => (float[N,2] y)
        <float[4,6] w, float[6] b, float[6,2] v, int64[2] s = {-1, 2}> {
        a = MatMul(x, w)  c = Add(a, b)  d = Relu(c)  e = Gemm<alpha = 0.5>(d, v)  y = Reshape(e, s) }""",
    "conv": """agraph (float[1,3,8,8] x) => (float[1,4] y)
        <float[6,3,3,3] w, float[6] g, float[6] b, float[6] m, float[6] q = {1,2,3,4,5,6}, float[6,4] v> {
        a = Conv<strides = [2, 2], pads = [1, 1, 1, 1], kernel_shape = [3, 3]>(x, w)
        c = BatchNormalization<epsilon = 0.01>(a, g, b, m, q)
        d = MaxPool<kernel_shape = [2, 2], strides = [1, 1]>(c)  e = GlobalAveragePool(d)
        f = Flatten<axis = 1>(e)  h = MatMul(f, v)  y = Softmax<axis = -1>(h) }""",
    "if": """agraph (float[2,3] x, bool c) => (float[2,3] y) {
        a = Neg(x)
        y = If (c) <then_branch = t () => (float[2,3] p) { p = Mul(a, x) },
                    else_branch = e () => (float[2,3] q) { r = Abs(x)  q = Add(r, a) }> }""",
    "loop": """agraph (float[2,3] x, int64 n, bool c) => (float[2,3] y, float s) {
        y, rows = Loop (n, c, x) <body = b (int64 i, bool on, float[2,3] v) => (bool go, float[2,3] w, float[2,3] r) {
            go = Identity(on)  w = Add(v, x)  r = Neg(w) }>  s = ReduceSum<keepdims = 0>(rows) }""",
    "scan": """agraph (float[3] x, float[4,3] s) => (float[3] y, float[4,3] r) {
        y, r = Scan <num_scan_inputs = 1, body = b (float[3] v, float[3] row) => (float[3] w, float[3] o) {
            w = Add(v, row)  o = Tanh(w) }> (x, s) }""",
    "indices": """agraph (float[4,6] x, int64[3] i)
            => (float[3,6] y, float[2,3] z, float[8,6] p, float[4,2] v, float[5,4,6] e)
        <int64[2] s = {1, 0}, int64[2] t = {3, 3}, int64[2] ax = {0, 1}, int64[4] pads = {2, 0, 2, 0}, int64[1] k = {2},
         int64[3] shape = {5, 4, 6}> {
        y = Gather<axis = 0>(x, i)  z = Slice(x, s, t, ax)  p = Pad<mode = "constant">(x, pads)
        v, u = TopK<axis = 1>(x, k)  e = Expand(x, shape) }""",
    "more": """agraph (float[2,4] x, int64[3] i) => (float[3,5] y, float[4,4] z, float[2,1] p, float[2,3] q, float[3] r)
        <int64 depth = {5}, float[2] on = {0, 1}, int64[2] rep = {2, 1}, int64[2] cut = {1, 3}, int64[1] count = {3},
         int64 lo = {0}, int64 hi = {3}, int64 st = {1}> {
        y = OneHot<axis = -1>(i, depth, on)  z = Tile(x, rep)  p, q = Split<axis = 1>(x, cut)
        f = Range(lo, hi, st)  g = ConstantOfShape<value = float[1] {0.5}>(count)  h = Cast<to = 1>(f)
        r = Add(g, h) }""",
    "sequence": """agraph (float[4,2] x, int64 i) => (float[M,2] y, int64 n) <int64 two = {2}> {
        s = SplitToSequence<axis = 0>(x, two)  t = SequenceInsert(s, x)  y = SequenceAt(t, i)
        n = SequenceLength(t) }""",
    "bytes": """agraph (float[2,4] x) => (float[2,3] y)
        <float sx = {0.05}, uint8 zx = {128}, int8[4,3] w, float[3] sw = {0.01, 0.02, 0.03}, int8[3] zw = {0, 0, 0},
         float sy = {0.1}, uint8 zy = {100}> {
        a = QuantizeLinear(x, sx, zx)  b = DequantizeLinear(a, sx, zx)  c = DequantizeLinear<axis = 1>(w, sw, zw)
        d = MatMul(b, c)  e = QuantizeLinear(d, sy, zy)  y = DequantizeLinear(e, sy, zy) }""",
    "strings": """agraph (string[3] x) => (bool[3] y, int64[3] n) <string[1] t = {"a"}> {
        u = StringConcat(x, t)  y = RegexFullMatch<pattern = "[a-z]+">(u)  p, n = StringSplit<delimiter = " ">(x) }""",
    "recurrent": """agraph (float[5,2,3] x, int32[2] l) => (float[5,1,2,4] y, float[1,2,4] h)
        <float[1,16,3] w, float[1,16,4] r, float[1,32] b> {
        y, h = LSTM<hidden_size = 4, direction = "forward">(x, w, r, b, l) }""",
    "types": """agraph (int32[3] x, float16[3] f, bool[3] c) => (int32[3] y, float[3] z) <int32[3] k = {1, 2, 3}> {
        a = Add(x, k)  y = Where(c, a, x)  z = Cast<to = 1>(f) }""",
    "resize": """agraph (float[1,2,4,4] x) => (float[1,2,8,6] y, float[1,2,4,4] z)
        <int64[4] sizes = {1, 2, 8, 6}, float[4,2] g, float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}> {
        y = Resize<mode = "linear">(x, , , sizes)
        z = LayerNormalization<axis = -1>(x, s, b) }""",
}
FUNCTIONS = """<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
agraph (float[2,3] x) => (float[2,3] y) { a = local.twice(x)  y = local.scaled<factor = 3.0>(a) }
<domain: "local", opset_import: ["" : 17, "local" : 1]> twice (p) => (q) {
    r = local.scaled<factor = 2.0>(p)  q = Neg(r) }
<domain: "local", opset_import: ["" : 17]> scaled <factor> (p) => (q) {
    c = Constant<value_float: float = @factor>()  q = Mul(p, c) }"""
OPSETS = {"strings": 20}


def bases():
    """{name: (model, feed)}"""
    found = {}
    for name, text in TEXTS.items():
        head = f'<ir_version: 8, opset_import: ["" : {OPSETS.get(name, 17)}]>\n'
        found[name] = filled(onnx.parser.parse_model(head + text))
    found["function"] = filled(onnx.parser.parse_model(FUNCTIONS))
    return found


def filled(model):
    """With numbers for the initializers that have none, and a feed."""
    rng = np.random.default_rng(7)
    for tensor in model.graph.initializer:
        try:
            if numpy_helper.to_array(tensor).size == np.prod(tensor.dims):
                continue
        except Exception:
            pass
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        values = rng.uniform(-1, 1, tensor.dims) * (100 if dtype == np.int8 else 1)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(dtype), tensor.name))
    held = {tensor.name for tensor in model.graph.initializer}
    return model, {value.name: drawn(value, rng) for value in model.graph.input if value.name not in held}


def drawn(value, rng):
    """A value for this input; None where it has no type or size that can be drawn."""
    kind = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else 2 for dim in kind.shape.dim]
    if not kind.elem_type or any(not 0 <= size < 2 ** 30 for size in dims) or np.prod(dims, dtype=object) > 1e6:
        return None
    if kind.elem_type == TensorProto.STRING:
        return np.array(["ab", "c d", "E"] * 9)[:int(np.prod(dims))].reshape(dims) if np.prod(dims) < 27 else None
    if kind.elem_type == TensorProto.BOOL:
        return np.ones(dims, bool)
    try:
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    except KeyError:
        return None
    if dtype.kind not in "fiu":
        return None
    return (rng.uniform(-1, 1, dims) if dtype.kind == "f" else rng.integers(1, 3, dims)).astype(dtype)


# --- by rule

def sites(message, path=""):
    """[(text, container, field, index)] of all that is set; index: of an element, or None for the field itself."""
    found = []
    for field, value in message.ListFields():
        here = f"{path}.{field.name}"
        if field.is_repeated:
            found.append((here, message, field, None))
            for index in range(min(len(value), 4)):
                found.append((f"{here}[{index}]", message, field, index))
                if field.message_type:
                    found += sites(value[index], f"{here}[{index}]")
        else:
            found.append((here, message, field, None))
            if field.message_type:
                found += sites(value, here)
    return found


def scalars(field, value):
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return [b"", value[:-1], value + b"\0", b"\xff" * 70]
        return ["", "nowhere", "x", "y", "a" * 5000, "\0", "\u202e\u0301"]
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return [float("nan"), float("inf"), -1e38, 0.0]
    if field.cpp_type == field.CPPTYPE_ENUM:
        return [entry.number for entry in field.enum_type.values if entry.number != value]
    if field.cpp_type == field.CPPTYPE_INT32:
        return [0, -1, 1, 2, 3, 7, 8, 9, 11, 14, 16, 17, 23, 99, 2 ** 31 - 1, -2 ** 31]
    if field.cpp_type == field.CPPTYPE_UINT64:
        return [0, 1, 2 ** 64 - 1]
    return [0, -1, 1, 2, 3, 99, -7, 2 ** 31, 2 ** 32 + 1, 2 ** 62, 2 ** 63 - 1, -2 ** 63]


def changes(site):
    """[(text, function that makes the change)]"""
    text, container, field, index = site
    name = field.name

    def put(value):
        if index is None:
            setattr(container, name, value)
        else:
            getattr(container, name)[index] = value

    found = []
    if field.is_repeated and index is None:
        items = getattr(container, name)
        found.append((f"{text} cleared", lambda: container.ClearField(name)))
        if len(items) > 1:
            def turn():
                kept = list(reversed([clone(item) for item in items]))
                del items[:]
                items.extend(kept)

            found.append((f"{text} turned round", turn))
        if not field.message_type:
            for value in scalars(field, items[0])[:3]:
                found.append((f"{text} with {str(value)[:20]!r} more", lambda value=value: items.append(value)))
        return found
    if field.message_type:
        if index is None:
            return [(f"{text} cleared", lambda: container.ClearField(name))]
        items = getattr(container, name)
        return [(f"{text} left out", lambda: items.__delitem__(index)),
                (f"{text} twice", lambda: items.append(clone(items[index]))),
                (f"{text} emptied", lambda: items[index].Clear())]
    if index is None:
        found.append((f"{text} cleared", lambda: container.ClearField(name)))
    else:
        items = getattr(container, name)
        found.append((f"{text} left out", lambda: items.__delitem__(index)))
    value = getattr(container, name)
    value = value if index is None else value[index]
    found += [(f"{text} = {str(other)[:20]!r}", lambda other=other: put(other)) for other in scalars(field, value)
              if other != value]
    return found


def clone(item):
    if not hasattr(item, "CopyFrom"):
        return item
    copy = type(item)()
    copy.CopyFrom(item)
    return copy


def by_rule(rng, count):
    """Edges of fields, drawn among all there are, as many of each base model."""
    models = bases()
    for name, (model, feed) in models.items():
        every = [(i, j) for i, site in enumerate(sites(model)) for j in range(len(changes(site)))]
        share = min(len(every), -(-count // len(models)))
        for at in sorted(int(k) for k in rng.permutation(len(every))[:share]):
            copy = clone(model)
            text, change = changes(sites(copy)[every[at][0]])[every[at][1]]
            try:
                change()
                content = copy.SerializeToString()
            except Exception:
                continue
            yield Case(f"field/{name}{text}", {MODEL: content}, feed)


# --- by hand

def saved(model):
    return {MODEL: model.SerializeToString()}


def model_of(body, functions="", opset=17):
    domains = f'"" : {opset}' + (', "local" : 1' if functions else "")
    return onnx.parser.parse_model(f"<ir_version: 8, opset_import: [{domains}]>\n{body}\n{functions}")


def small():
    return model_of("agraph (float[2,3] x) => (float[2,3] y) { a = Neg(x)  y = Abs(a) }")


FEED = {"x": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)}


def damaged(rng, count):
    """Cut short, and with bytes changed."""
    models = list(bases().items())
    for index in range(count):
        name, (model, feed) = models[index % len(models)]
        content = model.SerializeToString()
        if index % 2:
            cut = int(rng.integers(0, len(content)))
            yield Case(f"bytes/{name} cut at {cut}", {MODEL: content[:cut]}, feed)
        else:
            changed = bytearray(content)
            for at in rng.integers(0, len(content), rng.integers(1, 4)):
                changed[at] = int(rng.integers(0, 256))
            yield Case(f"bytes/{name} changed, {index}", {MODEL: bytes(changed)}, feed)


def varint(value):
    out = b""
    while True:
        out += bytes([value & 127 | (128 if value > 127 else 0)])
        value >>= 7
        if not value:
            return out


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def cycles():
    model = small()
    model.graph.node[0].input[0] = "y"
    yield Case("cycle/two nodes", saved(model), FEED, ("'y'",), True)
    model = small()
    model.graph.node[0].input[0] = "a"
    yield Case("cycle/a node of itself", saved(model), FEED, ("'a'",), True)
    model = bases()["if"][0]
    model.graph.node[1].attribute[0].g.node[0].input[0] = "y"
    yield Case("cycle/a branch reads what it makes", saved(model), bases()["if"][1], ("'y'",), True)
    model = bases()["loop"][0]
    model.graph.node[0].input[2] = "y"
    yield Case("cycle/a loop of itself", saved(model), bases()["loop"][1], ("'y'",), True)
    body = "agraph (float[2,3] x) => (float[2,3] y) { y = local.f(x) }"
    head = '<domain: "local", opset_import: ["" : 17, "local" : 1]>'
    yield Case("cycle/a function of itself", saved(model_of(body, f"{head} f (p) => (q) {{ q = local.f(p) }}")), FEED,
               ("f",), True)
    yield Case("cycle/two functions", saved(model_of(
        body, f"{head} f (p) => (q) {{ q = local.g(p) }}\n{head} g (p) => (q) {{ q = local.f(p) }}")), FEED, ("f", "g"),
        True)
    branch = ("<then_branch = t () => (float r) { r = local.f(p) }, else_branch = e () => (float s) { s = Neg(p) }>")
    yield Case("cycle/a function of itself in a branch", saved(model_of(
        body, f"{head} f (p) => (q) {{ c = Constant<value_int = 1>()  b = Cast<to = 9>(c)  q = If (b) {branch} }}")),
        FEED, ("f",), True)
    for calls, depth in ((2, 30), (2, 90), (10, 9), (100, 4)):
        functions = "\n".join(
            f"{head} f{i} (p) => (q) {{ a0 = local.f{i + 1}(p) "
            + " ".join(f"a{k} = local.f{i + 1}(a{k - 1})" for k in range(1, calls)) + f" q = Neg(a{calls - 1}) }}"
            for i in range(depth)) + f"\n{head} f{depth} (p) => (q) {{ q = Neg(p) }}"
        yield Case(f"cycle/{calls} calls in each of {depth} functions",
                   saved(model_of(body.replace("local.f", "local.f0"), functions)), FEED, ("f",), True)
    for depth in (50, 200, 5000):
        functions = "\n".join(f"{head} f{i} (p) => (q) {{ q = local.f{i + 1}(p) }}" for i in range(depth)) + (
            f"\n{head} f{depth} (p) => (q) {{ q = Neg(p) }}")
        yield Case(f"depth/{depth} functions", saved(model_of(body.replace("local.f", "local.f0"), functions)), FEED,
                   ("f",))
    for depth in (5, 20, 40, 120, 1000, 100000):
        yield Case(f"depth/{depth} branches", {MODEL: nested(depth)}, {**FEED, "c": np.array(True)}, ("nest", "file"))
    for depth in (50, 1000, 100000):
        kind = wrapped(b"", [(1, b"", b""), (4, b"", b"")] * depth)  # a sequence of a sequence of ...
        value = field(1, b"x") + field(2, kind)
        graph = field(11, value) + field(12, field(1, b"x"))
        yield Case(f"depth/{depth} sequences", {MODEL: b"\x08\x08" + field(7, graph) + field(8, b"\x0a\x00\x10\x11")},
                   {}, ("x", "file"), True)


def wrapped(content, layers):
    """A field in a field in a field, as bytes, the innermost first: (number, what stands before, what stands after);
    number None: no field, just what stands there."""
    heads, tails, size = [], [], len(content)
    for number, before, after in layers:
        size += len(before) + len(after)
        heads.append(before if number is None else varint(number << 3 | 2) + varint(size) + before)
        tails.append(after)
        size += len(heads[-1]) - len(before)
    return b"".join((*reversed(heads), content, *tails))


def nested(depth):
    """If in If; no library writes what is too deep for it."""
    name, end = field(2, b"o"), field(2, b"g") + field(12, field(1, b"o"))
    leaf = field(1, field(1, b"x") + name + field(4, b"Neg")) + end
    kind = b"\xa0\x01\x05"  # of the attribute: a graph
    other = field(5, field(1, b"else_branch") + field(6, leaf) + kind)
    content = wrapped(leaf, [(6, b"", b""), (5, field(1, b"then_branch"), kind),
                             (1, field(1, b"c") + name + field(4, b"If"), other), (None, b"", end)] * depth)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]),
              helper.make_tensor_value_info("c", TensorProto.BOOL, [])]
    content += b"".join(field(11, value.SerializeToString()) for value in inputs)
    return b"\x08\x08" + field(7, content) + field(8, b"\x0a\x00\x10\x11")


def data_sizes():
    """raw_data and typed lists that do not fit type and dims."""
    for data_type in (1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 16, 17, 21, 22, 23, 25):
        size = {2: 1, 3: 1, 9: 1, 5: 2, 10: 2, 16: 2, 7: 8, 11: 8, 13: 8, 17: 1, 21: 0.5, 22: 0.5, 23: 0.5,
                25: 0.25}.get(data_type, 4)
        whole = int(np.ceil(6 * size))
        for length in sorted({0, whole - 1, whole + 1, whole + int(max(size, 1)), 2 * whole, 4096} - {whole}):
            model = small()
            model.graph.initializer.append(
                TensorProto(name="w", data_type=data_type, dims=[6], raw_data=b"\1" * length))
            model.graph.node[1].input[0] = "a"
            yield Case(f"data/type {data_type}, {length} bytes instead of {whole}", saved(model), FEED, ("'w'",), True)
    lists = {"float_data": 1, "int32_data": 6, "int64_data": 7, "double_data": 11, "uint64_data": 13, "string_data": 8}
    for name, data_type in lists.items():
        for count in (0, 5, 7, 600):
            model = small()
            tensor = TensorProto(name="w", data_type=data_type, dims=[6])
            getattr(tensor, name).extend([b"1" if name == "string_data" else 1] * count)
            model.graph.initializer.append(tensor)
            yield Case(f"data/{count} of {name} instead of 6", saved(model), FEED, ("'w'",), True)
    for data_type, value in ((2, 256), (2, -1), (3, 128), (3, -129), (4, 65536), (5, 40000), (9, 2), (10, 65536),
                             (10, -1), (16, 70000), (17, 256), (21, 256), (22, -1)):
        model = small()
        model.graph.initializer.append(TensorProto(name="w", data_type=data_type, dims=[2], int32_data=[0, value]))
        yield Case(f"data/{value} as type {data_type}", saved(model), FEED, ("'w'",))
    for data_type in [*range(0, 41), 2 ** 31 - 1, -1, -2 ** 31]:
        model = small()
        model.graph.initializer.append(TensorProto(name="w", data_type=data_type, dims=[0]))
        yield Case(f"type/a constant of type {data_type}", saved(model), FEED, ("'w'", "element type"))
        model = small()
        model.graph.input[0].type.tensor_type.elem_type = data_type
        yield Case(f"type/an input of type {data_type}", saved(model), FEED, ("'x'", "Neg", "element type", "'y'"))
        model = small()
        model.graph.node[1].op_type = "Cast"
        model.graph.node[1].attribute.append(helper.make_attribute("to", data_type))
        yield Case(f"type/a cast to type {data_type}", saved(model), FEED, ("Cast", "element type", "'y'"))
    model = small()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2 ** 62
    model.graph.node[0].op_type = model.graph.node[1].op_type = "Identity"
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.STRING
    yield Case("data/a string of 2^62", saved(model), {}, ("'x'",))
    for length in (3, 2 ** 20):
        model = small()
        model.graph.sparse_initializer.append(onnx.SparseTensorProto(
            values=TensorProto(name="w", data_type=1, dims=[1], float_data=[1]),
            indices=TensorProto(data_type=7, dims=[1], int64_data=[length]), dims=[3]))
        yield Case(f"data/a sparse tensor with index {length} of 3", saved(model), FEED, ("'w'",), True)


def dims():
    """Sizes at the edges, in pairs, wherever sizes stand."""
    for a in EDGES:
        for b in EDGES:
            model = small()
            model.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[a, b], raw_data=b"\0" * 4))
            yield Case(f"dims/a constant of {a}, {b}", saved(model), FEED, ("'w'",))
            model = small()
            for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (a, b)):
                dim.dim_value = size
            yield Case(f"dims/an input of {a}, {b}", saved(model), FEED, ("'x'", "x", "Neg"))
            yield Case(f"dims/ConstantOfShape of {a}, {b}", saved(with_numbers(
                "y = ConstantOfShape(k)", k=[a, b])), FEED, ("ConstantOfShape", "y", "k"))
            yield Case(f"dims/Expand to {a}, {b}, 2, 3", saved(with_numbers("y = Expand(x, k)", k=[a, b, 2, 3])), FEED,
                       ("Expand", "y"))
            yield Case(f"dims/Reshape to {a}, {b}", saved(with_numbers("y = Reshape(x, k)", k=[a, b])), FEED,
                       ("Reshape", "y"))
            yield Case(f"dims/Tile by {a}, {b}", saved(with_numbers("y = Tile(x, k)", k=[a, b])), FEED, ("Tile", "y"))
            yield Case(f"dims/Pad by {a}, {b}", saved(with_numbers("y = Pad(x, k)", k=[a, 0, b, 0])), FEED,
                       ("Pad", "y"))
            yield Case(f"dims/Resize to {a}, {b}", saved(with_numbers("y = Resize(x, , , k)", k=[a, b])), FEED,
                       ("Resize", "y"))
            yield Case(f"dims/Range from {a} to {b}", saved(with_numbers(
                "y = Range(k, l, m)", k=a, l=b, m=1)), FEED, ("Range", "y"))
            yield Case(f"dims/CenterCropPad to {a}, {b}", saved(with_numbers("y = CenterCropPad(x, k)", 18, k=[a, b])),
                       FEED, ("CenterCropPad", "y"))
            yield Case(f"dims/Split into {a}, {b}", saved(with_numbers("y, z = Split<axis = 1>(x, k)", k=[a, b])), FEED,
                       ("Split", "y"))
            yield Case(f"dims/Slice from {a} to {b}", saved(with_numbers("y = Slice(x, k, l)", k=[a], l=[b])), FEED,
                       ("Slice", "y"))
            yield Case(f"dims/MaxUnpool to {a}, {b}", saved(with_numbers(
                "u = Unsqueeze(x, m)  i = ConstantOfShape<value = int64[1] {0}>(l)"
                "  y = MaxUnpool<kernel_shape = [1, 1]>(u, i, k)", k=[1, 1, a, b], l=[1, 1, 2, 3], m=[0, 1])), FEED,
                ("MaxUnpool", "y"))
            yield Case(f"dims/Col2Im to {a}, {b}", saved(with_numbers(
                "u = Unsqueeze(x, m)  y = Col2Im(u, k, l)", 18, k=[a, b], l=[1, 2], m=[0])), FEED, ("Col2Im", "y"))
        for attribute, at in (("kernel_shape", "2, 2"), ("strides", "1, 1"), ("dilations", "1, 1"),
                              ("pads", "0, 0, 0, 0")):
            for op, inputs in (("Conv", "x, w"), ("ConvTranspose", "x, w"), ("MaxPool", "x"), ("AveragePool", "x"),
                               ("LpPool", "x")):
                if op.endswith("Pool") and attribute == "dilations" and op != "MaxPool":
                    continue
                numbers = at.replace(at[0], str(a), 1)
                more = ", kernel_shape = [2, 2]" if attribute != "kernel_shape" and op.endswith("Pool") else ""
                weights = ",".join(["1"] * 16)
                model = model_of(f"agraph (float[1,2,5,5] x) => (float y) <float[2,2,2,2] w = {{{weights}}}> "
                                 f"{{ y = {op}<{attribute} = [{numbers}]{more}>({inputs}) }}")
                model.graph.output[0].ClearField("type")
                yield Case(f"dims/{op} with {attribute} {numbers}", saved(model),
                           {"x": np.ones((1, 2, 5, 5), np.float32)}, (op, "y"))
        for op, attribute in (("Conv", "group"), ("ConvTranspose", "group"), ("DepthToSpace", "blocksize"),
                              ("SpaceToDepth", "blocksize"), ("LRN", "size")):
            inputs = "x, w" if "Conv" in op else "x"
            model = model_of(f"agraph (float[1,4,4,4] x) => (float y) <float[4,4,1,1] w = {{{','.join(['1'] * 16)}}}> "
                             f"{{ y = {op}<{attribute} = {a}>({inputs}) }}")
            model.graph.output[0].ClearField("type")
            yield Case(f"dims/{op} with {attribute} {a}", saved(model), {"x": np.ones((1, 4, 4, 4), np.float32)},
                       (op, "y"))
        for text in ("y, z = TopK(x, k)", "y = OneHot(i, k, o)", "y = Trilu(x, s)", "y = CumSum(x, s)",
                     "y = Squeeze(x, k)", "y = Unsqueeze(x, k)", "y = ReduceSum(x, k)", "y = Gather(x, s)",
                     "y = Gather<axis = 1>(x, k)", "y = GatherND(x, k)", "y = ScatterND(x, j, f)",
                     "y = HannWindow(s)", "q = SplitToSequence(x, s)  y = SequenceAt(q, t)",
                     "q = SplitToSequence(x)  y = SequenceAt(q, s)", "y = DFT(u, s)",
                     "y = STFT(u, s, , l)"):
            model = with_numbers(text, k=[a], s=a, t=0, i=[0], j=[[a]], l=2)
            model.graph.initializer.extend([
                numpy_helper.from_array(np.array([0, 1], np.float32), "o"),
                numpy_helper.from_array(np.ones((1, 3), np.float32), "f"),
                numpy_helper.from_array(np.ones((1, 8, 1), np.float32), "u")])
            yield Case(f"dims/{text} with {a}", saved(model), FEED,
                       (text.split(" = ")[1].split("(")[0].split("<")[0], "y"))


def with_numbers(body, opset=17, **numbers):
    model = model_of(f"agraph (float[2,3] x) => (float y) {{ {body} }}", opset=opset)
    model.graph.output[0].ClearField("type")
    model.graph.initializer.extend(numpy_helper.from_array(np.array(value, np.int64), name)
                                   for name, value in numbers.items())
    return model


def ranks():
    """Every operator with inputs of every rank."""
    for schema in sorted(onnx.defs.get_all_schemas(), key=lambda schema: schema.name):
        if schema.domain or schema.deprecated or schema.name in ("If", "Loop", "Scan", "SequenceMap", "ImageDecoder"):
            continue
        attributes = [drawn_attribute(attribute) for attribute in schema.attributes.values() if attribute.required]
        if None in attributes:
            continue
        for rank in range(7):
            inputs = []
            for i in range(min(schema.min_input if schema.min_input else len(schema.inputs), 6)):
                kinds = sorted(schema.inputs[min(i, len(schema.inputs) - 1)].types)
                kind = next((k for k in ("tensor(float)", "tensor(int64)", "tensor(uint8)", "tensor(bool)",
                                         "tensor(string)") if k in kinds), None)
                if kind is None:
                    break
                dtype = {"tensor(float)": 1, "tensor(int64)": 7, "tensor(uint8)": 2, "tensor(bool)": 9,
                         "tensor(string)": 8}[kind]
                inputs.append(helper.make_tensor_value_info(f"x{i}", dtype, [2] * rank))
            else:
                node = helper.make_node(schema.name, [value.name for value in inputs],
                                        [f"y{i}" for i in range(max(schema.min_output, 1))])
                node.attribute.extend(attributes)
                graph = helper.make_graph([node], "ranks", inputs,
                                          [onnx.ValueInfoProto(name=name) for name in node.output])
                model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
                rng = np.random.default_rng(rank)
                yield Case(f"rank/{schema.name} of rank {rank}", saved(model),
                           {value.name: drawn(value, rng) for value in inputs}, (schema.name, *node.output))


def drawn_attribute(attribute):
    kinds = onnx.defs.OpSchema.AttrType
    value = {kinds.INT: 1, kinds.INTS: [1, 1], kinds.FLOAT: 1.0, kinds.FLOATS: [1.0], kinds.STRING: "a",
             kinds.STRINGS: ["a"]}.get(attribute.type)
    return None if value is None else helper.make_attribute(attribute.name, value)


def external():
    def case(what, location, files, refused=True, **more):
        model = model_of("agraph (float[2,3] x) => (float[2,3] y) { y = Add(x, w) }")
        tensor = TensorProto(name="w", data_type=1, dims=[2, 3], data_location=TensorProto.EXTERNAL)
        entries = {"location": location, "offset": "0", "length": "24", **more}
        for key, value in entries.items():
            if value is not None:
                tensor.external_data.add(key=key, value=value)
        model.graph.initializer.append(tensor)
        return Case(f"external/{what}", {**files, f"in/{MODEL}": model.SerializeToString()}, FEED,
                    ("'w'", "w.bin", "external"), refused)

    good = {"in/w.bin": FEED["x"].tobytes()}
    outside = {"w.bin": FEED["x"].tobytes(), "in/sub/w.bin": FEED["x"].tobytes()}
    yield case("as it should be", "w.bin", good, False)
    for location in ("../w.bin", "sub/../../w.bin", "./../w.bin", "sub/../w.bin", "/etc/hostname", "/proc/self/mem",
                     "..\\w.bin", "sub\\w.bin", "", ".", "..", "/", "sub", "sub/", "a" * 4000 + "/w.bin", "a" * 300,
                     "%2e%2e/w.bin", "w.bin\0", "w.bin\n", "~/w.bin", "file://w.bin", "C:\\w.bin", "absent.bin",
                     "//w.bin", "sub//../../w.bin", "....//w.bin", "w.bin/", "model.onnx/../w.bin", "\x7f", " w.bin"):
        yield case(f"location {location[:30]!r}", location, outside)
    yield case("a link", "w.bin", {"out.bin": FEED["x"].tobytes(), "in/w.bin": ("symlink", "../out.bin")})
    yield case("a link within", "w.bin", {"in/v.bin": FEED["x"].tobytes(), "in/w.bin": ("symlink", "v.bin")})
    yield case("a link of a folder", "sub/w.bin", {"out/w.bin": FEED["x"].tobytes(), "in/sub": ("symlink", "../out")})
    yield case("a link to itself", "w.bin", {"in/w.bin": ("symlink", "w.bin")})
    yield case("a link to nothing", "w.bin", {"in/w.bin": ("symlink", "nothing")})
    yield case("a hard link", "w.bin", {"out.bin": FEED["x"].tobytes(), "in/w.bin": ("hardlink", "out.bin")})
    yield case("a pipe", "w.bin", {"in/w.bin": ("fifo",)})
    yield case("a folder", "w.bin", {"in/w.bin": ("folder",)})
    for size in (0, 23, 2 ** 30, 2 ** 40):
        yield case(f"a file of {size} zeros", "w.bin", {"in/w.bin": ("sparse", size)}, size < 24)
    for key in ("offset", "length"):
        for value in ("-1", "1", "23", "25", "1e1", "0x10", " 0", "+0", "", "99999999999999999999", str(2 ** 63 - 1),
                      str(-2 ** 63), "24\0", "abc"):
            yield case(f"{key} {value!r}", "w.bin", good, **{key: value})
    for key in ("__class__", "Location", "basepath", "checksum", "a" * 5000):
        yield case(f"key {key[:20]!r}", "w.bin", good, key != "checksum", **{key: "x"})
    yield case("no location", None, good)
    yield case("no length", "w.bin", good, False, length=None)


def names():
    for what, change in {
        "two nodes make one value": lambda m: m.graph.node[0].output.__setitem__(0, "y"),
        "a node makes an input": lambda m: m.graph.node[0].output.__setitem__(0, "x"),
        "an input twice": lambda m: m.graph.input.append(clone(m.graph.input[0])),
        "an output twice": lambda m: m.graph.output.append(clone(m.graph.output[0])),
        "an output that nobody makes": lambda m: setattr(m.graph.output[0], "name", "nowhere"),
        "an output without a name": lambda m: setattr(m.graph.output[0], "name", ""),
        "an input without a name": lambda m: setattr(m.graph.input[0], "name", ""),
        "a node without an operator": lambda m: setattr(m.graph.node[0], "op_type", ""),
        "a node without outputs": lambda m: m.graph.node[0].ClearField("output"),
        "a node without inputs": lambda m: m.graph.node[0].ClearField("input"),
        "a node with ten inputs": lambda m: m.graph.node[0].input.extend(["x"] * 9),
        "a node with ten outputs": lambda m: m.graph.node[0].output.extend(f"z{i}" for i in range(9)),
        "an attribute twice": lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("k", 1)] * 2),
        "an attribute nobody knows": lambda m: m.graph.node[0].attribute.append(helper.make_attribute("k", 1)),
        "an attribute without a name": lambda m: m.graph.node[0].attribute.append(helper.make_attribute("", 1)),
        "a domain nobody knows": lambda m: setattr(m.graph.node[0], "domain", "nowhere"),
        "a domain in no list": lambda m: setattr(m.graph.node[0], "domain", "ai.onnx.ml"),
        "an operator nobody knows": lambda m: setattr(m.graph.node[0], "op_type", "Flux"),
        "no opsets": lambda m: m.ClearField("opset_import"),
        "no graph": lambda m: m.ClearField("graph"),
        "no outputs": lambda m: m.graph.ClearField("output"),
        "no nodes": lambda m: m.graph.ClearField("node"),
        "no type": lambda m: m.graph.input[0].ClearField("type"),
        "no shape": lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"),
        "a very long name": lambda m: setattr(m.graph.node[0], "name", "n" * (1 << 20)),
        "a very long value": lambda m: (m.graph.node[0].output.__setitem__(0, "n" * (1 << 20)),
                                        m.graph.node[1].input.__setitem__(0, "n" * (1 << 20))),
        "a constant under an input's name": lambda m: m.graph.initializer.append(
            numpy_helper.from_array(np.zeros((2, 3), np.float32), "x")),
        "a constant under a node's name": lambda m: m.graph.initializer.append(
            numpy_helper.from_array(np.zeros((2, 3), np.float32), "a")),
        "a dim of a very long name": lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_param",
                                                       "d" * 70000),
        "a dim named like a sum": lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_param",
                                                    "N*9223372036854775807"),
        "a sequence where a tensor is due": lambda m: m.graph.input[0].CopyFrom(
            helper.make_tensor_sequence_value_info("x", 1, [2, 3])),
        "an optional where a tensor is due": lambda m: m.graph.input[0].type.CopyFrom(
            helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [2, 3]))),
        "a map where a tensor is due": lambda m: m.graph.input[0].type.CopyFrom(
            helper.make_map_type_proto(7, helper.make_tensor_type_proto(1, [2, 3]))),
    }.items():
        model = small()
        change(model)
        yield Case(f"names/{what}", saved(model), FEED,
                   ("'", "file", "opset", "outputs", "Neg", "input", "Flux", "type", "attribute"))
    for version in (0, -1, 1, 6, 7, 30, 2 ** 31, 2 ** 63 - 1, -2 ** 63):
        model = small()
        model.opset_import[0].version = version
        yield Case(f"version/opset {version}", saved(model), FEED, ("opset", "Neg"))
        model = small()
        model.ir_version = version
        yield Case(f"version/IR {version}", saved(model), FEED, ("ir", "IR"))
    model = small()
    model.opset_import.append(helper.make_opsetid("", 99))
    yield Case("version/two opsets", saved(model), FEED, ("opset",))
    raw = small().SerializeToString()
    for what, old, new in (("a name that is no UTF-8", b"\x0a\x01a", b"\x0a\x01\xff"),
                           ("an operator that is no UTF-8", b"Neg", b"\xff\xfeg"),
                           ("an operator with a NUL", b"Neg", b"N\0g"),
                           ("an operator with a line's end", b"Neg", b"N\ng")):
        yield Case(f"names/{what}", {MODEL: raw.replace(old, new)}, FEED, ("'", "g", "file"))


def counts():
    """Much of something; sizes stand in the file, so that reading it is not for nothing."""
    head, tail = b"\x08\x08", field(8, b"\x0a\x00\x10\x11")
    value = lambda name: helper.make_tensor_value_info(name, 1, [2, 3]).SerializeToString()  # noqa: E731
    neg = lambda a, b: field(1, field(1, a) + field(2, b) + field(4, b"Neg"))  # noqa: E731
    for count in (2000, 1_100_000):
        nodes = b"".join(neg(b"x" if i == 0 else b"v%d" % (i - 1), b"v%d" % i) for i in range(count))
        graph = nodes + field(2, b"g") + field(11, value("x")) + field(12, field(1, b"v%d" % (count - 1)))
        yield Case(f"counts/{count} nodes", {MODEL: head + field(7, graph) + tail}, FEED, ("nodes",))
    graph = field(1, b"") * 1_000_000 + field(11, value("x")) + field(12, value("x"))
    yield Case("counts/a million empty nodes", {MODEL: head + field(7, graph) + tail}, FEED, ("node", "file"), True)
    for what, number in (("attributes", 5), ("inputs", 1), ("outputs", 2)):
        node = field(1, field(1, b"x") + field(2, b"y") + field(4, b"Neg") + field(number, b"") * 2_000_000)
        graph = node + field(2, b"g") + field(11, value("x")) + field(12, value("y"))
        yield Case(f"counts/two million empty {what}", {MODEL: head + field(7, graph) + tail}, FEED,
                   ("Neg", "file", "input", "attribute"))
    for what, number in (("inputs", 11), ("constants", 5), ("outputs", 12), ("sparse constants", 15)):
        graph = neg(b"x", b"y") + field(11, value("x")) + field(12, value("y")) + field(number, b"") * 2_000_000
        yield Case(f"counts/two million empty {what} of the graph", {MODEL: head + field(7, graph) + tail}, FEED,
                   ("file", "input", "initializer", "output", "name"), True)
    graph = neg(b"x", b"y") + field(11, value("x")) + field(12, value("y"))
    for what, number in (("functions", 25), ("opsets", 8), ("metadata", 14)):
        content = head + field(7, graph) + tail + field(number, b"") * 2_000_000
        yield Case(f"counts/two million empty {what}", {MODEL: content}, FEED, ("file", "function", "opset"))
    yield Case("counts/a tensor of two million dims", {MODEL: head + field(7, graph + field(5, field(
        1, b"\1" * 2_000_000) + b"\x10\x01" + field(8, b"w") + field(9, b"\0" * 4))) + tail}, FEED,
        ("'w'", "file", "w"))
    bomb = struct.pack("<Q", 2 ** 63)
    yield Case("counts/a field longer than all memory",
               {MODEL: b"\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + bomb}, FEED, ("file",), True)


def loops():
    """Without an end, or nearly."""
    for trips in (2 ** 63 - 1, 2 ** 40, -1):
        model, feed = bases()["loop"]
        model.graph.initializer.append(numpy_helper.from_array(np.array(trips), "n"))
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
        del model.graph.input[1:]
        yield Case(f"loop/a loop of {trips} trips", saved(model), {"x": feed["x"]}, ("Loop", "loop"), trips > 0)
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        agraph (float[2,3] x) => (float[2,3] y) <bool c = {1}, int64 n = {9223372036854775807}> {
        y = Loop (n, c, x) <body = b (int64 i, bool on, float[2,3] v) => (bool go, float[2,3] w) {
            go = Identity(on)  w = Add(v, x) }> }""")
    yield Case("loop/a loop without an end, nothing laid aside", saved(model), FEED, ("Loop", "loop"), True)


def places():
    for name, model, feed, words in malformed_places.places():
        yield Case(name, saved(model), feed, words)


FAMILIES = [cycles, data_sizes, dims, ranks, external, names, counts, loops, places]


def cases(count, seed=1, families=None):
    """Those by hand, drawn where there are more than half of `count`; then by rule, as many as are missing."""
    rng = np.random.default_rng(seed)
    by_hand = [case for family in families or FAMILIES for case in family()]
    if len(by_hand) > count // 2:
        by_hand = [by_hand[i] for i in sorted(int(k) for k in rng.permutation(len(by_hand))[:count // 2])]
    rest = count - len(by_hand)
    bytes_changed = list(damaged(rng, rest // 4))
    ruled = list(by_rule(rng, rest - len(bytes_changed)))
    return by_hand + bytes_changed + ruled[:rest - len(bytes_changed)]
