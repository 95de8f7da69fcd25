# SPDX-License-Identifier: Apache-2.0
"""A part of ./run malformed that is the same every time: models with something wrong are refused by name."""

import malformed
import malformed_models
import pytest

FAMILIES = [malformed_models.cycles, malformed_models.data_sizes, malformed_models.dims, malformed_models.ranks,
            malformed_models.external, malformed_models.names]


def test_malformed_models_are_refused_or_answered_as_others_do(tmp_path):
    cases = malformed_models.cases(300, seed=2, families=FAMILIES)
    assert len(cases) >= 280
    counts = malformed.run(cases, seconds=10, megabytes=1024, findings=tmp_path / "findings")
    assert counts["failed"] == 0
    assert counts["refused"] > 100 and counts["equal"] > 30


@pytest.mark.parametrize("name", [
    "cycle/2 calls in each of 30 functions", "dims/an input of 9223372036854775807, 2147483648",
    "dims/an input of 1, 4611686018427387904", "dims/Range from 9223372036854775807 to -1",
    "dims/y = STFT(u, s, , l) with -1", "rank/Multinomial of rank 3", "external/a file of 1099511627776 zeros",
    "data/a string of 2^62"])
def test_what_was_found_stays_found(tmp_path, name):
    found = [case for family in FAMILIES for case in family() if case.name == name]
    assert len(found) == 1, name
    assert malformed.run(found, seconds=10, megabytes=512, findings=tmp_path / "findings")["failed"] == 0


def test_loops_that_cannot_end_are_refused(tmp_path):
    loops = [case for case in malformed_models.loops()]
    counts = malformed.run(loops, seconds=10, megabytes=512, findings=tmp_path / "findings")
    assert counts["failed"] == 0 and counts["refused"] >= 3
