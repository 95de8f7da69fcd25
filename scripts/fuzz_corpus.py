#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fuzz_corpus.py TARGET FOLDER --millijoule PROGRAM: small valid files for a fuzzer to start from.

Each model is a few hundred bytes and shows one thing the ONNX reader knows; the engines are those models, compiled.
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


MODELS = [elementwise, weights_of_every_kind, convolution, dense, shapes, branches, function, recurrent, quantized, external]
NEEDS_A_FILE = {external}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=["fuzz_onnx", "fuzz_engine"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--millijoule", type=Path, required=True)
    args = parser.parse_args()

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
