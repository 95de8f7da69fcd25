# SPDX-License-Identifier: Apache-2.0
"""Indices, counts, sizes and axes at their edges, and beyond: of every operator that takes such, as constants, as
inputs and as attributes. Each is an error, or ONNX's answer.
"""

import dataclasses

import numpy as np
import onnx
from onnx import helper, numpy_helper

LOW, HIGH = -2 ** 63, 2 ** 63 - 1
X = np.arange(12, dtype=np.float32).reshape(3, 4) / 4
IMAGE = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)


def at(n):
    """Around an axis of n."""
    return [-n - 1, -n, -1, 0, n - 1, n, 2 ** 31, 2 ** 32, 2 ** 62, HIGH, LOW]


SIZES = [-2 ** 31, -1, 0, 1, 2, 7, 2 ** 31, 2 ** 32 + 1, 2 ** 62, HIGH, LOW]
REALS = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-30, 1e30, 0.5, 2.0]


@dataclasses.dataclass
class Place:
    """`text`: nodes that read x, i (what is varied) and the constants, and make y. `i(v)`: the array with v in it."""
    text: str
    values: list
    i: object = lambda v: np.array([v])
    x: np.ndarray = dataclasses.field(default_factory=lambda: X)
    constants: dict = dataclasses.field(default_factory=dict)
    opset: int = 23


def scalar(v):
    return np.array(v)


def of(*others):
    """The value, and these after it."""
    return lambda v: np.array([v, *others])


def int32(make):
    return lambda v: make(v).astype(np.int32)


def f32(make):
    return lambda v: make(v).astype(np.float32)


ONE = np.ones((1, 1), np.float32)
WEIGHTS = {name: np.linspace(-0.5, 0.5, 8 * gates * 2).reshape(1, 4 * gates, 4).astype(np.float32)
           for name, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1))}
ROWS = np.ones((5, 2, 4), np.float32) / 3


