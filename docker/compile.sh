#!/bin/sh
# Usage: compile.sh FOLDER
# Compiles all programs for images without a libc, from the sources in the current folder, and puts them into
# FOLDER. The builder's image and a host without it do the same, and get the same bytes wherever the sources are.
set -eu

# Flags that have spaces in them can only be given in this form, with a unit separator between them.
separator=$(printf '\037')
CARGO_ENCODED_RUSTFLAGS=-Ctarget-feature=+crt-static
CARGO_ENCODED_RUSTFLAGS=$CARGO_ENCODED_RUSTFLAGS$separator--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo
CARGO_ENCODED_RUSTFLAGS=$CARGO_ENCODED_RUSTFLAGS$separator--remap-path-prefix=$(pwd)=/src
export CARGO_ENCODED_RUSTFLAGS CARGO_PROFILE_RELEASE_STRIP=symbols

# A named target keeps the flags from build scripts.
target=$(rustc -vV | sed -n 's/^host: //p')
# In the background, so that a signal to this script ends it.
trap 'kill "$cargo"; exit 143' TERM
cargo build --release --locked --package echo-reactor --package echo-client --package echo-scope \
    --target "$target" --target-dir target &
cargo=$!
wait "$cargo"
for program in echo-reactor echo-client echo-scope; do
    # An older one may be running, or be a second name of one of cargo's files.
    rm -f "$1/$program"
    cp "target/$target/release/$program" "$1/"
    # Whatever the umask is: the containers' user runs them.
    chmod 755 "$1/$program"
done
