#!/bin/sh
# Usage: need-cargo.sh
# Fails with one line that says what works instead, or what to install, where cargo cannot build the programs.
set -eu
. "$(dirname "$0")/lib.sh"

need_rust_on_linux
