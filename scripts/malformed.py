#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Malformed models (malformed_models.py) through `millijoule compile` and `millijoule run`.

Each is refused (exit code 1 to 4, and a message that names what is wrong with it), or answered as ONNX Runtime answers
it; what ONNX Runtime does not take, as ONNX's own evaluator, or as the model it was made from. All else is a failure: a
signal, a message without a name, another answer, more than --seconds of processor time or --megabytes of memory.
Failures stay in build/malformed. Prints `N refused, N equal, N failed`; exit code 1 if any failed.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import pickle
import re
import selectors
import shutil
import struct
import subprocess
import sys
import tempfile

import mjlib
import numpy as np
import onnx

import malformed_models

FINDINGS = mjlib.ROOT / "build/malformed"
NAMED_CODES = (1, 2, 3, 4)
DRAWN = re.compile("Bernoulli|Multinomial|Random")  # of which only the shape can be compared

# What is answered though nobody else does, or otherwise than they do, and why that is right.
OURS = {
    r"rank/(GlobalLpPool|LRN) of rank .*": "ONNX sets no rank; ONNX Runtime has few of them, and not of every opset",
    r"rank/GlobalMaxPool of rank 6": "ONNX Runtime does not take it, and ONNX's evaluator adds dims",
    r"rank/(Bernoulli|Multinomial|Random\w+Like) of rank .*": "drawn, and in no peer at this opset",
    r"rank/NonZero of rank 0": "ONNX: a scalar's answer is [0,N], where ONNX Runtime says [1,N]",
    r"dims/y = OneHot\(i, k, o\) with 0": "a depth of 0 has no elements",
    r"dims/Tile by \d+, 0|dims/Tile by 0, \d+": "a result without elements may have any length along another axis",
    r"dims/\w+Pool with dilations.*": "where no window fits there is no result",
    r"rank/RegexFullMatch of rank .*": "ONNX sets no rank, ONNX Runtime's pattern is its own",
    r"place/\d+ y = Pad<mode.* with -3 .*": "a result without elements needs nothing to be taken from",
    r"place/\d+ y = Resize.*coordinate_transf.* with (nan|inf|-inf) .*": "a place that is no number is outside",
    r"place/\d+ y = GridSample.* with (nan|inf|-inf|1e\+30) .*": "it is outside; elsewhere an integer overflows",
    r"place/\d+ y = Upsample.* with (1e-30|0.5) .*": "ONNX Runtime takes no scales below 1 there",
    r"place/\d+ y = STFT.* with -\d+ as input.*": "a step back makes no frames",
    r"place/\d+ y = AffineGrid.* with 0 .*": "a result without elements",
    r"place/\d+ y = Div.* with -1 .*": "the smallest number divided by -1 is itself; ONNX Runtime's process ends there",
    r"place/\d+ y = Pow.*": "what is beyond 64 bits wraps, as in products",
    r"counts/two million empty inputs": "inputs without a name at the end are none",
    r"place/\d+ y = Cast.*": "what the type does not hold is the nearest it does; ONNX leaves it open",
    r"place/y = MeanVarianceNormalization.* with 0": "a deviation of 0 is 0, which ONNX Runtime loses in rounding",
    r"place/y = LRN.* with 2": "an even size has one channel more behind, which ONNX's evaluator leaves out",
    r"place/y = Multinomial.* with 0": "none is drawn",
    r"place/\d+ y = RotaryEmbedding.* as input of any size": "positions of more rows than x has broadcast it",
    r"field/function.*attribute\[0\].(f cleared|ref_attr_name( cleared| = ''))":
        "a number that is not there is 0, as proto3 writes it",
    r"field/scan.*dim_value = '0'": "a scan over nothing answers what it began with",
}

# Starts one command after the other: a small process, so that the peak memory it reports is the child's own.
LAUNCHER = """
import json, os, resource, signal, sys
if len(sys.argv) == 1:
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
child = 0
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
for line in sys.stdin:
    command, out, seconds = json.loads(line)
    to = [(os.POSIX_SPAWN_OPEN, fd, out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for fd in (1, 2)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=to)
    signal.alarm(seconds)
    status, usage = os.wait4(child, 0)[1:]
    signal.alarm(0)
    print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]),
          flush=True)
"""


