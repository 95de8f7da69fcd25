# SPDX-License-Identifier: Apache-2.0
"""What an engine promises of itself: sizes, memory, who made it."""

import subprocess

import mjlib
import pytest
from conftest import model_of, normal

SMALL = "agraph (float[N,4] x, float[M,4] w) => (float[N,M] y) { t = Transpose<perm = [1, 0]>(w)  y = MatMul(x, t) }"


def test_shapes_as_trtexec_has_them_make_a_profile(bench):
    path, engine = bench.save(model_of(SMALL)), bench.folder / "model.engine"
    mjlib.millijoule(f"--onnx={path}", f"--saveEngine={engine}", "--minShapes=x:1x4", "--optShapes=x:2x4,w:3x4",
                     "--maxShapes=x:8x4")
    profile = mjlib.millijoule_json("inspect", engine)["profiles"][0]
    ranges = {row["symbol"]: (row["min"], row["opt"], row["max"]) for row in profile["symbols"]}
    assert ranges == {"N": (1, 2, 8), "M": (3, 3, 3)}
    assert bench.run(engine, {"x": normal(8, 4), "w": normal(3, 4)})["y"].shape == (8, 3)
    assert "outside every profile" in bench.run(engine, {"x": normal(9, 4), "w": normal(3, 4)}, check=False).stderr


@pytest.mark.parametrize("shapes, says", [("z:1x4", "the model has no input 'z'"), ("x:1x5", "dimension 1 must be 4"),
                                          ("x:1", "rank 2")])
def test_shapes_that_do_not_fit_are_refused(bench, shapes, says):
    done = bench.compile(model_of(SMALL), "--optShapes", shapes, check=False)
    assert done.returncode in (1, 2) and says in done.stderr


def test_memory_of_a_profile(bench):
    model = model_of("agraph (float[N,4] x) => (float[N,4] y) { a = Softmax<axis = 0>(x)  y = Softmax<axis = 1>(a) }")
    rows = mjlib.millijoule_json("inspect", bench.compile(model, "--profile", "N=1:100:1000"))["memory"]
    assert [row["at"] for row in rows] == ["opt", "max"]
    assert 0 < rows[0]["arena_bytes"] < rows[1]["arena_bytes"]
    free = mjlib.millijoule_json("inspect", bench.compile(model))
    assert free["memory"] == [], "sizes that nobody has named have no memory"
    at = [mjlib.millijoule_json("inspect", bench.folder / "model.engine", *option)["memory"] for option in
          (("--batch", "1000"), ("--shapes", "x=1000x4"))]
    assert [row["arena_bytes"] for [row] in at] == [rows[1]["arena_bytes"]] * 2
    wrong = mjlib.millijoule("inspect", bench.folder / "model.engine", "--shapes", "x=1x5", check=False)
    assert wrong.returncode == 2 and "dimension 1 must be 4" in wrong.stderr


def test_bench_shows_what_new_shapes_cost(bench):
    engine = bench.compile(model_of(SMALL))
    results = mjlib.millijoule_json("bench", engine, "--duration", "0.01", "--iterations", "1")["results"]
    assert 0 < results["new_shape_ms"] < results["first_answer_ms"]


def test_an_engine_that_nobody_trusted_signed_is_refused(bench):
    keys = [bench.folder / f"{name}.pem" for name in ("mine", "other")]
    for key in keys:
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", f"{key}.pub"], check=True)
    engine = bench.compile(model_of(SMALL), "--sign", keys[0])
    for verb in (["inspect"], ["run", "--random-inputs"], ["bench", "--duration", "0.01", "--iterations", "1"],
                 ["profile", "--iterations", "1"], ["compare", bench.folder / "model.onnx"]):
        mjlib.millijoule(*verb, engine, "--trusted-key", f"{keys[0]}.pub")
        done = mjlib.millijoule(*verb, engine, "--trusted-key", f"{keys[1]}.pub", check=False)
        assert done.returncode == 1 and "not among the 1 trusted ones" in done.stderr
    unsigned = bench.compile(model_of(SMALL))
    done = mjlib.millijoule("inspect", unsigned, "--trusted-key", f"{keys[0]}.pub", check=False)
    assert done.returncode == 1 and "it is not signed" in done.stderr


def test_explain_says_what_became_of_a_node(bench):
    path = bench.save(model_of("agraph (float[N,4] x, float[4,4] w) => (float[N,4] y) "
                               "{ [product] m = MatMul(x, w)  [activation] y = Relu(m) }"))
    report = mjlib.millijoule_json("explain", path, "activation")
    (node,) = report["nodes"]
    assert node["parts"][0]["step"].startswith("matmul+1") and "product (MatMul)" in node["parts"][0]["with"]
    done = mjlib.millijoule("explain", path, "no-such-node", check=False)
    assert done.returncode == 2 and "no node has 'no-such-node'" in done.stderr
