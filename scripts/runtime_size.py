#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the shared library a deployment needs: its size when stripped, and that no compiler and no oneDNN is in it."""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_BYTES = 4 << 20
COMPILER_SIDE = {"ir", "import", "passes", "tune", "engine_build", "quantize", "compile", "kernels_select"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--map", type=Path, required=True, help="the linker's map of the library")
    parser.add_argument("--strip", default="strip")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder) / args.library.name
        subprocess.run([args.strip, "--strip-unneeded", "-o", stripped, args.library], check=True)
        size_bytes = stripped.stat().st_size
    print(f"{args.library.name}: {size_bytes} bytes stripped, {LIMIT_BYTES} allowed")

    text = args.map.read_text(errors="replace")
    libraries = set(re.findall(r"lib(dnnl|gomp)\.so", text))
    for name in libraries:
        print(f"error: lib{name} is on the link line of the runtime library; only libmj_onednn.so may use it")
    linked = set(re.findall(r"libmj_(\w+)\.a", text))
    wrong = sorted(linked & COMPILER_SIDE)
    print("linked modules:", " ".join(sorted(linked)))
    for name in wrong:
        print(f"error: mj_{name} is on the link line of the runtime library; see who depends on it in src/")
    if not linked:
        print(f"error: {args.map} names no module; is it the map of this library?")
    return 1 if wrong or libraries or not linked or size_bytes > LIMIT_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