class Launcher:
    def __init__(self):
        # A sanitizer's own tables are no use of memory.
        more, environment = [], dict(os.environ)
        if b"__asan_init" in mjlib.BINARY.read_bytes():
            more = ["sanitized"]
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":max_allocation_size_mb=4096"
        self.process = subprocess.Popen([sys.executable, "-S", "-c", LAUNCHER, *more], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    def run(self, *command, seconds=30):
        """(exit code, text, seconds of processor time, peak MiB)"""
        with tempfile.NamedTemporaryFile("r", errors="replace") as out:
            self.process.stdin.write(json.dumps([[str(word) for word in command], out.name, seconds]) + "\n")
            self.process.stdin.flush()
            code, spent, peak = json.loads(self.process.stdout.readline())
            return code, out.read(1 << 20), spent, peak

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """ONNX Runtime and ONNX's evaluator in a process of their own: such models may end it, or never end."""

    def __init__(self):
        self.process = None

    def ask(self, path, feed, seconds=20):
        """[(whose, {name: array})] of those that answer."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen([sys.executable, "-W", "ignore", __file__, "--peer"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        question = pickle.dumps((str(path), feed))
        try:
            self.process.stdin.write(struct.pack("<Q", len(question)) + question)
            self.process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                if not selector.select(seconds):
                    raise EOFError
            return pickle.load(self.process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.close()
            return []

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def peer():
    """Answers questions on stdin until it ends."""
    import resource

    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
    answers, sys.stdout = os.fdopen(os.dup(1), "wb"), sys.stderr
    while head := sys.stdin.buffer.read(8):
        path, feed = pickle.loads(sys.stdin.buffer.read(struct.unpack("<Q", head)[0]))
        found = []
        try:
            options = onnxruntime.SessionOptions()
            options.log_severity_level, options.intra_op_num_threads = 4, 1
            session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
            wanted = {value.name: feed[value.name] for value in session.get_inputs()}
            found.append(("onnxruntime", dict(zip((value.name for value in session.get_outputs()),
                                                  session.run(None, wanted)))))
        except Exception:
            with contextlib.suppress(Exception):
                evaluator = ReferenceEvaluator(path)
                wanted = {name: feed[name] for name in evaluator.input_names}
                found.append(("onnx", dict(zip(evaluator.output_names, evaluator.run(None, wanted)))))
        pickle.dump(found, answers)
        answers.flush()


# --- what is right

def same(ours, want):
    if not isinstance(want, np.ndarray) and not np.isscalar(want):
        return want is None or isinstance(want, list)  # sequences travel otherwise
    want = np.asarray(want)
    if want.dtype.kind in "OU":
        return ours.shape == want.shape and [str(v) for v in ours.reshape(-1)] == [str(v) for v in want.reshape(-1)]
    if ours.shape != want.shape or ours.dtype != want.dtype:
        return False
    if want.dtype.kind != "f":
        return np.array_equal(ours, want)
    return np.allclose(ours.astype(np.float64), want.astype(np.float64), rtol=1e-3, atol=1e-4, equal_nan=True)


def names_in(content):
    """What a message about this model may name."""
    found = set()

    def collect(message):
        for field, value in message.ListFields():
            for item in value if field.is_repeated else [value]:
                if field.message_type:
                    collect(item)
                elif isinstance(item, str) and item:
                    found.add(item)

    try:
        collect(onnx.load_from_string(content))
    except Exception:
        pass
    return found


def named(text, case, content):
    """Does the message name what is wrong, beside the model's file?"""
    text = re.sub(r"\S*" + re.escape(malformed_models.MODEL), "", text)
    words = [*case.words, "the file", "the graph", "output", "input", "opset"]
    # What the names are in a file that nobody else reads is not known here.
    placed = re.search(r"#\d+ of type \w+: |(tensor|input|output) '", text)
    return bool(placed) or any(word in text for word in words) or any(word in text for word in names_in(content))


def check(case, folder, launcher, peers, seconds, megabytes):
    """(outcome, what was said)"""
    malformed_models.make(folder, case.files)
    path = next(at for at in case.files if at.endswith(malformed_models.MODEL))
    content, model = case.files[path], folder / path
    engine, inputs, results = folder / "engine", folder / "in.npz", folder / "out.npz"

    def step(verb, *more):
        code, text, spent, peak = launcher.run(mjlib.BINARY, verb, *more, "--threads", "2", "-q")
        if "allocation-size-too-big" in text:
            return "refused", "a sanitizer does not let it ask for so much"
        if "Sanitizer" in text or "runtime error:" in text:
            return "failed", f"{verb}: {text[max(0, text.find('rror:') - 200):][:600]}"
        if spent > seconds or peak > megabytes:
            return "failed", f"{verb} took {spent:.1f} s and {peak:.0f} MiB: {text.strip()[-300:]}"
        if code == 0:
            return None
        if code not in NAMED_CODES:
            return "failed", f"{verb} ended with {code}: {text.strip()[-300:]}"
        if "CHECK" in text or not named(text, case, content):
            return "failed", f"{verb} refused without a name: {text.strip()[-300:]}"
        return "refused", text.strip()

    if done := step("compile", model, "-o", engine):
        return done
    if case.refused:
        return "failed", "it was compiled"
    try:
        feed = feed_of(content, case.feed)
    except Exception:  # protobuf does not read it: what is broken stands where we do not look
        feed = case.feed
    if any(value is None for value in feed.values()):
        return "refused", "no input can be drawn"
    np.savez(inputs, **feed)
    if done := step("run", engine, "--inputs", inputs, "--outputs", results, "--allow-unverified"):
        return done
    try:
        with np.load(results) as archive:
            ours = dict(archive)
    except ValueError as error:
        if "too big" not in str(error):
            raise
        return "equal", "empty, with dims that NumPy does not take"
    answers = peers.ask(model, feed)
    if not any(whose == "onnxruntime" for whose, _ in answers) and (base := base_of(case)):
        answers += peers.ask(base, feed)  # it does not take this one, but what it was made from
    wrong = [difference(ours, want, DRAWN.search(case.name)) for _, want in answers]
    if None in wrong:
        return "equal", answers[wrong.index(None)][0]
    reason = next((reason for pattern, reason in OURS.items() if re.fullmatch(pattern, case.name)), None)
    if reason:
        return "equal", reason
    if not answers:
        return "failed", "it was answered, and nobody else takes it"
    return "failed", f"{answers[0][0]} says: {wrong[0]}"[:400]


def difference(ours, want, drawn):
    """Why these answers are not equal, or None."""
    for name, array in want.items():
        if name not in ours:
            if isinstance(array, (np.ndarray, np.generic)):
                return f"there is an output '{name}'"
        elif drawn:
            if ours[name].shape != np.shape(array):
                return f"'{name}' has shape {np.shape(array)}, not {ours[name].shape}"
        elif not same(ours[name], array):
            return f"'{name}' is {np.asarray(array).tolist()}, not {ours[name].tolist()}"
    return None


def feed_of(content, feed):
    """The model's own inputs, drawn where the base model has none of that name, type and shape."""
    model = onnx.load_from_string(content)
    rng = np.random.default_rng(3)
    held = {tensor.name for tensor in model.graph.initializer}
    found = {}
    for value in model.graph.input:
        if value.name in held:
            continue
        new, old = malformed_models.drawn(value, rng), feed.get(value.name)
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]
        fits = new is not None and old is not None and new.dtype.kind == old.dtype.kind and len(sizes) == old.ndim
        fits = fits and all(size in (None, there) for size, there in zip(sizes, old.shape))
        found[value.name] = old.astype(new.dtype) if fits else new
    return found


