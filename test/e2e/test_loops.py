# SPDX-License-Identifier: Apache-2.0
"""Loop, Scan and SequenceMap, compared with ONNX Runtime."""

import numpy as np
import pytest
from conftest import model_of, normal

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
