#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [target] [runs]: runs the fuzzers with ASan and UBSan from small valid files, prints which lines of the reader
# they reached, and checks that each also finds the bug planted in its twin. Findings stay in build/fuzz-findings.
set -eu
. scripts/common.sh
targets=${1:-fuzz_onnx fuzz_engine}
runs=${2:-1000000}
need build fuzz python
need_python test
millijoule=${MILLIJOULE:-build/release/millijoule} # compiles the engines to start from
[ -n "${MILLIJOULE:-}" ] || sh scripts/build.sh
sh scripts/build.sh fuzz mj_fuzzers
clang_version=$(clang -dumpversion | cut -d. -f1)
findings=build/fuzz-findings
mkdir -p $findings

# The files whose lines a target is there to reach, as a pattern.
reader_of() {
  case $1 in
    fuzz_onnx) echo '^src/import/' ;;
    fuzz_engine) echo '^src/engine/format/(constants|container[.]|container_layout|engine_file|[a-z]+_verify|plan|records|wire)' ;;
    *) die "no fuzz target '$1'" ;;
  esac
}

# The lines of a coverage report for files of a pattern, and their sum.
lines_of() { # PATTERN
  awk -v pattern="$1" '$1 ~ pattern { printf "%6.1f %% of %4d lines  %s\n", $5 ? 100 * ($5 - $6) / $5 : 100, $5, $1
                                      lines += $5; missed += $6 }
                       END { printf "%6.1f %% of %4d lines in all\n", 100 * (lines - missed) / lines, lines }'
}

fuzz() { # EXECUTABLE RUNS CORPUS PROFILE
  LLVM_PROFILE_FILE=$4 UBSAN_OPTIONS=print_stacktrace=1 "build/fuzz/fuzz/$1" -runs="$2" -max_len=32768 -timeout=20 \
    -rss_limit_mb=2048 -malloc_limit_mb=512 -artifact_prefix="$findings/$1-" -print_final_stats=1 -verbosity=1 "$3"
}

failed=0
for target in $targets; do
  reader=$(reader_of "$target")
  [ -x "build/fuzz/fuzz/$target" ] || die "there is no build/fuzz/fuzz/$target"
  corpus=build/fuzz-corpus/$target
  mkdir -p "$corpus"
  $python scripts/fuzz_corpus.py "$target" "$corpus" --millijoule "$millijoule"

  say "$target: $runs executions over $(find "$corpus" -type f | wc -l) files"
  log=build/$target.log
  if fuzz "$target" "$runs" "$corpus" "build/$target.profraw" >"$log" 2>&1; then
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)|^Done' "$log"
    "llvm-profdata-$clang_version" merge -sparse "build/$target.profraw" -o "build/$target.profdata"
    "llvm-cov-$clang_version" report "build/fuzz/fuzz/$target" -instr-profile="build/$target.profdata" \
      -show-region-summary=0 -show-branch-summary=0 -use-color=0 | lines_of "$reader"
  else
    tail -40 "$log"
    say "$target FAILED: the input is in $findings, the whole log in $log"
    failed=1
  fi

  planted=${target}_planted
  [ -x "build/fuzz/fuzz/$planted" ] || continue
  if fuzz "$planted" "$runs" "$corpus" /dev/null >"build/$planted.log" 2>&1; then
    say "$planted FAILED: $runs executions did not find the planted bug"
    failed=1
  else
    say "$planted: found the planted bug"
    rm -f $findings/"$planted"-*
  fi
done
exit $failed
