# SPDX-License-Identifier: Apache-2.0
"""What a user types: flags in every order, wrong values, outputs that cannot be written, lines of trtexec."""

import copy
import io
import json
import os
import subprocess
import zipfile

import mjlib
import numpy as np
import pytest
from conftest import model_of, normal
from onnx import TensorProto, helper

FAILED, USAGE, UNSUPPORTED, ENVIRONMENT = 1, 2, 3, 4
SMALL = "agraph (float[N,4] x, int64[N] i) => (float[N,4] y, int64[N] j) { y = Relu(x)  j = Neg(i) }"
ONE = "agraph (float[N,4] x) => (float[N,4] y) { y = Relu(x) }"


def refused(code, *arguments, says, env=None):
    done = mjlib.millijoule(*arguments, check=False, env=env)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "CHECK" not in done.stderr and "terminate" not in done.stderr


def test_verbs_are_named():
    refused(USAGE, says="no verb; there are: compile, run, bench")
    refused(USAGE, "complie", says="there is no verb 'complie'; there are: compile")
    assert "--profile" in mjlib.millijoule("help", "compile").stdout
    assert "inspect" in mjlib.millijoule("help").stdout
    refused(USAGE, "compile", says="MODEL is required; `millijoule help compile` lists the flags")
    refused(USAGE, "run", says="ENGINE is required")


@pytest.mark.parametrize("arguments", [
    "compile m.onnx -o m.engine --tolerance -1", "compile m.onnx -o m.engine --tolerance nan",
    "compile m.onnx -o m.engine --tune-seconds -1", "compile m.onnx -o m.engine --precision fp23",
    "compile m.onnx -o m.engine --objective joules", "compile m.onnx -o m.engine --max-latency-ms 1",
    "compile m.onnx -o m.engine --tune-joules -1", "profile m.engine --energy-seconds 0",
    "run m.engine --random-inputs --repeat 0", "run m.engine --random-inputs --check-equal",
    "run m.engine --random-inputs --carry y=x", "bench m.engine --iterations 0", "bench m.engine --duration nan",
    "bench m.engine --batch 0", "profile m.engine --iterations -5", "compare m.onnx m.engine --tolerance inf",
    "energy --requests-a-day inf --joules 1", "energy --requests-a-day 1 --joules 1 --pue nan",
    "energy --requests-a-day 1 --joules 1 --ms 5", "energy --requests-a-day 1 --joules 1 --grams-per-kwh -3",
    "energy --requests-a-day 1e308 --joules 1e308", "run m.engine --random-inputs --seed -1",
    "run m.engine --random-inputs --seed 99999999999999999999999", "run m.engine --random-inputs --seed 1.5",
    "energy --requests-a-day 1 --ms 5", "energy --requests-a-day 1 --joules 1 --place Atlantis"])
def test_values_that_make_no_sense(bench, arguments):
    bench.save(model_of(ONE), "m.onnx")
    mjlib.millijoule("compile", bench.folder / "m.onnx", "-o", bench.folder / "m.engine")
    before = (bench.folder / "m.engine").read_bytes()
    words = [str(bench.folder / word) if word.startswith("m.") else word for word in arguments.split()]
    refused(USAGE, *words, says="millijoule: ")
    assert (bench.folder / "m.engine").read_bytes() == before


@pytest.mark.parametrize("target", ["cpu", "cpu-portable", "cuda-sm75"])
def test_energy_is_no_objective_where_joules_are_not_measured(bench, target):
    bench.save(model_of(ONE), "m.onnx")
    refused(ENVIRONMENT, "compile", bench.folder / "m.onnx", "-o", bench.folder / "m.engine", "--target", target,
            "--objective", "energy", says="--objective energy: joules are measured on the GPU")
    assert not (bench.folder / "m.engine").exists()


def test_joules_of_steps_and_of_tuning_need_a_gpu(bench):
    engine = bench.compile(model_of(ONE))
    refused(UNSUPPORTED, "profile", engine, "--energy", says="--energy: joules of single steps are measured on GPUs")
    refused(ENVIRONMENT, "compile", bench.folder / "model.onnx", "-o", bench.folder / "m.engine", "--tune-joules", 5,
            says="--tune-joules: joules are measured on the GPU that the engine is for")
    refused(ENVIRONMENT, "compile", bench.folder / "model.onnx", "-o", bench.folder / "m.engine", "--objective",
            "throughput", says="--objective throughput: several runs at once are timed on the GPU")


