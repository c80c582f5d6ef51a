#!/bin/sh
# Usage: deny.sh
# Checks the packages that we depend on against deny.toml beside it. Known vulnerabilities are listed by a
# database that has to be fetched; where it cannot be, the rest is checked and a line says so.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/docker/lib.sh"

need_cargo ''
cargo deny --version >/dev/null 2>&1 ||
    fail 'cargo-deny is not installed: cargo install --locked cargo-deny'
cd "$root"

cargo deny --locked check --config proof/tools/deny.toml licenses bans sources
if bounded 60 cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --locked check --config proof/tools/deny.toml --disable-fetch advisories
else
    say 'advisories skipped: their database cannot be reached from here'
fi
