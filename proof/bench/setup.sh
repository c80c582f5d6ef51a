#!/bin/sh
# Installs what is needed to build the benchmark's peers, and builds them.
#
#   setup.sh [DIRECTORY]      DIRECTORY: where they are built, bench in cargo's target by default
#
# From Debian's packages: gcc, make, libuv, Go, Python, strace, iproute2. From PyPI, into a virtual environment
# under DIRECTORY: uvloop. What can't be installed is named, and its peers are skipped by the benchmark.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${1:-${CARGO_TARGET_DIR:-$here/../../target}/bench}
mkdir -p "$built"
built=$(cd "$built" && pwd)

packages='gcc libc6-dev make libuv1-dev golang-go python3 python3-venv strace iproute2'

say() { printf 'bench-setup: %s\n' "$*"; }

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    command -v apt-get >/dev/null || { say "no apt-get here; install by hand: $packages"; return; }
    missing=''
    for package in $packages; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || { say 'all packages are installed'; return; }
    as_root=''
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "not root and no sudo; install by hand:$missing"; return; }
        as_root=sudo
    fi
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get update -qq || say 'the package lists could not be refreshed'
    for package in $missing; do
        $as_root apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
            say "$package could not be installed"
    done
}

install_uvloop() {
    python=$built/venv/bin/python
    if [ -x "$python" ] && "$python" -c 'import uvloop' 2>/dev/null; then
        say 'uvloop is installed'
        return
    fi
    # Debian's own interpreter where there is one, not whatever comes first in the path.
    system=/usr/bin/python3
    [ -x "$system" ] || system=python3
    say 'installing uvloop'
    "$system" -m venv "$built/venv" || { say 'no virtual environment could be made'; return; }
    "$python" -m pip install --quiet 'uvloop>=0.21,<1' || say 'uvloop could not be installed'
}

install_packages
install_uvloop
make -s -C "$here/peers" OUT="$built"
say "the peers are in $built"
