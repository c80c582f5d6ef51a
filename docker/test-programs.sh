#!/bin/sh
# Usage: test-programs.sh
# Tests all that needs no container: format, lints, units, the programs, the simulation, the length of a turn, and the
# guide, whose commands need target/release. STRICT=1 makes an error of each warning about format and lints; without it
# they stay warnings, because a newer Rust has new ones.
set -eu
. "$(dirname "$0")/lib.sh"

check_format() {
    if ! cargo fmt --version >/dev/null 2>&1; then
        skip 'no rustfmt: cargo fmt'
    elif ! cargo fmt --all --check; then
        [ -z "${STRICT-}" ] || fail 'not formatted: cargo fmt --all'
        say 'warning: not formatted as this Rust does it: cargo fmt --all' >&2
    fi
}

check_lints() {
    if ! cargo clippy --version >/dev/null 2>&1; then
        skip 'no clippy: cargo clippy'
    elif [ -n "${STRICT-}" ]; then
        cargo clippy --workspace --all-targets --locked -- -D warnings
    else
        cargo clippy --workspace --all-targets --locked -- --cap-lints warn
    fi
}

need_rust_on_linux
cd "$root"
check_format
check_lints
cargo test --workspace --locked
cargo test --release --locked --package echo-reactor --test simulation --test turns
cargo test --locked --package echo-guide -- --ignored
