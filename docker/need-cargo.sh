#!/bin/sh
# Usage: need-cargo.sh
# Fails with one line that says what to install where cargo is missing.
set -eu
. "$(dirname "$0")/lib.sh"

need_cargo '; to run in containers Docker is enough: make docker-compose-up'
