#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random graphs (random_draw.py) compiled and run, beside ONNX Runtime.

Each is taken as a user would, without rewrites and with reference kernels alone (the oracle), and once more in a way
that the seed picks: without some rewrites, with reference kernels, with portable ones, without oneDNN. An answer may be
as far from the exact one as four times ONNX Runtime's is, or as rounding explains; the exact one is the same graph in
f64.

What fails is made smaller as long as it still fails, and kept under build/fuzz-graphs/SEED: the model, its inputs, what
was found. Exit code 1 if anything failed. What ours refuses by name is counted, and shown with its reason.
"""

import argparse
import collections
import concurrent.futures
import concurrent.futures.process
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

import mjlib
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import random_draw
import random_graphs

FINDINGS = mjlib.ROOT / "build/fuzz-graphs"
# Without these there is no plan at all.
NEEDED = {"infer_shapes", "fold_constants", "fold_shapes", "specialise_if", "lower_batch_norm", "narrow",
          "pad_channels"}


REFERENCE = "-f32,-copy,-bytes,-rows,-quantized,-bf16"  # no row but the references is called otherwise


def passes():
    return sorted(path.stem for path in (mjlib.ROOT / "test/passes").glob("*.txt") if path.stem not in NEEDED)


def ways(rng):
    """The environments it is compiled in."""
    names = passes()
    left_out = [str(name) for name in rng.permutation(names)[:rng.integers(1, len(names))]]
    oracle = ("oracle", {"MJ_PASSES": ",".join(f"-{name}" for name in names), "MJ_TACTIC": REFERENCE})
    others = [("some passes", {"MJ_PASSES": ",".join(f"-{name}" for name in left_out)}),
              ("reference kernels", {"MJ_TACTIC": REFERENCE}),
              ("portable kernels", {"MJ_ISA": "portable"}),
              ("no oneDNN", {"MJ_TACTIC": "-onednn"})]
    return [("as it comes", {}), oracle, others[rng.integers(len(others))]]


def in_f64(model):
    """The same graph with f64 wherever it has f32."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)

    def widen(graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                value.type.tensor_type.elem_type = TensorProto.DOUBLE
        for tensor in graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.DOUBLE
                if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
                    attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float64)))
                if attribute.type == onnx.AttributeProto.GRAPH:
                    widen(attribute.g)

    widen(wide.graph)
    return wide