def test_loading_says_where_its_time_went(bench):
    results = mjlib.millijoule_json("bench", bench.compile(model_of(ONE)), "--duration", 0, "--iterations", 1)["results"]
    load = results["load"]
    assert 0 < load["file_ms"] <= load["all_ms"] and "modules" not in load


def test_sizes_outside_the_profile_are_shown_as_such(bench):
    engine = bench.compile(model_of(ONE), "--profile", "N=1:2:8")
    assert "outside every profile" in mjlib.millijoule("inspect", engine, "--batch", 64).stdout
    assert mjlib.millijoule_json("inspect", engine, "--batch", 64)["memory"][0]["outside_profiles"]
    assert "outside" not in mjlib.millijoule("inspect", engine, "--batch", 8).stdout


def test_a_stage_of_tests_that_there_is_not():
    done = subprocess.run(["sh", "./run", "test", "bogus"], cwd=mjlib.ROOT, capture_output=True, text=True)
    assert done.returncode == USAGE and "no test stage 'bogus'" in done.stderr


def test_a_factor_of_zero_is_a_factor():
    done = mjlib.millijoule_json("energy", "--requests-a-day", 1e8, "--joules", 0.75, "--grams-per-kwh", 0)
    assert done["grams_co2e_a_year"] == 0 and done["kwh_a_year"] == pytest.approx(7604.167, rel=1e-6)


def test_a_flag_takes_one_word(bench):
    path, engine, sample = bench.save(model_of(ONE)), bench.folder / "a.engine", bench.folder / "s.npz"
    np.savez(sample, x=normal(2, 4), label=np.zeros(1))
    mjlib.millijoule("compile", "-o", engine, "--samples", sample, "--samples", sample, path)
    assert mjlib.millijoule_json("inspect", engine)["targets"][0]["verification"]["samples"] == 2
    steps = bench.folder / "steps.npz"
    np.savez(steps, x=normal(3, 2, 4))
    assert "y: f32[3,2,4]" in mjlib.millijoule("run", "--stream", "x", engine, "--inputs", steps).stdout


def test_the_sample_that_is_wrong_is_named(bench):
    path, names = bench.save(model_of(ONE)), [bench.folder / "good.npz", bench.folder / "bad.npz"]
    np.savez(names[0], x=normal(2, 4))
    np.savez(names[1], x=normal(2, 5))
    options = [word for name in names for word in ("--samples", name)]
    refused(FAILED, "compile", path, "-o", bench.folder / "e.engine", *options, says="bad.npz': input 'x': got shape")


def test_samples_of_types_that_numpy_lacks(bench):
    path = bench.save(model_of("agraph (bfloat16[N] x) => (float[N] y) { y = Cast<to = 1>(x) }"))
    sample = bench.folder / "s.npz"
    np.savez(sample, x=np.array([0x3F80, 0x4000], np.uint16).view("V2"))
    bench.compile(path, "--samples", sample)
    np.savez(sample, x=np.array([0x3F80, 0x4000], np.uint16))
    refused(FAILED, "compile", path, "-o", bench.folder / "b.engine", "--samples", sample, says="got u16, expected bf16")


def test_four_bits_hold_sixteen_values(bench):
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.INT4, ["N"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])])
    engine = bench.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    good = np.array([-8, -1, 0, 7], np.int8)
    np.testing.assert_array_equal(bench.run(engine, {"x": good.view("V1")})["y"], good)
    done = bench.run(engine, {"x": np.array([3, 8], np.int8).view("V1")}, check=False)
    assert done.returncode == FAILED and "input 'x': element 1 is 0x08, which is no i4" in done.stderr


