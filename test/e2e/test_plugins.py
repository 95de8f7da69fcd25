# SPDX-License-Identifier: Apache-2.0
"""Operators of the user's: examples/plugin.c through every verb, and what happens without it."""

import json
import shutil
import subprocess

import mjlib
import numpy as np
import pytest
from conftest import normal
from onnx import helper

PLUGIN = mjlib.BINARY.parent / "example_plugin.so"
SOURCE = mjlib.ROOT / "examples" / "plugin.c"
FAILED, USAGE, UNSUPPORTED, ENVIRONMENT = 1, 2, 3, 4
pytestmark = pytest.mark.skipif(not PLUGIN.exists(), reason="built without the example")


def network(alpha=0.5, n=3, declared=True):
    """y = EveryNth(Softsquare(Relu(x)) + 1), with both operators of the example."""
    nodes = [helper.make_node("Relu", ["x"], ["a"]),
             helper.make_node("Softsquare", ["a"], ["b"], name="soft", domain="example", alpha=alpha),
             helper.make_node("Add", ["b", "one"], ["c"]),
             helper.make_node("EveryNth", ["c"], ["y"], name="every", domain="example", n=n)]
    shape = ["M", 4] if declared else None
    graph = helper.make_graph(nodes, "custom", [helper.make_tensor_value_info("x", 1, ["N", 4])],
                              [helper.make_tensor_value_info("y", 1, shape)],
                              [helper.make_tensor("one", 1, [1], [1.0])])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("example", 1)])


