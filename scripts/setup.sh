#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. scripts/common.sh
need build python voice picture cross fuzz format lint
need_python test demo models
say "everything is in place"
