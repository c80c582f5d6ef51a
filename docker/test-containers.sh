#!/bin/sh
# Usage: test-containers.sh
# Tests the demo, and in containers the environment and its faults.
set -eu
. "$(dirname "$0")/environment.sh"

# Where no registry is reached it is asked once here, and not by each program of the tests. The netcat image has a
# source of its own.
ask_the_registry_once() {
    if ! have_image "$builder" && ! pull_image "$builder"; then
        say "The image $builder cannot be pulled ($(reason)): the tests do not try again"
        sh docker/netcat-image.sh
        export PULL_TIMEOUT=0
    fi
}

need_rust_on_linux
cd "$root"
if engine_answers; then
    ask_the_registry_once
fi
cargo test --locked --package echo-containers -- --ignored
