# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models through the `millijoule` binary, compared with ONNX Runtime."""

import pathlib
import sys

import numpy as np
import onnx
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import mjlib  # noqa: E402


def pytest_configure(config):
    if not mjlib.BINARY.exists():
        pytest.exit(f"{mjlib.BINARY} does not exist; run ./run build first", returncode=4)


def model_of(body, opset=17, functions=""):
    """A model from ONNX's text form: `agraph (float[N,3] x) => (float[N,3] y) { y = Relu(x) }`."""
    domains = f'"" : {opset}' + (', "local" : 1' if functions else "")
    return onnx.parser.parse_model(f"<ir_version: 8, opset_import: [{domains}]>\n{body}\n{functions}")


class Workbench:
    """Compiles and runs models in one test's own folder."""

    def __init__(self, folder):
        self.folder = folder

    def save(self, model, name="model.onnx"):
        path = self.folder / name
        path.write_bytes(model.SerializeToString() if isinstance(model, onnx.ModelProto) else model)
        return path

    def compile(self, model, *options, check=True):
        """Returns the engine's path, or with check=False the finished process."""
        path = model if isinstance(model, pathlib.Path) else self.save(model)
        engine = self.folder / "model.engine"
        done = mjlib.millijoule("compile", path, "-o", engine, *options, check=check)
        return engine if check else done

    def run(self, engine, feed, *options, check=True):
        """Returns {output: array}, or with check=False the finished process."""
        inputs, outputs = self.folder / "in.npz", self.folder / "out.npz"
        np.savez(inputs, **feed)
        outputs.unlink(missing_ok=True)
        done = mjlib.millijoule("run", engine, "--inputs", inputs, "--outputs", outputs, *options, check=check)
        if not check:
            assert done.returncode == 0 or not outputs.exists(), "a failed run must write nothing"
            return done
        with np.load(outputs) as archive:
            return dict(archive)

    def agree(self, model, *feeds, tolerance=1e-5):
        """One engine for all feeds; names, dtypes, shapes and values as ONNX Runtime has them."""
        path = model if isinstance(model, pathlib.Path) else self.save(model)
        try:
            reference = mjlib.Reference(path)
        except Exception as error:  # ONNX Runtime has no common class for "not implemented"
            pytest.skip(f"ONNX Runtime does not run this model: {error}")
        engine = self.compile(path)
        for feed in feeds:
            ours, theirs = self.run(engine, feed), reference.run(feed)
            assert set(ours) == set(theirs)
            for name, expected in theirs.items():
                assert (ours[name].dtype, ours[name].shape) == (expected.dtype, expected.shape), name
                if expected.dtype.kind == "f":
                    np.testing.assert_allclose(ours[name], expected, rtol=tolerance, atol=tolerance, err_msg=name)
                else:
                    np.testing.assert_array_equal(ours[name], expected, err_msg=name)


@pytest.fixture
def bench(tmp_path):
    return Workbench(tmp_path)


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