def ancestors(nodes, outputs):
    """The nodes that these outputs need."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(random_graphs.inputs_of([node]))
    return kept[::-1]


def exact(model, feed, output):
    """What exact arithmetic answers there, nearly; None where nothing here can say."""
    from onnx.reference import ReferenceEvaluator

    wide = {name: array.astype(np.float64) if array.dtype == np.float32 else array for name, array in feed.items()}
    alone = in_f64(model)
    nodes = ancestors(list(alone.graph.node), [output])
    outputs = [value for value in alone.graph.output if value.name == output]
    alone.graph.ClearField("node")
    alone.graph.ClearField("output")
    alone.graph.node.extend(nodes)
    alone.graph.output.extend(outputs)
    try:
        return ReferenceEvaluator(alone).run(None, wide)[0]
    except Exception:
        return None


def theirs(model, feed, optimized=True):
    session = random_graphs.quiet_session(model, optimized)
    return dict(zip((value.name for value in session.get_outputs()), session.run(None, feed)))


def outside(ours, want, best):
    """Why this answer is wrong, or None. `best`: a function that answers the exact one."""
    if ours.shape != want.shape or ours.dtype != want.dtype:
        return f"is {ours.dtype}{list(ours.shape)} instead of {want.dtype}{list(want.shape)}"
    if want.dtype.kind != "f":
        return None if np.array_equal(ours, want) else f"is {ours.reshape(-1)[:6]} instead of {want.reshape(-1)[:6]}"
    scale = max(1.0, float(np.abs(want).max(initial=0)))
    if np.allclose(ours, want, rtol=1e-4, atol=1e-5 * scale):
        return None
    truth = best()
    if truth is None or truth.shape != ours.shape:
        return f"is off by {np.abs(ours - want).max():.3g} of {scale:.3g}"
    error, other = np.abs(ours - truth), np.abs(want - truth)
    if np.all(error <= np.maximum(4 * other.max(), 1e-4 * scale)):
        return None
    return f"is off by {error.max():.3g} of {scale:.3g}, onnxruntime by {other.max():.3g}"


def check(model, feed, environment, want=None, fired=None):
    """(outcome, reason): passed, refused, or failed. `fired`: a set for the names of the passes that changed it."""
    want = want or theirs(model, feed)
    with tempfile.TemporaryDirectory() as scratch:
        path, engine, inputs, results = (f"{scratch}/{name}" for name in ("model.onnx", "engine", "in.npz", "out.npz"))
        pathlib.Path(path).write_bytes(model.SerializeToString())
        done = mjlib.millijoule("compile", path, "-o", engine, "--estimate", "--threads", "1", "-q", "--json",
                                f"{scratch}/report.json", env=environment, check=False)
        if done.returncode == 3:
            return "refused", done.stderr.strip().splitlines()[-1].strip()
        if done.returncode:
            return "failed", f"compile ends with {done.returncode}: {done.stderr.strip()}"
        if fired is not None:
            report = json.loads(pathlib.Path(f"{scratch}/report.json").read_text())
            fired |= {entry["name"] for entry in report["passes"] if entry["changed"]}
        np.savez(inputs, **feed)
        done = mjlib.millijoule("run", engine, "--inputs", inputs, "--outputs", results, "--allow-unverified",
                                "--threads", "1", "-q", env=environment, check=False)
        if done.returncode:
            return "failed", f"run ends with {done.returncode}: {done.stderr.strip()}"
        with np.load(results) as archive:
            ours = dict(archive)
    for name, array in want.items():
        if name not in ours:
            return "failed", f"there is no output '{name}'"
        reason = outside(ours[name], array, lambda name=name: exact(model, feed, name))
        if reason and array.dtype.kind != "f":
            # Its own fusions move rounding: QLinearAdd adds the zero point before it rounds, ONNX after.
            reason = outside(ours[name], theirs(model, feed, optimized=False)[name], None)
        if reason:
            return "failed", f"output '{name}' {reason}"
    return "passed", ""


# --- making it smaller

def with_nodes(model, feed, values, nodes, outputs):
    """These nodes alone; what they read of others becomes inputs, with the values that it had."""
    made = {name for node in nodes for name in node.output}
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    read = [name for name in random_graphs.inputs_of(nodes) if name in values and name not in made]
    dims = {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in model.graph.input}
    inputs = [random_graphs.info(name, values[name], dims.get(name)) for name in read if name not in held]
    untyped = []
    for name in outputs:
        value = random_graphs.info(name, values[name])
        value.type.tensor_type.ClearField("shape")
        untyped.append(value)
    smaller = random_graphs.made_model(nodes, inputs, untyped, [held[name] for name in read if name in held],
                                       model.opset_import[0].version)
    return smaller, {value.name: values[value.name] for value in inputs}


def reduced(model, feed, environment, kind):
    """The smallest model found that fails in the same way ("compile", "run", "output")."""
    nodes = list(model.graph.node)
    every = onnx.ModelProto()
    every.CopyFrom(model)
    every.graph.ClearField("output")
    every.graph.output.extend(onnx.ValueInfoProto(name=name) for node in nodes for name in node.output if name)
    values = {**feed, **{t.name: numpy_helper.to_array(t) for t in model.graph.initializer}}
    values |= dict(zip((v.name for v in every.graph.output),
                       random_graphs.quiet_session(every, optimized=False).run(None, feed)))

    def still(candidate, outputs):
        try:
            smaller, given = with_nodes(model, feed, values, candidate, outputs)
            outcome, reason = check(smaller, given, environment)
        except Exception:
            return None
        return (smaller, given, reason) if outcome == "failed" and reason.split()[0] == kind else None

    best, outputs = None, [value.name for value in model.graph.output]
    for name in list(outputs):
        if found := still(nodes, [name]):
            best, outputs = found, [name]
            break
    changed = True
    while changed:
        changed = False
        for name in list(outputs):  # where it takes more than one
            rest = [other for other in outputs if other != name]
            if rest and (found := still(nodes, rest)):
                best, outputs, changed = found, rest, True
        needed = ancestors(nodes, outputs)
        if len(needed) < len(nodes) and (found := still(needed, outputs)):
            best, nodes, changed = found, needed, True
        for node in list(nodes):
            if set(node.output) & set(outputs) or len(nodes) == 1:
                continue
            rest = [other for other in nodes if other is not node]
            if found := still(rest, outputs):
                best, nodes, changed = found, rest, True
        for node in list(nodes):  # an earlier value as the output, without what followed it
            if not set(node.output) & set(outputs):
                rest = nodes[:nodes.index(node) + 1]
                if found := still(rest, [node.output[0]]):
                    best, nodes, outputs, changed = found, rest, [node.output[0]], True
                    break
    return best


def one(seed, findings):
    """[(way, outcome, reason)], the operators of the graph, the passes that changed it."""
    try:
        model, feed = random_draw.random_graph(seed)
        want = theirs(model, feed)
    except Exception as error:
        return [("generator", "dropped", repr(error)[:200])], [], set()
    found, fired = [], set()
    rng = np.random.default_rng([seed, 1])
    for way, environment in ways(rng):
        outcome, reason = check(model, feed, environment, want, None if environment else fired)
        found.append((way, outcome, reason))
        if outcome == "failed":
            keep(findings / str(seed), way, environment, model, feed, reason)
            break
    return found, [node.op_type for node in model.graph.node], fired


def keep(folder, way, environment, model, feed, reason):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    smaller = None
    try:
        smaller = reduced(model, feed, environment, reason.split()[0])
    except Exception as error:
        reason += f"\n(not made smaller: {error!r})"
    if smaller:
        (folder / "whole.onnx").write_bytes(model.SerializeToString())
        np.savez(folder / "whole.npz", **feed)
        model, feed, reason = smaller
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(folder / "inputs.npz", **feed)
    settings = " ".join(f"{name}={value}" for name, value in environment.items())
    (folder / "report.txt").write_text(f"{way}: {settings}\n{reason}\n\n{onnx.printer.to_text(model)}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first graph; the others follow")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop then")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    return 1 if run(args.graphs, args.seed, args.jobs, args.seconds) else 0


def alone(seed, findings):
    """one() in a process of its own, which a graph may end."""
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        try:
            return pool.submit(one, seed, findings).result()
        except concurrent.futures.process.BrokenProcessPool:
            return [("generator", "dropped", "ONNX Runtime ended the process")], [], set()


def run(graphs, seed, jobs, seconds=float("inf"), findings=FINDINGS):
    """How many of these graphs failed; prints them, and what all were made of."""
    start, failed = time.time(), 0
    counts, reasons, operators, fired = (collections.Counter() for _ in range(4))
    pool = concurrent.futures.ProcessPoolExecutor(jobs)
    seeds = iter(range(seed, seed + graphs))
    running = {pool.submit(one, at, findings): at for at, _ in zip(seeds, range(2 * jobs))}
    while running:
        finished, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        results = []
        for future in finished:
            at = running.pop(future)
            try:
                results.append((at, future.result()))
            except concurrent.futures.process.BrokenProcessPool:  # ONNX Runtime ended it; which of these did it?
                results += [(each, alone(each, findings)) for each in (at, *running.values())]
                running.clear()
                pool = concurrent.futures.ProcessPoolExecutor(jobs)
                break
        for at, (found, used, changed_by) in results:
            operators.update(used)
            fired.update(changed_by)
            counts["graphs"] += found[0][1] != "dropped"
            for way, outcome, reason in found:
                counts[outcome] += 1
                if outcome in ("refused", "dropped"):
                    reasons[re.sub(r"'[^']*'|#\d+|v\d+_\d+|; \d+ nodes?:.*", "...", reason)[:150]] += 1
                if outcome == "failed":
                    failed += 1
                    print(f"{at}, {way}: {reason.splitlines()[0][:300]}", flush=True)
            if time.time() - start < seconds and (following := next(seeds, None)) is not None:
                running[pool.submit(one, following, findings)] = following
    pool.shutdown()
    for reason, count in reasons.most_common(20):
        print(f"refused or dropped {count:4}  {reason}")
    print("graphs that each rewrite changed:", ", ".join(
        f"{name} {fired[name]}" for name in sorted(passes(), key=lambda name: fired[name])))
    rarest = ", ".join(f"{name} {count}" for name, count in operators.most_common()[:-11:-1])
    print(f"{counts['graphs']} graphs of {sum(operators.values())} nodes, {len(operators)} operators "
          f"(fewest: {rarest}); {counts['passed']} runs passed, {counts['refused']} refused, {failed} graphs failed; "
          f"{time.time() - start:.0f} s")
    return failed


if __name__ == "__main__":
    sys.exit(main())
