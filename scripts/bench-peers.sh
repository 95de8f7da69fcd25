#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. scripts/common.sh
need_python peers
sh scripts/build.sh
exec $python scripts/bench_peers.py "$@"
