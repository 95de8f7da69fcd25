#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. scripts/common.sh
need build python voice picture cross fuzz lint
need_python test format demo models peers
sh scripts/cross_root.sh
say "everything is in place"
