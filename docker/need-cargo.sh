#!/bin/sh
# Usage: need-cargo.sh
# Fails with one line that says what works instead, or what to install, where the programs cannot be built.
set -eu
. "$(dirname "$0")/lib.sh"

on_linux || fail "the programs are for Linux, not for $(uname -s): in containers they run here too: make docker-compose-up"
need_cargo '; to run in containers Docker is enough: make docker-compose-up'