def test_npy_holds_one_array(bench):
    engine, array = bench.compile(model_of(ONE)), bench.folder / "x.npy"
    out = bench.folder / "y.npy"
    np.save(array, normal(3, 4))
    mjlib.millijoule("run", engine, "--inputs", array, "--outputs", out)
    got = np.load(out)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, np.maximum(normal(3, 4), 0))
    two = bench.compile(model_of(SMALL))
    refused(USAGE, "run", two, "--inputs", array, says="give an .npz with the inputs: 'x' f32[N,4], 'i' i64[N]")
    out.unlink()
    refused(USAGE, "run", two, "--random-inputs", "--outputs", out, says="an .npy holds one array, there are 2")
    assert not out.exists()


def test_entries_that_share_their_bytes(bench):
    engine, path, array = bench.compile(model_of(ONE)), bench.folder / "bomb.npz", io.BytesIO()
    np.save(array, normal(100, 4))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", array.getvalue())
        twin = copy.copy(archive.filelist[0])
        twin.filename = "z.npy"
        archive.filelist.append(twin)
    refused(FAILED, "run", engine, "--inputs", path, says="bomb.npz: entry 'z.npy' is cut off, or overlaps another")


def test_sizes_are_taken_or_refused(bench):
    fixed = bench.compile(model_of("agraph (float[2,4] x) => (float[2,4] y) { y = Relu(x) }"))
    fast = ("--duration", 0, "--iterations", 1)
    refused(USAGE, "bench", fixed, "--batch", 7, says="no input has a first axis that is free")
    assert mjlib.millijoule_json("bench", fixed, "--batch", 2, *fast)["results"]["batch"] == 2
    free, feed = bench.compile(model_of(ONE)), bench.folder / "x.npz"
    np.savez(feed, x=normal(3, 4))
    refused(USAGE, "bench", free, "--inputs", feed, "--batch", 7, says="have other sizes")
    refused(USAGE, "run", free, "--inputs", feed, "--shapes", "x=5x4", says="x.npz has [3,4]")
    refused(USAGE, "run", free, "--random-inputs", "--shapes", "x=5x3", says="dimension 1 must be 4")
    assert mjlib.millijoule_json("bench", free, "--inputs", feed, "--batch", 3, *fast)["results"]["batch"] == 3
    refused(ENVIRONMENT, "run", free, "--random-inputs", "--shapes", "x=999999999999x4", says="out of memory")


def test_sizes_at_which_the_network_runs_are_found(bench):
    engine = bench.compile(model_of("""agraph (float[N,L] x) => (float[N,M,16] y) {
        to = Constant<value = int64[3] {0, -1, 16}>()  y = Reshape(x, to) }"""))
    fast = ("--duration", 0, "--iterations", 1)
    assert mjlib.millijoule_json("bench", engine, *fast)["results"]["shapes"] == "x=f32[1x32]"
    assert "y: f32[1,2,16]" in mjlib.millijoule("run", engine, "--random-inputs").stdout
    mjlib.millijoule("profile", engine, "--iterations", 1)
    mjlib.millijoule("compare", bench.folder / "model.onnx", engine)
    refused(FAILED, "run", engine, "--random-inputs", "--shapes", "x=1x5", says="5")
    odd = bench.compile(model_of("""agraph (float[N,L] x) => (float[N,M,33] y) {
        to = Constant<value = int64[3] {0, -1, 33}>()  y = Reshape(x, to) }"""), "--no-verify")
    refused(FAILED, "bench", odd, "--allow-unverified", says="no sizes are given for L, N: name some")


