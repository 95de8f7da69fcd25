# SPDX-License-Identifier: Apache-2.0
"""Operators as they came before opset 7, of ranks that only running can tell, and drawn numbers."""

import mjlib
import numpy as np
import onnx
import pytest
from conftest import model_of, normal


def answers(bench, model, feed):
    return bench.run(bench.compile(model, "--estimate"), feed, "--allow-unverified")


def test_broadcasting_by_attributes_before_opset_7(bench):
    model = model_of("""agraph (float[2,3,4,5] x, float[3,4] b, float[3] s) => (float[2,3,4,5] y) {
      a = Add<axis = 1, broadcast = 1>(x, b)
      y = PRelu(a, s)
    }""", opset=6)
    x, b, s = normal(2, 3, 4, 5), normal(3, 4, seed=1), normal(3, seed=2)
    a = x + b[:, :, None]
    got = answers(bench, model, {"x": x, "b": b, "s": s})
    np.testing.assert_allclose(got["y"], np.where(a < 0, a * s[:, None, None], a), rtol=1e-6)


def test_batch_norm_before_opset_7_says_that_it_does_not_train(bench):
    text = "agraph (float[2,3,4] x, float[3] a, float[3] b, float[3] m, float[3] v) => (float[2,3,4] y) {{ {} }}"
    x, a, b, m = normal(2, 3, 4), *(normal(3, seed=seed) for seed in (1, 2, 3))
    v = np.abs(normal(3, seed=4)) + 1
    got = answers(bench, model_of(text.format("y = BatchNormalization<is_test = 1>(x, a, b, m, v)"), opset=6),
                  {"x": x, "a": a, "b": b, "m": m, "v": v})
    row = [array[:, None] for array in (a, b, m, v)]
    np.testing.assert_allclose(got["y"], (x - row[2]) / np.sqrt(row[3] + 1e-5) * row[0] + row[1], rtol=1e-4, atol=1e-5)
    done = bench.compile(model_of(text.format("y = BatchNormalization(x, a, b, m, v)"), opset=6), check=False)
    assert done.returncode == 3 and "training" in done.stderr


@pytest.mark.parametrize("target", [[6, 4], [-1], [2, 1, 3, 4], [0, -1]])
def test_reshape_to_as_many_dims_as_the_input_says(bench, target):
    model = model_of("""agraph (float[A,B,C] x, int64[R] s) => (float y, int64[K] k) {
      r = Reshape(x, s)
      y = Relu(r)
      k = Shape(y)
    }""")
    x = normal(2, 3, 4)
    got = answers(bench, model, {"x": x, "s": np.array(target, np.int64)})
    want = np.maximum(x, 0).reshape([2 if size == 0 else size for size in target])
    np.testing.assert_array_equal(got["y"], want)
    assert got["k"].tolist() == list(want.shape)


def test_reshape_to_what_does_not_fit_is_an_error(bench):
    model = model_of("agraph (float[A,B] x, int64[R] s) => (float y) { y = Reshape(x, s) }")
    engine = bench.compile(model, "--estimate")
    done = bench.run(engine, {"x": normal(2, 3), "s": np.array([4, 2], np.int64)}, "--allow-unverified", check=False)
    assert done.returncode == 1 and "does not fit" in done.stderr


@pytest.mark.parametrize("name, inputs, feed", [
    ("Expand", "float[A,B] x, int64[R] s", {"x": normal(1, 3), "s": np.array([2, 4, 3], np.int64)}),
    ("ConstantOfShape", "int64[R] s", {"s": np.array([2, 3], np.int64)}),
    ("GatherND", "float[A,B,C] x, int64[N,D] i", {"x": normal(2, 3, 4), "i": np.array([[1, 2], [0, -1]], np.int64)}),
    ("ScatterND", "float[A,B] x, int64[N,D] i, float[N,E] u",
     {"x": normal(4, 3), "i": np.array([[2], [0]], np.int64), "u": normal(2, 3, seed=1)}),
    ("Slice", "float[A,B,C] x, int64[R] s, int64[R] e",
     {"x": normal(4, 3, 2), "s": np.array([1, -2], np.int64), "e": np.array([9, -1], np.int64)}),
])
def test_ranks_known_late(bench, name, inputs, feed):
    given = ", ".join(part.split()[1] for part in inputs.split(", "))
    model = model_of(f"agraph ({inputs}) => (float y) {{ y = {name}({given}) }}")
    want = mjlib.Reference(bench.save(model)).run(feed)["y"]
    np.testing.assert_array_equal(answers(bench, model, feed)["y"], want)


