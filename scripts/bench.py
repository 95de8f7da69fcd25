# SPDX-License-Identifier: Apache-2.0
"""Measures Millijoule beside ONNX Runtime on this machine and prints a Markdown table.

    bench.py                              networks with random weights are made first (scripts/make_models.py)
    bench.py --models DIR                 NAME.onnx with NAME.inputs.npz for resnet50, bert_base, lstm_am

A figure is the median of the rounds' medians (turns.py). "own rows" is an engine compiled without the oneDNN module.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

import mjlib
import turns

MODELS = ("resnet50", "bert_base", "lstm_am")
SIZES = {"S": 128, "T": 200}
OWN_ROWS = {"MJ_TACTIC": "-onednn"}
COMPILE_LIMIT_S = {"resnet50": 15, "bert_base": 40}
FIRST_ANSWER_LIMIT_MS = {"resnet50": 150}
REPEATS = 1000
CHEAP_S = 60  # REPEATS runs that take no longer are done whatever --repeats says


def feed_of(name, reference, folder, batch, seed=0):
    with np.load(folder / f"{name}.inputs.npz") as sample:
        return mjlib.draw_feed(reference.inputs, dict(sample), SIZES | {"N": batch}, seed)


def speed(name, batch, engines, reference, folder, options):
    """One row: {way: ms} and the last record of `millijoule bench` for each of our engines."""
    feed = feed_of(name, reference, folder, batch)
    ways = {way: turns.engine_way(engine, feed, options.threads) for way, engine in engines.items()}
    ways["onnxruntime"] = turns.step_way(lambda: reference.run(feed))
    return {"model": name, "batch": batch, **turns.take_turns(ways, options.rounds, options.seconds)}


def compile_twice(name, model, work):
    """Engines with all rows and with own rows only, and whether a second compile gives the same bytes."""
    engines = {"millijoule": work / f"{name}.engine", "own rows": work / f"{name}_own.engine"}
    cache = ["--cache-dir", work / "cache"]
    seconds = mjlib.compile_engine(model, engines["millijoule"], *cache)
    again = work / f"{name}_again.engine"
    mjlib.compile_engine(model, again, *cache)
    sections = [{part["name"]: part["sha256"] for part in mjlib.millijoule_json("inspect", engine)["sections"]
                 if part["name"] != "measurements"} for engine in (engines["millijoule"], again)]
    own_seconds = mjlib.compile_engine(model, engines["own rows"], *cache, env=OWN_ROWS)
    limit = COMPILE_LIMIT_S.get(name)
    yield engines
    yield check(f"{name}: compile, verification included", f"{seconds:.1f} s (own rows {own_seconds:.1f} s)",
                f"at most {limit} s" if limit else "", seconds <= (limit or seconds))
    yield check(f"{name}: two compiles with one cache", "equal" if sections[0] == sections[1] else "different",
                "equal but for measurements", sections[0] == sections[1])


def check(what, found, asked, ok):
    return {"what": what, "found": found, "asked": asked, "ok": bool(ok)}


def first_answer_check(name, rows):
    """Loading and the first answer to one request, of the row with the smallest batch."""
    row = min((row for row in rows if row["model"] == name), key=lambda row: row["batch"])
    found, limit = row["records"]["own rows"]["results"]["first_answer_ms"], FIRST_ANSWER_LIMIT_MS.get(name)
    return check(f"{name}: load and first answer, own rows, from page cache", f"{found:.0f} ms",
                 f"at most {limit} ms" if limit else "", found <= (limit or found))


def repeats_of(name, rows, asked):
    """How often the runs are repeated that must all be equal."""
    milliseconds = min(row["latency_ms"]["own rows"] for row in rows if row["model"] == name)
    return REPEATS if milliseconds * REPEATS <= CHEAP_S * 1e3 else asked


def checks_of(name, model, engines, reference, folder, options, repeats):
    """Memory, equality of runs, equality of a request alone and in a batch."""
    engine = engines["own rows"]
    eight = [feed_of(name, reference, folder, 1, seed) for seed in range(8)]
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs = f"{scratch}/in.npz", f"{scratch}/out.npz"
        np.savez(inputs, **eight[0])
        files = ["--inputs", inputs, "--outputs", outputs, "--threads", str(options.threads)]
        ours = {way: mjlib.measured([mjlib.BINARY, "run", engines[way], *files])[1] for way in engines}
        theirs = mjlib.measured([sys.executable, mjlib.ROOT / "scripts/ort_run.py", model, *files])[1]
        start = time.perf_counter()
        same = mjlib.millijoule("run", engine, *files, "--repeat", repeats, "--check-equal", check=False)
        seconds = time.perf_counter() - start
    bare = mjlib.measured([sys.executable, "-c", "import numpy, onnxruntime"])[1]
    yield check(f"{name}: peak memory of `run`", f"{ours['millijoule'] / 2**20:.0f} MiB (own rows "
                f"{ours['own rows'] / 2**20:.0f})", f"at most ONNX Runtime's {theirs / 2**20:.0f} MiB, of which "
                f"{bare / 2**20:.0f} before a model is loaded", max(ours.values()) <= theirs)
    yield check(f"{name}: {repeats} runs", "bitwise equal" if same.returncode == 0 else same.stderr.strip(),
                "bitwise equal", same.returncode == 0)
    print(f"{name}: {repeats} runs took {seconds:.0f} s", file=sys.stderr, flush=True)
    alone = mjlib.run_steps(engine, eight)
    together = mjlib.run_engine(engine, {key: np.concatenate([feed[key] for feed in eight]) for key in eight[0]})
    equal = all(np.array_equal(alone[key].reshape(together[key].shape), together[key]) for key in together)
    worst = max(mjlib.relative_error(together[key], alone[key].reshape(together[key].shape)) for key in together)
    yield check(f"{name}: a request alone and in a batch of 8", "bitwise equal" if equal else f"differ by {worst:.1e}",
                "equal, or the bound is declared", equal)


def markdown(result):
    """The tables as README keeps them."""
    environment, rows = result["environment"], result["speed"]
    ways = list(rows[0]["latency_ms"])
    peak = turns.peak_gflops(rows)
    lines = [f"{environment['cpu']} ({environment['isa']}), {result['threads']} threads, {environment['date']}, "
             f"ONNX Runtime {result['onnxruntime']}, `{result['command']}`, {result['weights']}; ms, medians", "",
             "| model | batch | " + " | ".join(ways) + " | speed to ONNX Runtime | own rows | of measured peak |",
             "|" + "---|" * (len(ways) + 5)]
    for row in rows:
        latency = row["latency_ms"]
        ratio = {way: latency["onnxruntime"] / latency[way] for way in ("millijoule", "own rows")}
        cells = [row["model"], row["batch"], *(f"{latency[way]:.1f}" if way in latency else "" for way in ways),
                 f"{ratio['millijoule']:.2f}x", f"{ratio['own rows']:.2f}x", turns.share_of_peak(row, peak)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| check | found | asked | |", "|---|---|---|---|"]
    for row in result["checks"]:
        lines.append(f"| {row['what']} | {row['found']} | {row['asked']} | {'ok' if row['ok'] else 'MISSED'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--only", default=",".join(MODELS))
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each way and round")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="equal runs of large networks")
    options = parser.parse_args()

    import onnxruntime

    work = mjlib.ROOT / "build/bench"
    shutil.rmtree(work / "cache", ignore_errors=True)
    folder = options.models or work / "models"
    names = options.only.split(",")
    missing = [name for name in names if not (folder / f"{name}.inputs.npz").exists()]
    if missing:
        subprocess.run([sys.executable, mjlib.ROOT / "scripts/make_models.py", "--out", folder, *missing], check=True)
    arguments = ["DIR" if argument == str(options.models) else argument for argument in sys.argv[1:]]
    result = {"schema": "millijoule.bench_table/1", "environment": mjlib.machine(), "threads": options.threads,
              "onnxruntime": onnxruntime.__version__, "command": " ".join(["./run bench", *arguments]),
              "weights": "models given" if options.models else "random weights", "speed": [], "checks": []}
    print(f"{result['environment']['cpu']}, {result['environment']['isa']}, {options.threads} threads", file=sys.stderr)
    for name in names:
        model = folder / f"{name}.onnx"
        engines, *checks = compile_twice(name, model, work)
        reference = mjlib.Reference(model, options.threads)
        for batch in map(int, options.batch.split(",")):
            row = speed(name, batch, engines, reference, folder, options)
            result["speed"].append(row)
            turns.say(row)
        checks.append(first_answer_check(name, result["speed"]))
        repeats = repeats_of(name, result["speed"], options.repeats)
        result["checks"] += [*checks, *checks_of(name, model, engines, reference, folder, options, repeats)]

    print(markdown(result))
    turns.save(result)
    sys.exit(0 if all(c["ok"] for c in result["checks"]) else 1)


if __name__ == "__main__":
    main()