def test_stdout_that_takes_nothing(bench):
    engine = bench.compile(model_of(ONE))
    for verb in (["ops"], ["knobs"], ["--help"], ["inspect", engine], ["inspect", engine, "--json", "-"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([mjlib.BINARY, *verb], stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == ENVIRONMENT and "cannot write to stdout: No space left" in done.stderr, verb


def test_a_machine_without_threads_to_give(bench):
    engine = bench.compile(model_of(ONE))
    # A thread's stack would be larger than all the memory there may be.
    limited = f"ulimit -s 4000000 -v 3000000; exec {mjlib.BINARY} run {engine} --random-inputs --threads 2"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
    assert done.returncode == ENVIRONMENT and "cannot start thread 2 of 2: Resource temporarily" in done.stderr


def test_nothing_of_the_users_is_replaced(bench):
    path, engine = bench.save(model_of(ONE)), bench.folder / "e.engine"
    model = path.read_bytes()
    refused(USAGE, "compile", path, "-o", path, says="is the model itself")
    refused(USAGE, "compile", path, "-o", engine, "--cache", path, says="is not a tactic cache")
    refused(ENVIRONMENT, "compile", path, "-o", bench.folder / "absent" / "e.engine", says="absent/e.engine")
    assert path.read_bytes() == model and not engine.exists()


def test_destinations_are_checked_before_the_work(bench):
    path, engine, absent = bench.save(model_of(ONE)), bench.folder / "e.engine", bench.folder / "absent" / "x"
    for flag in ("--cache", "--json"):
        refused(ENVIRONMENT, "compile", path, "-o", engine, flag, absent, says="absent/x")
        assert not engine.exists(), flag
    for flag in ("-o", "--cache", "--cache-dir", "--json", "--samples"):
        refused(USAGE, "compile", path, "-o", engine, flag, "", says="the name of the file is empty")
        assert not engine.exists(), flag
    bench.compile(path)
    model = bench.folder / "model.engine"
    # An input that is not there would be complained of next.
    for verb, flag in (("run", "--outputs"), ("run", "--json"), ("profile", "--export"), ("bench", "--json")):
        words = (verb, model, "--inputs", bench.folder / "none.npz", flag)
        refused(ENVIRONMENT, *words, absent, says="absent/x")
        refused(USAGE, *words, "", says="the name of the file is empty")


def test_being_killed_leaves_nothing(bench):
    engine = bench.compile(model_of("agraph (float[1] x, int64[1] n) => (float[M] y) { y = Expand(x, n) }"))
    feed, folder = bench.folder / "in.npz", bench.folder / "out"
    folder.mkdir()
    np.savez(feed, x=normal(1), n=np.array([1 << 20]))
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system knows no files without a name")
    (folder / "o.npz").write_bytes(b"old")
    # A file larger than the limit ends the process by a signal, in the middle of writing.
    limited = f"ulimit -f 64; exec {mjlib.BINARY} run {engine} --inputs {feed} --outputs {folder}/o.npz"
    assert subprocess.run(["sh", "-c", limited], capture_output=True).returncode < 0
    assert [(file.name, file.read_bytes()) for file in folder.iterdir()] == [("o.npz", b"old")]


@pytest.mark.parametrize("knob, value, names", [("MJ_TACTIC", "gemm_f32", "MJ_TACTIC: no row answers to 'gemm_f32'"),
                                                ("MJ_PASSES", "-fuse", "MJ_PASSES: '-fuse'"),
                                                ("MJ_DEBUG", "x", "MJ_DEBUG: 'x' is no number")])
def test_knobs_that_name_nothing(bench, knob, value, names):
    path = bench.save(model_of(ONE))
    refused(USAGE, "compile", path, "-o", bench.folder / "e.engine", says=names, env={knob: value})


def test_more_is_said_when_asked(bench):
    path, engine = bench.save(model_of(ONE)), bench.folder / "e.engine"
    assert "debug: pass fuse_epilogue: unchanged" in mjlib.millijoule("compile", path, "-o", engine, "-v", "-v").stderr
    assert "debug: " not in mjlib.millijoule("compile", path, "-o", engine, "-v").stderr
    done = mjlib.millijoule("compile", path, "-o", engine, "-q")
    assert done.stdout == done.stderr == ""


def test_an_unverified_engine_is_never_silent(bench):
    done = bench.compile(model_of(ONE), "-q", "--no-verify", check=False)
    assert done.stdout == ""
    assert done.stderr == f"warning: {bench.folder / 'model.engine'}: UNVERIFIED: asked not to\n"


def test_lines_of_trtexec(bench):
    path, engine, times = bench.save(model_of(ONE)), bench.folder / "t.engine", bench.folder / "t.json"
    done = mjlib.millijoule(f"--onnx={path}", f"--saveEngine={engine}", "--memPoolSize=workspace:1024", "--skipInference")
    assert engine.exists() and "--memPoolSize has nothing to do here" in done.stderr
    mjlib.millijoule(f"--loadEngine={engine}", "--shapes=x:3x4", "--iterations=5", "--duration=0", "--warmUp=1",
                     "--avgRuns=10", "--percentile=99", f"--exportTimes={times}")
    assert len(json.loads(times.read_text())["results"]["samples_ms"]) == 5
    refused(USAGE, f"--loadEngine={engine}", "--dumpProfile", says="use `millijoule profile ENGINE`")
    refused(USAGE, f"--onnx={path}", f"--saveEngine={engine}", "--fp16", says="add --target cuda, or use bf16")
    refused(USAGE, f"--loadEngine={engine}", "--warmUp=soon", says="soon")


def test_a_line_of_trtexec_that_keeps_no_engine(bench):
    path, old, times = bench.save(model_of(ONE)), bench.folder / "model.engine", bench.folder / "t.json"
    old.write_bytes(b"another's")
    (bench.folder / "tmp").mkdir()
    words = [mjlib.BINARY.resolve(), f"--onnx={path}", "--iterations=5", "--duration=0", f"--exportTimes={times}"]
    done = subprocess.run(words, cwd=bench.folder, env={**os.environ, "TMPDIR": bench.folder / "tmp"},
                          capture_output=True, text=True)
    assert done.returncode == 0 and "without --saveEngine=FILE the engine is not kept" in done.stderr
    assert "verified on 1 sample" in done.stdout and "latency ms" in done.stdout
    assert len(json.loads(times.read_text())["results"]["samples_ms"]) == 5
    assert old.read_bytes() == b"another's" and not list((bench.folder / "tmp").iterdir())


def test_what_a_type_keeps_from_being_supported_is_on_the_list_too(bench):
    model = model_of("agraph (float[N] x, float[N] z) => (float[N] y) { a = Neg(z)  y = Abs(x) }")
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.COMPLEX64
    model.graph.node[1].op_type = "FluxCapacitor"
    done = bench.compile(model, check=False)
    assert done.returncode == UNSUPPORTED
    assert "input 'z': element type complex64" in done.stderr and "FluxCapacitor" in done.stderr


def test_ops_name_what_onnx_names():
    report = mjlib.millijoule_json("ops")
    names = {name.split(" (")[0] for row in report["ops"] for name in row["onnx"].split(", ")}
    names |= {name.split(" (")[0] for name in report["made_of_ops"]}
    assert {"Relu", "Conv", "Min", "Clip", "If", "LSTM", "QLinearConv"} <= names


def test_a_measurement_that_does_not_settle(bench):
    engine = bench.compile(model_of(ONE))
    fast = ("--duration", 0.05, "--iterations", 50)
    mjlib.millijoule("bench", engine, *fast, "--max-spread", 1e9)
    refused(5, "bench", engine, *fast, "--max-spread", 0, says="% above the median, --max-spread allows 0 %")


def test_profiling_an_unverified_engine_needs_the_flag(bench):
    engine = bench.compile(model_of(ONE), "--no-verify")
    refused(FAILED, "profile", engine, says="unverified (asked not to)")
    mjlib.millijoule("profile", engine, "--iterations", 1, "--allow-unverified")


def test_docs_ops_is_what_ops_prints():
    shown = mjlib.millijoule("ops", "--markdown").stdout
    assert (mjlib.ROOT / "docs/ops.md").read_text() == shown, "millijoule ops --markdown > docs/ops.md writes it anew"


def test_every_operator_is_asked_what_computes_it():
    """A new operator that no probe reaches gets a line in src/tools/op_probes.inc."""
    unknown = {row["name"] for row in mjlib.millijoule_json("ops")["ops"] if not row["reference"] and not row["boxed"]}
    assert unknown <= {"constant", "if", "plugin", "sequence_empty"}


def test_ops_name_the_rows_of_an_operator():
    rows = {row["name"]: row for row in mjlib.millijoule_json("ops")["ops"]}
    assert {"row": "gemm_f32", "types": ["f32"]} in rows["matmul"]["cpu"]
    assert "f16" in next(row["types"] for row in rows["matmul"]["cuda"] if row["row"] == "gemm_cuda_mma")
    assert "f64" in rows["matmul"]["reference"]
    assert not rows["det"]["cpu"] and not rows["det"]["cuda"]
    text = mjlib.millijoule("ops").stdout
    assert "max_pool" in text and "pool_f32: f32" in text and "com.microsoft" in text