def test_rows_of_indices_longer_than_the_rank_are_an_error(bench):
    model = model_of("agraph (float[A] x, int64[N,D] i, float[N] u) => (float[A] y) { y = ScatterND(x, i, u) }")
    feed = {"x": normal(4), "i": np.array([[1, 2]], np.int64), "u": normal(1)}
    done = bench.run(bench.compile(model, "--estimate"), feed, "--allow-unverified", check=False)
    assert done.returncode == 1 and "indices" in done.stderr


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_attention_with_heads_known_late(bench, kv_heads):
    model = model_of("""agraph (float[B,H,S,D] q, float[B,K,T,D] k, float[B,K,T,E] v) => (float[B,H,S,E] y) {
      y = Attention<is_causal = 1>(q, k, v)
    }""", opset=23)
    feed = {"q": normal(2, 4, 3, 8), "k": normal(2, kv_heads, 5, 8, seed=1), "v": normal(2, kv_heads, 5, 6, seed=2)}
    bench.agree(model, feed)


def test_heads_that_cannot_be_shared_are_an_error(bench):
    model = model_of("agraph (float[B,H,S,D] q, float[B,K,T,D] k) => (float y) { y = Attention(q, k, k) }", opset=23)
    feed = {"q": normal(1, 3, 2, 4), "k": normal(1, 2, 2, 4)}
    done = bench.run(bench.compile(model, "--estimate"), feed, "--allow-unverified", check=False)
    assert done.returncode == 1


def test_flex_attention_calls_its_graphs(bench):
    node = onnx.helper.make_node("FlexAttention", ["q", "k", "v"], ["y"], domain="ai.onnx.preview")
    model = model_of("""agraph (float[1,2,3,4] q, float[1,2,5,4] k, float[1,2,5,4] v) => (float[1,2,3,4] y) {
      y = Relu(q)
    }""", opset=26)
    body = onnx.parser.parse_graph("change (float[B,H,L,S] s) => (float[B,H,L,S] t) { t = Tanh(s) }")
    node.attribute.append(onnx.helper.make_attribute("score_mod", body))
    model.graph.ClearField("node")
    model.graph.node.append(node)
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.preview", 1))
    q, k, v = normal(1, 2, 3, 4), normal(1, 2, 5, 4, seed=1), normal(1, 2, 5, 4, seed=2)
    weights = np.exp(np.tanh(q @ k.swapaxes(2, 3) / 2))
    want = weights / weights.sum(-1, keepdims=True) @ v
    np.testing.assert_allclose(answers(bench, model, {"q": q, "k": k, "v": v})["y"], want, rtol=1e-5, atol=1e-6)


def test_scan_of_opset_8_scans_each_row_of_the_batch(bench):
    model = model_of("""agraph (float[B,2] s, float[B,N,2] x) => (float[B,2] y, float[B,N,2] all) {
      y, all = Scan<num_scan_inputs = 1, directions = [1],
                    body = b (float[2] a, float[2] i) => (float[2] c, float[2] d) {
                      c = Add(a, i)  d = Identity(c)
                    }>(, s, x)
    }""", opset=8)
    s, x = normal(3, 2), normal(3, 4, 2, seed=1)
    got = answers(bench, model, {"s": s, "x": x})
    want = s[:, None] + np.cumsum(x[:, ::-1], 1)
    np.testing.assert_allclose(got["all"], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["y"], want[:, -1], rtol=1e-5, atol=1e-6)