def base_of(case):
    match = re.match(r"(?:field|bytes)/(\w+)", case.name)
    if not match:
        return None
    folder = pathlib.Path(tempfile.gettempdir()) / f"mj-malformed-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{match[1]}.onnx"
    if not path.exists():
        path.write_bytes(malformed_models.bases()[match[1]][0].SerializeToString())
    return path


def run(cases, seconds, megabytes, findings=FINDINGS):
    """Counter of outcomes; prints each failure."""
    launcher, peers = Launcher(), Peer()
    counts, by_family = collections.Counter(), collections.Counter()
    shutil.rmtree(findings, ignore_errors=True)
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            outcome, said = check(case, folder, launcher, peers, seconds, megabytes)
            counts[outcome] += 1
            by_family[case.name.split("/")[0], outcome] += 1
            if outcome == "failed":
                print(f"{case.name}: {said}", flush=True)
                kept = findings / re.sub(r"[^\w.]+", "_", case.name)[:100]
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(folder, kept, symlinks=True, dirs_exist_ok=True,
                                ignore=lambda at, files: [f for f in files if not os.path.isfile(os.path.join(at, f))
                                                          or os.path.getsize(os.path.join(at, f)) > 1 << 24])
    launcher.close()
    peers.close()
    shutil.rmtree(pathlib.Path(tempfile.gettempdir()) / f"mj-malformed-{os.getpid()}", ignore_errors=True)
    for family in sorted({family for family, _ in by_family}):
        print(f"  {family}: " + ", ".join(f"{by_family[family, outcome]} {outcome}"
                                          for outcome in ("refused", "equal", "failed")))
    print(f"{counts['refused']} refused, {counts['equal']} equal, {counts['failed']} failed")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a regular expression for their names")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--megabytes", type=float, default=512)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return peer()
    cases = [case for case in malformed_models.cases(args.files, args.seed) if re.search(args.only, case.name)]
    return 1 if run(cases, args.seconds, args.megabytes)["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
