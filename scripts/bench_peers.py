# SPDX-License-Identifier: Apache-2.0
"""Measures Millijoule beside ONNX Runtime and OpenVINO on a folder of networks and prints a Markdown table.

    bench_peers.py --models DIR --peers cpu_peers.py      NAME.onnx with NAME.inputs.npz, see NETWORKS
    bench_peers.py --table bench/results/FILE.json        the table of an earlier run

The peers script has feeds(folder, name, batch) and WAYS[kind](precision, folder, name, batch, threads) -> step. "own rows"
is an engine compiled without the oneDNN module. A ratio is to the faster peer of that row.
"""

import argparse
import json
import math
import pathlib
import sys

import mjlib
import turns

NETWORKS = ("resnet50", "mobilenet_v3_large", "efficientnet_b0", "vit_b_16", "bert_base", "unet_small", "yolov8n",
            "wav2vec2_base", "conformer_small", "lstm_am")
OURS = {"millijoule": {}, "own rows": {"MJ_TACTIC": "-onednn"}}


def ratio(row, way):
    """Speed of one of our ways to the fastest peer, or None."""
    peers = [ms for name, ms in row["latency_ms"].items() if name not in OURS]
    return min(peers) / row["latency_ms"][way] if peers and way in row["latency_ms"] else None


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def markdown(result):
    environment, rows = result["environment"], result["speed"]
    peers = list(dict.fromkeys(way for row in rows for way in row["latency_ms"] if way not in OURS))
    ours = [way for way in OURS if way in rows[0]["latency_ms"]]
    peak = turns.peak_gflops(rows)
    head = ["model", "batch", *ours, *peers, *(f"{way} to the better" for way in ours), "of measured peak"]
    lines = [f"{environment['cpu']} ({environment['isa']}), {result['threads']} threads, {environment['date']}, "
             f"`{result['command']}`; ms, medians", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["model"], str(row["batch"])]
        cells += [f"{row['latency_ms'][way]:.1f}" if way in row["latency_ms"] else "" for way in (*ours, *peers)]
        cells += [f"{ratio(row, way):.2f}x" if ratio(row, way) else "" for way in ours]
        lines.append(f"| {' | '.join([*cells, turns.share_of_peak(row, peak)])} |")
    for way in ours:
        ratios = [value for row in rows if (value := ratio(row, way))]
        if ratios:
            lines += ["", f"{way}: geometric mean {geometric_mean(ratios):.2f}x, least {min(ratios):.2f}x"]
    return "\n".join(lines)


def measure(options, peers, work):
    for name in options.only.split(","):
        engines = {}
        for way in options.ours.split(","):
            engines[way] = work / f"{name}-{way.replace(' ', '-')}.engine"
            mjlib.compile_engine(options.models / f"{name}.onnx", engines[way], "--precision", options.precision,
                                 "--cache-dir", work / "cache", env=OURS[way])
        for batch in map(int, options.batch.split(",")):
            feed = peers.feeds(str(options.models), name, batch)
            ways = {way: turns.engine_way(engine, feed, options.threads) for way, engine in engines.items()}
            ways |= turns.peer_ways(peers, options.ways.split(","), options.models, name, batch, options.threads)
            row = {"model": name, "batch": batch, **turns.take_turns(ways, options.rounds, options.seconds)}
            turns.say(row)
            yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path, help="print the table of this result instead of measuring")
    parser.add_argument("--only", default=",".join(NETWORKS))
    parser.add_argument("--ours", default=",".join(OURS))
    parser.add_argument("--ways", default="ort-fp32,ov-fp32")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each way and round")
    options = parser.parse_args()
    if options.table:
        print(markdown(json.loads(options.table.read_text())))
        return
    if not options.models or not options.peers:
        parser.error("--models DIR and --peers SCRIPT are needed, or --table FILE")
    arguments = [{str(options.models): "DIR", str(options.peers): options.peers.name}.get(argument, argument)
                 for argument in sys.argv[1:]]
    result = {"schema": "millijoule.bench_peers/1", "environment": mjlib.machine(), "threads": options.threads,
              "command": " ".join(["./run bench-peers", *arguments])}
    result["speed"] = list(measure(options, turns.peers_of(options.peers), mjlib.ROOT / "build/bench"))
    print(markdown(result))
    turns.save(result, "-peers")


if __name__ == "__main__":
    main()
