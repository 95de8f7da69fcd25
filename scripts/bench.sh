#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. scripts/common.sh
need_python demo models
sh scripts/build.sh
exec $python scripts/bench.py "$@"
