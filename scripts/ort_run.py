# SPDX-License-Identifier: Apache-2.0
"""What `millijoule run` does, by ONNX Runtime: npz in, npz out. bench.py compares the memory."""

import argparse

import numpy as np

import mjlib

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--outputs", required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with np.load(options.inputs) as archive:
        np.savez(options.outputs, **mjlib.Reference(options.model, options.threads).run(dict(archive)))
