# SPDX-License-Identifier: Apache-2.0
"""Loop, Scan and SequenceMap, compared with ONNX Runtime."""

import mjlib
import numpy as np
import pytest
from conftest import model_of, normal

POWERS = """agraph (int64 m, bool c, float[N] x) => (float[N] last, float[M, N] all) {
  limit = Constant<value = float {100.0}>()
  last, all = Loop(m, c, x) <body = b (int64 i, bool go_on, float[N] a) => (bool more, float[N] d, float[N] s) {
    d = Add(a, a)  s = Identity(a)  top = ReduceMax<keepdims = 0>(d)  more = Less(top, limit)
  }>
}"""


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_loop_ends_early(bench, most):
    feeds = [{"m": np.array(most, np.int64), "c": np.array(True), "x": np.abs(normal(n)) + 1} for n in (1, 5)]
    bench.agree(model_of(POWERS), *feeds)


@pytest.mark.parametrize("most, condition", [(0, True), (3, False), (-1, True)])
def test_loop_never_begins(bench, most, condition):
    x = normal(5)
    got = bench.run(bench.compile(model_of(POWERS)), {"m": np.array(most, np.int64), "c": np.array(condition), "x": x})
    np.testing.assert_array_equal(got["last"], x)
    assert got["all"].shape == (0, 5)  # ONNX Runtime has (0, 0): it forgets what an item would have been


def test_loop_carries_what_grows(bench):
    model = model_of("""agraph (int64 m, float[N,2] x) => (float[G,2] y) {
      y = Loop(m, , x) <body = b (int64 i, bool go_on, float[K,2] a) => (bool more, float[L,2] d) {
        more = Identity(go_on)  s = Shape(a)  f = Cast<to = 1>(s)  e = ReduceSum<keepdims = 0>(f)
        t = Add(x, e)  d = Concat<axis = 0>(a, t)
      }>
    }""")
    bench.agree(model, *({"m": np.array(m, np.int64), "x": normal(n, 2)} for m, n in ((0, 2), (1, 1), (4, 3))))


def test_nested_loops_capture_from_all_around(bench):
    model = model_of("""agraph (int64 m, float[N] x) => (float[N] y, float[M,K,N] all) {
      y, all = Loop(m, , x) <body = outer (int64 i, bool go_on, float[N] a) => (bool more, float[N] b, float[K,N] rows) {
        more = Identity(go_on)  two = Constant<value = int64 {2}>()
        b, rows = Loop(two, , a) <body = inner (int64 j, bool inner_on, float[N] p) => (bool on, float[N] q, float[N] r) {
          on = Identity(inner_on)  k = Add(i, j)  f = Cast<to = 1>(k)  t = Mul(x, f)  q = Add(p, t)  r = Sub(q, a)
        }>
      }>
    }""")
    bench.agree(model, *({"m": np.array(m, np.int64), "x": normal(n)} for m, n in ((1, 3), (3, 2))))


def test_loop_within_if(bench):
    model = model_of("""agraph (bool c, int64 m, float[N] x) => (float[N] y) {
      y = If(c) <then_branch = t () => (float[N] p) {
          p = Loop(m, , x) <body = b (int64 i, bool go_on, float[N] a) => (bool more, float[N] d) {
            more = Identity(go_on)  d = Mul(a, x)
          }>
        }, else_branch = e () => (float[N] n) { n = Neg(x) }>
    }""")
    bench.agree(model, *({"c": np.array(c), "m": np.array(2, np.int64), "x": normal(3)} for c in (True, False)))


