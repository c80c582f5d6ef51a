#!/bin/sh
# Usage: build-images.sh
# Builds echo-reactor:latest and echo-client:latest: in Docker where the builder image is present
# or can be pulled, else around programs that the host's cargo builds.
# PULL_TIMEOUT=SECONDS bounds the pull; 0 skips it.
set -eu
. "$(dirname "$0")/lib.sh"

builder=rust:1.95-slim-bookworm
programs='echo-reactor echo-client'

build_in_docker() {
    say "Building the images in $builder: a few minutes the first time"
    for program in $programs; do
        docker build --file docker/Dockerfile --target "$program" --tag "$program:latest" . ||
            fail "the image of $program was not built: the reason stands above"
    done
}

build_on_host() {
    say "The image $builder cannot be pulled: cargo on this host builds the programs instead"
    remedy="connect this machine, then: docker pull $builder"
    [ "$(uname -s)" = Linux ] || fail "containers cannot run programs that $(uname -s) builds: $remedy"
    need_cargo ", or $remedy"
    host=$(rustc -vV | sed -n 's/^host: //p')
    # As in the Dockerfile: static, because the final images hold no libc.
    RUSTFLAGS='-C target-feature=+crt-static' CARGO_PROFILE_RELEASE_STRIP=symbols \
        cargo build --release --locked --package echo-reactor --package echo-client \
        --target "$host" --target-dir target ||
        fail 'the programs were not built: the reason stands above'
    mkdir -p docker/bin
    for program in $programs; do
        cp "target/$host/release/$program" docker/bin/
        quietly docker build --file docker/Dockerfile.prebuilt --target "$program" \
            --tag "$program:latest" docker/bin ||
            fail "the image of $program was not built: the reason stands above"
    done
}

need_engine
cd "$root"
if have_image "$builder" || pull_image "$builder"; then
    build_in_docker
else
    build_on_host
fi
for program in $programs; do
    docker image inspect --format '{{.Size}}' "$program" |
        awk -v name="$program:latest" '{ printf "%s is ready, %.2f MB\n", name, $1 / 1000000 }'
done
