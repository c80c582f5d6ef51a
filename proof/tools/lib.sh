# shellcheck shell=sh disable=SC2034
# What the scripts in this folder share. Sourced, never run: . "$(dirname "$0")/lib.sh"

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit

say() {
    printf '%s\n' "$*"
}

# fail WORD...: one line that says what is wrong and what to do about it.
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# need_tool NAME: a subcommand of cargo.
need_tool() {
    cargo "$1" --version >/dev/null 2>&1 ||
        fail "cargo-$1 is not installed: cargo install --locked cargo-$1"
}

# quietly COMMAND...: its output is shown only if it fails.
quietly() {
    quiet_output=$("$@" 2>&1) && return
    printf '%s\n' "$quiet_output" >&2
    return 1
}