PLACES = [
    Place("y = Gather(x, i)", at(3)), Place("y = Gather(x, i)", at(3), scalar),
    Place("y = Gather(x, i)", [-4, -3, 2, 3, 2 ** 31 - 1, -2 ** 31], int32(of(0))),
    Place("y = Gather<axis = 1>(x, i)", at(4), of(0, 1)),
    Place("y = GatherElements<axis = 0>(x, i)", at(3), lambda v: np.array([[v, 0, 1, 2]])),
    Place("y = GatherElements<axis = 1>(x, i)", at(4), lambda v: np.array([[v, 0], [1, 2], [0, 0]])),
    Place("y = GatherND(x, i)", at(3), lambda v: np.array([[v]])),
    Place("y = GatherND(x, i)", at(4), lambda v: np.array([[0, v], [1, 1]])),
    Place("y = GatherND<batch_dims = 1>(x, i)", at(4), lambda v: np.array([[v], [0], [3]])),
    *(Place(f'y = ScatterElements<axis = {axis}, reduction = "{how}">(x, i, u)', at(n), lambda v: np.array([[v]]),
            constants={"u": ONE}) for axis, n in ((0, 3), (1, 4)) for how in ("none", "add", "mul", "max", "min")),
    *(Place(f'y = ScatterND<reduction = "{how}">(x, i, u)', at(3), lambda v: np.array([[v]]),
            constants={"u": np.ones((1, 4), np.float32)}) for how in ("none", "add", "mul", "max", "min")),
    Place("y = ScatterND(x, i, u)", at(4), lambda v: np.array([[0, v]]), constants={"u": np.ones(1, np.float32)}),
    Place("y = Scatter(x, i, u)", at(3), lambda v: np.array([[v]]), constants={"u": ONE}, opset=10),
    Place("y = Slice(x, i, e)", at(3), constants={"e": [3]}), Place("y = Slice(x, s, i)", at(3), constants={"s": [0]}),
    Place("y = Slice(x, s, e, i)", at(2), constants={"s": [0], "e": [2]}),
    Place("y = Slice(x, s, e, a, i)", [*at(3), -2, 2], constants={"s": [0], "e": [3], "a": [0]}),
    Place("y = Slice(x, s, e, a, i)", [*at(3), -2], constants={"s": [HIGH], "e": [LOW], "a": [0]}),
    Place("y = Slice(x, i, e, a, t)", at(3), constants={"e": [LOW], "a": [0], "t": [-1]}),
    *(Place(f'y = Pad<mode = "{mode}">(x, i)', [-4, -3, -1, 0, 1, 2, 3, 4, 9, *SIZES], of(0, 0, 0))
      for mode in ("constant", "reflect", "edge", "wrap")),
    Place("y = Pad(x, p, v, i)", at(2), constants={"p": [1, 1], "v": np.float32(0)}),
    Place("y = Tile(x, i)", SIZES, of(1)), Place("y = Tile(x, i)", SIZES, lambda v: np.array([v, v])),
    Place("y = Expand(x, i)", SIZES, of(3, 4)), Place("y = Expand(x, i)", SIZES, of(4)),
    Place("y = Reshape(x, i)", [*SIZES, 12, -2, 5], of(-1)), Place("y = Reshape(x, i)", [*SIZES, 6], of(2)),
    Place("y = Reshape<allowzero = 1>(x, i)", SIZES, of(0)),
    *(Place(f'y = Resize<mode = "{mode}">(x, , , i)', SIZES, of(4), x=X) for mode in ("nearest", "linear", "cubic")),
    *(Place(f'y = Resize<mode = "{mode}">(x, , i)', REALS, f32(of(1))) for mode in ("nearest", "linear", "cubic")),
    Place('y = Resize<mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize">(x, i, , s)', REALS,
          f32(of(0, 1, 1)), constants={"s": [2, 2]}),
    Place("y = Upsample(x, i)", REALS, f32(of(1)), opset=9),
    Place("y = OneHot(i, d, v)", at(4), constants={"d": np.int64(4), "v": np.array([0, 1], np.float32)}),
    Place("y = OneHot(j, i, v)", SIZES, scalar, constants={"j": [0, 1], "v": np.array([0, 1], np.float32)}),
    Place("y, z = TopK(x, i)", [*SIZES, 4, 5]), Place("y, z = TopK<axis = 0>(x, i)", [3, 4, -4]),
    Place("y = Range(i, e, d)", SIZES, scalar, constants={"e": np.int64(5), "d": np.int64(1)}),
    Place("y = Range(s, i, d)", SIZES, scalar, constants={"s": np.int64(0), "d": np.int64(1)}),
    Place("y = Range(s, e, i)", SIZES, scalar, constants={"s": np.int64(0), "e": np.int64(5)}),
    Place("y = Range(s, e, i)", REALS, f32(scalar), constants={"s": np.float32(0), "e": np.float32(5)}),
    Place("y = Range(s, i, d)", REALS, f32(scalar), constants={"s": np.float32(0), "d": np.float32(1)}),
    Place("y, z = Split<axis = 1>(x, i)", [*at(4), 2], of(2)),
    Place("y = ReverseSequence<time_axis = 1, batch_axis = 0>(x, i)", at(4), of(1, 2)),
    Place("y = CumSum(x, i)", at(2), scalar), Place("y = CumProd(x, i)", at(2), scalar, opset=26),
    Place("y = Trilu(x, i)", [*at(4), 2], scalar), Place("y = Trilu<upper = 0>(x, i)", [*at(4), 2], scalar),
    Place("y = ConstantOfShape(i)", SIZES, of(2)),
    Place("y = Col2Im(x, i, b)", SIZES, of(3), x=np.ones((1, 4, 2), np.float32), constants={"b": [2, 2]}),
    Place("y = Col2Im(x, s, i)", SIZES, of(2), x=np.ones((1, 4, 2), np.float32), constants={"s": [2, 3]}),
    Place("y = CenterCropPad(x, i)", SIZES, of(2)),
    Place("y = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(x, i)", at(32),
          lambda v: np.array([v] + [0] * 31).reshape(1, 2, 4, 4), x=IMAGE),
    Place("y = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(x, j, i)", SIZES, lambda v: np.array([1, 2, v, 9]),
          x=IMAGE, constants={"j": np.zeros((1, 2, 4, 4), np.int64)}),
    *(Place(f"h, y = {op}<hidden_size = 4>(x, w, r, , i)", [-2 ** 31, -1, 0, 1, 5, 6, 2 ** 31 - 1], int32(of(3)),
            x=ROWS, constants={"w": WEIGHTS[op], "r": WEIGHTS[op]}) for op in WEIGHTS),
    Place("s = SequenceConstruct(x, x)  y = SequenceAt(s, i)", at(2), scalar),
    Place("s = SequenceConstruct(x, x)  t = SequenceInsert(s, x, i)  y = SequenceLength(t)", at(2), scalar),
    Place("s = SequenceConstruct(x, x)  t = SequenceErase(s, i)  y = SequenceLength(t)", at(2), scalar),
    Place("s = SplitToSequence(x, i)  y = SequenceLength(s)", SIZES, scalar),
    Place("s = SplitToSequence(x, i)  y = SequenceLength(s)", SIZES, of(1)),
    Place("s = SequenceConstruct(x, x)  y = ConcatFromSequence<axis = 9>(s)", [0]),
    Place("y = NonMaxSuppression(b, s, i)", SIZES,
          constants={"b": np.array([[[0, 0, 1, 1], [0, 0, 2, 2]]], np.float32), "s": np.ones((1, 1, 2), np.float32)}),
    Place("y = NonMaxSuppression(b, s, k, i)", REALS, f32(of()),
          constants={"b": np.array([[[0, 0, 1, 1], [0, 0, 2, 2]]], np.float32), "s": np.ones((1, 1, 2), np.float32),
                     "k": [2]}),
    Place("y = Compress<axis = 0>(x, i)", [0, 1, 2, 3, 4, 20], lambda v: np.ones(v, bool)),
    Place("y = Compress(x, i)", [0, 11, 12, 13], lambda v: np.ones(v, bool)),
    Place("y = Squeeze(u, i)", at(3), constants={"u": np.ones((1, 2, 1), np.float32)}),
    Place("y = Unsqueeze(x, i)", at(3)), Place("y = Unsqueeze(x, i)", at(4), of(0)),
    Place("y = ReduceSum(x, i)", at(2)), Place("y = ReduceMax(x, i)", at(2), of(0)),
    Place("y = DFT(u, i, a)", SIZES, scalar, constants={"u": np.ones((1, 6, 1), np.float32), "a": np.int64(1)}),
    Place("y = DFT(u, n, i)", at(3), scalar, constants={"u": np.ones((1, 6, 1), np.float32), "n": np.int64(4)}),
    Place("y = STFT(u, i, , n)", SIZES, scalar, constants={"u": np.ones((1, 16, 1), np.float32), "n": np.int64(4)}),
    Place("y = STFT(u, n, , i)", SIZES, scalar, constants={"u": np.ones((1, 16, 1), np.float32), "n": np.int64(4)}),
    *(Place(f"y = {op}(i)", SIZES, scalar) for op in ("HannWindow", "HammingWindow", "BlackmanWindow")),
    *(Place(f"y = MelWeightMatrix({names})", SIZES, scalar, constants={
        "a": np.int64(2), "b": np.int64(8), "c": np.int64(8000), "d": np.float32(0), "e": np.float32(4000)})
      for names in ("i, b, c, d, e", "a, i, c, d, e", "a, b, i, d, e")),
    *(Place(f"y = MelWeightMatrix({names})", REALS, f32(scalar), constants={
        "a": np.int64(2), "b": np.int64(8), "c": np.int64(8000), "d": np.float32(0), "e": np.float32(4000)})
      for names in ("a, b, c, i, e", "a, b, c, d, i")),
    Place("y = RoiAlign<output_height = 2, output_width = 2>(x, r, i)", at(1), x=IMAGE,
          constants={"r": np.array([[0, 0, 2, 2]], np.float32)}),
    Place("y = RoiAlign<output_height = 2, output_width = 2>(x, i, b)", REALS, f32(lambda v: np.array([[v, 0, 2, 2]])),
          x=IMAGE, constants={"b": [0]}),
    Place("y = RoiAlign<output_height = 2, output_width = 2, sampling_ratio = 0>(x, i, b)", REALS,
          f32(lambda v: np.array([[0, 0, v, 2]])), x=IMAGE, constants={"b": [0]}),
    *(Place(f'y = GridSample<mode = "{mode}", padding_mode = "{pad}">(x, i)', REALS,
            f32(lambda v: np.array([[[[v, 0], [0, v]]]])), x=IMAGE)
      for mode in ("linear", "nearest", "cubic") for pad in ("zeros", "border", "reflection")),
    Place("y = AffineGrid(u, i)", SIZES, lambda v: np.array([1, 1, v, 2]),
          constants={"u": np.ones((1, 2, 3), np.float32)}),
    Place("y = AffineGrid(u, i)", SIZES, lambda v: np.array([v, 1, 2, 2]),
          constants={"u": np.ones((1, 2, 3), np.float32)}),
    Place("y = DeformConv(x, w, i)", REALS, f32(lambda v: np.full((1, 2, 4, 4), v)), x=IMAGE,
          constants={"w": np.ones((1, 2, 1, 1), np.float32)}),
    *(Place(f'y = TensorScatter<mode = "{mode}">(p, u, i)', at(4), of(0), opset=24, constants={
        "p": np.zeros((2, 1, 4, 2), np.float32), "u": np.ones((2, 1, 2, 2), np.float32)})
      for mode in ("linear", "circular")),
    Place("y = RotaryEmbedding(u, c, s, i)", at(3), lambda v: np.array([[v, 0]]), constants={
        "u": np.ones((1, 2, 2, 4), np.float32), "c": np.ones((3, 2), np.float32), "s": np.zeros((3, 2), np.float32)}),
    Place("y = Attention(q, k, k, , , , i)", SIZES, of(), opset=24,
          constants={"q": np.ones((1, 1, 2, 4), np.float32), "k": np.ones((1, 1, 3, 4), np.float32)}),
    Place("y = NegativeLogLikelihoodLoss(x, i)", at(4), of(0, 1)),
    Place("y = SoftmaxCrossEntropyLoss(x, i)", at(4), of(0, 1)),
    Place("y = SoftmaxCrossEntropyLoss<ignore_index = -1>(x, i, w)", at(4), of(0, 1),
          constants={"w": np.ones(4, np.float32)}),
    Place('y = BitShift<direction = "LEFT">(a, i)', [0, 1, 31, 32, 63, 64, 255], lambda v: np.array([v], np.uint64),
          constants={"a": np.array([7], np.uint64)}),
    Place('y = BitShift<direction = "RIGHT">(a, i)', [0, 7, 8, 9, 255], lambda v: np.array([v], np.uint8),
          constants={"a": np.array([200], np.uint8)}),
    Place("y = Div(a, i)", [0, -1, 1, LOW], constants={"a": [LOW]}),
    Place("y = Mod(a, i)", [0, -1, LOW], constants={"a": [LOW]}),
    Place("y = Div(a, i)", [0, -1], int32(of()), constants={"a": np.array([-2 ** 31], np.int32)}),
    Place("y = Mod<fmod = 1>(a, i)", [0, -1], int32(of()), constants={"a": np.array([-2 ** 31], np.int32)}),
    Place("y = Abs(i)", [LOW]), Place("y = Neg(i)", [LOW]), Place("y = Pow(a, i)", SIZES, constants={"a": [3]}),
    *(Place(f"y = Cast<to = {to}>(i)", [0.5, 200.0, -1.0], f32(of())) for to in (2, 3, 6, 7, 9, 12, 13)),
    Place("y = Loop(i, , x) <body = b (int64 n, bool on, float[3,4] v) => (bool go, float[3,4] w) "
          "{ t = Constant<value_int = 3>()  go = Less(n, t)  w = Neg(v) }>", SIZES, scalar),
]

