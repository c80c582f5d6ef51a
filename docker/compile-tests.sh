#!/bin/sh
# Usage: compile-tests.sh
# In the builder's image: compiles the tests and the programs of the checkout in the current folder, without a libc, so
# that they run on any Linux. Prints a line for each program of tests: PROFILE, the package's folder, the program.
set -eu

# The checkout's owner has to own what is made here, whoever that is in this container.
trap 'chown -R --reference=Cargo.toml target' EXIT
# In the background, so that a signal to this script ends it.
trap 'exit 143' TERM

attend() {
    "$@" &
    wait "$!"
}

target=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_INCREMENTAL=0 RUSTFLAGS=-Ctarget-feature=+crt-static
mkdir -p target/release

cargo_test() {
    attend cargo test --locked --target "$target" --target-dir target "$@"
}

# compile PROFILE ARGUMENT...
compile() {
    profile=$1
    shift
    cargo_test --no-run --message-format json-render-diagnostics "$@" >"target/tests.$profile"
    sed -n "s|.*\"manifest_path\":\"\([^\"]*\)/Cargo.toml\".*\"test\":true},\"features\".*\"executable\":\"\([^\"]*\)\".*|$profile\t\1\t\2|p" \
        "target/tests.$profile"
}

compile debug --workspace
compile release --release --package echo-reactor --test simulation --test turns
# Only the compiler can run the examples of the documentation.
cargo_test --workspace --doc >&2
unset RUSTFLAGS
attend sh docker/compile.sh target/release >&2
