#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lint.sh [files]: clang-tidy over these files or all of src/, shellcheck over the scripts.
set -eu
. scripts/common.sh
need build lint list
mkdir -p build
configure release
shellcheck -x run .ci/run scripts/*.sh
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else git ls-files 'src/*.cc'; fi | grep -v '_test\.cc$' |
  xargs -P "$jobs" -n 4 clang-tidy --quiet -p build/release --extra-arg=-Wno-unknown-warning-option