def test_stft_is_the_transform_of_each_frame(bench):
    model = model_of("""agraph (float[B,N,1] x, int64 step, float[W] w) => (float[B,F,K,2] y) {
      y = STFT(x, step, w)
    }""")
    x, window = normal(2, 50, 1), np.hanning(16).astype(np.float32)
    got = answers(bench, model, {"x": x, "step": np.array(5, np.int64), "w": window})["y"]
    frames = np.stack([x[:, at:at + 16, 0] * window for at in range(0, 35, 5)], 1)
    want = np.fft.rfft(frames)
    np.testing.assert_allclose(got[..., 0] + 1j * got[..., 1], want, rtol=1e-4, atol=1e-5)


def test_drawn_numbers_are_as_asked_for_and_the_same_in_each_run(bench):
    model = model_of("""agraph (float[N] p, float[B,3] l)
                               => (float[40000] u, float[40000] n, float[N] b, int32[B,9000] c) {
      u = RandomUniform<shape = [40000], low = 2.0, high = 4.0, seed = 3.0>()
      n = RandomNormal<shape = [40000], mean = 1.0, scale = 2.0>()
      b = Bernoulli(p)
      c = Multinomial<sample_size = 9000>(l)
    }""")
    chances = np.log(np.array([[0.5, 0.3, 0.2], [0, 0.1, 0.9]], np.float32) + 1e-30)
    feed = {"p": np.full(20000, 0.25, np.float32), "l": chances}
    engine = bench.compile(model)
    got, again = bench.run(engine, feed), bench.run(engine, feed)
    for name, array in got.items():
        np.testing.assert_array_equal(array, again[name])
    assert 2 <= got["u"].min() and got["u"].max() <= 4 and abs(got["u"].mean() - 3) < 0.02
    assert abs(got["n"].mean() - 1) < 0.05 and abs(got["n"].std() - 2) < 0.05
    assert set(np.unique(got["b"])) == {0, 1} and abs(got["b"].mean() - 0.25) < 0.02
    shares = [np.bincount(row, minlength=3) / 9000 for row in got["c"]]
    np.testing.assert_allclose(shares, [[0.5, 0.3, 0.2], [0, 0.1, 0.9]], atol=0.03)


@pytest.mark.parametrize("training", [False, True])
def test_dropout_drops_where_it_trains(bench, training):
    model = model_of("""agraph (float[N] x, float r, bool t) => (float[N] y, bool[N] kept) {
      y, kept = Dropout(x, r, t)
    }""")
    x = normal(10000)
    got = answers(bench, model, {"x": x, "r": np.array(0.25, np.float32), "t": np.array(training)})
    assert abs(got["kept"].mean() - (0.75 if training else 1)) < 0.02
    want = np.where(got["kept"], x / 0.75, 0) if training else x
    np.testing.assert_allclose(got["y"], want, rtol=1e-6)


def test_a_number_with_a_dim_gives_its_dim_to_the_result(bench):
    bench.agree(model_of("""agraph (float x) => (float[1] y) {
      c = Constant<value_floats = [1.5]>()  a = Add(x, c)  y = Exp(a)
    }"""), {"x": np.array(0.5, np.float32)})


def test_a_constant_under_two_names_keeps_both(bench):
    """The one is an output, of the other a rewrite makes new weights."""
    bench.agree(model_of("""agraph (float[1,1,3,4] x) => (float[1,1,1,1] y, float[1,1,3,4] z)
      <float[1,1,1,1] w = {2}, float s = {0.5}> {
      v = Neg(w)  y = Max(v)  a = Conv(x, v)  z = Add(a, s)
    }"""), {"x": normal(1, 1, 3, 4)})


def test_random_graphs_agree(tmp_path):
    """A short run of ./run fuzz-graphs."""
    import fuzz_graphs

    assert fuzz_graphs.run(60, seed=1, jobs=2, findings=tmp_path) == 0