def test_stacked_items_must_not_change(bench):
    model = model_of("""agraph (int64 m, float[N] x) => (float[G] y, float[M,K] all) {
      y, all = Loop(m, , x) <body = b (int64 i, bool go_on, float[K] a) => (bool more, float[L] d, float[L] s) {
        more = Identity(go_on)  d = Concat<axis = 0>(a, a)  s = Identity(d)
      }>
    }""")
    engine = bench.compile(model)
    assert bench.run(engine, {"m": np.array(1, np.int64), "x": normal(2)}, "--allow-unverified")["all"].shape == (1, 4)
    done = bench.run(engine, {"m": np.array(2, np.int64), "x": normal(2)}, "--allow-unverified", check=False)
    assert done.returncode == 1
    assert "is stacked, so it must not change" in done.stderr


@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scan(bench, axis, reverse):
    model = model_of(f"""agraph (float[2] s, float[A,B,2] x) => (float[2] t, float[P,Q,2] z) {{
      t, z = Scan<num_scan_inputs = 1, scan_input_axes = [{axis - 1 if axis < 0 else axis}],
                  scan_input_directions = [{reverse}], scan_output_axes = [{abs(axis)}],
                  scan_output_directions = [{reverse}],
                  body = b (float[2] a, float[C,2] e) => (float[2] d, float[C,2] o) {{
        m = ReduceMean<axes = [0], keepdims = 0>(e)  h = Add(a, m)  d = Tanh(h)  o = Add(e, d)
      }}>(s, x)
    }}""")
    bench.agree(model, *({"s": normal(2), "x": normal(a, b, 2)} for a, b in ((3, 4), (1, 2))))


def test_scan_inputs_are_of_one_length(bench):
    model = model_of("""agraph (float[N] x, float[M] y) => (float[K] z) {
      z = Scan<num_scan_inputs = 2, body = b (float p, float q) => (float r) { r = Mul(p, q) }>(x, y)
    }""")
    engine = bench.compile(model)
    assert bench.run(engine, {"x": normal(3), "y": normal(3)})["z"].shape == (3,)
    done = bench.run(engine, {"x": normal(3), "y": normal(4)}, check=False)
    assert done.returncode != 0
    assert "the lengths of inputs 0 and 1 must be equal, got 3 and 4" in done.stderr


ENDLESS = """agraph (float[N] x) => (float[N] y) {
  yes = Constant<value = bool {1}>()
  y = Loop(, yes, x) <body = forever (int64 i, bool go_on, float[N] a) => (bool more, float[N] d) {
    d = Neg(a)  s = ReduceMax<keepdims = 0>(a)  limit = Constant<value = float {100.0}>()  more = Less(s, limit)
  }>
}"""


def test_loop_that_never_ends_on_random_inputs(bench):
    model = model_of(ENDLESS)
    model.graph.node[1].name = "forever"
    done = bench.compile(model, check=False)
    assert done.returncode == 0 and "UNVERIFIED: forever (Loop): its body ran 10000 times" in done.stdout + done.stderr
    assert "--samples" in done.stdout + done.stderr
    assert "UNVERIFIED: forever (Loop)" in bench.compile(model, "-q", check=False).stderr
    feed = {"x": np.full(3, 200, np.float32)}
    refused = bench.run(bench.folder / "model.engine", feed, check=False)
    assert refused.returncode != 0 and "unverified" in refused.stderr

    # On inputs for which it ends it is verified; on others it fails by name.
    np.savez(bench.folder / "sample.npz", **feed)
    engine = bench.compile(model, "--samples", bench.folder / "sample.npz")
    np.testing.assert_array_equal(bench.run(engine, feed)["y"], -feed["x"])
    done = mjlib.millijoule("run", engine, "--random-inputs", "--shapes", "x=3", check=False, env={"MJ_LOOPS": "1000"})
    assert done.returncode == 1 and "forever (Loop): its body ran 1000 times" in done.stderr and "MJ_LOOPS" in done.stderr


def test_a_limit_of_loops_is_a_number(bench):
    engine = bench.compile(model_of(POWERS))
    done = mjlib.millijoule("run", engine, "--random-inputs", check=False, env={"MJ_LOOPS": "many"})
    assert done.returncode == 2 and "MJ_LOOPS: 'many'" in done.stderr
