#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# format.sh [--check]: formats every C++ file, or names those that are not formatted and fails.
# Versions of clang-format lay out the same style differently; 14 decides, and PyPI has it for every distribution.
set -eu
. scripts/common.sh
need list
need_python format
mode=-i
[ "${1:-}" != --check ] || mode="--dry-run --Werror"
# shellcheck disable=SC2086  # two words
git ls-files -z --cached --others --exclude-standard '*.cc' '*.h' | xargs -0 -r .venv/bin/clang-format $mode
