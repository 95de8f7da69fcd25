#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. scripts/common.sh
[ -n "${MILLIJOULE:-}" ] || sh scripts/build.sh
exec "${PYTHON:-python3}" scripts/gpu_bench.py "$@"
