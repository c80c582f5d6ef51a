#!/bin/sh
# Usage: build.sh
# Builds the programs on this machine, into target/release.
set -eu
. "$(dirname "$0")/lib.sh"

need_rust_on_linux
cd "$root"
# Cargo's configuration may name another target. Then nothing old must pass for what was built.
for program in echo-reactor echo-client echo-scope; do
    rm -f "target/release/$program"
done
cargo build --release --locked --package echo-reactor --package echo-client --package echo-scope --target-dir target
for program in echo-reactor echo-client echo-scope; do
    [ -x "target/release/$program" ] ||
        fail 'cargo has built for another target than this machine: its configuration (.cargo/config.toml) sets build.target'
done
