#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ONNX's own operator tests and small networks through `millijoule compile` and `millijoule run`.

They come with the installed onnx package. Each is taken in up to three ways (--as):
  given     as it stands
  symbolic  every dimension of every input is a symbol of its own, and no output says its shape
  constant  every input is a constant, so that folding answers what running would
Each ends as one of
  passed   the answer has ONNX's types, shapes and values, within ONNX's own tolerance (16-bit floats: see precision())
  skipped  refused with exit code 3, and named with its reason in onnx_suite_skips.txt
  failed   another error, an answer that differs (wrong), a crash, or a refusal that the file does not name
What that file calls out of scope is counted apart. Exit code 1 if any failed, or passes though it is named there.
--peer takes ONNX Runtime the same way beside it; what stops it from passing changes no exit code.
"""

import argparse
import collections
import concurrent.futures
import ctypes
import multiprocessing
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
from onnx.backend.test.runner import Runner

KINDS = ["node", "simple", "real", "pytorch-converted", "pytorch-operator"]  # real: the light networks
WAYS = ["given", "symbolic", "constant"]
SKIPS = pathlib.Path(__file__).with_name("onnx_suite_skips.txt")

# Where ONNX's own answer is further from the exact one than its tolerance: what it expects of an inverse DFT comes from
# an f32 FFT, which gives up to 2e-6 where the exact answer is 0.
ROUGH = {"test_dft_inverse": 4e-6, "test_dft_inverse_opset19": 4e-6}

# What these answer is drawn: of it only the type and the shape can be compared, be it ours or ONNX Runtime's.
DRAWN = re.compile(r"test_(bernoulli.*|training_dropout(_default)?(_mask)?)")

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
    if test.model_dir is None:
        return light(test)
    model, data_sets = onnx.load(f"{test.model_dir}/model.onnx"), []
    for folder in sorted(pathlib.Path(test.model_dir).glob("test_data_set_*")):
        data_sets.append([[stored(folder / f"{way}_{i}.pb", value.type) for i, value in enumerate(values)]
                          for way, values in (("input", model.graph.input), ("output", model.graph.output))])
    return model, data_sets


def light(test):
    """Networks of the package whose weights are made by nodes; ONNX draws their input."""
    path = pathlib.Path(onnx.__file__).parent / f"backend/test/data/light/light_{test.model_name}.onnx"
    model = onnx.load(path)
    held = {tensor.name for tensor in model.graph.initializer}
    given = [None if value.name in held else Runner.generate_dummy_data(value, seed=0, name=test.model_name)
             for value in model.graph.input]
    expected = [onnx.load_tensor(path.with_name(f"{path.stem}_output_{i}.pb")) for i in range(len(model.graph.output))]
    return model, [(given, expected)]


def with_symbols(kind, name):
    """Every dimension of this type a symbol of its own."""
    if kind.WhichOneof("value") in ("sequence_type", "optional_type"):
        return with_symbols(getattr(kind, kind.WhichOneof("value")).elem_type, name)
    for axis, dim in enumerate(kind.tensor_type.shape.dim):
        dim.dim_param = f"{name}_{axis}"


def without_shape(kind):
    if kind.WhichOneof("value") in ("sequence_type", "optional_type"):
        return without_shape(getattr(kind, kind.WhichOneof("value")).elem_type)
    kind.tensor_type.ClearField("shape")


def all_symbolic(model):
    graph = model.graph
    held = {tensor.name for tensor in graph.initializer}
    for i, value in enumerate(graph.input):
        if value.name not in held:
            with_symbols(value.type, f"n{i}")
    forget_shapes(graph)


def forget_shapes(graph):
    """What the model says of shapes that its inputs no longer imply."""
    graph.ClearField("value_info")
    for value in graph.output:
        without_shape(value.type)


def as_tensor(value, name):
    if isinstance(value, onnx.TensorProto):
        tensor = onnx.TensorProto()
        tensor.CopyFrom(value)
        tensor.name = name
        return tensor
    return onnx.numpy_helper.from_array(np.asarray(value), name)


def all_constant(model, given):
    """The inputs as initializers, or as nodes that make sequences and optionals of them."""
    graph = model.graph
    held = {tensor.name for tensor in graph.initializer}
    made = []
    for value, array in zip(graph.input, given):
        kind = value.type
        optional = kind.HasField("optional_type")
        if array is None and not optional:
            continue  # has an initializer
        inner = kind.optional_type.elem_type if optional else kind
        target = f"{value.name}.some" if optional and array is not None else value.name
        if array is None:
            made.append(onnx.helper.make_node("Optional", [], [target], type=inner))
            continue
        if isinstance(array, list):
            names = [f"{value.name}.{i}" for i in range(len(array))]
            graph.initializer.extend(map(as_tensor, array, names))
            element = inner.sequence_type.elem_type.tensor_type.elem_type
            made.append(onnx.helper.make_node("SequenceConstruct", names, [target]) if names else
                        onnx.helper.make_node("SequenceEmpty", [], [target], dtype=element))
        elif value.name not in held:
            graph.initializer.append(as_tensor(array, target))
        if optional:
            made.append(onnx.helper.make_node("Optional", [target], [value.name]))
    nodes = made + list(graph.node)
    graph.ClearField("node")
    graph.node.extend(nodes)
    graph.ClearField("input")
    forget_shapes(graph)


def taken(test, way):
    """[(model, types of outputs, inputs, [(given, expected)])] of the test in this way."""
    model, data_sets = opened(test)
    if way == "given":
        return [(model, model, data_sets)]
    results = []
    for sets in ([data_sets] if way == "symbolic" else [[one] for one in data_sets]):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        if way == "symbolic":
            all_symbolic(changed)
        else:
            all_constant(changed, sets[0][0])
        results.append((changed, model, sets))
    return results


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
        if DRAWN.fullmatch(test.name):
            continue
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


def unreadable(model):
    return any(value.type.WhichOneof("value") in ("sparse_tensor_type", "map_type") for value in model.graph.input)


def run(test, way):
    """(outcome, reason)"""
    try:
        changed = taken(test, way)
        if unreadable(changed[0][0]):
            return "refused", "sparse tensors and maps"
    except Exception as error:  # a model that cannot be brought into this way
        return "failed", f"the suite: {error!r}"
    for model, original, data_sets in changed:
        outcome, reason = run_model(test, model, original, data_sets)
        if outcome != "passed":
            return outcome, reason
    return "passed", ""


def ended(done):
    return "crashed" if done.returncode < 0 or done.returncode > 128 else "failed", done.stderr.strip() or "no message"


def run_model(test, model, original, data_sets):
    outputs = {value.name: value.type for value in original.graph.output}
    inputs_of = {value.name for value in model.graph.input}
    with tempfile.TemporaryDirectory() as scratch:
        path, engine, inputs, results = (f"{scratch}/{name}" for name in ("model.onnx", "engine", "in.npz", "out.npz"))
        pathlib.Path(path).write_bytes(model.SerializeToString())
        done = mjlib.millijoule("compile", path, "-o", engine, "--estimate", check=False)
        if done.returncode == 3:
            return "refused", refusal(done.stderr)
        if done.returncode:
            return ended(done)
        for given, expected in data_sets:
            feed, want = {}, {}
            for value, array in zip(original.graph.input, given):
                feed |= entries(value.name, array) if value.name in inputs_of else {}
            for value, array in zip(original.graph.output, expected):
                want |= entries(value.name, array)
            np.savez(inputs, **feed) if feed else zipfile.ZipFile(inputs, "w").close()
            done = mjlib.millijoule("run", engine, "--inputs", inputs, "--outputs", results, "--allow-unverified",
                                    check=False)
            if done.returncode == 3:
                return "refused", done.stderr.strip()
            if done.returncode:
                return ended(done)
            with np.load(results) as archive:
                if reason := difference(test, outputs, dict(archive), want):
                    return "wrong", reason
    return "passed", ""


# --- ONNX Runtime, taken the same way


def carried(array, kind):
    """An array in whatever element type, as ONNX Runtime holds it."""
    import onnxruntime

    tensor = array if isinstance(array, onnx.TensorProto) else onnx.numpy_helper.from_array(np.asarray(array))
    plain = onnx.numpy_helper.to_array(tensor)
    if plain.dtype.kind in "OSU":
        return onnxruntime.OrtValue.ortvalue_from_numpy(plain.astype(object))
    raw = onnx.numpy_helper.from_array(plain).raw_data or plain.tobytes()
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(plain.shape), kind.tensor_type.elem_type)
    ctypes.memmove(value.data_ptr(), raw, len(raw))
    return value


def told(value, kind):
    """What ONNX Runtime answered, as it travels in npz files."""
    element = kind.tensor_type.elem_type
    if element == onnx.TensorProto.STRING:
        return travelling(value.numpy())
    tensor = onnx.TensorProto(data_type=element, dims=value.shape(),
                              raw_data=ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes()))
    return travelling(tensor)


def ask_peer(test, way):
    import onnxruntime

    for model, original, data_sets in taken(test, way):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        except Exception as error:
            return "refused", str(error)
        kinds = {value.name: value.type for value in original.graph.output}
        names = {value.name for value in session.get_inputs()}
        tensors = all(value.type.WhichOneof("value") == "tensor_type"
                      for value in (*original.graph.input, *original.graph.output))
        for given, expected in data_sets:
            pairs = [(value, array) for value, array in zip(original.graph.input, given) if value.name in names]
            got, want = {}, {}
            try:
                if tensors:
                    answers = session.run_with_ort_values(
                        None, {value.name: carried(array, value.type) for value, array in pairs if array is not None})
                    for value, answer in zip(session.get_outputs(), answers):
                        got[value.name] = told(answer, kinds[value.name])
                else:
                    plain = {value.name: [onnx.numpy_helper.to_array(as_tensor(item, "")) for item in array]
                             if isinstance(array, list) else
                             None if array is None else onnx.numpy_helper.to_array(as_tensor(array, ""))
                             for value, array in pairs}
                    for value, answer in zip(session.get_outputs(), session.run(None, plain)):
                        got |= entries(value.name, answer)
            except Exception as error:
                return "failed", str(error)
            for value, array in zip(original.graph.output, expected):
                want |= entries(value.name, array)
            if reason := difference(test, kinds, got, want):
                return "wrong", reason
    return "passed", ""


def peer_loop(asked, answers, kinds):
    warnings.simplefilter("ignore")
    tests = {(kind, test.name): test for kind in kinds for test in load_model_tests(kind=kind)}
    while (task := asked.get()) is not None:
        try:
            answers.put(ask_peer(tests[task[0], task[1]], task[2]))
        except Exception as error:  # the harness, not ONNX Runtime
            answers.put(("failed", f"the suite: {error!r}"))


class Peer:
    """ONNX Runtime in a process of its own, started anew after a crash."""

    def __init__(self, kinds):
        self.kinds, self.process = kinds, None

    def run(self, kind, name, way):
        context = multiprocessing.get_context("spawn")
        if self.process is None or not self.process.is_alive():
            self.asked, self.answers = context.Queue(), context.Queue()
            self.process = context.Process(target=peer_loop, args=(self.asked, self.answers, self.kinds), daemon=True)
            self.process.start()
        self.asked.put((kind, name, way))
        while True:
            try:
                return self.answers.get(timeout=0.5)
            except Exception:
                if not self.process.is_alive():
                    return "crashed", f"exit code {self.process.exitcode}"


# --- counting


def named_skips():
    """[(ways, pattern, reason, out of scope)] of onnx_suite_skips.txt."""
    rows, outside = [], False
    for line in SKIPS.read_text().splitlines():
        if line.startswith("["):
            outside = line == "[out of scope]"
        elif line and not line.startswith("#"):
            ways, pattern, reason = line.split(None, 2)
            rows.append((WAYS if ways == "all" else ways.split(","), re.compile(pattern), reason, outside))
    return rows


def skip_of(rows, name, way):
    return next((row for row in rows if way in row[0] and row[1].fullmatch(name)), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="", help="only tests whose name matches this regular expression")
    parser.add_argument("--kind", action="append", choices=KINDS, help="may be repeated; default: all")
    parser.add_argument("--as", dest="ways", action="append", choices=WAYS, help="may be repeated; default: given")
    parser.add_argument("--peer", action="store_true", help="ONNX Runtime beside it")
    parser.add_argument("--list", action="store_true", help="print every test with its outcome")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    kinds, ways, rows = args.kind or KINDS, args.ways or WAYS[:1], named_skips()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tests draw their data anew, infinities among it
        tests = [(kind, test) for kind in kinds for test in load_model_tests(kind=kind)
                 if re.search(args.pattern, test.name)]
    bad = 0
    for way in ways:
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            outcomes = list(pool.map(lambda entry: run(entry[1], way), tests))
        peer = Peer(kinds) if args.peer else None
        theirs = [peer.run(kind, test.name, way) for kind, test in tests] if peer else [None] * len(tests)
        bad += report(way, tests, outcomes, theirs, rows, args.list)
    return 1 if bad else 0


def report(way, tests, outcomes, theirs, rows, list_all):
    """Prints one way; answers how many tests ended otherwise than they may."""
    reasons, counts, peer_counts, outside, bad = (collections.Counter() for _ in range(5))
    for (_, test), (outcome, reason), other in zip(tests, outcomes, theirs):
        named = skip_of(rows, test.name, way)
        if named and named[3]:
            outside[named[2]] += 1
            continue
        if named and outcome == "refused":
            outcome = "skipped"
            reasons[named[2]] += 1
        unexpected = outcome not in ("passed", "skipped") or (named and outcome == "passed")
        bad["unexpected"] += bool(unexpected)
        counts[outcome] += 1
        if other:
            peer_counts[other[0]] += 1
        if list_all or unexpected:
            first = reason.splitlines()[0] if reason else "named as skipped, but passes" if unexpected else ""
            beside = f" | onnxruntime {other[0]}" if other else ""
            print(f"{outcome:8}{test.name}{': ' + first if first else ''}{beside}")
    for reason, count in reasons.most_common():
        print(f"skipped {count:4}  {reason}")
    for reason, count in outside.most_common():
        print(f"out of scope {count:4}  {reason}")
    print(f"as {way}: of onnx {onnx.__version__}'s {len(tests)} tests {outside.total()} are out of scope; of the rest")
    print(f"  millijoule: {tally(counts)}")
    if peer_counts:
        import onnxruntime

        print(f"  onnxruntime {onnxruntime.__version__}: {tally(peer_counts)}")
    return bad["unexpected"]


def tally(counts):
    failed = sum(counts[outcome] for outcome in ("failed", "wrong", "crashed"))
    return (f"{counts['passed']} passed, {failed} failed ({counts['wrong']} wrong, {counts['crashed']} crashed), "
            f"{counts['skipped'] + counts['refused']} skipped, {100 * counts['passed'] / max(counts.total(), 1):.1f} %")


if __name__ == "__main__":
    sys.exit(main())