ATTRIBUTES = [  # text with {} for the number
    "y = Softmax<axis = {}>(x)",
    "y = LogSoftmax<axis = {}>(x)",
    "y = Hardmax<axis = {}>(x)",
    "y = Concat<axis = {}>(x, x)",
    "y, z = Split<axis = {}, num_outputs = 2>(x)",
    "y = Split<axis = 0, num_outputs = {}>(x)",
    "y = Gather<axis = {}>(x, i0)",
    "y = GatherElements<axis = {}>(x, j0)",
    "y = GatherND<batch_dims = {}>(x, j0)",
    "y = ScatterElements<axis = {}>(x, j0, u0)",
    "y = ArgMax<axis = {}>(x)",
    "y = ArgMin<axis = {}, select_last_index = 1>(x)",
    "y = Flatten<axis = {}>(x)",
    "y = LayerNormalization<axis = {}>(x, s0)",
    "y = RMSNormalization<axis = {}>(x, s0)",
    "y = Unique<axis = {}>(x)",
    "y, z = TopK<axis = {}>(x, k0)",
    "y = OneHot<axis = {}>(i0, d0, v0)",
    "y = LpNormalization<axis = {}>(x)",
    "y = LpNormalization<axis = 0, p = {}>(x)",
    "y = Transpose<perm = [{}, 1]>(x)",
    "y = Transpose<perm = [0, {}]>(x)",
    "y = EyeLike<k = {}>(x)",
    "y = EyeLike<dtype = {}>(x)",
    "y = Shape<start = {}>(x)",
    "y = Shape<end = {}>(x)",
    "y = Compress<axis = {}>(x, c0)",
    "y = DepthToSpace<blocksize = {}>(m0)",
    "y = SpaceToDepth<blocksize = {}>(m0)",
    "y = GroupNormalization<num_groups = {}>(m0, g0, g0)",
    "y = LRN<size = {}>(m0)",
    "y = MeanVarianceNormalization<axes = [{}]>(m0)",
    "y = ReverseSequence<time_axis = {}, batch_axis = 1>(x, l0)",
    "y = ReverseSequence<batch_axis = {}, time_axis = 0>(x, l0)",
    "y = CenterCropPad<axes = [{}]>(x, k0)",
    "y = Resize<axes = [{}]>(x, , , k0)",
    "y = QuantizeLinear<axis = {}>(x, q0)",
    "y = QuantizeLinear<block_size = {}>(x, q0)",
    "y = QuantizeLinear<output_dtype = {}>(x, q0)",
    "y = Cast<to = {}>(x)",
    "y = Multinomial<sample_size = {}>(x)",
    "y = RandomNormal<shape = [{}]>()",
    "y = RandomUniform<shape = [2, {}]>()",
    "y = GlobalLpPool<p = {}>(m0)",
    "y = LpPool<p = {}, kernel_shape = [2, 2]>(m0)",
    "y = RoiAlign<output_height = {}>(m0, b0, i1)",
    "y = RoiAlign<sampling_ratio = {}>(m0, b0, i1)",
    "s = SplitToSequence<axis = {}>(x)  y = SequenceLength(s)",
    "s = SequenceConstruct(x, x)  y = ConcatFromSequence<axis = {}>(s)",
    "s = SequenceConstruct(x, x)  y = ConcatFromSequence<axis = {}, new_axis = 1>(s)",
    "h, y = LSTM<hidden_size = {}>(r0, w0, w0)",
    "h, y = GRU<hidden_size = {}>(r0, w1, w1)",
    "h, y = LSTM<hidden_size = 4, layout = {}>(r0, w0, w0)",
    "y = Det(x)",
    'y = Einsum<equation = "{}">(x, x)',
    "y = Attention<q_num_heads = {}, kv_num_heads = 1>(r0, r0, r0)",
    "y = Attention<kv_num_heads = {}, q_num_heads = 2>(r0, r0, r0)",
    "y = RotaryEmbedding<num_heads = {}>(a0, e0, e0, i2)",
    "y = RotaryEmbedding<rotary_embedding_dim = {}>(a1, e0, e0, i2)",
    'y = TfIdfVectorizer<mode = "TF", min_gram_length = {}, max_gram_length = 2, max_skip_count = 0,'
    " ngram_counts = [0, 1], ngram_indexes = [0, 1], pool_int64s = [1, 2, 3]>(i0)",
    'y = TfIdfVectorizer<mode = "TF", min_gram_length = 1, max_gram_length = {}, max_skip_count = 0,'
    " ngram_counts = [0, 1], ngram_indexes = [0, 1], pool_int64s = [1, 2, 3]>(i0)",
    'y = TfIdfVectorizer<mode = "TF", min_gram_length = 1, max_gram_length = 2, max_skip_count = {},'
    " ngram_counts = [0, 1], ngram_indexes = [0, 1], pool_int64s = [1, 2, 3]>(i0)",
    'y = TfIdfVectorizer<mode = "TF", min_gram_length = 1, max_gram_length = 2, max_skip_count = 0,'
    " ngram_counts = [0, {}], ngram_indexes = [0, 1], pool_int64s = [1, 2, 3]>(i0)",
    'y = TfIdfVectorizer<mode = "TF", min_gram_length = 1, max_gram_length = 2, max_skip_count = 0,'
    " ngram_counts = [0, 1], ngram_indexes = [0, {}], pool_int64s = [1, 2, 3]>(i0)",
    "y = Scan<num_scan_inputs = {}, body = b (float[4] v, float[4] r) => (float[4] w) {{ w = Add(v, r) }}>(s0, x)",
    "y = Scan<num_scan_inputs = 1, scan_input_axes = [{}], body = b (float[4] v, float[4] r) =>"
    " (float[4] w) {{ w = Add(v, r) }}>(s0, x)",
    "y = MaxPool<kernel_shape = [2, 2], storage_order = {}>(m0)",
    "y = MaxPool<kernel_shape = [2, 2], ceil_mode = {}>(m0)",
]
HELD = {
    "i0": np.array([0, 2]), "j0": np.array([[0, 1]]), "u0": np.ones((1, 2), np.float32), "s0": np.ones(4, np.float32),
    "k0": np.array([2]), "d0": np.int64(3), "v0": np.array([0, 1], np.float32), "c0": np.array([True, False]),
    "m0": np.arange(64, dtype=np.float32).reshape(1, 4, 4, 4), "g0": np.ones(4, np.float32),
    "l0": np.array([1, 2, 3, 1]),
    "q0": np.array([0.5, 1, 2, 4], np.float32), "b0": np.array([[0, 0, 2, 2]], np.float32), "i1": np.array([0]),
    "r0": ROWS, "w0": WEIGHTS["LSTM"], "w1": WEIGHTS["GRU"], "a0": np.ones((1, 2, 8), np.float32),
    "a1": np.ones((1, 2, 2, 4), np.float32), "e0": np.ones((3, 2), np.float32), "i2": np.array([[0, 1]])}


