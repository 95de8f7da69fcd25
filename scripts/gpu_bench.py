# SPDX-License-Identifier: Apache-2.0
"""Measures Millijoule on a GPU beside what a user would run instead, and prints a Markdown table.

    gpu_bench.py --models DIR --peers gpu_peers.py        NAME.onnx, see NETWORKS
    gpu_bench.py --table bench/results/FILE.json          the table of an earlier run

Network by network and batch by batch, ours and then the peers, so that a cell is measured within a minute. The peers
script is started as `python3 SCRIPT --models NAME --ways WAY --batch N` and prints a JSON line with latency_ms, per_s
and mJ. Compare rows of one precision only. An engine is compiled for each batch; inputs and outputs lie on the device, as
a peer's do.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import mjlib
import turns

TOKENS = ("input_ids", "attention_mask", "token_type_ids")
NETWORKS = {"resnet50": None, "bert_base": TOKENS, "vit_b_16": None, "efficientnet_b0": None,
            "mobilenet_v3_large": None}
LENGTH = 128  # of a sequence


def compile_for(options, name, batch):
    """An engine for any batch, its tactics timed at this one. Its path, and what compiling took."""
    engine = mjlib.ROOT / "build/bench" / f"{name}-gpu-{batch}.engine"
    profile = f"N=1:{batch}:{max(batch, 128)}" + (f",S=1:{LENGTH}:512" if NETWORKS[name] else "")
    flags = ["--target", "cuda", "--precision", options.precision, "--profile", profile]
    if options.tolerance:
        flags += ["--tolerance", options.tolerance]
    return engine, mjlib.compile_engine(options.models / f"{name}.onnx", engine, *flags)


def ours(engine, name, batch, windows):
    tokens = NETWORKS[name]
    shapes = ["--shapes", ",".join(f"{each}={batch}x{LENGTH}" for each in tokens)] if tokens else ["--batch", batch]
    report = mjlib.millijoule_json("bench", engine, *shapes, "--no-data-transfers", "--duration", 1,
                                 "--energy-windows", windows)
    results, energy = report["results"], report["energy"]
    return {"latency_ms": results["latency_ms"]["median"], "per_s": results["throughput_per_s"],
            "mJ": energy.get("mj_per_inference"), "mJ_net": energy.get("mj_per_inference_net"),
            "W": energy.get("watts"), "device_bytes": results["device"]["above_context_bytes"], "report": report}


def peer(script, name, way, batch, seconds):
    command = [sys.executable, script, "--models", name, "--ways", way, "--batch", batch, "--secs", seconds]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"failed": done.stderr.strip()[-300:]}


def measure(options):
    for name in options.only.split(","):
        for batch in map(int, options.batch.split(",")):
            engine, seconds = compile_for(options, name, batch)
            ways = {"millijoule": ours(engine, name, batch, options.energy_windows)}
            for way in filter(None, options.ways.split(",")):
                ways[way] = peer(options.peers, name, way, batch, options.seconds)
            row = {"model": name, "batch": batch, "compile_seconds": seconds, "ways": ways}
            print(table_row(row), file=sys.stderr, flush=True)
            yield row


def cell(way, key, text):
    return text.format(way[key]) if way.get(key) is not None else way.get("failed", "")[:30]


def table_row(row):
    cells = [row["model"], str(row["batch"])]
    for way in row["ways"].values():
        cells += [cell(way, "latency_ms", "{:.3f}"), cell(way, "per_s", "{:.0f}"), cell(way, "mJ", "{:.1f}")]
    return f"| {' | '.join(cells)} |"


def markdown(result):
    environment, rows = result["environment"], result["rows"]
    head = ["model", "batch"]
    for way in rows[0]["ways"]:
        head += [f"{way} ms", "/s", "mJ"]
    return "\n".join([f"{environment['gpu']}, {environment['date']}, `{result['command']}`; ms are medians", "",
                      f"| {' | '.join(head)} |", "|" + "---|" * len(head), *map(table_row, rows)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path, help="print the table of this result instead of measuring")
    parser.add_argument("--only", default=",".join(NETWORKS))
    parser.add_argument("--precision", default="fp16", help="of ours")
    parser.add_argument("--tolerance", type=float, help="of ours: relative L2, where weights are random")
    parser.add_argument("--ways", default="eager-fp16,cudnn-fp16", help="of the peers")
    parser.add_argument("--batch", default="1,8,128")
    parser.add_argument("--energy-windows", type=int, default=3, help="of 5 s each, after 18 s to settle")
    parser.add_argument("--seconds", type=float, default=2, help="of each peer")
    options = parser.parse_args()
    if options.table:
        print(markdown(json.loads(options.table.read_text())))
        return
    if not options.models or not options.peers:
        parser.error("--models DIR and --peers SCRIPT are needed, or --table FILE")
    arguments = [{str(options.models): "DIR", str(options.peers): options.peers.name}.get(argument, argument)
                 for argument in sys.argv[1:]]
    result = {"schema": "millijoule.gpu_bench/1", "environment": mjlib.machine(),
              "command": " ".join(["./run gpu-bench", *arguments])}
    result["rows"] = []
    for row in measure(options):
        result["rows"].append(row)
        result["environment"] |= row["ways"]["millijoule"]["report"]["environment"]
        turns.save(result, "-gpu")  # a run that is cut off keeps what it has
    print(markdown(result))


if __name__ == "__main__":
    main()
