# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034  # the variables are for those who source this
# Sourced by the verbs, with the repository's root as the current directory. Sets nothing up by itself.

jobs=${MJ_JOBS:-$(nproc)}
python=.venv/bin/python
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1 # so that another clone finds what this one compiled

say() { printf '==> %s\n' "$*"; }
die() {
  printf 'run: %s\n' "$*" >&2
  exit 4
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

distribution() { # of /etc/os-release: debian, ubuntu, ...
  # shellcheck disable=SC1091
  (. /etc/os-release && echo "$ID")
}

# The packages of a group. Clang's run-time library carries the version in its name, so it follows the default clang.
packages() {
  case $1 in
    build)
      echo g++ cmake ninja-build pkg-config ccache libprotozero-dev libssl-dev zlib1g-dev libfmt-dev nlohmann-json3-dev \
        libcli11-dev libdnnl-dev libgtest-dev libbenchmark-dev
      ;;
    python) echo python3 python3-venv ;;
    voice) echo espeak-ng ;;
    picture) echo fonts-dejavu-core ;;
    cross) echo g++-aarch64-linux-gnu qemu-user ;;
    fuzz)
      case $(distribution) in
        ubuntu) echo clang llvm libclang-rt-18-dev ;;
        *) echo clang llvm libclang-rt-14-dev ;;
      esac
      ;;
    lint) echo clang-tidy shellcheck ;;
    list) echo git ;; # which files are ours
    *) die "no package group '$1'" ;;
  esac
}

# need GROUP...: installs the packages of these groups that are missing. Asks dpkg only, unless something is.
need() {
  command -v dpkg-query >/dev/null || {
    say "no dpkg here; taking for granted: $(for group in "$@"; do packages "$group"; done | tr '\n' ' ')"
    return 0
  }
  missing=
  for group in "$@"; do
    for package in $(packages "$group"); do
      case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
        *" installed") ;;
        *) missing="$missing $package" ;;
      esac
    done
  done
  [ -n "$missing" ] || return 0
  [ -z "${MJ_NO_INSTALL:-}" ] || die "missing packages:$missing"
  say "installing:$missing"
  as_root apt-get update -qq || die "apt-get update failed; the packages$missing are needed"
  # shellcheck disable=SC2086  # a list of names
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    die "apt-get could not install$missing"
}

# need_python NAME...: .venv with scripts/requirements-NAME.txt, reinstalled when that file has changed. The models file
# lists packages wanted for the networks they carry, not for their code, so it goes in without their dependencies.
need_python() {
  need python
  [ -x $python ] || python3 -m venv .venv
  for name in "$@"; do
    file=scripts/requirements-$name.txt
    stamp=.venv/installed-$name.txt
    cmp -s "$file" "$stamp" && continue
    [ -z "${MJ_NO_INSTALL:-}" ] || die "missing Python packages of $file"
    say "installing the Python packages of $file"
    options=
    [ "$name" != models ] || options=--no-deps
    # shellcheck disable=SC2086
    $python -m pip install --quiet --disable-pip-version-check $options -r "$file" || die "pip could not install $file"
    cp "$file" "$stamp"
  done
}

# configure PRESET [cmake arguments]: once; ninja runs cmake again by itself when a CMake file or a glob changes.
configure() {
  preset=$1
  shift
  [ -f "build/$preset/build.ninja" ] && [ $# -eq 0 ] || cmake --preset "$preset" "$@" >"build/configure-$preset.log" 2>&1 || {
    cat "build/configure-$preset.log" >&2
    die "cmake --preset $preset failed"
  }
}