def numbers(**arrays):
    return [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]


def model_of(text, x, opset):
    dims = ",".join(str(size) for size in x.shape)
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}]>\n'
                                    f"agraph (float[{dims}] x) => (float y) {{ {text} }}")
    model.graph.output[0].ClearField("type")
    return model


def places():
    """(name, model, feed, words) of each."""
    for number, place in enumerate(PLACES):
        op = model_of(place.text, place.x, place.opset).graph.node
        for value in place.values:
            try:
                i = np.asarray(place.i(value))
            except OverflowError:
                continue
            for how in ("constant", "input", "input of any size"):
                model = model_of(place.text, place.x, place.opset)
                model.graph.initializer.extend(numbers(**place.constants))
                feed = {"x": place.x}
                if how == "constant":
                    model.graph.initializer.extend(numbers(i=i))
                else:
                    dims = [f"K{axis}" for axis in range(i.ndim)] if how != "input" else i.shape
                    model.graph.input.append(helper.make_tensor_value_info(
                        "i", helper.np_dtype_to_tensor_dtype(i.dtype), dims))
                    feed["i"] = i
                if how == "input of any size" and not i.ndim:
                    continue
                yield (f"place/{number} {place.text[:60]} with {value} as {how}", model, feed,
                       (*(node.op_type for node in op), "'y'", "'i'"))
    for text in ATTRIBUTES:
        for value in [-5, -2, -1, 0, 1, 2, 3, 5, 2 ** 31, 2 ** 62, HIGH, LOW]:
            opset = 21 if "Multinomial" in text or "Random" in text or "GlobalLpPool" in text else 23
            try:
                model = model_of(text.format(value), X, opset)
            except Exception:
                continue  # no such number in the text form
            used = {name for node in model.graph.node for name in node.input}
            model.graph.initializer.extend(numbers(**{name: HELD[name] for name in HELD if name in used}))
            yield (f"place/{text[:70]} with {value}", model, {"x": X},
                   (*(node.op_type for node in model.graph.node), "'y'"))

