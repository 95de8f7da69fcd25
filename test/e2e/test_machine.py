# SPDX-License-Identifier: Apache-2.0
"""Machines as they come: one core, more threads than cores, lesser instruction sets. Answers are equal, bit by bit."""

import os
import pathlib
import subprocess
import time

import mjlib
import numpy as np
import pytest
from conftest import model_of, normal
from onnx import numpy_helper
from test_promises import network

CORES = sorted(os.sched_getaffinity(0))


@pytest.fixture
def engine(bench, monkeypatch):
    """Own rows only, with a feed; what is equal on every machine."""
    model, feed = network("convolution")
    monkeypatch.setenv("MJ_TACTIC", "-onednn")
    return bench.compile(model), feed


def confined(cores, *arguments, env=None):
    """The binary on some of the cores only; its finished process."""
    return subprocess.run([str(mjlib.BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          preexec_fn=lambda: os.sched_setaffinity(0, cores), env={**os.environ, **(env or {})})


@pytest.mark.parametrize("threads", [1, 2, 3, 16, 64])
def test_any_number_of_threads_gives_the_same_bits(bench, engine, threads):
    expected = bench.run(engine[0], engine[1], "--threads", "1")["y"]
    np.testing.assert_array_equal(bench.run(engine[0], engine[1], "--threads", threads)["y"], expected)


def test_affinity_decides_on_the_threads(bench, engine):
    expected = bench.run(engine[0], engine[1])["y"]
    for cores in ({CORES[0]}, {CORES[-1]}, set(CORES)):
        report = bench.folder / "run.json"
        done = confined(cores, "run", engine[0], "--inputs", bench.folder / "in.npz", "--outputs",
                        bench.folder / "out.npz", "--json", report)
        assert done.returncode == 0, done.stderr
        assert f'"threads": {len(cores)}' in report.read_text()
        with np.load(bench.folder / "out.npz") as outputs:
            np.testing.assert_array_equal(outputs["y"], expected)


@pytest.fixture
def half_a_core():
    """A cgroup (v1 or v2) that may use half a core."""
    for mount, file, quota in (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "50000"),
                               ("/sys/fs/cgroup", "cpu.max", "50000 100000")):
        group = pathlib.Path(mount, f"mj-test-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(quota)
        except OSError:
            group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("this user may make no cgroup with a quota")


def test_a_quota_decides_on_the_threads(bench, engine, half_a_core):
    expected = bench.run(*engine)["y"]
    report = bench.folder / "run.json"
    done = subprocess.run(["sh", "-c", 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"', "sh", half_a_core, mjlib.BINARY,
                           "run", engine[0], "--inputs", bench.folder / "in.npz", "--outputs",
                           bench.folder / "out.npz", "--json", report], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert '"threads": 1' in report.read_text()
    with np.load(bench.folder / "out.npz") as outputs:
        np.testing.assert_array_equal(outputs["y"], expected)


def test_threads_beyond_the_cores_are_not_started(bench, engine):
    """Sixteen threads that take turns on one core would wait for each other."""
    report = bench.folder / "run.json"
    bench.run(*engine)
    start = time.perf_counter()
    done = confined({CORES[0]}, "run", engine[0], "--inputs", bench.folder / "in.npz", "--repeat", "200",
                    "--check-equal", "--threads", "16", "--json", report)
    assert done.returncode == 0, done.stderr
    assert "16 threads were asked for, affinity and quota allow 1" in done.stderr
    assert '"threads": 1' in report.read_text()
    assert time.perf_counter() - start < 60, "a hang"


def has(feature):
    return feature in pathlib.Path("/proc/cpuinfo").read_text().split()


@pytest.mark.skipif(not has("avx2"), reason="needs a machine with AVX2, to have less")
def test_an_engine_for_less_runs_and_one_for_more_is_refused(bench):
    model, feed = network("convolution")
    path = bench.save(model)
    engines = {isa: bench.folder / f"{isa}.engine" for isa in ("portable", "avx2")}
    for isa, engine in engines.items():
        mjlib.millijoule("compile", path, "-o", engine, env={"MJ_ISA": isa, "MJ_TACTIC": "-onednn"})
    expected = mjlib.Reference(path).run(feed)["y"]
    answers = [bench.run(engines["portable"], feed)["y"], bench.run(engines["avx2"], feed)["y"]]
    inputs, outputs = bench.folder / "in.npz", bench.folder / "out.npz"
    mjlib.millijoule("run", engines["portable"], "--inputs", inputs, "--outputs", outputs, env={"MJ_ISA": "portable"})
    with np.load(outputs) as arrays:
        np.testing.assert_array_equal(arrays["y"], answers[0])
    for answer in answers:
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)
    done = mjlib.millijoule("run", engines["avx2"], "--inputs", inputs, check=False, env={"MJ_ISA": "portable"})
    assert done.returncode != 0 and "it serves cpu-avx2, this machine is cpu-portable" in done.stderr


@pytest.mark.skipif(has("avx512f"), reason="this machine has AVX-512")
def test_compiling_for_more_than_the_machine_has_is_refused(bench):
    done = mjlib.millijoule("compile", bench.save(network("perceptron")[0]), "-o", bench.folder / "more.engine",
                            "--target", "cpu-avx512", "--no-verify", check=False)
    assert done.returncode > 0 and "--target cpu-avx512" in done.stderr and "does not run" in done.stderr


def test_byte_products_on_lesser_machines_are_exact(bench):
    """Integer maths has one answer, whatever the instruction set."""
    model = model_of("""agraph (uint8[N,8] a) => (int32[N,5] y) { y = MatMulInteger(a, w) }""")
    weights = np.random.default_rng(1).integers(-128, 128, (8, 5), np.int8)
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    feed = {"a": np.random.default_rng(2).integers(0, 256, (3, 8), np.uint8)}
    answers = []
    for isa in ("portable", "avx2"):
        mjlib.millijoule("compile", bench.save(model), "-o", bench.folder / "e.engine", env={"MJ_ISA": isa})
        answers.append(bench.run(bench.folder / "e.engine", feed)["y"])
    np.testing.assert_array_equal(*answers)
    np.testing.assert_array_equal(answers[0], feed["a"].astype(np.int32) @ weights.astype(np.int32))


def test_a_lesser_instruction_set_that_does_not_exist_is_named(bench, engine):
    done = bench.run(*engine, check=True)
    assert "y" in done
    process = mjlib.millijoule("doctor", env={"MJ_ISA": "avx9"}, check=False)
    assert "MJ_ISA=avx9" in process.stderr


def has_gpu():
    return any(row["what"] == "GPU" and "sm_" in row["state"] for row in mjlib.millijoule_json("doctor")["findings"])


def test_doctor_says_whether_the_gpu_counts_energy():
    rows = [row for row in mjlib.millijoule_json("doctor")["findings"] if row["what"] == "NVML"]
    assert rows and all("energy counter" in row["state"] or "NVML" in row["state"] for row in rows)


@pytest.mark.parametrize("verb", [["run", "--random-inputs"], ["bench", "--duration", 0.05], ["profile"]])
def test_an_engine_runs_on_the_device_asked_for(engine, verb):
    for device in ("auto", "cpu"):
        mjlib.millijoule(verb[0], engine[0], *verb[1:], "--device", device)
    refused = mjlib.millijoule(verb[0], engine[0], *verb[1:], "--device", "gpu", check=False)
    assert refused.returncode == 4
    assert ("--target cuda" if has_gpu() else "no NVIDIA driver") in refused.stderr


def test_joules_that_nobody_read_are_absent_and_say_why(bench, engine):
    energy = mjlib.millijoule_json("bench", engine[0], "--duration", 0.05)["energy"]
    assert ("joules" in energy) == ("mj_per_inference" in energy) != ("why_not" in energy)