def expected(x, alpha=0.5, n=3):
    square = np.maximum(x, 0) ** 2
    return (square / (square + np.float32(alpha)) + 1)[::n]


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def built(folder, old="", new="", flags=()):
    """The example, compiled by hand as a user would, after a change of its text."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    text = SOURCE.read_text()
    assert old in text
    source = folder / "plugin.c"
    source.write_text(text.replace(old, new))
    library = folder / "libplugin.so"
    subprocess.run([compiler, "-std=c99", "-shared", "-fPIC", "-O1", *flags, "-I", mjlib.ROOT / "include", source, "-o",
                    library], check=True)
    return library


def test_computes_what_the_plugin_does_at_every_size(bench):
    engine = bench.compile(network(), "--plugin", PLUGIN)
    for rows in (1, 7, 0, 64):
        x = normal(rows, 4, seed=rows)
        y = bench.run(engine, {"x": x}, "--plugin", PLUGIN)["y"]
        np.testing.assert_allclose(y, expected(x), rtol=1e-6)


def test_says_who_computes_what(bench):
    report = bench.folder / "report.json"
    engine = bench.compile(network(), "--plugin", PLUGIN, "--json", report)
    names = {row["operator"]: row["nodes"] for row in json.loads(report.read_text())["plugins"]}
    assert list(names) == ["example:example.Softsquare", "example:example.EveryNth"]
    assert "soft" in names["example:example.Softsquare"][0]

    shown = mjlib.millijoule_json("inspect", engine)  # without the plugin
    assert [(row["name"], row["version"]) for row in shown["plugins"]] == [("example", 1)]
    steps = {step.get("plugin"): step for step in shown["targets"][0]["steps"]}
    ways = {candidate["config"] for candidate in steps["example:example.Softsquare"]["candidates"]}
    assert {"tactic=serial", "tactic=parallel"} <= ways
    assert "example version 1" in mjlib.millijoule("inspect", engine, "--steps").stdout

    for verb in (["bench", "--duration", "0.01", "--iterations", "1"], ["profile", "--iterations", "2"]):
        whole = mjlib.millijoule_json(verb[0], engine, *verb[1:], "--plugin", PLUGIN, "--shapes", "x=64x4")
        rows = whole["results"]["plugins"] if verb[0] == "bench" else whole["plugins"]
        assert len(rows) == 2 and all(0 < row["share"] < 1 for row in rows)
    mjlib.millijoule("compare", bench.folder / "model.onnx", engine, "--plugin", PLUGIN)
    mjlib.millijoule("explain", bench.folder / "model.onnx", "--plugin", PLUGIN)


def test_each_tactic_can_be_chosen_and_agrees(bench):
    x = normal(9000, 4)
    for tactic in ("serial", "parallel"):
        library = built(bench.folder, '{"serial", "parallel"}',
                        '{"serial", "parallel"}' if tactic == "parallel" else '{"serial", "again"}')
        engine = bench.compile(network(), "--plugin", library)
        np.testing.assert_allclose(bench.run(engine, {"x": x}, "--plugin", library)["y"], expected(x), rtol=1e-6)


def test_constants_are_folded_only_where_the_plugin_is_pure(bench):
    constant = helper.make_model(
        helper.make_graph([helper.make_node("Softsquare", ["w"], ["s"], domain="example"),
                           helper.make_node("Add", ["x", "s"], ["y"])], "constant",
                          [helper.make_tensor_value_info("x", 1, [2])], [helper.make_tensor_value_info("y", 1, [2])],
                          [helper.make_tensor("w", 1, [2], [1.0, 2.0])]),
        ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("example", 1)])
    x = normal(2)
    for flags, steps in (("MJ_OPERATOR_PURE | MJ_OPERATOR_ROWS", 0), ("0", 1)):
        library = built(bench.folder, "MJ_OPERATOR_PURE | MJ_OPERATOR_ROWS", flags)
        engine = bench.compile(constant, "--plugin", library)
        found = [step for step in mjlib.millijoule_json("inspect", engine)["targets"][0]["steps"] if "plugin" in step]
        assert len(found) == steps
        y = bench.run(engine, {"x": x}, "--plugin", library)["y"]
        np.testing.assert_allclose(y, x + np.float32([0.5, 0.8]), rtol=1e-6)


def test_equal_nodes_are_one_only_where_the_plugin_is_pure(bench):
    nodes = [helper.make_node("Softsquare", ["x"], [name], domain="example") for name in "ab"]
    twice = helper.make_model(
        helper.make_graph([*nodes, helper.make_node("Add", ["a", "b"], ["y"])], "twice",
                          [helper.make_tensor_value_info("x", 1, ["N"])],
                          [helper.make_tensor_value_info("y", 1, ["N"])]),
        ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("example", 1)])
    for flags, count in (("MJ_OPERATOR_PURE | MJ_OPERATOR_ROWS", 1), ("0", 2)):
        library = built(bench.folder, "MJ_OPERATOR_PURE | MJ_OPERATOR_ROWS", flags)
        engine = bench.compile(twice, "--plugin", library)
        steps = mjlib.millijoule_json("inspect", engine)["targets"][0]["steps"]
        assert len([step for step in steps if "plugin" in step]) == count


def test_an_unknown_operator_names_the_ways_out(bench):
    done = bench.compile(network(), check=False)
    refused(done, UNSUPPORTED, "Softsquare (example, opset 1)", "EveryNth", "--plugin FILE", "ort:Softsquare",
            "--fallback ort:EveryNth")


def test_an_engine_without_its_plugin_says_which(bench):
    engine = bench.compile(network(), "--plugin", PLUGIN)
    done = bench.run(engine, {"x": normal(2, 4)}, check=False)
    refused(done, ENVIRONMENT, "plugin 'example' version 1 is not loaded", "2 nodes", "--plugin")
    newer = built(bench.folder, ".version = 1", ".version = 2")
    done = bench.run(engine, {"x": normal(2, 4)}, "--plugin", newer, check=False)
    refused(done, ENVIRONMENT, "is loaded in version 2, version 1 is wanted")
    other = built(bench.folder, "alpha must be above 0", "alpha has to be above 0")
    done = bench.run(engine, {"x": normal(2, 4)}, "--plugin", other, check=False)
    assert done.returncode == 0 and "is not the file that this engine was compiled and verified with" in done.stderr


def test_what_is_no_plugin(bench):
    text = bench.folder / "text.so"
    text.write_bytes(b"this is no library" * 100)
    other = next(path for path in mjlib.BINARY.parent.glob("libmillijoule_runtime.so"))
    for library, code, word in ((bench.folder / "absent.so", ENVIRONMENT, "absent.so"),
                                (text, ENVIRONMENT, "text.so"), (other, USAGE, "mj_plugin_table")):
        refused(bench.compile(network(), "--plugin", library, check=False), code, word)
    again = built(bench.folder)
    refused(bench.compile(network(), "--plugin", PLUGIN, "--plugin", again, check=False), USAGE, "loaded already")


@pytest.mark.parametrize("old, new, words", [
    ("y->rank = x->rank;\n  for", "y->rank = 99;\n  for", ["rank 99"]),
    ("y->dtype = x->dtype;\n  y->rank = x->rank;\n  /*", "y->dtype = 0;\n  y->rank = x->rank;\n  /*",
     ["element type 0", "every"]),
    ("const mj_size padded = sizes->combine(sizes->host, MJ_SIZE_ADD, x->dims[0], n - 1);",
     "const mj_size padded = -12345;", ["that is no size"]),
    ("  const int64_t n = ((const EveryNth*)instance)->n;\n  size_t row",
     "  const int64_t n = ((const EveryNth*)instance)->n;\n"
     "  snprintf(call->error, call->error_bytes, \"not today\");\n  if (n) return 1;\n  size_t row", ["not today"]),
])
def test_what_a_plugin_does_wrong_is_named(bench, old, new, words):
    library = built(bench.folder, old, new)
    done = bench.compile(network(), "--plugin", library, check=False)
    if "not today" in words:  # on random inputs nothing could be compared
        assert done.returncode == 0 and "not today" in done.stdout
        return
    refused(done, FAILED, "example:example.", *words)
    assert not (bench.folder / "model.engine").exists()


def test_attributes_the_plugin_refuses(bench):
    refused(bench.compile(network(alpha=-1.0), "--plugin", PLUGIN, check=False), FAILED, "soft",
            "alpha must be above 0, got -1")


def test_an_operator_that_is_only_known_when_it_runs(bench):
    """EveryNth, changed to leave out rows that begin with a number below 0."""
    library = built(bench.folder, "  y->dims[0] = sizes->combine(sizes->host, MJ_SIZE_DIV, padded, n);",
                    "  y->dims[0] = sizes->late(sizes->host);\n  (void)padded;")
    text = (bench.folder / "plugin.c").read_text()
    begin = text.index("static int every_nth_run")
    end = text.index("static const mj_operator kEveryNth")
    body = """static int every_nth_run(void* instance, mj_run_call* call) {
  (void)instance;
  const float* x = call->inputs[0].data;
  int64_t dims[] = {0, call->inputs[0].dims[1]};
  for (int64_t i = 0; i < call->inputs[0].dims[0]; ++i) dims[0] += x[i * dims[1]] > 1.5f;
  float* y = call->allocate(call->host, 0, dims);
  if (!y) return 1;
  for (int64_t i = 0; i < call->inputs[0].dims[0]; ++i) {
    if (x[i * dims[1]] <= 1.5f) continue;
    memcpy(y, x + i * dims[1], sizeof(float) * (size_t)dims[1]);
    y += dims[1];
  }
  return 0;
}

