#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a golden engine: NAME.engine with the program given, NAME.npz with ONNX Runtime's answers.

Golden engines are never made anew: each shows that engines of its version still load and answer the same. A new major
version of the format gets a new one beside them:

    test/engines/make.py --millijoule build/release/millijoule --name v2_small
"""
import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent


def small():
    """conv -> relu -> gemm -> if, with a free batch."""
    rng = np.random.default_rng(1)

    def weight(name, *dims):
        return numpy_helper.from_array(rng.standard_normal(dims).astype(np.float32), name)

    def value(name, dtype, dims):
        return helper.make_tensor_value_info(name, dtype, dims)

    def branch(name, op):
        return helper.make_graph([helper.make_node(op, ["g"], [name])], name, [],
                                 [value(name, TensorProto.FLOAT, ["N", 5])])

    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Flatten", ["r"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "v", "d"], ["g"], name="gemm"),
        helper.make_node("If", ["flip"], ["y"], name="if", then_branch=branch("then", "Neg"),
                         else_branch=branch("else", "Sigmoid")),
    ]
    graph = helper.make_graph(
        nodes, "small", [value("x", TensorProto.FLOAT, ["N", 2, 6, 6]), value("flip", TensorProto.BOOL, [])],
        [value("y", TensorProto.FLOAT, ["N", 5])],
        [weight("w", 4, 2, 3, 3), weight("b", 4), weight("v", 144, 5), weight("d", 5)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    cases = [{"x": rng.standard_normal((n, 2, 6, 6)).astype(np.float32), "flip": np.array(flip)}
             for n, flip in ((1, False), (3, True))]
    return model, cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millijoule", type=Path, required=True)
    parser.add_argument("--name", required=True)
    args = parser.parse_args()

    model, cases = small()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    arrays = {}
    for i, inputs in enumerate(cases):
        outputs = dict(zip((o.name for o in session.get_outputs()), session.run(None, inputs)))
        arrays |= {f"{i}/{name}": array for name, array in {**inputs, **outputs}.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{args.name}.onnx"
        onnx.save(model, path)
        subprocess.run([args.millijoule, "compile", path, "--output", HERE / f"{args.name}.engine", "--target",
                        "cpu-portable"], check=True)
    np.savez(HERE / f"{args.name}.npz", **arrays)


if __name__ == "__main__":
    main()
