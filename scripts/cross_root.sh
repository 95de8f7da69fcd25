#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fills build/aarch64-root with the arm64 libraries the cross build links, unpacked from the distribution's packages.
# apt runs on lists and a status file of its own under build/, so the host's packages and architectures stay as they are.
set -eu
. scripts/common.sh
root=build/aarch64-root
libraries="libssl-dev zlib1g-dev zlib1g libfmt-dev libfmt9 libgtest-dev libprotozero-dev nlohmann-json3-dev libcli11-dev"
case $(distribution) in
  ubuntu) libraries="$libraries libssl3t64" ;;
  *) libraries="$libraries libssl3" ;;
esac
[ "$(cat $root/complete 2>/dev/null)" != "$libraries" ] || exit 0
[ -z "${MJ_NO_INSTALL:-}" ] || die "missing $root; run ./run setup"

apt=$PWD/build/aarch64-apt
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
: >"$apt/status"
set -- -qq -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
  -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root

if [ "$(distribution)" = ubuntu ]; then # arm64 lives on another server there
  # shellcheck disable=SC1091
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  ports="[signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] ${MJ_UBUNTU_PORTS:-http://ports.ubuntu.com/ubuntu-ports}"
  for suite in "$release" "$release-updates" "$release-security"; do
    echo "deb $ports $suite main universe"
  done >"$apt/sources.list"
  set -- "$@" -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
fi

say "fetching arm64 libraries into $root"
apt-get "$@" update || say "apt-get update complained; going on with what it has"
# shellcheck disable=SC2086  # a list of names
(cd "$apt/debs" && apt-get "$@" download $libraries) || die "could not fetch the arm64 packages"
for deb in "$apt"/debs/*.deb; do dpkg-deb --extract "$deb" $root; done
echo "$libraries" >$root/complete
rm -r "$apt"
