#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lint.sh [files]: clang-tidy over these files or all of src/, shellcheck over the scripts.
set -eu
. scripts/common.sh
need build lint
mkdir -p build
configure release
shellcheck -x run .ci/run scripts/*.sh
[ $# -gt 0 ] || set -- $(git ls-files 'src/*.cc' | grep -v _test.cc)
printf '%s\n' "$@" | xargs -P "$jobs" -n 4 clang-tidy --quiet -p build/release
