# SPDX-License-Identifier: Apache-2.0
"""Writes ResNet-50, BERT-base and a three-layer LSTM as ONNX files with seeded random weights, for measuring speed.

    make_models.py --out DIR [resnet50 bert_base lstm_am]

The topologies and sizes are the published ones; the weights are random and answer nothing. NAME.onnx, its weights in
NAME.bin, one sample of the inputs in NAME.inputs.npz. Needs numpy and onnx.
"""

import argparse
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Net:
    """Collects nodes and weights; every method returns the name of its first output."""

    def __init__(self, name):
        self.name, self.nodes, self.weights = name, [], []
        self.rng = np.random.default_rng(2026)

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind.lower()}_{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=names[0], **attributes))
        return names[0]

    def constant(self, value):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name

    def normal(self, shape, std, mean=0.0):
        return self.constant(self.rng.standard_normal(shape, dtype=np.float32) * np.float32(std) + np.float32(mean))

    def linear(self, x, inputs, outputs):
        product = self.op("MatMul", x, self.normal((inputs, outputs), inputs**-0.5))
        return self.op("Add", product, self.normal((outputs,), 0.02))

    def save(self, folder, inputs, outputs, sample):
        graph = helper.make_graph(self.nodes, self.name, inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        (folder / f"{self.name}.bin").unlink(missing_ok=True)
        onnx.save(model, folder / f"{self.name}.onnx", save_as_external_data=True, location=f"{self.name}.bin")
        np.savez(folder / f"{self.name}.inputs.npz", **sample)


def conv(net, x, inputs, outputs, kernel, stride=1, relu=True, gain=2.0):
    weights = net.normal((outputs, inputs, kernel, kernel), (gain / (inputs * kernel * kernel)) ** 0.5)
    x = net.op("Conv", x, weights, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4)
    scale, mean = net.normal((outputs,), 0.1, 1.0), net.normal((outputs,), 0.1)
    variance = net.constant(net.rng.uniform(0.8, 1.2, outputs).astype(np.float32))
    x = net.op("BatchNormalization", x, scale, net.normal((outputs,), 0.1), mean, variance)
    return net.op("Relu", x) if relu else x


def resnet50(folder):
    net = Net("resnet50")
    x = conv(net, "image", 3, 64, 7, 2)
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = conv(net, conv(net, x, channels, width, 1), width, width, 3, stride)
            y = conv(net, y, width, 4 * width, 1, relu=False, gain=0.5)  # a small gain keeps the residual sums in range
            if not block:
                x = conv(net, x, channels, 4 * width, 1, stride, relu=False, gain=1.0)
            x, channels = net.op("Relu", net.op("Add", y, x)), 4 * width
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    net.op("Gemm", x, net.normal((1000, 2048), 0.02), net.normal((1000,), 0.02), transB=1)
    net.nodes[-1].output[0] = "y0"
    net.save(folder, [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 224, 224])],
             [helper.make_tensor_value_info("y0", TensorProto.FLOAT, ["N", 1000])],
             {"image": net.rng.standard_normal((1, 3, 224, 224), dtype=np.float32)})


def layer_norm(net, x, width):
    scale, shift = net.normal((width,), 0.05, 1.0), net.normal((width,), 0.05)
    return net.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)


def attention(net, x, mask, width, heads):
    def split(perm):
        halves = net.op("Reshape", net.linear(x, width, width), net.constant(np.array([0, 0, heads, width // heads])))
        return net.op("Transpose", halves, perm=perm)

    query, key, value = split([0, 2, 1, 3]), split([0, 2, 3, 1]), split([0, 2, 1, 3])
    scores = net.op("Mul", net.op("MatMul", query, key), net.constant(np.float32((width // heads) ** -0.5)))
    scores = net.op("Softmax", net.op("Add", scores, mask), axis=-1)
    mixed = net.op("Transpose", net.op("MatMul", scores, value), perm=[0, 2, 1, 3])
    return net.linear(net.op("Reshape", mixed, net.constant(np.array([0, 0, width]))), width, width)


def gelu(net, x):
    error = net.op("Erf", net.op("Div", x, net.constant(np.float32(2**0.5))))
    doubled = net.op("Mul", x, net.op("Add", error, net.constant(np.float32(1))))
    return net.op("Mul", doubled, net.constant(np.float32(0.5)))


def bert_base(folder, width=768, layers=12, heads=12, vocabulary=30522, longest=512):
    net = Net("bert_base")
    words = net.op("Gather", net.normal((vocabulary, width), 0.02), "input_ids")
    types = net.op("Gather", net.normal((2, width), 0.02), "token_type_ids")
    length = net.op("Slice", net.op("Shape", "input_ids"), net.constant(np.array([1])), net.constant(np.array([2])))
    places = net.op("Slice", net.normal((1, longest, width), 0.02), net.constant(np.array([0])), length,
                    net.constant(np.array([1])))
    x = layer_norm(net, net.op("Add", net.op("Add", words, types), places), width)
    keep = net.op("Cast", net.op("Unsqueeze", "attention_mask", net.constant(np.array([1, 2]))), to=TensorProto.FLOAT)
    mask = net.op("Mul", net.op("Sub", net.constant(np.float32(1)), keep), net.constant(np.finfo(np.float32).min))
    for _ in range(layers):
        x = layer_norm(net, net.op("Add", attention(net, x, mask, width, heads), x), width)
        inner = net.linear(gelu(net, net.linear(x, width, 4 * width)), 4 * width, width)
        x = layer_norm(net, net.op("Add", inner, x), width)
    net.nodes[-1].output[0] = "y0"
    first = net.op("Gather", "y0", net.constant(np.array(0)), axis=1)
    net.op("Tanh", net.op("Gemm", first, net.normal((width, width), 0.02), net.normal((width,), 0.02)))
    net.nodes[-1].output[0] = "y1"
    names = ("input_ids", "attention_mask", "token_type_ids")
    values = (net.rng.integers(0, vocabulary, (1, 128)), np.ones((1, 128), np.int64), net.rng.integers(0, 2, (1, 128)))
    net.save(folder, [helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "S"]) for name in names],
             [helper.make_tensor_value_info("y0", TensorProto.FLOAT, ["N", "S", width]),
              helper.make_tensor_value_info("y1", TensorProto.FLOAT, ["N", width])], dict(zip(names, values)))


def lstm_am(folder, features=80, width=512, layers=3, classes=42):
    net = Net("lstm_am")
    x, inputs = net.op("Transpose", "features", perm=[1, 0, 2]), features
    for _ in range(layers):
        weights = net.normal((1, 4 * width, inputs), inputs**-0.5)
        recurrent = net.normal((1, 4 * width, width), width**-0.5)
        x = net.op("LSTM", x, weights, recurrent, net.normal((1, 8 * width), 0.02), hidden_size=width)
        x, inputs = net.op("Squeeze", x, net.constant(np.array([1]))), width
    net.op("LogSoftmax", net.linear(net.op("Transpose", x, perm=[1, 0, 2]), width, classes), axis=-1)
    net.nodes[-1].output[0] = "y0"
    net.save(folder, [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", "T", features])],
             [helper.make_tensor_value_info("y0", TensorProto.FLOAT, ["N", "T", classes])],
             {"features": net.rng.standard_normal((1, 200, features), dtype=np.float32)})


BUILDERS = {"resnet50": resnet50, "bert_base": bert_base, "lstm_am": lstm_am}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(BUILDERS))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        BUILDERS[name](options.out)
        print(f"{options.out / name}.onnx")


if __name__ == "__main__":
    main()
