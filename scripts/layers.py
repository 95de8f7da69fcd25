#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the arrows between the folders of src/: who may include whom, and that no folder is without a test."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Layer -> what it may include besides itself. A layer is a path prefix under src/; the longest prefix decides.
# Order is the data flow; ABOVE stands for every layer listed before.
ABOVE = object()
MAY_INCLUDE = {
    "base": [],
    "ops": ["base"],
    "problem": ["base", "ops"],
    "device": ["base"],
    "energy": ["base"],
    "kernels": ["base", "ops", "problem", "device"],
    "ir": ["base", "ops", "problem"],
    "import": ["base", "ops", "ir"],
    "passes": ["base", "ops", "problem", "ir"],
    "tune": ["base", "ops", "problem", "ir", "kernels", "device", "energy"],
    "engine/format": ["base", "ops", "problem"],
    "engine/build": [ABOVE],
    "runtime": ["base", "ops", "problem", "device", "energy", "kernels", "engine/format"],
    "quantize": ["base", "ops", "ir"],
    "compile": [ABOVE],
    "serve": ["base", "device", "energy", "engine/format", "runtime", "compile"],
    "tools": [ABOVE],
}
# The half of kernels/ that a deployment holds: kernel.h, run*.h and <family>/run*.h.
RUN_SIDE = re.compile(r"kernels/(\w+/)?(run\w*|kernel)\.h")
TESTED_FROM_TEST = {"tools"}  # the verbs are tested as programs, in test/


def layer_of(path):
    return max((name for name in MAY_INCLUDE if path.startswith(name + "/")), key=len, default=None)


def check(source_root):
    order = list(MAY_INCLUDE)
    for path in sorted(p for p in source_root.rglob("*") if p.suffix in {".cc", ".h", ".inc"}):
        name = path.relative_to(source_root).as_posix()
        layer = layer_of(name)
        if layer is None:
            yield f"src/{name}: no layer of scripts/layers.py holds this folder"
            continue
        is_test = path.stem.endswith("_test")
        allowed = MAY_INCLUDE[layer]
        if ABOVE in allowed:
            allowed = order[: order.index(layer)]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([\w/]+\.\w+)"', line)
            target = found and layer_of(found[1])
            if not target or target == layer:
                continue
            if target not in allowed:
                yield f"src/{name}:{number}: {layer} may not include {target} ({found[1]})"
            elif layer == "runtime" and target == "kernels" and not is_test and not RUN_SIDE.fullmatch(found[1]):
                yield f"src/{name}:{number}: runtime may include only kernel.h and run*.h of kernels ({found[1]})"
    for folder in sorted({path.parent for path in source_root.rglob("*.cc")}):
        covering = [folder, *(parent for parent in folder.parents if source_root in parent.parents)]
        name = folder.relative_to(source_root).as_posix()
        if layer_of(name + "/") not in TESTED_FROM_TEST and not any(any(f.glob("*_test.cc")) for f in covering):
            yield f"src/{name}: no *_test.cc in this folder or above it"


def main():
    problems = list(check(ROOT / "src"))
    print("\n".join(problems) or "layers: every include follows an arrow of the table")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
