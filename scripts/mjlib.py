# SPDX-License-Identifier: Apache-2.0
"""What the demos and measurements share: the binary, ONNX Runtime as the reference, inputs, errors, the machine."""

import collections
import datetime
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = pathlib.Path(os.environ.get("MILLIJOULE", ROOT / "build/release/millijoule"))

# A process that has just been spawned inherits its parent's peak memory until it has run for a while (Linux counts
# the memory image it leaves at exec), so the peak of a child is only true when a small process has started it.
LAUNCHER = """
import os, sys, time
start = time.perf_counter()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
status, usage = os.wait4(child, 0)[1:]
open(sys.argv[1], "w").write(f"{time.perf_counter() - start} {usage.ru_maxrss * 1024}")
sys.exit(os.waitstatus_to_exitcode(status))
"""


DTYPES = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}  # as ONNX Runtime says them

Input = collections.namedtuple("Input", "name shape")  # a dimension is a number, or the name of a free one


class Failed(SystemExit):
    """The binary said no; if nobody catches it, the script ends with the binary's own message."""

    def __init__(self, message, returncode):
        super().__init__(message)
        self.returncode = returncode


def millijoule(*args, env=None, check=True):
    """Runs the binary; with `check`, raises Failed for any exit code but 0."""
    if not BINARY.exists():
        sys.exit(f"{BINARY} does not exist; run ./run build first (or set MILLIJOULE to the binary)")
    command = [str(BINARY), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if check and done.returncode:
        message = f"{' '.join(command)}\nended with exit code {done.returncode}:\n{done.stderr.strip()}"
        raise Failed(message, done.returncode)
    return done


def millijoule_json(*args, env=None):
    return json.loads(millijoule(*args, "--json", "-", env=env).stdout)


def measured(command):
    """Runs a command; returns (seconds, peak bytes) of its process."""
    with tempfile.NamedTemporaryFile("r") as report:
        subprocess.run([sys.executable, "-S", "-c", LAUNCHER, report.name, *map(str, command)], check=True,
                       stdout=subprocess.DEVNULL)
        seconds, peak = report.read().split()
    return float(seconds), int(peak)


def compile_engine(model, engine, *options, samples=(), env=None):
    """Compiles, verified on `samples` ({input: array} each; none: drawn by the compiler); returns the seconds it took."""
    pathlib.Path(engine).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for index, sample in enumerate(samples):
            np.savez(f"{folder}/{index}.npz", **sample)
            options += ("--samples", f"{folder}/{index}.npz")
        start = time.perf_counter()
        millijoule("compile", model, "-o", engine, *options, env=env)
        return time.perf_counter() - start


def run_engine(engine, feed, *options):
    """One call of `millijoule run`: {input: array} -> {output: array}."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = f"{folder}/in.npz", f"{folder}/out.npz"
        np.savez(inputs, **feed)
        millijoule("run", engine, "--inputs", inputs, "--outputs", outputs, *options)
        with np.load(outputs) as archive:
            return dict(archive)


def run_steps(engine, feeds, carry=None):
    """Several inputs of equal shapes in one process: outputs come stacked along a new leading axis.

    `carry` = {output: (input, first value)} hands an output of one step to the next as that input.
    """
    carry = carry or {}
    stacked = {name: np.stack([feed[name] for feed in feeds]) for name in feeds[0]}
    stacked |= {name: value for name, value in carry.values()}
    options = ["--stream", ",".join(feeds[0])]
    for output, (name, _) in carry.items():
        options += ["--carry", f"{output}={name}"]
    return run_engine(engine, stacked, *options)


class Reference:
    """ONNX Runtime on the same file with the same number of threads."""

    def __init__(self, model, threads=2, as_written=False):
        """as_written: no rewrites, so that Q/DQ regions are computed in f32, operator by operator."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        if as_written:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.metadata = self.session.get_modelmeta().custom_metadata_map

    def run(self, feed):
        return dict(zip(self.outputs, self.session.run(None, feed)))

    def run_steps(self, feeds, carry=None):
        """The same contract as the function `run_steps`."""
        state = {name: value for name, value in (carry or {}).values()}
        steps = []
        for feed in feeds:
            steps.append(self.run(feed | state))
            state = {name: steps[-1][output] for output, (name, _) in (carry or {}).items()}
        return {name: np.stack([step[name] for step in steps]) for name in self.outputs}

    def time_ms(self, feed, seconds=1.0):
        """Median of at least three runs after two for warming up."""
        for _ in range(2):
            self.session.run(None, feed)
        times, start = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            self.session.run(None, feed)
            times.append(time.perf_counter() - begin)
        return float(np.median(times)) * 1e3


def packaged(package, file):
    """A model file inside an installed PyPI package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        sys.exit(f"the Python package {package} is not installed; ./run demo installs it")
    return pathlib.Path(spec.submodule_search_locations[0]) / file


def noise_image(rng, shape):
    """Noise at four scales, so that deep layers see differences between images."""
    *lead, height, width = shape
    image = np.zeros(shape, np.float32)
    for scale in (1, 8, 32, max(height, width)):
        coarse = rng.standard_normal((*lead, -(-height // scale), -(-width // scale)), dtype=np.float32)
        image += 0.5 * coarse.repeat(scale, -2).repeat(scale, -1)[..., :height, :width]
    return image


def text_image(rng, shape):
    """Rows of dark strokes on bright paper: noise has no text, and a detector's answer to it no digits that count."""
    image = np.full(shape, 2, np.float32)
    for paper in image:
        for top in range(4, shape[2] - 15, 24):
            for left in range(6, shape[3] - 12, 9):
                ink = -rng.uniform(1.5, 2.2)
                for dy, dx in rng.integers(0, (11, 6), (rng.integers(0, 4), 2)):
                    if rng.random() < 0.5:
                        paper[:, top:top + 12, left + dx:left + dx + 2] = ink
                    else:
                        paper[:, top + dy:top + dy + 2, left:left + 7] = ink
    return image


def draw_feed(inputs, sample, sizes, seed, image=noise_image):
    """One feed for a model: free dimensions from `sizes`, kinds of values from the names and the sample's ranges."""
    feed = {}
    for index, value in enumerate(inputs):
        rng = np.random.default_rng([seed, index])
        like = sample[value.name]
        shape = [sizes.get(dim, size) if isinstance(dim, str) else size for dim, size in zip(value.shape, like.shape)]
        if "mask" in value.name:  # rows end in 1 to 4 eighths of zeros
            zeros = (np.arange(shape[0]) + seed) % 4 + 1
            feed[value.name] = (np.arange(shape[1]) < shape[1] - zeros[:, None] * shape[1] // 8).astype(like.dtype)
        elif value.name == "lengths":  # of sequences of at most T, one as long as that
            feed[value.name] = np.maximum(1, sizes["T"] - np.arange(shape[0]) * (seed + 1)).astype(like.dtype)
        elif like.dtype.kind in "iu":
            feed[value.name] = rng.integers(0, int(like.max()) + 1, shape).astype(like.dtype)
        elif len(shape) == 4:
            feed[value.name] = image(rng, shape).astype(like.dtype)
        else:
            feed[value.name] = rng.standard_normal(shape, dtype=np.float32).astype(like.dtype)
    return feed


def centred_error(reference, ours):
    """Relative L2 between two stacks of results after each lost its mean over the stack.

    Untrained networks answer mostly the same whatever they are asked; the mean would hide an error in what differs.
    """
    if reference.shape != ours.shape or reference.dtype != ours.dtype:
        return float("inf")
    reference, ours = reference.astype(np.float64), ours.astype(np.float64)
    difference = np.linalg.norm((ours - ours.mean(0)) - (reference - reference.mean(0)))
    signal = np.linalg.norm(reference - reference.mean(0))
    if not np.isfinite(difference):
        return float("inf")
    return float(difference / signal) if signal else (0.0 if difference == 0 else float("inf"))


def relative_error(reference, ours):
    return float(np.linalg.norm(ours - reference) / np.linalg.norm(reference))


def energy_text(record):
    """The energy block of `millijoule bench` in words; a reading that was not taken is never shown as 0."""
    energy = record.get("energy") or {}
    measured_joules, modelled = energy.get("joules"), energy.get("modelled_joules")
    lines = [f"joules per inference: {measured_joules:.4g} measured ({energy.get('source')})" if measured_joules
             is not None else f"joules per inference: not measured here ({energy.get('source', 'no meter')})"]
    if modelled is not None:
        inputs = energy.get("model_inputs") or energy.get("modelled_from") or {}
        named = f" from {json.dumps(inputs)}" if inputs else ""
        lines.append(f"modelled: {modelled:.4g} J per inference{named}")
    if energy.get("gco2e_per_1000") is not None:
        lines.append(f"gCO2e per 1,000 inferences: {energy['gco2e_per_1000']:.4g} (factor {energy.get('factor')}, "
                     f"{energy.get('place')}, {energy.get('date')})")
    return "\n".join(lines)


def machine():
    """The head of every figure: processor, vector ISA, cores, system, date."""
    info = dict(line.split(":", 1) for line in open("/proc/cpuinfo") if ":" in line)
    info = {key.strip(): value.strip() for key, value in info.items()}
    flags = set((info.get("flags") or info.get("Features") or "").split())
    known = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd")
    return {"cpu": info.get("model name", platform.machine()), "isa": " ".join(name for name in known if name in flags),
            "cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
            "date": datetime.date.today().isoformat()}
