#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. scripts/common.sh
preset=${1:-release}
[ $# -eq 0 ] || shift

need build
case $preset in
  fuzz) need fuzz ;;
  aarch64)
    need cross
    sh scripts/cross_root.sh
    ;;
esac
mkdir -p build
configure "$preset"
# The release preset builds what is shipped; tests and benchmarks are built by the verbs that run them.
if [ "$preset" = release ] && [ $# -eq 0 ]; then set -- shipped; fi
cmake --build "build/$preset" -j "$jobs" ${1:+--target} "$@"
[ "$preset" != release ] || say "build/release/millijoule"
