#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ONNX's own operator tests through `millijoule compile` and `millijoule run`.

They come with the installed onnx package. Each ends as one of
  passed   the answer has ONNX's types, shapes and values, within ONNX's own tolerance (16-bit floats: see precision())
  refused  exit code 3: an operator, type or attribute that we say we do not have
  failed   another error
  wrong    an answer that differs
The tests that ONNX derives from others by writing an operator out as a function (`..._expanded...`) are counted apart.
The last line says passed, failed (the wrong ones among them) and skipped (refused). Exit code 1 if any failed.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import re
import sys
import tempfile
import warnings
import zipfile

import mjlib
import numpy as np
import onnx
import onnx.numpy_helper
from onnx.backend.test.loader import load_model_tests

# Where ONNX's own answer is further from the exact one than its tolerance: what it expects of an inverse DFT comes from
# an f32 FFT, which gives up to 2e-6 where the exact answer is 0.
ROUGH = {"test_dft_inverse": 4e-6, "test_dft_inverse_opset19": 4e-6}

RAW = {"bfloat16": "V2"} | dict.fromkeys(["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
                                          "float8_e8m0fnu", "float4_e2m1fn"], "V1")
BELOW_BYTE = {"int4": np.int8, "uint4": np.uint8, "int2": np.int8, "uint2": np.uint8}  # as they are held


def travelling(array):
    """As it travels in npz files: types that NumPy lacks as raw bytes, strings as unicode."""
    array = onnx.numpy_helper.to_array(array) if isinstance(array, onnx.TensorProto) else np.asarray(array)
    if array.dtype.kind in "OS":
        texts = [text.decode() if isinstance(text, bytes) else text for text in array.reshape(-1)]
        return np.array(texts, str).reshape(array.shape)
    if array.dtype.name in BELOW_BYTE:
        array = array.astype(BELOW_BYTE[array.dtype.name])
        return array.view("V1")
    return array.view(RAW[array.dtype.name]) if array.dtype.name in RAW else array


def stored(path, kind):
    """What a .pb file of a test holds; None for an input that has an initializer."""
    if not path.exists():
        return None
    if kind.HasField("sequence_type"):
        return onnx.numpy_helper.to_list(onnx.SequenceProto.FromString(path.read_bytes()))
    if kind.HasField("optional_type"):
        return onnx.numpy_helper.to_optional(onnx.OptionalProto.FromString(path.read_bytes()))
    return onnx.TensorProto.FromString(path.read_bytes())


def opened(test):
    """(model, [(inputs, outputs)]): node tests come in memory, others as files."""
    if test.model:
        return test.model, test.data_sets
    model, data_sets = onnx.load(f"{test.model_dir}/model.onnx"), []
    for folder in sorted(pathlib.Path(test.model_dir).glob("test_data_set_*")):
        data_sets.append([[stored(folder / f"{way}_{i}.pb", value.type) for i, value in enumerate(values)]
                          for way, values in (("input", model.graph.input), ("output", model.graph.output))])
    return model, data_sets


def entries(name, value):
    if value is None:
        return {}
    if isinstance(value, list):
        return {f"{name}.{i}": travelling(item) for i, item in enumerate(value)}
    return {name: travelling(value)}


def element_dtype(kind):
    while kind.WhichOneof("value") in ("optional_type", "sequence_type"):
        kind = getattr(kind, kind.WhichOneof("value")).elem_type
    return onnx.helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type)


def numbers(array, kind):
    """Raw bytes back as numbers, for comparing within a tolerance."""
    if array.dtype.kind != "V":
        return array
    dtype = element_dtype(kind)
    if dtype.name in BELOW_BYTE:
        return array.view(BELOW_BYTE[dtype.name])
    return array.view(dtype).astype(np.float32)


def precision(array, kind):
    """The distance from 1 to the next number of a 16-bit float. What ONNX expects there was rounded after each of
    NumPy's operations (a softmax has five), so two of these are between any two right answers."""
    if array.dtype.name == "float16":
        return 2.0**-10
    return 2.0**-7 if element_dtype(kind).name == "bfloat16" else 0


