#!/bin/sh
# Usage: build.sh
# Builds both programs on this machine, into target/release.
set -eu
. "$(dirname "$0")/lib.sh"

need_rust_on_linux
cd "$root"
# Cargo's configuration may name another target. Then nothing old must pass for what was built.
rm -f target/release/echo-reactor target/release/echo-client
cargo build --release --locked --package echo-reactor --package echo-client --target-dir target
if [ ! -x target/release/echo-reactor ] || [ ! -x target/release/echo-client ]; then
    fail 'cargo has built for another target than this machine: its configuration (.cargo/config.toml) sets build.target'
fi
