#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fuzz_corpus.py TARGET FOLDER --millijoule PROGRAM: small valid files for a fuzzer to start from.

Each model is a few hundred bytes and shows one thing the ONNX reader knows; the engines are those models, compiled.
The ONNX reader also starts from the models of ONNX's own operator tests, as far as they are small.
"""
import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = [helper.make_opsetid("", 17)]


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs, outputs, weights=(), functions=(), opset=OPSET):
    tensors = [w if isinstance(w, TensorProto) else numpy_helper.from_array(*w) for w in weights]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=opset, functions=list(functions), ir_version=8)


def elementwise():
    return model([helper.make_node("Elu", ["x"], ["y"], alpha=0.5)], [value("x", ["n", 3])], [value("y", ["n", 3])])


def weights_of_every_kind():
    def tensor(name, dtype, values, **fields):
        return helper.make_tensor(name, dtype, [2], values, **fields)

    tensors = [
        tensor("a", TensorProto.FLOAT, np.float32([1, 2]).tobytes(), raw=True),
        tensor("b", TensorProto.FLOAT, [1, 2]),
        tensor("c", TensorProto.INT64, [1, -1]),
        tensor("d", TensorProto.FLOAT16, [1, 2]),
        tensor("e", TensorProto.DOUBLE, [1, 2]),
        tensor("f", TensorProto.BOOL, [1, 0]),
        tensor("h", TensorProto.INT8, [1, -2]),
    ]
    nodes = [helper.make_node("Cast", [t.name], ["cast_" + t.name], to=TensorProto.FLOAT) for t in tensors]
    nodes.append(helper.make_node("Sum", ["cast_" + t.name for t in tensors] + ["x"], ["y"]))
    return model(nodes, [value("x", [2])], [value("y", [2])], tensors)


def convolution():
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=1),
             helper.make_node("Relu", ["c"], ["y"])]
    weights = [(np.ones((2, 1, 3, 3), np.float32), "w"), (np.zeros(2, np.float32), "b")]
    return model(nodes, [value("x", [1, 1, 4, 4])], [value("y", [1, 2, 4, 4])], weights)


def dense():
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"], transB=1, alpha=1.0), helper.make_node("Softmax", ["h"], ["y"])]
    return model(nodes, [value("x", ["n", 3])], [value("y", ["n", 2])], [(np.ones((2, 3), np.float32), "w")])


def shapes():
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "zero"], ["n"]),
             helper.make_node("Concat", ["n", "minus_one"], ["t"], axis=0), helper.make_node("Reshape", ["x", "t"], ["y"])]
    weights = [(np.int64([0]), "zero"), (np.int64([-1]), "minus_one")]
    return model(nodes, [value("x", ["n", 2, 3])], [value("y", ["n", 6])], weights)


def branches():
    def branch(name, op):
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [value(name, [2])])

    node = helper.make_node("If", ["flag"], ["y"], then_branch=branch("p", "Relu"), else_branch=branch("q", "Neg"))
    return model([node], [value("x", [2]), value("flag", [], TensorProto.BOOL)], [value("y", [2])])


def function():
    body = helper.make_function("own", "twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], OPSET)
    node = helper.make_node("twice", ["x"], ["y"], domain="own")
    return model([node], [value("x", [2])], [value("y", [2])], functions=[body], opset=OPSET + [helper.make_opsetid("own", 1)])


def recurrent():
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=2)
    weights = [(np.ones((1, 8, 3), np.float32), "w"), (np.ones((1, 8, 2), np.float32), "r")]
    return model([node], [value("x", ["t", 1, 3])], [value("y", ["t", 1, 1, 2])], weights)


def quantized():
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    return model(nodes, [value("x", [4])], [value("y", [4])], [(np.float32(0.1), "s"), (np.uint8(3), "z")])


def external():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, entry in (("location", "weights.bin"), ("offset", "0"), ("length", "8")):
        tensor.external_data.add(key=key, value=entry)
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [2])], [value("y", [2])], [tensor])


# Operators that the reader translates by code of their own, one model each: (opset, the graph in ONNX's text form).
IRREGULAR = [
    (17, "(float[2,3] x) => (float y) { s = Constant <value_floats = [1.0]> () y = Pow(x, s) }"),
    (17, "(float[2,3] x, float lo) => (float y) { c = Clip(x, lo) y = Mean(c, x) }"),
    (17, "(float[2,3] x) => (float y) { m = Max(x, x, x) n = Min(m, x) y = Sum(n, m, x) }"),
    (7, "(float[2,3] x) => (float y) { c = Clip <min = 0.0> (x) y = Flatten <axis = 1> (c) }"),
    (11, "(float[2,3] x) => (float y) { s = Softmax <axis = 0> (x) y = LogSoftmax <axis = 1> (s) }"),
    (17, "(float[2,3] x) => (float y) { p = Constant <value_ints = [0, 1, 0, 1]> () y = Pad <mode = \"constant\"> (x, p) }"),
    (10, "(float[2,3] x) => (float y) { y = Pad <pads = [0, 1, 0, 1]> (x) }"),
    (9, "(float[2,3] x) => (float y) { y = Slice <starts = [0], ends = [2], axes = [1]> (x) }"),
    (17, "(float[2,3] x) => (float y) { a = Constant <value_ints = [0]> () b = Constant <value_ints = [2]> ()"
         " c = Constant <value_ints = [1]> () y = Slice(x, a, b, c) }"),
    (17, "(float[2,4] x) => (float y, float z) { s = Constant <value_ints = [1, 3]> () y, z = Split <axis = 1> (x, s) }"),
    (11, "(float[2,1] x) => (float y) { s = Squeeze <axes = [1]> (x) y = Unsqueeze <axes = [0]> (s) }"),
    (17, "(float[2,1] x) => (float y) { a = Constant <value_ints = [1]> () s = Squeeze(x, a) y = Unsqueeze(s, a) }"),
    (17, "(float[2,3] x) => (float y) { a = Constant <value_ints = [1]> () r = ReduceSum <keepdims = 1> (x, a)"
         " y = ReduceLogSumExp <axes = [0]> (r) }"),
    (17, "(float[1,2,4,4] x) => (float y) { g = GlobalAveragePool(x) h = GlobalMaxPool(x) y = Add(g, h) }"),
    (17, "(float[1,2,4,4] x) => (float y) { y = AveragePool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (x) }"),
    (17, "(float[2,4] x) => (float y, int64 i) { k = Constant <value_ints = [2]> () y, i = TopK <axis = 1> (x, k) }"),
    (17, "(float[2,4] x, float[4] w) => (float y) { y = LayerNormalization <axis = -1> (x, w, w) }"),
    (17, "(float[1,2,4] x, float[2] w) => (float y) { y = InstanceNormalization <epsilon = 0.1> (x, w, w) }"),
    (17, "(float[1,2,4] x, float[2] w) => (float y) { y = BatchNormalization(x, w, w, w, w) }"),
    (17, "(float[1,1,2,2] x) => (float y) { s = Constant <value_floats = [1.0, 1.0, 2.0, 2.0]> ()"
         " y = Resize <mode = \"linear\"> (x, , s) }"),
    (17, "(float[2,3] x) => (float y) { q, s, z = DynamicQuantizeLinear(x) y = DequantizeLinear(q, s, z) }"),
    (17, "(uint8[2,2] a, float s, uint8 z) => (uint8 y) { y = QLinearMatMul(a, s, z, a, s, z, s, z) }"),
    (17, "(uint8[2,2] a, uint8 z) => (int32 y) { y = MatMulInteger(a, a, z, z) }"),
    (17, "(int64 m, float[2] x) => (float y, float z) { y, z = Loop <body = b (int64 i, bool c, float[2] a)"
         " => (bool d, float[2] e, float[2] f) { d = Identity(c) e = Add(a, x) f = Neg(e) }> (m, , x) }"),
    (17, "(float[2] s, float[3,2] x) => (float t, float z) { t, z = Scan <num_scan_inputs = 1, scan_output_axes = [1],"
         " body = b (float[2] a, float[2] e) => (float[2] d, float[2] o) { d = Add(a, e) o = Neg(e) }> (s, x) }"),
    (17, "(seq(float[2]) s) => (seq(float[2]) t) { t = SequenceMap <body = b (float[2] a) => (float[2] d)"
         " { d = Neg(a) }> (s) }"),
    (23, "(float[1,2,4,8] q) => (float y) { y = Attention <scale = 0.5, is_causal = 1> (q, q, q) }"),
]


def irregular(number):
    opset, text = IRREGULAR[number]
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\ngraph {text}')


def operator_tests(largest=2048):
    from onnx.backend.test.case.node import collect_testcases
    for case in collect_testcases(None):
        data = case.model.SerializeToString() if case.model is not None else b""
        if 0 < len(data) <= largest:
            yield case.name, data


MODELS = [elementwise, weights_of_every_kind, convolution, dense, shapes, branches, function, recurrent, quantized, external]
NEEDS_A_FILE = {external}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=["fuzz_onnx", "fuzz_engine"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--millijoule", type=Path, required=True)
    args = parser.parse_args()

    if args.target == "fuzz_onnx":
        for number in range(len(IRREGULAR)):
            onnx.save(irregular(number), args.folder / f"irregular_{number}.onnx")
        for name, data in operator_tests():
            (args.folder / f"{name}.onnx").write_bytes(data)
    for make in MODELS:
        if args.target == "fuzz_onnx":
            onnx.save(make(), args.folder / f"{make.__name__}.onnx")
        elif make not in NEEDS_A_FILE:
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / "model.onnx"
                onnx.save(make(), source)
                subprocess.run([args.millijoule, "compile", source, "-o", args.folder / f"{make.__name__}.engine"],
                               check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