def difference(test, values, got, want):
    if set(got) != set(want):
        return f"outputs {sorted(got)} instead of {sorted(want)}"
    for name, expected in want.items():
        ours = got[name]
        texts = ours.dtype.kind == expected.dtype.kind == "U"
        if ours.shape != expected.shape or (ours.dtype != expected.dtype and not texts):
            return f"'{name}' is {ours.dtype}{list(ours.shape)} instead of {expected.dtype}{list(expected.shape)}"
        kind = values.get(name) or values[name.rsplit(".", 1)[0]]
        rtol = max(test.rtol, 2 * precision(expected, kind))
        ours, expected = numbers(ours, kind), numbers(expected, kind)
        if expected.dtype.kind not in "fc":
            if not np.array_equal(ours, expected):
                return f"'{name}' is {ours.reshape(-1)[:8]} instead of {expected.reshape(-1)[:8]}"
        elif not np.allclose(ours, expected, rtol=rtol, atol=ROUGH.get(test.name, test.atol), equal_nan=True):
            return f"'{name}' is off by up to {np.nanmax(np.abs(ours.astype(float) - expected.astype(float))):.3g}"
    return None


def refusal(message):
    """What the model has that we do not: "Cast: element type int2 is not supported", "Momentum: no such operator"."""
    reasons = []
    for line in re.findall(r"^  (.+)$", message, re.M):
        named = re.match(r"(\S+) \((\S+), [^)]*\)(?:: (.*?))?; \d+ nodes?: ", line)
        if named:
            operator, domain, why = named.groups()
            where = "" if domain == "ai.onnx" else f" ({domain})"
            line = f"{operator}{where}: {why or 'no such operator here'}"
        line = re.sub(r"'[^']*'", "...", line)  # names of the one model
        if line not in reasons:
            reasons.append(line)
    return ", ".join(reasons) or message.strip().split(".onnx: ")[-1]


def run(test):
    """(outcome, reason)"""
    model, data_sets = opened(test)
    graph = model.graph
    if any(value.type.WhichOneof("value") in ("sparse_tensor_type", "map_type") for value in graph.input):
        return "refused", "sparse tensors and maps"
    outputs = {value.name: value.type for value in graph.output}
    with tempfile.TemporaryDirectory() as scratch:
        path, engine, inputs, results = (f"{scratch}/{name}" for name in ("model.onnx", "engine", "in.npz", "out.npz"))
        pathlib.Path(path).write_bytes(model.SerializeToString())
        done = mjlib.millijoule("compile", path, "-o", engine, check=False)
        if done.returncode == 3:
            return "refused", refusal(done.stderr)
        if done.returncode:
            return "failed", done.stderr.strip()
        for given, expected in data_sets:
            feed, want = {}, {}
            for value, array in zip(graph.input, given):
                feed |= entries(value.name, array)
            for value, array in zip(graph.output, expected):
                want |= entries(value.name, array)
            np.savez(inputs, **feed) if feed else zipfile.ZipFile(inputs, "w").close()
            done = mjlib.millijoule("run", engine, "--inputs", inputs, "--outputs", results, "--allow-unverified",
                                    check=False)
            if done.returncode:
                return ("refused" if done.returncode == 3 else "failed"), done.stderr.strip()
            with np.load(results) as archive:
                if reason := difference(test, outputs, dict(archive), want):
                    return "wrong", reason
    return "passed", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="", help="only tests whose name matches this regular expression")
    parser.add_argument("--kind", default="node", help="node, or simple: small networks")
    parser.add_argument("--list", action="store_true", help="print every test with its outcome")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tests draw their data anew, infinities among it
        tests = [test for test in load_model_tests(kind=args.kind) if re.search(args.pattern, test.name)]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        outcomes = list(zip(tests, pool.map(run, tests)))
    refused = collections.Counter(reason for _, (outcome, reason) in outcomes if outcome == "refused")
    for test, (outcome, reason) in outcomes:
        if args.list or outcome in ("wrong", "failed"):
            print(f"{outcome:8}{test.name}{': ' + reason.splitlines()[0] if reason else ''}")
    for reason, count in refused.most_common():
        print(f"skipped {count:4}  {reason.splitlines()[0]}")
    expanded = collections.Counter(outcome for test, (outcome, _) in outcomes if "_expanded" in test.name)
    distinct = collections.Counter(outcome for test, (outcome, _) in outcomes if "_expanded" not in test.name)
    print(f"of onnx {onnx.__version__}'s {len(tests)} {args.kind} tests, {expanded.total()} of them expanded: "
          f"{tally(expanded)}; all others:")
    print(tally(distinct))
    return 1 if any(outcome in ("wrong", "failed") for _, (outcome, _) in outcomes) else 0


def tally(counts):
    return f"{counts['passed']} passed, {counts['failed'] + counts['wrong']} failed, {counts['refused']} skipped"


if __name__ == "__main__":
    sys.exit(main())
