#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every source file names its licence within its first two lines."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = {".cc", ".h", ".inc", ".cu", ".c", ".py", ".sh", ".cmake"}
NAMES = {"CMakeLists.txt", "run", ".clang-format", ".clang-tidy"}


def main():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    files = [ROOT / name for name in listed if Path(name).suffix in SUFFIXES or Path(name).name in NAMES]
    missing = [path for path in files if path.is_file()
               and "SPDX-License-Identifier: Apache-2.0" not in "".join(path.read_text().splitlines()[:2])]
    for path in missing:
        print(f"{path.relative_to(ROOT)}: no 'SPDX-License-Identifier: Apache-2.0' in the first two lines")
    print(f"spdx: {len(files)} files, {len(missing)} without the line")
    return 1 if missing or not files else 0


if __name__ == "__main__":
    sys.exit(main())
