#!/bin/sh
# Usage: deny.sh
# Checks the packages that we depend on against deny.toml beside it. The list of known vulnerabilities
# has to be fetched; where that fails, the rest is checked and a line says so.
set -eu
. "$(dirname "$0")/lib.sh"

config=proof/tools/deny.toml

need_tool deny
cargo deny --locked --config "$config" check licenses bans sources
if timeout 60 cargo deny --config "$config" fetch db >/dev/null 2>&1; then
    cargo deny --locked --offline --config "$config" check advisories
else
    say 'advisories skipped: their database cannot be reached from here'
fi
