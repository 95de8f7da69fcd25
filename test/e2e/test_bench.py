# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench.py checks, on figures made up."""

import bench


def row(batch, first_answer, latency=1.0):
    record = {"results": {"load_ms": 1.0, "first_answer_ms": first_answer}}
    return {"model": "resnet50", "batch": batch, "latency_ms": {"own rows": latency}, "records": {"own rows": record}}


def test_the_first_answer_counts_not_loading_alone():
    assert bench.first_answer_check("resnet50", [row(1, 149), row(8, 900)])["ok"]
    slow = bench.first_answer_check("resnet50", [row(8, 100), row(1, 151)])
    assert not slow["ok"] and slow["found"] == "151 ms" and slow["asked"] == "at most 150 ms"


def test_cheap_runs_are_repeated_a_thousand_times():
    assert bench.repeats_of("resnet50", [row(1, 1, latency=59)], 10) == 1000
    assert bench.repeats_of("resnet50", [row(1, 1, latency=61)], 10) == 10
