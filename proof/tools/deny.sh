#!/bin/sh
# Usage: deny.sh
# Checks the packages that we depend on against deny.toml. The list of known vulnerabilities has to be
# fetched. Where that fails, a line says so, and everything else is checked.
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
