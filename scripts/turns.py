# SPDX-License-Identifier: Apache-2.0
"""Ways to answer the same request take turns, round by round, so that a busy machine slows all of them."""

import importlib.util
import json
import statistics
import sys
import time

import mjlib


def engine_way(engine, feed, threads):
    """A way that is `millijoule bench`: seconds -> (median ms, its record)."""
    shapes = ",".join(f"{key}={'x'.join(map(str, value.shape))}" for key, value in feed.items())

    def measure(seconds):
        record = mjlib.millijoule_json("bench", engine, "--shapes", shapes, "--threads", threads, "--duration", seconds)
        return record["results"]["latency_ms"]["median"], record

    return measure


def step_way(step):
    """A way that is a call in this process: at least three after two for warming up."""

    def measure(seconds):
        step(), step()
        times, start = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        return statistics.median(times) * 1e3, None

    return measure


def take_turns(ways, rounds, seconds):
    """{way: measure} -> what a result file keeps: medians of the rounds' medians, the rounds, the last records."""
    times, records = {}, {}
    for _ in range(rounds):
        for way, measure in ways.items():
            ms, record = measure(seconds)
            times.setdefault(way, []).append(ms)
            if record:
                records[way] = record
    latency = {way: statistics.median(values) for way, values in times.items()}
    return {"latency_ms": latency, "rounds_ms": times, "records": records}


def peers_of(script):
    """The module of a peers script, which has feeds(folder, name, batch) and WAYS[kind](precision, folder, ...)."""
    spec = importlib.util.spec_from_file_location("peers", script)
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    return peers


def peer_ways(peers, ways, folder, name, batch, threads):
    """{way: measure}; one that does not run here is named and left out."""
    measures = {}
    for way in ways:
        kind, precision = way.split("-")
        try:
            step = peers.WAYS[kind](precision, str(folder), name, batch, threads)
            step()
            measures[way] = step_way(step)
        except Exception as error:  # whatever a foreign project raises
            print(f"{name}: {way} left out: {error!r}"[:200], file=sys.stderr)
    return measures


def peak_gflops(rows):
    """The best peak that any record saw: a shared machine is sometimes slow just when its peak is measured."""
    records = [record for row in rows for record in row["records"].values()]
    return max(record.get("environment", {}).get("peak_gflops") or 0 for record in records)


def share_of_peak(row, peak):
    """The cell of a table for the first engine of a row."""
    gflops = next(iter(row["records"].values()))["results"].get("gflops")
    return f"{100 * gflops / peak:.0f} % of {peak:.0f} GFLOP/s" if gflops and peak else "not measured"


def say(row):
    """Progress, while the table is not there yet."""
    ways = ", ".join(f"{way} {ms:.1f}" for way, ms in row["latency_ms"].items())
    print(f"{row['model']} batch {row['batch']}: {ways}", file=sys.stderr, flush=True)


def save(result, suffix=""):
    """Keeps a result under bench/results, named by date and processor, and says where."""
    cpu = "-".join(result["environment"]["cpu"].lower().replace("(r)", "").split())
    file = mjlib.ROOT / "bench/results" / f"{result['environment']['date']}-{cpu}{suffix}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1))
    print(file, file=sys.stderr)
