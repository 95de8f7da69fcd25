#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test.sh [stage...]: everything CI checks (checks unit e2e aarch64 tsan), or the stages named: also asan.
# A stage that cannot be built counts as one failure; the others still run.
# The results lie in build/test-results/STAGE; the last line sums them up.
set -eu
. scripts/common.sh
[ $# -gt 0 ] || set -- checks unit e2e aarch64 tsan
for stage in "$@"; do
  case $stage in
    checks | unit | e2e | aarch64 | asan | tsan) ;;
    *)
      echo "run: no test stage '$stage'; there are: checks unit e2e aarch64 tsan asan" >&2
      exit 2
      ;;
  esac
done
results=$PWD/build/test-results
rm -rf "$results"
need build

# record STAGE NAME COMMAND...: one result of its own.
record() {
  stage=$1 name=$2
  shift 2
  if "$@"; then outcome=passed; else outcome=failed; fi
  echo "$outcome $name" >>"$results/$stage/plain.txt"
  [ $outcome = passed ]
}

build_target() { (configure "$1") && cmake --build "build/$1" -j "$jobs" --target "$2"; }

# ctests STAGE PRESET TARGET [ctest arguments]: builds the target and runs the preset's tests.
runner=
ctests() {
  stage=$1 preset=$2 target=$3
  shift 3
  record "$stage" build build_target "$preset" "$target" || return 0
  GTEST_OUTPUT=xml:$results/$stage/gtest/ GTEST_BRIEF=1 \
    $runner ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=ignore \
    --output-junit "$results/$stage/ctest.xml" "$@" || true # the tally decides
}

# end_to_end STAGE PRESET: whole programs through the preset's millijoule.
end_to_end() {
  need_python test
  record "$1" build build_target "$2" shipped || return 0
  MILLIJOULE=$PWD/build/$2/millijoule $python -m pytest -q test/e2e --junitxml="$results/$1/pytest.xml" || true
}

for stage in "$@"; do
  say "stage $stage ($(date +%H:%M:%S))"
  mkdir -p "$results/$stage/gtest"
  case $stage in
    checks)
      need list
      need_python format
      for check in layers spdx; do record checks $check $python scripts/$check.py || true; done
      record checks format sh scripts/format.sh --check || true
      ;;
    unit) ctests unit release all -LE checks --timeout 600 ;;
    e2e) end_to_end e2e release ;;
    aarch64)
      need cross
      sh scripts/cross_root.sh
      ctests aarch64 aarch64 all -LE checks --timeout 1500
      ;;
    asan)
      export UBSAN_OPTIONS=print_stacktrace=1
      ctests asan asan all -LE checks --timeout 1500
      end_to_end asan asan
      ;;
    tsan)
      # g++ 12's ThreadSanitizer cannot start where the kernel randomises more than 28 bits of the address space.
      if setarch -R true 2>/dev/null; then runner="setarch -R"; fi
      ctests tsan tsan mj_threads_tests -L threads --timeout 1500
      runner=
      ;;
  esac
done
exec python3 scripts/tally.py "$results" "$@"
