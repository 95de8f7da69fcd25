#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# format.sh [--check]: formats every C++ file, or names those that are not formatted and fails.
# clang-format 14 decides: other versions lay out the same style differently.
set -eu
. scripts/common.sh
need format
files() { git ls-files -z --cached --others --exclude-standard '*.cc' '*.h'; }
if [ "${1:-}" = --check ]; then
  files | xargs -0 -r clang-format-14 --dry-run --Werror
else
  files | xargs -0 -r clang-format-14 -i
fi
