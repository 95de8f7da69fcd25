#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tally.py RESULTS STAGE...: sums up what the stages of test.sh left behind; the last line is 'N passed, N failed'.

A test executable that runs under ctest counts with its single GoogleTest cases; if it crashed or left a sanitizer's
report, that is one more failure.
"""
import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def gtest_counts(path):
    """(passed, failed, skipped) of one executable's report; nothing if it did not live to write one."""
    try:
        suites = xml.parse(path).getroot()
    except (OSError, xml.ParseError):
        return 0, 0, 0
    cases = list(suites.iter("testcase"))
    failed = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.get("status") == "notrun" or case.get("result") == "skipped" for case in cases)
    return len(cases) - failed - skipped, failed, skipped


def stage_counts(folder):
    passed = failed = skipped = 0
    names = []
    plain = folder / "plain.txt"
    for line in plain.read_text().splitlines() if plain.exists() else []:
        outcome, name = line.split(" ", 1)
        if outcome == "failed":
            names.append(name)
        if name != "build" or outcome == "failed":  # a build that works is no test
            passed, failed = passed + (outcome == "passed"), failed + (outcome == "failed")
    ctest = folder / "ctest.xml"
    for case in xml.parse(ctest).getroot().iter("testcase") if ctest.exists() else []:
        good, bad, left_out = gtest_counts(folder / "gtest" / f"{case.get('name')}_test.xml")
        if case.get("status") == "fail":
            names.append(case.get("name"))
            bad = bad or 1
        elif good + bad + left_out == 0:
            good, left_out = (1, 0) if case.get("status") == "run" else (0, 1)
        passed, failed, skipped = passed + good, failed + bad, skipped + left_out
    pytest = folder / "pytest.xml"
    for case in xml.parse(pytest).getroot().iter("testcase") if pytest.exists() else []:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            names.append(f"{case.get('classname')}::{case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped, names


def main():
    results = Path(sys.argv[1])
    total = [0, 0, 0]
    for stage in sys.argv[2:]:
        *counts, names = stage_counts(results / stage)
        if sum(counts) == 0:
            counts, names = [0, 1, 0], ["no test ran"]
        print("{:8} {:6} passed {:4} failed {:4} skipped".format(stage, *counts), "  ".join(names))
        total = [a + b for a, b in zip(total, counts)]
    print("{} passed, {} failed".format(*total) + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
