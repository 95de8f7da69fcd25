#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. scripts/common.sh
need_python test
sh scripts/build.sh
exec $python scripts/malformed.py "$@"
