#!/bin/sh
# Usage: logs.sh
# Follows the logs of the environment; without colours where a pipe reads them, for grep's sake.
set -eu
. "$(dirname "$0")/environment.sh"

# Compose 2 begins each line with "erase this line", in a pipe too.
plain() {
    erase=$(printf '\033[2K')
    while IFS= read -r line; do
        printf '%s\n' "${line#"$erase"}"
    done
}

follow() {
    if [ -t 1 ]; then
        compose logs --follow 2>"$scratch/output"
    else
        mkfifo "$scratch/lines"
        plain <"$scratch/lines" &
        compose logs --follow --no-color >"$scratch/lines" 2>"$scratch/output"
        wait
    fi
}

# To end the reading is no failure, and leaves nothing behind.
clean_up() { :; }
trap 'exit 0' INT

need_engine
refuse_foreign
[ -n "$(surveyed 1)" ] || fail 'there is nothing to read: make docker-compose-up'
if ! follow && [ -s "$scratch/output" ] && ! grep -q '[Bb]roken pipe' "$scratch/output"; then
    fail "$(reason)"
fi