"""
    changed = bench.folder / "changed"
    changed.mkdir()
    source = changed / "plugin.c"
    source.write_text(text[:begin] + body + text[end:])
    library = changed / "libplugin.so"
    subprocess.run([shutil.which("cc"), "-std=c99", "-shared", "-fPIC", "-I", mjlib.ROOT / "include", source, "-o",
                    library], check=True)
    engine = bench.compile(network(declared=False), "--plugin", library)
    for rows in (5, 40, 1):
        x = normal(rows, 4, seed=rows)
        whole = expected(x, n=1)
        y = bench.run(engine, {"x": x}, "--plugin", library)["y"]
        np.testing.assert_allclose(y, whole[whole[:, 0] > 1.5], rtol=1e-6)


def test_rows_of_a_batch_alone_and_together(bench):
    model = network()
    del model.graph.node[3], model.graph.node[0]
    model.graph.node[0].input[0] = "x"
    model.graph.output[0].name = "c"
    engine = bench.compile(model, "--plugin", PLUGIN)
    x = normal(33, 4)
    together = bench.run(engine, {"x": x}, "--plugin", PLUGIN, "--threads", "2")["c"]
    for i in (0, 7, 32):
        np.testing.assert_array_equal(bench.run(engine, {"x": x[i : i + 1]}, "--plugin", PLUGIN)["c"],
                                      together[i : i + 1])


def test_gpu_code_is_in_the_engine(bench):
    """Compiled for a GPU that is not here: the engine has the kernel, or the reason why it could not be compiled."""
    done = bench.compile(network(), "--plugin", PLUGIN, "--target", "cuda-sm90", "--estimate", check=False)
    if "NVRTC" in done.stderr:
        pytest.skip("no NVRTC")
    assert done.returncode == 0, done.stderr
    steps = mjlib.millijoule_json("inspect", bench.folder / "model.engine")["targets"][0]["steps"]
    tactics = {step["plugin"]: step["tactic"] for step in steps if "plugin" in step}
    assert tactics == {"example:example.Softsquare": "plugin_cuda", "example:example.EveryNth": "plugin"}


def test_a_name_without_slashes_is_a_file_here_not_one_of_the_system(bench, monkeypatch):
    monkeypatch.chdir(bench.folder)
    shutil.copy(PLUGIN, bench.folder / "mine.so")
    bench.compile(network(), "--plugin", "mine.so")
    refused(bench.compile(network(), "--plugin", "libc.so.6", check=False), ENVIRONMENT, "libc.so.6")


def test_the_c_interface_loads_plugins(bench):
    program = mjlib.BINARY.parent / "examples" / "run_engine"
    if not program.exists():
        pytest.skip("built without the example")
    engine = bench.compile(network(), "--plugin", PLUGIN)
    done = subprocess.run([program, engine, PLUGIN], capture_output=True, text=True)
    assert done.returncode == 0 and "y: f32[1,4]" in done.stdout, done.stderr
    done = subprocess.run([program, engine], capture_output=True, text=True)
    assert done.returncode == ENVIRONMENT and "mj_plugin_load()" in done.stderr
