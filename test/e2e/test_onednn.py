# SPDX-License-Identifier: Apache-2.0
"""Engines with rows of the oneDNN module, on machines that have the module, the library, or neither."""

import json

import mjlib
import numpy as np
import pytest
from conftest import normal
from test_promises import network

MODULE = mjlib.BINARY.parent / "libmj_onednn.so"
ROWS = {"convolution": "conv:conv_onednn_f32", "perceptron": "gemm:gemm_onednn_f32"}
pytestmark = pytest.mark.skipif(not MODULE.exists(), reason="built without the oneDNN module")


@pytest.fixture(params=list(ROWS))
def engine(request, bench, monkeypatch):
    """An engine that takes the library's row wherever it can, with a feed of one request."""
    model, feed = network(request.param)
    monkeypatch.setenv("MJ_TACTIC", ROWS[request.param])
    path = bench.compile(model)
    monkeypatch.delenv("MJ_TACTIC")
    return path, feed


def tactics(engine):
    steps = mjlib.millijoule_json("inspect", engine)["targets"][0]["steps"]
    return {step["tactic"]: step.get("alternative", {}).get("tactic") for step in steps if step["kind"] == "kernel"}


def broken_modules(folder):
    """What to set MJ_ONEDNN to, and a word of the reason that the user should read."""
    no_elf = folder / "no_elf.so"
    no_elf.write_bytes(b"this is no library" * 1000)
    no_library = folder / "no_library.so"
    no_library.write_bytes(MODULE.read_bytes().replace(b"libdnnl.so", b"libnone.so"))
    return {"off": "MJ_ONEDNN", str(folder / "absent.so"): "absent.so", str(no_elf): "no_elf.so",
            str(no_library): "libnone.so"}


def test_stores_own_rows_beside_the_librarys(engine):
    chosen = tactics(engine[0])
    assert chosen.get("conv_onednn_f32", "conv_f32") == "conv_f32"
    assert chosen.get("gemm_onednn_f32", "gemm_f32") == "gemm_f32"
    assert any("onednn" in name for name in chosen)


def test_runs_without_module_or_library_and_says_so(bench, engine, monkeypatch):
    path, feed = engine
    expected = bench.run(path, feed)["y"]
    for module, reason in broken_modules(bench.folder).items():
        monkeypatch.setenv("MJ_ONEDNN", module)
        report = bench.folder / "run.json"
        done = bench.run(path, feed, "--json", report, check=False)
        assert done.returncode == 0, done.stderr
        assert "in place of" in done.stderr and reason in done.stderr
        notices = json.loads(report.read_text())["results"]["notices"]
        assert len(notices) == 1 and reason in notices[0]
        with np.load(bench.folder / "out.npz") as outputs:
            np.testing.assert_allclose(outputs["y"], expected, rtol=1e-5, atol=1e-6)


def test_bench_counts_primitives(engine, monkeypatch):
    options = ["bench", engine[0], "--duration", "0.01", "--iterations", "1"]
    results = mjlib.millijoule_json(*options)["results"]
    assert results["onednn"]["primitives"] > 0 and results["onednn"]["seconds"] > 0 and results["notices"] == []
    monkeypatch.setenv("MJ_ONEDNN", "off")
    results = mjlib.millijoule_json(*options)["results"]
    assert results["onednn"] is None and "in place of" in results["notices"][0]


def test_profile_names_the_row_that_ran(engine, monkeypatch):
    def rows():
        return {step["row"] for step in mjlib.millijoule_json("profile", engine[0], "--iterations", "1")["steps"]}

    assert any("onednn" in row for row in rows())
    monkeypatch.setenv("MJ_ONEDNN", "off")
    assert not any("onednn" in row for row in rows())


def test_answers_the_same_every_time_and_alone_as_in_a_batch(bench, engine):
    path, feed = engine
    bench.run(path, feed, "--repeat", "200", "--check-equal", "--threads", "2")
    feeds = [{"x": normal(*feed["x"].shape, seed=seed)} for seed in range(8)]
    alone = mjlib.run_steps(path, feeds)["y"][:, 0]
    together = bench.run(path, {"x": np.concatenate([feed["x"] for feed in feeds])})["y"]
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("kind", ROWS)
def test_own_rows_only(bench, kind, monkeypatch):
    for variable, value, reason in [("MJ_TACTIC", "-onednn", "left out by"), ("MJ_ONEDNN", "off", "no oneDNN module")]:
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            path = bench.compile(network(kind)[0])
        steps = mjlib.millijoule_json("inspect", path)["targets"][0]["steps"]
        refused = [other["reason"] for step in steps for other in step["refused"] if "onednn" in other["tactic"]]
        assert refused and all(reason in text for text in refused)
        assert not any("onednn" in name for name in tactics(path))


def test_doctor_and_tactics_show_the_module(monkeypatch):
    def finding():
        return next(row for row in mjlib.millijoule_json("doctor")["findings"] if row["what"] == "oneDNN")

    def rows():
        rows = mjlib.millijoule_json("tactics")["rows"]
        return [row for row in rows if "onednn" in row["row"]]

    assert "libmj_onednn.so" in finding()["state"] and not finding()["fix"]
    assert len(rows()) == 2 and not any("missing" in row for row in rows())
    monkeypatch.setenv("MJ_ONEDNN", "off")
    assert "MJ_ONEDNN=off" in finding()["state"]
    assert all("MJ_ONEDNN=off" in row["missing"] for row in rows())
